"""Workspace: finding, resolving one, automations, inheritance, directories."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cmgit import Query, Workspace, artifacts, repositories, transfer
from cmgit.errors import (
    AmbiguousError,
    AutomationNotFound,
    AutomationNotInRepository,
    InheritanceTooDeep,
    ManyAutomations,
    MetaError,
    NotFound,
    UsageError,
)
from cmgit.names import Name
from cmgit.pull import pull
from cmgit.registry import Entry
from cmgit.repository import Repository
from tests.conftest import Git, MakeRepo, meta_of, uid_of, write_files


def test_artifact(demo: Path, workspace: Workspace) -> None:
    """What is found is typed, and names itself."""
    artifact = workspace.one("script", "a")
    assert artifact.name == f"script demo:a,{uid_of(1)}"
    assert artifact.cid == f"script,5b4e0237da074764::a,{uid_of(1)}"
    assert artifact.tags == ("a",)
    assert artifact.to_dict()["tags"] == ["a"]
    assert "number" not in artifact.to_dict()
    assert workspace.entry(artifact).path == str(demo)


def test_query_or_words(demo: Path, workspace: Workspace) -> None:
    """A Query asks the same as words."""
    assert workspace.find(Query(Name("script"), tags=["a"])) == workspace.find("script", tags=["a"])
    assert workspace.find("script", tags="a") == workspace.find(Query.parse("script", "a"))
    assert [a.alias for a in workspace.find("", "b")] == ["b"]


def test_one(demo: Path, workspace: Workspace) -> None:
    """One, or an error with the candidates or a suggestion."""
    with pytest.raises(AmbiguousError, match=f"script demo:b,{uid_of(2)}"):
        workspace.one("script", "*")
    write_files(demo, {"script/detect/_cm.yaml": meta_of("detect", uid_of(3))})
    with pytest.raises(NotFound) as error:
        workspace.one("script", "detetc")
    assert error.value.hint == "did you mean 'detect'?"
    write_files(demo, {f"script/n{n}/_cm.yaml": meta_of(f"n{n}", uid_of(20 + n))
                       for n in range(15)})  # fmt: skip
    with pytest.raises(AmbiguousError, match=r"and 5 more$"):
        workspace.one("script", "n*")


def test_automation(demo: Path, workspace: Workspace) -> None:
    """By alias, UID, pattern, place; built in, an artifact itself, or only used by others."""
    assert workspace.automation("repo") == Name("repo", "55c3e27e8a140e48")
    assert workspace.automation("bbeb15d8f0a944a4").alias == "automation"
    assert workspace.automation("scr*") == Name("script", "5b4e0237da074764")
    with pytest.raises(AutomationNotFound):
        workspace.automation("nosuch")
    added = workspace.add("automation", "scene")
    assert workspace.automation("scene").uid == added.uid
    assert workspace.automation("local:scene").uid == added.uid
    workspace.add("automation", "scope")
    with pytest.raises(ManyAutomations, match=r"scene,[0-9a-f]{16}; scope,[0-9a-f]{16}"):
        workspace.automation("sc?*e")
    with pytest.raises(AutomationNotInRepository):
        workspace.find("demo:scene")
    with pytest.raises(AutomationNotInRepository):
        workspace.automation("demo:scene")
    assert workspace.find("local:scene") == []


def test_inheritance(demo: Path, workspace: Workspace, make_repo: MakeRepo, tmp_path: Path) -> None:
    """Mappings recurse, lists are base + child, scalars replace; its own repository comes first."""
    write_files(demo, {
        "script/base/_cm.yaml": meta_of("base", uid_of(5), d="{x: 1, y: 1}", l="[1]", s="1", tags="[t]"),
        "script/child/_cm.yaml": meta_of("child", uid_of(6), d="{y: 2}", l="[2]", s="2",
                                         _base="script::base", tags="[u]"),
        "script/grand/_cm.yaml": meta_of("grand", uid_of(7), _base="child"),
    })  # fmt: skip
    make_repo("other", uid="1111111111111111", files={
        "script/base/_cm.yaml": meta_of("base", uid_of(8), s="other"),
        "script/far/_cm.yaml": meta_of("far", uid_of(9), _base="base"),
    })  # fmt: skip
    repositories.init(workspace, path=str(tmp_path / "other"))
    meta = workspace.load(workspace.one("script", "child"))
    assert (meta["d"], meta["l"], meta["s"]) == ({"x": 1, "y": 2}, [1, 2], 2)
    assert (meta["alias"], meta["tags"], "_base" in meta) == ("child", ["t", "u"], False)
    assert workspace.load(workspace.one("script", "grand"))["l"] == [1, 2]
    assert workspace.load(workspace.one("script", "far"))["s"] == "other"
    assert [a.alias for a in workspace.find("script", tags="t")] == ["base", "child", "grand"]
    assert workspace.original(workspace.one("script", "child"))["_base"] == "script::base"


def test_inheritance_that_cannot_be(demo: Path, workspace: Workspace) -> None:
    """A circle and a base that is not there."""
    write_files(demo, {"script/p/_cm.yaml": meta_of("p", uid_of(5), _base="q"),
                       "script/q/_cm.yaml": meta_of("q", uid_of(6), _base="p"),
                       "script/r/_cm.yaml": meta_of("r", uid_of(7), _base="gone")})  # fmt: skip
    with pytest.raises(InheritanceTooDeep):
        workspace.load(workspace.one("script", "p"))
    with pytest.raises(MetaError, match="gone"):
        workspace.load(workspace.one("script", "r"))
    assert len(workspace.find("script")) == 5


def test_both_files(demo: Path, workspace: Workspace) -> None:
    """JSON is laid over YAML, and MLC's files count where CM's are not."""
    write_files(demo, {"script/a/_cm.json": '{"tags": ["json"], "alias": "aa"}',
                       "script/m/meta.yaml": meta_of("m", uid_of(5), tags="[mlc]"),
                       "script/b/meta.json": '{"alias": "not this"}'})  # fmt: skip
    assert [a.alias for a in workspace.find("script")] == ["aa", "b", "m"]
    assert workspace.load(workspace.one("script", "aa"))["uid"] == uid_of(1)


def test_directory(demo: Path, workspace: Workspace, home: Path) -> None:
    """In place for a working repository; a check-out, made once, for the past and a bare one."""
    artifact = workspace.one("script", "a")
    assert workspace.directory(artifact) == str(demo / "script" / "a")
    old = workspace.one("script", "a", at="HEAD")
    place = Path(workspace.directory(old, "HEAD"))
    assert place == home / "trees" / old.tree
    made = place.stat().st_ino  # not the time: who is told of it touches it
    assert workspace.directory(old, "HEAD") == str(place)
    assert place.stat().st_ino == made
    assert (place / "run.sh").read_text() == "echo a\n"
    assert (place / "run.sh").stat().st_mode & 0o222 == 0


def test_two_workspaces(demo: Path, workspace: Workspace, home: Path) -> None:
    """What one changes, the other finds."""
    other = Workspace(str(home))
    assert len(other.find("script")) == 2
    workspace.add("script", "demo:c")
    assert len(other.find("script")) == 3
    assert other.repository("demo").working


def test_reports(demo: Path, home: Path) -> None:
    """What takes long is reported once, and what cannot be read is kept for the asking."""
    said: list[str] = []
    workspace = Workspace(str(home), said.append)
    write_files(demo, {"script/x/_cm.yaml": "["})
    workspace.find("*")
    (warning,) = workspace.warnings()
    assert warning.startswith("demo/script/x/_cm.yaml:")
    assert workspace.warnings(Name("local")) == []
    assert Workspace(str(home)).warnings() == []


def bare_demo(make_repo: MakeRepo, workspace: Workspace) -> Entry:
    """A pulled repository with the scripts a and b."""
    return pull(workspace, url=str(make_repo("demo", "a", "b")))


def test_changes_go_on_where_the_repository_is_now(
    make_repo: MakeRepo, workspace: Workspace, tmp_path: Path, git: Git
) -> None:
    """What was found before ``checkout repo`` is changed after it, in the work tree."""
    entry = bare_demo(make_repo, workspace)
    a, b = workspace.find("script")
    repositories.checkout(workspace, "demo", str(tmp_path / "work"))
    with workspace.changing(entry) as repository:
        assert repository.git.path == str(tmp_path / "work")
    artifacts.update(workspace, [a], {"k": 1})
    transfer.move(workspace, b, "local:")
    assert [found.repo for found in workspace.find("script")] == ["local", "demo"]
    assert workspace.load(workspace.one("script", "a"))["k"] == 1
    assert git(tmp_path / "work", "status", "--porcelain") == ""
    assert os.listdir(Path(workspace.home, "repos")) == []


def meanwhile(monkeypatch: pytest.MonkeyPatch, change: Callable[[], object]) -> None:
    """Let another change happen while the next one waits for the lock."""
    real = Repository.locked

    @contextmanager
    def locked(self: Repository, wait_seconds: float = -1) -> Iterator[None]:
        monkeypatch.setattr(Repository, "locked", real)
        change()
        with real(self, wait_seconds):
            yield

    monkeypatch.setattr(Repository, "locked", locked)


def test_a_check_out_while_a_change_waits(
    make_repo: MakeRepo,
    workspace: Workspace,
    tmp_path: Path,
    git: Git,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The change goes on in the work tree; nothing comes to be where the bare repository was."""
    bare_demo(make_repo, workspace)
    home = workspace.home
    place = str(tmp_path / "work")
    meanwhile(monkeypatch, lambda: repositories.checkout(Workspace(home), "demo", place))
    workspace.add("script", "demo:c")
    assert [a.alias for a in workspace.find("script")] == ["a", "b", "c"]
    assert (tmp_path / "work/script/c").is_dir()
    assert git(tmp_path / "work", "status", "--porcelain") == ""
    assert os.listdir(Path(home, "repos")) == []


@pytest.mark.parametrize("name", ["pull", "checkout"])
def test_a_check_out_while_another_command_waits(
    make_repo: MakeRepo,
    workspace: Workspace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    """What makes sense for a bare repository alone is refused when it is one no more."""
    bare_demo(make_repo, workspace)
    home, place = workspace.home, str(tmp_path / "work")
    meanwhile(monkeypatch, lambda: repositories.checkout(Workspace(home), "demo", place))
    commands = {
        "pull": lambda: pull(workspace, "demo"),
        "checkout": lambda: repositories.checkout(workspace, "demo", str(tmp_path / "other")),
    }
    with pytest.raises(UsageError, match=f"demo is a working repository.*{place}"):
        commands[name]()
    assert not (tmp_path / "other").exists()


def test_a_repository_that_is_unregistered_while_a_change_waits(
    make_repo: MakeRepo, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is changed in it."""
    entry = bare_demo(make_repo, workspace)
    artifact = workspace.one("script", "a")
    meanwhile(monkeypatch, lambda: repositories.remove(Workspace(workspace.home), "demo"))
    with pytest.raises(NotFound, match="'demo' was unregistered"):
        workspace.add("script", "demo:c")
    with pytest.raises(NotFound, match="'demo' was unregistered"):
        artifacts.update(workspace, [artifact], {"k": 1})
    git = Repository.open(entry.path).git
    assert len(list(git.commits(git.head().commit))) == 1
