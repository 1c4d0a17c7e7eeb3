"""Trees as lines, held against trees that are parsed whole."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmgit.errors import Damaged
from cmgit.store.objects import (
    EXECUTABLE,
    FILE,
    TREE,
    MemoryStore,
    ObjectID,
    Tree,
    TreeEntry,
    encode_tree,
    read_tree,
)
from cmgit.store.treelines import edit_tree, read_differing, read_entries, read_names

NAMES = st.text(st.sampled_from("ab .-0é\udcff_"), min_size=1, max_size=3) | st.sampled_from(
    ["_cm.yaml", "x _cm.yaml", "a_cm.yaml"]
)
ENTRIES = st.builds(
    TreeEntry,
    st.sampled_from([FILE, EXECUTABLE, TREE]),
    st.sampled_from([ObjectID("61" * 20), ObjectID("20612d" + "00" * 17), ObjectID("b0" * 20)]),
)  # ids that look like names
TREES = st.dictionaries(NAMES, ENTRIES, max_size=20)


@given(TREES, st.lists(NAMES, max_size=20).map(tuple))
def test_reading(tree: Tree, names: tuple[str, ...]) -> None:
    """The names in the order of Git, and the entries of some names."""
    store = MemoryStore()
    oid = store.put("tree", encode_tree(tree))
    assert read_names(store, oid) == list(read_tree(store, oid))
    assert read_entries(store, oid, names) == {n: tree[n] for n in names if n in tree}


@given(TREES, TREES)
def test_differing(old: Tree, new: Tree) -> None:
    """What the other has not; of no tree, everything."""
    store = MemoryStore()
    oids = [store.put("tree", encode_tree(tree)) for tree in (old, new)]
    one, other = read_differing(store, *oids)
    assert one == {n: e for n, e in old.items() if new.get(n) != e}
    assert other == {n: e for n, e in new.items() if old.get(n) != e}
    assert read_differing(store, "", oids[0]) == [{}, old]


@given(TREES, st.dictionaries(NAMES, st.none() | ENTRIES, max_size=20), st.booleans())
def test_editing(tree: Tree, edits: dict[str, TreeEntry | None], in_order: bool) -> None:
    """As if the whole tree were encoded anew, one that is not sorted too."""
    store = MemoryStore()
    data = encode_tree(tree)
    if not in_order:
        data = b"".join(encode_tree({name: tree[name]}) for name in tree)
    oid = store.put("tree", data)
    old = read_entries(store, oid, tuple(edits))
    edited = edit_tree(store, oid, old, edits)
    wanted = {n: e for n, e in {**tree, **edits}.items() if e is not None}
    assert read_tree(store, store.put("tree", edited)) == wanted
    if in_order:
        assert edited == encode_tree(wanted)
    assert edit_tree(store, "", {}, edits) == encode_tree({n: e for n, e in edits.items() if e})


def test_order_of_git(tmp_path: Path) -> None:
    """Directories sort as if with a slash, as in a tree that Git makes."""
    names = ["a", "a-b", "a.b", "a0", "aa"]
    blob = ObjectID("e69de29bb2d1d6434b8b29ae775ad8c2e48c5391")
    tree = {name: TreeEntry(FILE, blob) for name in names}
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    store = MemoryStore()
    empty = ObjectID("4b825dc642cb6eb9a060e54bf8d69288fbee4904")
    for directory in names:
        oid = store.put("tree", encode_tree(tree))
        edits = {directory: TreeEntry(TREE, empty)}
        old = read_entries(store, oid, (directory,))
        edited = store.put("tree", edit_tree(store, oid, old, edits))
        lines = [
            f"{'040000 tree' if name == directory else '100644 blob'} "
            f"{empty if name == directory else blob}\t{name}\n"
            for name in names
        ]
        words = ["git", "-C", str(tmp_path), "mktree", "--missing"]
        made = subprocess.run(words, input="".join(lines), text=True, capture_output=True)
        assert made.stdout.strip() == edited


@pytest.mark.parametrize("data", [b"100644 a", b"100644 a\0short", b"\0" * 10])
def test_damaged(data: bytes) -> None:
    """What is no tree is said to be none."""
    store = MemoryStore()
    oid = store.put("tree", data)
    with pytest.raises(Damaged, match=oid):
        read_names(store, oid)
    with pytest.raises(Damaged, match=oid):
        edit_tree(store, oid, {}, {"b": None})
    with pytest.raises(Damaged, match="not a tree"):
        read_names(store, store.put("blob", b""))
