"""Mirrors: many repositories kept as they are elsewhere, in step, and checked.

* :mod:`.sources`: the set of what is mirrored, a file of the home.
"""
