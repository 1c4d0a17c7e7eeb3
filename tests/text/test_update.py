"""The text index is brought up to date: what is found is what is there now."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from cmgit.errors import Unsupported
from cmgit.query import Query
from cmgit.text.lookup import open_text
from cmgit.text.state import DIRECTORY, STATE, generation, generations
from cmgit.workspace import Workspace
from tests.conftest import Git, MakeRepo, Put
from tests.test_bad_input import WITHOUT_POWERS, as_reader
from tests.text.conftest import ask, text_index
from tests.text.world import World, content, fresh_content


@settings(max_examples=12, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(st.integers(0, 2**32), st.lists(st.integers(1, 4), min_size=1, max_size=6))
def test_like_a_fresh_one(seed: int, rounds: list[int]) -> None:
    """After random changes it says what one says that is built anew."""
    with tempfile.TemporaryDirectory() as place:
        world = World(Path(place), seed)
        content(world.workspace)
        for changes in rounds:
            for _ in range(changes):
                world.change()
            found = content(world.workspace)
        assert found == fresh_content(world.workspace)
        assert len(found[0]["common"]) == len(world.workspace.find("*"))


def test_only_what_changed_is_read(
    workspace: Workspace, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One artifact of many is read again when one changed, none when none did."""
    from cmgit.text import reader

    read = []
    document = reader.document
    monkeypatch.setattr(
        reader,
        "document",
        lambda n, record, s: read.append(record["alias"]) or document(n, record, s),
    )
    for number in range(5):
        put(f"a{number}", number, readme="here")
    assert len(ask(workspace, "here")) == 5
    assert sorted(read) == ["a0", "a1", "a2", "a3", "a4"]
    read.clear()
    ask(workspace, "here")
    assert read == []
    put("a3", 3, readme="there")
    assert ask(workspace, "there") == ["a3"]
    assert read == ["a3"]
    workspace.add("script", "b")
    read.clear()
    assert ask(workspace, "b") == ["b"]
    assert read == ["b"]


def test_readme_alone(workspace: Workspace, put: Put) -> None:
    """A README that comes, changes within the same size and time stamp of its directory, gets a
    better one beside it, and goes, is noticed although the index is not touched."""
    put("a", 1)
    place = Path(workspace.home, "local", "script", "a")
    assert ask(workspace, "first") == []
    (place / "README").write_text("first")
    assert ask(workspace, "first") == ["a"]
    (place / "README").write_text("third")
    assert (ask(workspace, "first"), ask(workspace, "third")) == ([], ["a"])
    (place / "README.md").write_text("other")
    assert (ask(workspace, "third"), ask(workspace, "other")) == ([], ["a"])
    number = generations(workspace.home)
    ask(workspace, "other")
    assert generations(workspace.home) == number
    (place / "README.md").unlink()
    assert (ask(workspace, "third"), ask(workspace, "other")) == (["a"], [])


def test_not_followed(workspace: Workspace, put: Put, tmp_path: Path) -> None:
    """A README that is a link, a directory or a pipe is none."""
    (tmp_path / "secret").write_text("secret")
    for number, make in enumerate([
        lambda path: path.symlink_to(tmp_path / "secret"), os.mkdir, os.mkfifo,
    ]):  # fmt: skip
        put(f"a{number}", number)
        make(Path(workspace.home, "local", "script", f"a{number}", "README.md"))
    assert len(ask(workspace, "a0 a1 a2")) == 3
    assert ask(workspace, "secret") == []


def test_bare_and_sparse(
    workspace: Workspace, make_repo: MakeRepo, git: Git, tmp_path: Path
) -> None:
    """Texts are read from Git where they are not on the disk."""
    from cmgit import repositories

    files = {"script/a/README.md": "in git", "script/b/readme.rst": "in git too"}
    path = make_repo("demo", "a", "b", files=files)
    workspace.pull("demo", url=str(path))
    assert sorted(ask(workspace, "git")) == ["a", "b"]
    repositories.checkout(workspace, "demo", str(tmp_path / "work"))
    git(tmp_path / "work", "sparse-checkout", "set", "--no-cone", "/cmr.yaml", "/script/a/")
    assert not (tmp_path / "work" / "script" / "b").exists()
    assert sorted(ask(workspace, "git")) == ["a", "b"]


def newest(workspace: Workspace) -> Path:
    """Where the text index is."""
    return Path(generation(workspace.home, generations(workspace.home)[0]))


def rewrite(path: Path, pattern: str, change: Callable[[bytes], bytes]) -> None:
    """Put changed files in the place of those of tantivy, which this process may have mapped."""
    for file in (path / "tantivy").glob(pattern):
        data = file.read_bytes()
        file.unlink()
        file.write_bytes(change(data))


DAMAGE = {
    "state": lambda path: (path / STATE).write_bytes(b"{}"),
    "no state": lambda path: (path / STATE).unlink(),
    "snapshot": lambda path: shutil.rmtree(path / "index"),
    "meta.json": lambda path: (path / "tantivy" / "meta.json").write_text("{"),
    "nothing": lambda path: [shutil.rmtree(path), path.mkdir()],
    "cut": lambda path: rewrite(path, "*.term", lambda data: data[:20]),
    "gone": lambda path: [file.unlink() for file in (path / "tantivy").glob("*.store")],
    "garbage": lambda path: rewrite(path, "*.store", lambda data: os.urandom(30) + data[30:]),
}  # fmt: skip


@pytest.mark.parametrize("what", DAMAGE)
def test_damage(
    what: str, workspace: Workspace, put: Put, capfd: pytest.CaptureFixture[str]
) -> None:
    """Damage is noticed, and what is damaged built anew, with a line that says so."""
    lines: list[str] = []
    put("a", 1, readme="text of a")
    put("b", 2, readme="text of b")
    assert ask(workspace, "text") == ["a", "b"]
    DAMAGE[what](newest(workspace))
    put("c", 3)
    workspace.report = lines.append
    assert ask(workspace, "text") == ["a", "b"]
    assert [line for line in lines if line.startswith("warning: ")] != []
    assert ask(workspace, "text") == ["a", "b"]


def test_another_version(workspace: Workspace, put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    """What another tantivy wrote is not read."""
    from cmgit.text import build, lookup

    put("a", 1, readme="text")
    assert ask(workspace, "text") == ["a"]
    for module in (lookup, build):
        monkeypatch.setattr(module, "VERSION", "index_format v0")
    assert open_text(workspace.home, workspace.index()) is None
    assert ask(workspace, "text") == ["a"]
    assert open_text(workspace.home, workspace.index()) is not None


def test_old_generations_are_swept(workspace: Workspace, put: Put) -> None:
    """One generation stays, whatever was left."""
    for number in range(4):
        put(f"a{number}", number)
        ask(workspace, "a0")
        Path(workspace.home, DIRECTORY, f"tmp-{number}", "index").mkdir(parents=True)
    put("a5", 5)
    ask(workspace, "a0")
    assert os.listdir(Path(workspace.home, DIRECTORY)) == [str(generations(workspace.home)[0])]


def test_a_reader_keeps_its_generation(workspace: Workspace, put: Put) -> None:
    """A text index that is open answers as before after it was replaced."""
    put("a", 1, readme="old")
    text = text_index(workspace)
    put("a", 1, readme="new")
    assert ask(workspace, "new") == ["a"]
    assert [match.snippet().text for match in text.find(Query.parse("*"), "old")] == ["old"]


@pytest.fixture
def readable(workspace: Workspace) -> Callable[..., list[str]]:
    """A function that makes the home read-only and gives what a process finds in it then."""
    if os.getuid() == 0 and (
        not shutil.which("setpriv") or subprocess.run([*WITHOUT_POWERS, "true"]).returncode
    ):
        pytest.skip("root may write everywhere")

    def find(text: str, fresh: bool = False) -> list[str]:
        subprocess.run(["chmod", "-R", "a-w", workspace.home], check=True)
        if fresh:  # after the change of the mode
            ask(workspace, text)
        done = as_reader("find", f"--text={text}")
        subprocess.run(["chmod", "-R", "u+w", workspace.home], check=True)
        assert (done.returncode, done.stderr) == (0, "")
        return [line.partition(":")[2].partition(",")[0] for line in done.stdout.splitlines()]

    return find


def test_a_home_that_cannot_be_written(
    workspace: Workspace, put: Put, readable: Callable[..., list[str]]
) -> None:
    """Others find in it too: what is fresh, what is stale, and where there is no text index."""
    put("a", 1, readme="text")
    workspace.index()
    assert readable("text") == ["a"]
    assert generations(workspace.home) == []
    ask(workspace, "text")
    before = newest(workspace)
    assert [readable("text"), readable("a"), readable("nothing")] == [["a"], ["a"], []]
    assert newest(workspace) == before
    if os.getuid() == 0:
        assert readable("text", fresh=True) == ["a"]
        before = newest(workspace)
    put("a", 1, readme="other")
    put("b", 2, readme="text")
    assert [readable("text"), readable("other")] == [["b"], ["a"]]
    assert newest(workspace) == before
    workspace.index()
    assert [readable("text"), readable("other")] == [["b"], ["a"]]


def test_read_by_several_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They read the same as one does."""
    from cmgit.text import build, reader

    world = World(tmp_path, 1)
    alone = content(world.workspace)
    monkeypatch.setattr(build, "_MANY_JOBS", 2)
    monkeypatch.setattr(reader, "_TOGETHER", 1)
    world.workspace.jobs = 2
    assert fresh_content(world.workspace) == alone


def test_a_home_that_is_no_text(tmp_path: Path) -> None:
    """It is told that there is no text search; nothing is taken for damaged."""
    workspace = Workspace(f"{tmp_path}/\udcff")
    with pytest.raises(Unsupported, match="no UTF-8"):
        text_index(workspace).find(Query(), "word")
