"""The index: what answers look-ups. Derived from Git and disposable; README.md has the format.

Everything that ``find`` needs on its short path (:mod:`.record`, :mod:`.segment`,
:mod:`.manifest`, :mod:`.watch`, :mod:`.lookup`) imports only small modules of the standard library
and xxhash; :mod:`.writer` builds segments and needs orjson.
"""
