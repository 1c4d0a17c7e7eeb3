"""Read-only check-outs of trees: whole, made once, and never out of their directory."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from cmgit.errors import Damaged
from cmgit.store.checkout import (
    changed_files,
    checkout,
    contained_link,
    remove_checkout,
    verify_object,
    write_files,
)
from cmgit.store.git import GitRepository
from cmgit.store.objects import (
    EXECUTABLE,
    FILE,
    LINK,
    SUBMODULE,
    MemoryStore,
    ObjectID,
    TreeEntry,
    encode_tree,
)
from cmgit.store.trees import edit


def tree_of(store: MemoryStore, files: dict[str, tuple[int, bytes]]) -> ObjectID:
    """Put a tree with files of a mode and content each."""
    entries = {p: TreeEntry(mode, store.put("blob", data)) for p, (mode, data) in files.items()}
    return edit(store, "", entries)


@pytest.fixture
def store() -> MemoryStore:
    """A store, empty."""
    return MemoryStore()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where the check-outs go."""
    return tmp_path / "trees"


def test_checkout_is_git_checkout(make_repo, git, tmp_path, place):
    """The same files, modes and links as a work tree of Git, read-only."""
    path = make_repo("demo", "a", files={"dir with space/é": b"\0\xff", "empty": "", "tool": "x"})
    (path / "tool").chmod(0o755)
    (path / "script" / "link").symlink_to("a/run.sh")
    git(path, "add", "--all")
    git(path, "commit", "-q", "-m", "more")
    made = Path(checkout(GitRepository.open(str(path)).objects, git(path, "write-tree").strip(),
                         str(place)))  # fmt: skip
    git(path, "worktree", "add", "-q", str(tmp_path / "real"))
    diff = ["diff", "-r", "--no-dereference", "-x", ".git", str(made), str(tmp_path / "real")]
    assert subprocess.run(diff, capture_output=True, text=True).stdout == ""
    assert os.access(made / "tool", os.X_OK)
    for file in made.rglob("*"):
        if file.is_file() and not file.is_symlink():
            assert stat.S_IMODE(file.stat().st_mode) & 0o222 == 0


def test_made_once(store, place):
    """A second call returns the same directory, untouched."""
    tree = tree_of(store, {"a": (FILE, b"x")})
    made = Path(checkout(store, tree, str(place)))
    before = (made / "a").stat()
    assert checkout(MemoryStore(), tree, str(place)) == str(made)
    assert (made / "a").stat() == before
    assert made.name == tree


def test_many_processes_make_one(make_repo, git, place):
    """However many ask at once, every one gets a whole directory, and nothing else is left."""
    path = make_repo("demo", files={f"many/{n}": str(n) for n in range(200)})
    tree = git(path, "rev-parse", "HEAD^{tree}").strip()
    program = (
        "import sys, os\nfrom cmgit.store.checkout import checkout\n"
        "from cmgit.store.git import GitRepository\n"
        "made = checkout(GitRepository.open(sys.argv[1]).objects, *sys.argv[2:])\n"
        "print(len(os.listdir(made + '/many')))"
    )
    command = [sys.executable, "-c", program, str(path), tree, str(place)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(4)]
    assert [process.communicate()[0] for process in running] == [b"200\n"] * 4
    assert sorted(os.listdir(place)) == sorted([tree, "locks"])


def test_what_a_killed_process_left_is_no_obstacle(store, place):
    """A half-made check-out is made anew."""
    tree = tree_of(store, {"a": (FILE, b"x")})
    half = place / f"tmp-{tree}"
    half.mkdir(parents=True)
    (half / "a").write_text("half")
    (half / "a").chmod(0o444)
    assert (Path(checkout(store, tree, str(place))) / "a").read_bytes() == b"x"
    assert not half.exists()


@pytest.mark.parametrize("part", ["tree", "subtree", "blob"])
def test_missing_objects_leave_nothing(store, place, part):
    """Damaged is raised, and no directory is there, whole or half."""
    blob = store.put("blob", b"x")
    missing = ObjectID("1" * 40)
    tree = {
        "tree": missing,
        "subtree": edit(store, "", {"a": TreeEntry(FILE, blob), "b": TreeEntry(0o40000, missing)}),
        "blob": edit(store, "", {"a": TreeEntry(FILE, blob), "b": TreeEntry(FILE, missing)}),
    }[part]
    with pytest.raises(Damaged, match=missing):
        checkout(store, tree, str(place))
    assert os.listdir(place) == ["locks"]


def test_every_object_is_hashed_again(store, place):
    """A store that gives other bytes than were asked for is noticed."""
    tree = tree_of(store, {"d/a": (FILE, b"good")})
    blob = store.put("blob", b"good")
    store._objects[blob] = ("blob", b"evil")
    with pytest.raises(Damaged, match="does not match"):
        verify_object(store, blob)
    with pytest.raises(Damaged, match="does not match"):
        checkout(store, tree, str(place))
    assert os.listdir(place) == ["locks"]


def test_damaged_subtree_is_noticed(make_repo, git, place):
    """So are the bytes of a directory below the top, in a store on disk."""
    path = make_repo("demo", "a", "b")
    one, two = (git(path, "rev-parse", f"HEAD:script/{name}").strip() for name in "ab")
    files = [path / ".git" / "objects" / oid[:2] / oid[2:] for oid in (one, two)]
    files[0].chmod(0o644)
    files[0].write_bytes(files[1].read_bytes())
    tree = git(path, "rev-parse", "HEAD^{tree}").strip()
    with pytest.raises(Damaged, match="does not match"):
        checkout(GitRepository.open(str(path)).objects, tree, str(place))
    assert os.listdir(place) == ["locks"]


@pytest.mark.parametrize("name", [".git", ".GIT", "..", ".", "a\\b", "", "d/.git/hooks", ".git "])
def test_unsafe_names(store, place, tmp_path, name):
    """A tree with a name that no check-out may write is refused; nothing leaves the directory."""
    entry = TreeEntry(FILE, store.put("blob", b"x"))
    tree = store.put(
        "tree", encode_tree({name.rpartition("/")[2] if "d/" not in name else name: entry})
    )
    if name.startswith("d/"):
        tree = edit(store, "", {name: entry})
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(Damaged, match="not safe"):
        checkout(store, tree, str(place))
    after = [path for path in sorted(tmp_path.rglob("*")) if place not in (path, *path.parents)]
    assert after == before


@pytest.mark.parametrize(
    "name",
    ["git~1", ".git\u200c", ".g\u200cit", "GIT~1"],
)
def test_names_that_other_systems_take_for_git(store, place, name):
    """Names that macOS or Windows would fold to ``.git``, as ``git fsck`` reports them."""
    with pytest.raises(Damaged, match="not safe"):
        checkout(store, tree_of(store, {name: (FILE, b"x")}), str(place))


ESCAPES = ["/etc/passwd", "..", "../x", "../../x", "a/../../x", "d/../../x", "../d/../..", "",
           "C:\\x", "..\\x", "in/../../x", "in/..", "d/./../.."]  # fmt: skip


@pytest.mark.parametrize("target", ESCAPES)
def test_links_that_lead_out_become_files(store, place, target):
    """A link that leads out of the check-out is a file that holds its target."""
    made = Path(checkout(store, tree_of(store, {"link": (LINK, target.encode())}), str(place)))
    assert not (made / "link").is_symlink()
    assert (made / "link").read_text() == target


@pytest.mark.parametrize("target", ["a", "d/a", "./a", "d", "none/x"])
def test_links_that_stay_are_links(store, place, target):
    """A link inside is a link, though what it names is not there."""
    files = {"link": (LINK, target.encode()), "a": (FILE, b"x"), "d/a": (FILE, b"y")}
    made = Path(checkout(store, tree_of(store, files), str(place)))
    assert os.readlink(made / "link") == target


def test_no_chain_of_links_leads_out(store, place, tmp_path):
    """Links that each look contained may not add up to one that is not."""
    (tmp_path / "secret").write_text("secret")
    files = {
        "sub/here": (LINK, b"."),
        "out": (LINK, b"sub/here/../../../secret"),
        "up": (LINK, b"sub/here/../.."),
        "deep/er/up": (LINK, b"../../sub/here/../.."),
        "deep/ok": (LINK, b"../a"),
        "a": (FILE, b"x"),
    }
    made = checkout(store, tree_of(store, files), str(place))
    for path in Path(made).rglob("*"):
        real = os.path.realpath(path)
        assert os.path.commonpath([real, made]) == made, path
    assert os.path.islink(os.path.join(made, "deep", "ok"))


def test_a_file_through_a_link_is_not_written(store, place, tmp_path):
    """A tree cannot hold a link and a directory of one name; if it does, nothing is written."""
    entry = TreeEntry(FILE, store.put("blob", b"x"))
    below = edit(store, "", {"evil": entry})
    link = store.put("blob", b"..")
    raw = b"120000 d\0" + bytes.fromhex(link) + b"40000 d\0" + bytes.fromhex(below)
    tree = store.put("tree", raw)
    made = checkout(store, tree, str(place))
    assert not list(tmp_path.glob("**/trees/evil"))
    assert os.path.isdir(made)


def test_submodules_are_left_out(store, place):
    """They are no part of the tree; nothing else is affected."""
    tree = edit(store, "", {"sub": TreeEntry(SUBMODULE, ObjectID("2" * 40)),
                            "a": TreeEntry(FILE, store.put("blob", b"x"))})  # fmt: skip
    made = Path(checkout(store, tree, str(place)))
    assert [p.name for p in made.iterdir() if p.is_file()] == ["a"]
    assert changed_files(store, tree, str(made)) == []


def test_changed_files(store, place):
    """What was edited, removed, or replaced in a check-out is named."""
    files = {"a": (FILE, b"a"), "b": (EXECUTABLE, b"b"), "d/c": (FILE, b"c"), "l": (LINK, b"a")}
    tree = tree_of(store, files)
    made = Path(checkout(store, tree, str(place)))
    assert changed_files(store, tree, str(made)) == []
    (made / "a").chmod(0o644)
    (made / "a").write_text("edited")
    (made / "d" / "c").unlink()
    (made / "l").unlink()
    (made / "l").symlink_to("b")
    assert changed_files(store, tree, str(made)) == ["a", "d/c", "l"]
    remove_checkout(str(made))
    assert not made.exists()
    remove_checkout(str(made))


def test_write_files_never_overwrites(store, tmp_path):
    """A file that is there already is an error, not replaced."""
    tree = tree_of(store, {"a": (FILE, b"new")})
    (tmp_path / "a").write_text("old")
    with pytest.raises(FileExistsError):
        write_files(store, tree, str(tmp_path))
    assert (tmp_path / "a").read_text() == "old"


@pytest.mark.parametrize(
    ("path", "target", "stays"),
    [("a/b", b"../c", True), ("a/b", b"../../c", False), ("a/b/c", b"../../d/e", True),
     ("a", b"x/..", False), ("a/b", b"\xff", True)],
)  # fmt: skip
def test_contained_link(path, target, stays):
    """Only links that go up first, and not further than the top, are followed."""
    assert contained_link(path, target) == stays
