"""Reading, comparing and editing trees, by paths with ``/``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from .objects import (
    TREE,
    ObjectID,
    ObjectStore,
    Tree,
    TreeEntry,
    read_tree,
)
from .treelines import edit_tree, read_differing, read_entries

Edits = Mapping[str, TreeEntry | None]
"""What each path shall be: a blob, a whole tree, or None for gone."""


Difference = tuple[str, TreeEntry | None, TreeEntry | None]  # a path, what was there, what is


def lookup(store: ObjectStore, root: ObjectID | str, path: str) -> TreeEntry | None:
    """The entry at a path, the root itself for an empty one; None when there is nothing."""
    if not root:
        return None
    entry: TreeEntry | None = TreeEntry(TREE, ObjectID(root))
    for name in filter(None, path.split("/")):
        if entry is None or not entry.is_tree:
            return None
        entry = read_entries(store, entry.oid, (name,)).get(name)
    return entry


def subtree(store: ObjectStore, root: ObjectID | str, path: str) -> Tree:
    """The entries of the directory at a path; empty when there is none."""
    entry = lookup(store, root, path)
    return read_tree(store, entry.oid) if entry is not None and entry.is_tree else {}


def walk(
    store: ObjectStore, root: ObjectID | str, prefix: str = ""
) -> Iterator[tuple[str, TreeEntry]]:
    """Every entry below a tree that is not itself a tree, with its path, in Git's order."""
    if not root:
        return
    for name, entry in read_tree(store, root).items():
        path = f"{prefix}{name}"
        if entry.is_tree:
            yield from walk(store, entry.oid, path + "/")
        else:
            yield path, entry


def changed(
    store: ObjectStore, old: ObjectID | str, new: ObjectID | str, depth: int, prefix: str = ""
) -> Iterator[Difference]:
    """Paths at a depth whose entries differ between two trees: ``(path, old, new)``.

    Subtrees with equal ids are not read, entries that are the same not parsed. What stands above the depth and is no tree is left out.
    """
    if old == new:
        return
    before, after = read_differing(store, old, new)
    for name in sorted(before.keys() | after.keys()):
        one, other = before.get(name), after.get(name)
        if depth == 1:
            yield prefix + name, one, other
        else:
            yield from changed(store, _tree_of(one), _tree_of(other), depth - 1, f"{prefix}{name}/")


def _tree_of(entry: TreeEntry | None) -> str:
    return entry.oid if entry is not None and entry.is_tree else ""


class _Plan:
    """What becomes of one name: kept or replaced, and then edited below."""

    __slots__ = ("below", "replaced", "value")

    def __init__(self) -> None:
        self.replaced = False
        self.value: TreeEntry | None = None
        self.below: dict[str, _Plan] = {}


def edit(store: ObjectStore, root: ObjectID | str, edits: Edits) -> ObjectID:
    """Put the tree with the edits made; directories come and go as needed. Returns its id.

    An edit below another is made in what that one puts there. Only the trees on the way to an
    edit are read and written.
    """
    plan = _Plan()
    for path, entry in edits.items():
        place = plan
        for name in path.split("/"):
            place = place.below.setdefault(name, _Plan())
        place.replaced, place.value = True, entry
    return _edit(store, root, plan) or store.put("tree", b"")


def _edit(store: ObjectStore, root: ObjectID | str, plan: _Plan) -> ObjectID | None:
    names = tuple(plan.below)
    old = read_entries(store, root, names) if root else {}
    edits: dict[str, TreeEntry | None] = {}
    for name, change in plan.below.items():
        entry = change.value if change.replaced else old.get(name)
        if change.below:
            inner = _edit(store, _tree_of(entry), change)
            if inner:
                entry = TreeEntry(TREE, inner)
            elif entry is not None and entry.is_tree:
                entry = None
        edits[name] = entry
    data = edit_tree(store, root, old, edits)
    return store.put("tree", data) if data else None
