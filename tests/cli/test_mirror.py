"""``cmgit mirror``, as people type it."""

from __future__ import annotations

from pathlib import Path

from cmgit.workspace import Workspace
from tests.cli import bad, good, run
from tests.conftest import MakeRepo, run_git
from tests.mirror.keys import make_key, needs_ssh, sign_with


def test_the_set(workspace: Workspace, tmp_path: Path) -> None:
    """add, ls, rm; the list says what is mirrored from where."""
    assert good("mirror", "add", "o@one", "o@two").lines == [
        "o@one = https://github.com/o/one",
        "o@two = https://github.com/o/two",
    ]
    assert good("mirror", "add", "o@one").lines == []
    (tmp_path / "list.txt").write_text("o@three\no@one\n")
    assert len(good("mirror", "add", f"--from={tmp_path}/list.txt").lines) == 1
    assert [item["name"] for item in good("mirror", "ls", "--json").json] == [
        "o@one", "o@two", "o@three"]  # fmt: skip
    assert good("mirror", "rm", "o@t*").lines == [
        "o@two = https://github.com/o/two",
        "o@three = https://github.com/o/three",
    ]
    assert len(good("mirror", "ls").lines) == 1


def test_sync_status_verify(workspace: Workspace, make_repo: MakeRepo, tmp_path: Path) -> None:
    """What went well on stdout, what failed on stderr, in a table at the end; the code says so."""
    assert "nothing is mirrored" in run("mirror", "verify").err
    good("mirror", "add", str(make_repo("one", "a")), str(tmp_path / "none"))
    assert "never in step" in good("mirror", "status", "one").out
    result = run("mirror", "sync", "-j", "2", "--retries=0")
    assert result.code == 1
    assert result.lines[0].startswith("one: new, 1 ref, ")
    assert result.err.splitlines()[0].startswith(f"failed: none: {tmp_path}/none is not a Git rep")
    assert "1 of 2 mirrors in step" in result.err
    assert run("mirror", "sync", "one").lines == ["one: same, 1 ref"]
    one, none = good("mirror", "status").lines
    assert (one.startswith("one: in step "), "not a Git" in none) == (True, True)
    assert run("mirror", "verify").code == 1
    assert good("mirror", "verify", "one", "--max-age=1h", "--remote").out.startswith(
        "one: ok, 1 r"
    )
    assert good("mirror", "verify", "one", "--json").json[0]["problems"] == []
    events = run("mirror", "sync", "one", "--json").json
    assert [event["state"] for event in events if event["event"] == "ended"] == ["same"]
    assert "no age" in bad(1, "mirror", "verify", "--max-age=soon")


@needs_ssh
def test_what_has_to_be_signed(workspace: Workspace, make_repo: MakeRepo, tmp_path: Path) -> None:
    """By its entry, or by an option of verify; exit code 1, and the name of what is not signed."""
    key, line = make_key(tmp_path, "ann")
    (tmp_path / "signers").write_text(line)
    one = make_repo("one", "a")
    good("mirror", "add", str(one))
    run("mirror", "sync")
    unsigned = "one: wrong: refs/heads/main (", "): it is not signed, and a signature is required"
    found = run("mirror", "verify", f"--signers={tmp_path}/signers")
    assert (found.code, found.out.startswith(unsigned[0])) == (1, True)
    assert unsigned[1] in found.out
    (tmp_path / "list").write_text(str(one))
    (added,) = good(
        "mirror", "add", f"--from={tmp_path}/list", f"--signers={tmp_path}/signers", "--json"
    ).json
    assert (added["signed"], added["signers"]) == ("tips", f"{tmp_path}/signers")
    assert unsigned[1] in run("mirror", "sync", "one").err
    assert "it is not signed" in good("mirror", "status", "one").out
    sign_with(one, key)
    run_git(one, "commit", "-q", "--amend", "-m", "signed")
    assert "one: changed" in run("mirror", "sync", "one").out
    good("mirror", "verify")
    assert "'some' cannot be signed" in bad(1, "mirror", "add", "o@x", "--signed=some")


def test_words_that_make_no_sense(workspace: Workspace) -> None:
    """Nothing to add, one name for two, a name that nothing goes by."""
    assert "nothing to mirror" in bad(1, "mirror", "add")
    assert "one --name" in bad(1, "mirror", "add", "o@one", "o@two", "--name=x")
    assert "no mirror 'x'" in bad(16, "mirror", "ls", "x")
    assert "no mirror 'x'" in bad(16, "mirror", "rm", "x")
    assert "add" in good("mirror").out


def test_without_large_files(workspace: Workspace, make_repo: MakeRepo) -> None:
    """The option stands in the file, and wherever the mirror is shown."""
    one = make_repo("one", "a")
    good("mirror", "add", str(one))
    assert good("mirror", "add", str(one), "--no-lfs").lines == [
        f"one = {one}, without large files"
    ]
    assert good("mirror", "add", str(one), "--no-lfs").lines == []
    assert good("mirror", "ls", "--json").json[0]["lfs"] is False
    run("mirror", "sync")
    assert good("mirror", "status").out.endswith(" ref, without large files\n")
    assert good("mirror", "verify").out.endswith(" ago, without large files\n")
    assert good("mirror", "verify", "--json").json[0]["lfs"] is False
    path = Path(workspace.home) / "mirrors.yaml"
    assert "lfs: false" in path.read_text()
    path.write_text(path.read_text().replace("lfs: false", "lfs: maybe"))
    assert "lfs is neither true nor false" in bad(4, "mirror", "ls")
