"""Trees against the plumbing of the real Git: ``write-tree``, ``ls-tree``."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cmgit.store.git import GitRepository
from cmgit.store.objects import (
    EXECUTABLE,
    FILE,
    LINK,
    SUBMODULE,
    TREE,
    MemoryStore,
    ObjectID,
    TreeEntry,
    object_id,
)
from cmgit.store.trees import changed, edit, lookup, subtree, walk

EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
Files = dict[str, TreeEntry]

names = st.sampled_from(["a", "a.", "a-", "a0", "b", "é", "A"])
paths = st.lists(names, min_size=1, max_size=4).map("/".join)
blobs = st.builds(
    TreeEntry,
    st.sampled_from([FILE, EXECUTABLE, LINK, SUBMODULE]),
    st.sampled_from([object_id("blob", b"%d" % n) for n in range(4)]),
)
files = st.dictionaries(paths, blobs, max_size=8).map(lambda found: applied({}, found))
edits = st.dictionaries(paths, st.none() | blobs | files.filter(bool), max_size=6)


def applied(before: Files, changes: dict[str, TreeEntry | Files | None]) -> Files:
    """The model: files after edits, those above before those below."""
    after = dict(before)
    for path, value in sorted(changes.items(), key=lambda item: item[0].count("/")):
        after = {p: e for p, e in after.items() if p != path and not p.startswith(path + "/")}
        new = value if isinstance(value, dict) else {"": value} if value else {}
        if new:
            above = ["/".join(path.split("/")[:n]) for n in range(1, path.count("/") + 1)]
            after = {p: e for p, e in after.items() if p not in above}
        after.update((f"{path}/{name}".rstrip("/"), entry) for name, entry in new.items())
    return after


class Plumbing:
    """The real Git on a scratch repository."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.run("init", "-q")
        for number in range(4):
            self.run("hash-object", "-w", "--stdin", input=str(number))
        self.git = GitRepository.open(directory)

    def run(self, *words: str, input: str = "") -> str:
        """Run Git."""
        done = subprocess.run(
            ["git", *words], cwd=self.directory, input=input.encode(), capture_output=True
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def write_tree(self, files: Files) -> ObjectID:
        """Write files into a new index, and that as a tree."""
        self.run("read-tree", "--empty")
        lines = [f"{entry.mode:o} {entry.oid}\t{path}\0" for path, entry in files.items()]
        self.run("update-index", "-z", "--index-info", input="".join(lines))
        return ObjectID(self.run("write-tree").strip())

    def ls_tree(self, tree: str, *words: str) -> Files:
        """The entries below a tree, as ``ls-tree`` prints them."""
        found = {}
        for line in self.run("ls-tree", "-z", *words, tree).split("\0")[:-1]:
            entry, path = line.split("\t")
            mode, _, oid = entry.split()
            found[path] = TreeEntry(int(mode, 8), ObjectID(oid))
        return found


@pytest.fixture(scope="module")
def plumbing() -> Iterator[Plumbing]:
    """One scratch repository for the module: objects only pile up."""
    directory = tempfile.mkdtemp()
    yield Plumbing(os.path.join(directory, ""))
    shutil.rmtree(directory)


@settings(max_examples=60, deadline=None)
@given(before=files, changes=edits)
def test_edit_is_write_tree(plumbing, before, changes):
    """Any edits of any tree give the id that Git gives the files that are then there."""
    objects = plumbing.git.objects
    root = plumbing.write_tree(before)
    wanted = applied(before, changes)
    real = {
        path: TreeEntry(TREE, plumbing.write_tree(value)) if isinstance(value, dict) else value
        for path, value in changes.items()
    }
    assert edit(objects, root, real) == plumbing.write_tree(wanted)
    assert edit(objects, edit(objects, "", before), real) == plumbing.write_tree(wanted)


@settings(max_examples=40, deadline=None)
@given(content=files)
def test_walk_is_ls_tree(plumbing, content):
    """Every entry with its path, in Git's order."""
    tree = plumbing.write_tree(content)
    assert list(walk(plumbing.git.objects, tree)) == list(plumbing.ls_tree(tree, "-r").items())
    assert dict(walk(plumbing.git.objects, tree)) == content


@settings(max_examples=40, deadline=None)
@given(one=files, two=files, depth=st.integers(1, 3))
def test_changed_is_what_ls_tree_shows(plumbing, one, two, depth):
    """The entries at a depth that differ, whatever is above and below."""

    def at_depth(tree: str) -> Files:
        everything = plumbing.ls_tree(tree, "-r", "-t")
        return {path: e for path, e in everything.items() if path.count("/") == depth - 1}

    trees = [plumbing.write_tree(one), plumbing.write_tree(two)]
    before, after = map(at_depth, trees)
    wanted = [
        (path, before.get(path), after.get(path))
        for path in before.keys() | after.keys()
        if before.get(path) != after.get(path)
    ]
    assert sorted(changed(plumbing.git.objects, *trees, depth)) == sorted(wanted)


@settings(max_examples=40, deadline=None)
@given(content=files, path=paths)
def test_lookup_is_ls_tree(plumbing, content, path):
    """The entry at a path, and the entries below it."""
    tree = plumbing.write_tree(content)
    wanted = plumbing.ls_tree(tree, "-r", "-t").get(path)
    assert lookup(plumbing.git.objects, tree, path) == wanted
    below = plumbing.ls_tree(wanted.oid) if wanted and wanted.is_tree else {}
    assert subtree(plumbing.git.objects, tree, path) == below


def test_nothing_left_is_the_empty_tree():
    """A tree whose last file goes is Git's empty tree; directories go with their last file."""
    store = MemoryStore()
    entry = TreeEntry(FILE, store.put("blob", b""))
    root = edit(store, "", {"a/b/c": entry, "d": entry})
    assert edit(store, root, {"a/b/c": None, "d": None}) == EMPTY_TREE
    assert dict(walk(store, edit(store, root, {"a/b/c": None}))) == {"d": entry}


def test_the_root_has_an_empty_path():
    """Looking up the empty path gives the root, and nothing in nothing."""
    store = MemoryStore()
    root = edit(store, "", {"a": TreeEntry(FILE, store.put("blob", b""))})
    assert lookup(store, root, "") == TreeEntry(TREE, root)
    assert lookup(store, "", "a") is None
    assert list(walk(store, "")) == []


def test_only_the_way_is_read():
    """Editing and comparing leave the subtrees alone that are not on the way."""
    store = MemoryStore()
    entry = TreeEntry(FILE, store.put("blob", b""))
    other = TreeEntry(TREE, ObjectID("1" * 40))  # is not in the store: reading it would raise
    root = edit(store, "", {"a/b/c": entry, "a/unread": other, "unread": other})
    after = edit(store, root, {"a/b/d": entry})
    assert [path for path, _, _ in changed(store, root, after, 3)] == ["a/b/d"]
