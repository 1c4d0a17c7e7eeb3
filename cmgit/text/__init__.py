"""Text search: ranked answers to ``find --text=WORDS``, from an index of words beside the index.

* :mod:`.words`: what is asked for; :mod:`.ranked`: what is answered.
* :mod:`.lookup`: the fast way from words to ranked matches, for as long as the text index is true;
  :mod:`.state` says for how long that is.
* :mod:`.engine` and :mod:`.writer`: tantivy; :mod:`.terms`: by what a query selects.
* :mod:`.document`: what of an artifact is searched; :mod:`.snippet`: what of it is shown.
* :mod:`.update` brings the text index up to date: :mod:`.changes` tells what changed,
  :mod:`.reader` reads it, :mod:`.build` makes the next generation.

README.md describes the files. Like the index it is derived from Git and the disk, and disposable.
"""
