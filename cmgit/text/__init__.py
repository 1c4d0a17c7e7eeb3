"""Text search: ranked answers to ``find --text=WORDS``, from an index of words beside the index.

* :mod:`.words`: what is asked for; :mod:`.match`: one answer.
* :mod:`.lookup`: the fast way from words to ranked matches, for as long as the text index is true.
* :mod:`.engine`: the only importer of tantivy.
* :mod:`.document`: what of an artifact is searched; :mod:`.snippet`: what of it is shown.
* :mod:`.changes` and :mod:`.update`: bringing the text index up to date.

README.md describes the files. Like the index it is derived from Git and the disk, and disposable.
"""
