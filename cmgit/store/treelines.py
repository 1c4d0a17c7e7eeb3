"""Trees as their lines: what is not needed of a large one is not parsed.

A line of a tree is ``MODE NAME NUL`` and the 20 bytes of the object's id (``git-ls-tree(1)`` shows
them); lines are sorted by :func:`~.objects.tree_order`.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from functools import lru_cache

from ..errors import Damaged
from .objects import (
    ObjectID,
    ObjectStore,
    Tree,
    TreeEntry,
    encode_entry,
    encode_tree,
    parse_tree,
    read_tree,
    tree_data,
    tree_order,
)

_LINE = re.compile(rb"[^\0]*\0.{20}", re.DOTALL)
_NAME = re.compile(rb"[0-7]+ ([^\0]+)\0.{20}", re.DOTALL)
_FEW = 16  # names: more are looked up in the whole tree


def read_names(store: ObjectStore, oid: ObjectID | str) -> list[str]:
    """The names in a tree, in Git's order. Raises Damaged."""
    data = tree_data(store, oid)
    _lines(oid, data)  # for what it raises
    names: list[bytes] = _NAME.findall(data)
    text = b"\0".join(names).decode("utf-8", "surrogateescape")
    return text.split("\0") if text else []


def read_entries(store: ObjectStore, oid: ObjectID | str, names: tuple[str, ...]) -> Tree:
    """Those entries of a tree that have one of some names. Raises Damaged."""
    if len(names) > _FEW:
        tree = read_tree(store, oid)
        return {name: tree[name] for name in names if name in tree}
    data, ends = tree_data(store, oid), _ends(names)
    if not any(end in data for end in ends):
        return {}
    found = [line for line in _lines(oid, data) if line.endswith(ends, 0, -20)]
    parsed = parse_tree(oid, b"".join(found))
    return {name: entry for name, entry in parsed.items() if name in names}  # none with a space


@lru_cache(maxsize=64)
def _ends(names: tuple[str, ...]) -> tuple[bytes, ...]:
    """How the lines of a tree that have these names end, before the id."""
    return tuple(b" " + name.encode("utf-8", "surrogateescape") + b"\0" for name in names)


def read_differing(store: ObjectStore, old: ObjectID | str, new: ObjectID | str) -> list[Tree]:
    """The entries of two trees (an empty id: of none) that the other does not have. Raises
    Damaged."""
    one, other = (_lines(oid, tree_data(store, oid)) if oid else [] for oid in (old, new))
    start = _same(one, other)
    end = _same(one[start:][::-1], other[start:][::-1])
    one, other = one[start : len(one) - end], other[start : len(other) - end]
    same = set(one) & set(other)
    return [
        parse_tree(oid, b"".join(line for line in lines if line not in same))
        for oid, lines in ((old, one), (new, other))
    ]


def _same(one: Sequence[bytes], other: Sequence[bytes]) -> int:
    """How many lines are the same before the first that differs."""
    low, high = 0, min(len(one), len(other))
    while low < high:  # halves are compared much faster than lines in turn
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def edit_tree(
    store: ObjectStore, oid: ObjectID | str, old: Tree, edits: Mapping[str, TreeEntry | None]
) -> bytes:
    """The bytes of a tree (an empty id: of none) with entries put in, replaced or, with None,
    taken out; ``old`` has the entries of these names that are there. Raises Damaged."""
    lines = _lines(oid, tree_data(store, oid)) if oid else []
    cuts = [(at, at + 1, b"") for name in old if (at := _find(lines, name, old[name])) >= 0]
    if len(cuts) != len(old):  # not sorted: no program of today writes such a tree
        tree = {**read_tree(store, oid), **edits}
        return encode_tree({name: entry for name, entry in tree.items() if entry is not None})
    added = sorted((encode_entry(n, e) for n, e in edits.items() if e), key=tree_order)
    cuts += [(at := bisect_left(lines, tree_order(a), key=tree_order), at, a) for a in added]
    result, end = [], 0
    for start, stop, line in sorted(cuts, key=lambda cut: cut[:2]):
        result += [*lines[end:start], line]
        end = stop
    return b"".join(result + lines[end:])


def _find(lines: list[bytes], name: str, entry: TreeEntry) -> int:
    """The number of the line of an entry, or -1 where it is not where it should be."""
    order = tree_order(encode_entry(name, entry))
    at = bisect_left(lines, order, key=tree_order)
    return at if at < len(lines) and tree_order(lines[at]) == order else -1


@lru_cache(maxsize=2)  # a change looks several times at the tree that it changes
def _lines(oid: ObjectID | str, data: bytes) -> list[bytes]:
    lines: list[bytes] = _LINE.findall(data)
    if sum(map(len, lines)) != len(data):
        raise Damaged(f"tree {oid} does not parse", "run 'git fsck'")
    return lines
