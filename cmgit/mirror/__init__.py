"""Mirrors: many repositories kept as they are elsewhere, in step, checked, carried away.

* :mod:`.sources`: the set of what is mirrored, a file of the home; :mod:`.state`: what is known of
  the other side of each.
* :mod:`.sync`: one mirror brought in step; :mod:`.fleet`: many at once.
* :mod:`.signed`: whether branches and tags are signed; :mod:`.signatures`: by whom.
* :mod:`.verify`: whether a mirror is whole, as its source was, and not too old.
* :mod:`.exports`, :mod:`.imports`: repositories as files, across an air gap; :mod:`.manifest` says
  what an export holds.
"""
