"""Meta descriptions: reading, merging and writing ``_cm.yaml``, ``_cm.json`` and MLC's ``meta.*``.

* :mod:`.files`: which files they are.
* :mod:`.parse`: bytes to dicts, bounded, with errors that name file and line; the identity of an
  artifact. :mod:`.identity` reads the identity alone, fast.
* :mod:`.merge`: inheritance and updates, pure functions over dicts.
* :mod:`.write`: dicts to bytes; :mod:`.roundtrip` changes YAML without losing comments and order.
"""
