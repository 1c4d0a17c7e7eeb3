"""Large files, as Git LFS has them: pointers in Git, contents beside it. The layout is in README.md.

* :mod:`.pointer`: what stands in Git; the lines of ``.gitattributes`` that go with it.
* :mod:`.objects`: the contents, by their SHA-256.
* :mod:`.remote`: where a repository's contents come from; :mod:`.batch` speaks the API of Git LFS,
  over a :mod:`.connection`; :mod:`.transfers` moves several at once.
"""
