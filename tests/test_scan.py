"""Looking for artifacts without an index: in a commit's tree, and on the disk."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cmgit.errors import MetaError
from cmgit.index.watch import UNSURE, Signature, unchanged
from cmgit.meta.parse import MAX_META_BYTES
from cmgit.scan import Raw, read_artifact, record_of, scan_disk, tree_artifact, tree_artifacts
from cmgit.store.git import GitRepository
from cmgit.store.trees import lookup

from .conftest import Git, MakeRepo, artifact_files, meta_of, uid_of, write_files

GOOD = meta_of("a", uid_of(1)).encode()


def in_tree(path: Path, prefix: str = "") -> list[Raw]:
    """The artifacts in the tree of the head."""
    git = GitRepository.open(str(path))
    try:
        commit = git.head().commit
        assert commit is not None
        return list(tree_artifacts(git.objects, git.read_commit(commit).tree, prefix))
    finally:
        git.close()


def on_disk(path: Path, prefix: str = "") -> list[Raw]:
    """The artifacts that a first scan of the disk finds, by path."""
    changed = scan_disk(str(path), prefix, {}).changed
    return [raw for _, raw in sorted(changed.items()) if raw is not None]


def settle() -> None:
    """Let the clock of the file system tick, as it does between two people's edits."""
    time.sleep(0.03)


# -- what is found --------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["", "sub", "sub/dir"])
def test_the_tree_and_the_disk_agree(make_repo: MakeRepo, prefix: str) -> None:
    """Both find the artifacts below the prefix, with the same paths and bytes, in order."""
    files = {f"{prefix or 'x'}/readme.md": "no artifact", "elsewhere/deep/er/_cm.yaml": GOOD}
    path = make_repo("demo", "b", "a", "a-b", prefix=prefix, files=files)
    base = f"{prefix}/" if prefix else ""
    tree, disk = in_tree(path, prefix), on_disk(path, prefix)
    assert [raw.path for raw in tree] == [f"{base}script/{name}" for name in ("a", "a-b", "b")]
    assert [(raw.path, raw.files, raw.problem) for raw in tree] == [
        (raw.path, raw.files, raw.problem) for raw in disk
    ]
    assert all(len(raw.tree) == 40 for raw in tree)
    assert not any(raw.tree for raw in disk)


@pytest.mark.parametrize(
    ("files", "read"),
    [
        ({"_cm.yaml": GOOD}, ["_cm.yaml"]),
        ({"_cm.json": b"{}"}, ["_cm.json"]),
        ({"_cm.yaml": GOOD, "_cm.json": b"{}", "meta.yaml": GOOD}, ["_cm.json", "_cm.yaml"]),
        ({"meta.yaml": GOOD}, ["meta.yaml"]),
        ({"meta.yaml": GOOD, "meta.json": b"{}"}, ["meta.json", "meta.yaml"]),
    ],
)
def test_the_meta_files_of_an_artifact(
    make_repo: MakeRepo, files: dict[str, bytes], read: list[str]
) -> None:
    """CM's files before MLC's, and only they are read."""
    path = make_repo(files={f"script/a/{name}": data for name, data in files.items()})
    for (raw,) in (in_tree(path), on_disk(path)):
        assert sorted(raw.files) == read
        assert all(raw.files[name] == files[name] for name in read)


def test_what_is_no_artifact(make_repo: MakeRepo, git: Git, tmp_path: Path) -> None:
    """Files at any level, directories without a meta, and directories below artifacts."""
    files = {
        "readme.md": "", "_cm.yaml": GOOD, "script/_cm.yaml": GOOD, "script/readme.md": "",
        "script/none/run.sh": "", "script/other/_CM.yaml": GOOD, "script/deep/er/_cm.yaml": GOOD,
    }  # fmt: skip
    path = make_repo(files=files)
    assert in_tree(path) == on_disk(path) == []


def test_links_are_not_followed(make_repo: MakeRepo, git: Git) -> None:
    """A linked directory is no artifact; a linked meta file is a problem with a line."""
    path = make_repo("demo", "a")
    (path / "script" / "linked").symlink_to("a")
    (path / "linked").symlink_to("script")
    write_files(path, {"script/b/run.sh": ""})
    (path / "script" / "b" / "_cm.yaml").symlink_to("../a/_cm.yaml")
    git(path, "add", "--all")
    git(path, "commit", "-qm", "links")
    for found in (in_tree(path), on_disk(path)):
        assert [raw.path for raw in found] == ["script/a", "script/b"]
        with pytest.raises(MetaError, match=r"^demo/script/b/_cm\.yaml:1: a symbolic link"):
            record_of(found[1], "demo")


def test_a_meta_that_is_a_directory(make_repo: MakeRepo) -> None:
    """It is a problem of that artifact."""
    path = make_repo("demo", "a", files={"script/b/_cm.yaml/file": ""})
    for found in (in_tree(path), on_disk(path)):
        assert record_of(found[0], "demo")["alias"] == "a"
        with pytest.raises(MetaError, match=r"^demo/script/b/_cm\.yaml:1: "):
            record_of(found[1], "demo")


def test_repositories_inside_are_not_entered(make_repo: MakeRepo, git: Git) -> None:
    """A clone in the place of an automation or an artifact is no part; a submodule says so."""
    inner = make_repo("inner", "x")
    path = make_repo("demo", "a")
    git(path, "submodule", "add", "-q", str(inner), "script/sub")
    git(path, "commit", "-qm", "submodule")
    make_repo("clone", "y", directory=path / "other")
    make_repo("clone", files={"_cm.yaml": GOOD}, directory=path / "script" / "clone")
    assert [raw.path for raw in on_disk(path)] == ["script/a"]
    with pytest.raises(MetaError, match="demo/script/sub:1: a submodule"):
        record_of(in_tree(path)[1], "demo")


def test_one_artifact_of_a_tree(make_repo: MakeRepo) -> None:
    """By its path, or by the id of its tree; None for what is none."""
    path = make_repo("demo", "a", files={"script/none/x": ""})
    git = GitRepository.open(str(path))
    root = git.read_commit(git.head().commit or "").tree  # type: ignore[arg-type]
    raw = tree_artifact(git.objects, root, "script/a")
    assert raw is not None
    assert raw.files == {"_cm.yaml": (path / "script/a/_cm.yaml").read_bytes()}
    assert read_artifact(git.objects, "p", raw.tree) == raw._replace(path="p")  # type: ignore[arg-type]
    for other in ("script/none", "script/a/run.sh", "none/a", "script"):
        assert tree_artifact(git.objects, root, other) is None
    entry = lookup(git.objects, root, "script/a")
    assert entry is not None
    assert entry.oid == raw.tree
    git.close()


# -- records --------------------------------------------------------------------------------------


def test_a_record() -> None:
    """What the index keeps of an artifact."""
    raw = Raw("script/a", "1" * 40, {"_cm.yaml": GOOD + b"tags: [b, a, b]\nmore: x\n"})
    assert record_of(raw, "demo") == {
        "uid": uid_of(1), "alias": "a", "automation_alias": "script",
        "automation_uid": "5b4e0237da074764", "path": "script/a", "tags": ["b", "a"],
        "tree": "1" * 40,
    }  # fmt: skip
    with_base = Raw("script/a", "", {"_cm.yaml": GOOD + b"tags: [b]\n_base: x\n"})
    record = record_of(with_base, "demo")
    assert (record["base"], record["own_tags"]) == ("x", ["b"])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"alias: [", "demo/script/a/_cm.yaml:2: "),
        (b"\n\nalias: 'x", "demo/script/a/_cm.yaml:3: "),
        (b"", "demo/script/a/_cm.yaml:1: uid"),
        (b"- x", "demo/script/a/_cm.yaml:1: the meta is a list"),
        (b"#" * (MAX_META_BYTES + 1), "demo/script/a/_cm.yaml:1: "),
    ],
)
def test_what_has_no_record(make_repo: MakeRepo, data: bytes, message: str) -> None:
    """The error names repository, path, file and line, from the tree as from the disk."""
    path = make_repo("demo", "good", files={"script/a/_cm.yaml": data})
    for found in (in_tree(path), on_disk(path)):
        assert record_of(found[1], "demo")["alias"] == "good"
        with pytest.raises(MetaError) as caught:
            record_of(found[0], "demo")
        assert str(caught.value).startswith(message)


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names are Unicode there")
def test_a_name_that_is_not_unicode(make_repo: MakeRepo) -> None:
    """Such an artifact is a problem of its own: its path cannot be written down."""
    path = make_repo("demo", "a", commit=False)
    os.makedirs(os.fsencode(path) + b"/script/\xff")
    Path(os.fsdecode(os.fsencode(path) + b"/script/\xff/_cm.yaml")).write_bytes(GOOD)
    for raw in on_disk(path)[1:]:
        with pytest.raises(MetaError, match="not UTF-8"):
            record_of(raw, "demo")


# -- what changed on the disk ---------------------------------------------------------------------


@pytest.fixture
def scanned(make_repo: MakeRepo) -> tuple[Path, dict[str, Signature]]:
    """A directory with the artifacts a and b, and its signatures."""
    path = make_repo("demo", "a", "b", files={"script/none/run.sh": ""}, commit=False)
    scan = scan_disk(str(path), "", {})
    assert sorted(path for path, raw in scan.changed.items() if raw) == ["script/a", "script/b"]
    settle()
    return path, scan.signatures


def test_nothing_changed(scanned: tuple[Path, dict[str, Signature]]) -> None:
    """A second scan finds nothing, with signatures that hold and are trusted."""
    path, signatures = scanned
    again = scan_disk(str(path), "", signatures)
    assert again.changed == {}
    assert again.signatures == signatures
    assert unchanged(signatures)
    assert UNSURE not in signatures.values()


CHANGES: list[tuple[Callable[[Path], object], dict[str, bool]]] = [
    (lambda p: (p / "script/a/_cm.yaml").write_text("alias: x\n"), {"script/a": True}),
    (lambda p: (p / "script/a/_cm.json").write_text("{}"), {"script/a": True}),
    (lambda p: (p / "script/a/_cm.yaml").unlink(), {"script/a": False}),
    (lambda p: shutil.rmtree(p / "script/a"), {"script/a": False}),
    (lambda p: (p / "script/a").rename(p / "script/c"), {"script/a": False, "script/c": True}),
    (lambda p: (p / "script/a").rename(p / "script/none/a"), {"script/a": False}),
    (lambda p: (p / "script").rename(p / "other"),
     {"script/a": False, "script/b": False, "other/a": True, "other/b": True}),
    (lambda p: shutil.rmtree(p / "script"), {"script/a": False, "script/b": False}),
    (lambda p: write_files(p, {"script/none/_cm.yaml": GOOD}), {"script/none": True}),
    (lambda p: write_files(p, {"script/new/_cm.yaml": GOOD}), {"script/new": True}),
    (lambda p: write_files(p, artifact_files("new", automation="data")), {"data/new": True}),
    (lambda p: (p / "script/a/.git").mkdir(), {"script/a": False}),
    (lambda p: (p / "script/.git").mkdir(), {"script/a": False, "script/b": False}),
    (lambda p: write_files(p, {"readme.md": ""}), {}),
    (lambda p: (p / "script/a/run.sh").write_text("edited"), {}),
]  # fmt: skip


@pytest.mark.parametrize(("change", "expected"), CHANGES)
def test_a_change_on_the_disk(
    scanned: tuple[Path, dict[str, Signature]],
    change: Callable[[Path], object],
    expected: dict[str, bool],
) -> None:
    """Each is noticed by the signatures, and the next scan tells what is there and what is not."""
    path, signatures = scanned
    change(path)
    assert unchanged(signatures) is (not expected and not (path / "readme.md").exists())
    again = scan_disk(str(path), "", signatures)
    found = {place: raw is not None for place, raw in again.changed.items()}
    assert {
        place: there for place, there in found.items() if there or place in expected
    } == expected
    there = ({"script/a", "script/b"} - found.keys()) | {p for p, raw in found.items() if raw}
    assert there == {raw.path for raw in on_disk(path)}


def test_an_edit_while_it_is_scanned_is_not_missed(make_repo: MakeRepo) -> None:
    """What is written right after a scan shows, however young the files are."""
    path = make_repo("demo", "a", commit=False)
    for n in range(20):
        scan = scan_disk(str(path), "", {})
        (path / "script/a/_cm.yaml").write_bytes(meta_of("a", uid_of(n)).encode())
        assert not unchanged(scan.signatures)


def test_a_time_in_the_future_does_not_hang(make_repo: MakeRepo) -> None:
    """A file from tomorrow is scanned at once; nothing is missed when it is edited."""
    path = make_repo("demo", "a", commit=False)
    tomorrow = time.time() + 86400
    os.utime(path / "script/a/_cm.yaml", (tomorrow, tomorrow))
    start = time.monotonic()
    scan = scan_disk(str(path), "", {})
    assert time.monotonic() - start < 5
    (path / "script/a/_cm.yaml").write_bytes(GOOD)
    assert not unchanged(scan.signatures)


def test_a_place_that_is_not_there(tmp_path: Path) -> None:
    """A missing root or prefix holds nothing, and shows when it appears."""
    scan = scan_disk(str(tmp_path / "none"), "sub", {})
    assert scan.changed == {}
    write_files(tmp_path / "none" / "sub", artifact_files("a"))
    assert not unchanged(scan.signatures)
    again = scan_disk(str(tmp_path / "none"), "sub", scan.signatures)
    assert [place for place, raw in again.changed.items() if raw] == ["sub/script/a"]
