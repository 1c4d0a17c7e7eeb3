"""``cmgit.access``: CM's door, with its return codes and plain dicts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import cmgit
from cmgit.actions import ARTIFACT_ACTIONS, REPOSITORY_ACTIONS, access
from cmgit.artifact import Artifact
from cmgit.grammar import ALIASES
from cmgit.workspace import Workspace
from tests.conftest import MakeRepo, meta_of, uid_of, write_files


@pytest.fixture
def demo(make_repo: MakeRepo, workspace: Workspace) -> Path:
    """A working repository with the scripts a and b, registered."""
    path = make_repo("demo", "a", "b")
    assert access({"action": "init", "automation": "repo", "path": str(path)})["return"] == 0
    return path


def test_three_spellings(demo: Path) -> None:
    """A dict, a command line, and its words ask the same."""
    asked = {"action": "find", "automation": "script", "artifact": "a"}
    answers = [access(asked), access("find script a"), access(["find", "script", "a"])]
    assert answers[0] == answers[1] == answers[2]
    assert cmgit.access(asked) == answers[0]
    assert answers[0]["return"] == 0
    assert isinstance(answers[0]["list"][0], Artifact)
    assert asked == {"action": "find", "automation": "script", "artifact": "a"}


def test_flags_may_stand_anywhere(demo: Path) -> None:
    """A flag between the words shifts nothing, as on the command line."""
    for line in ("find --limit=1 script", "--limit=1 find script", "find script --limit=1"):
        assert [hit.alias for hit in access(line)["list"]] == ["a"], line
    assert [repo["alias"] for repo in access("find --x=1 repo demo")["list"]] == ["demo"]


def test_plain_dicts(demo: Path, workspace: Workspace) -> None:
    """With ``out: json`` an answer is JSON all through."""
    answer = access({"action": "find", "automation": "script", "out": "json"}, workspace)
    assert [hit["alias"] for hit in answer["list"]] == ["a", "b"]
    assert json.loads(json.dumps(answer)) == answer
    answer = access("load script a --out=json")
    assert answer["artifact"]["uid"] == answer["meta"]["uid"] == uid_of(1)


def test_one_name_where_two_are_needed(demo: Path) -> None:
    """The hint is of the command that was given."""
    for words in ("cp script", "checkout repo"):
        assert access(f"{words} a")["hint"] == f"cmgit {words} NAME TARGET"


def test_words_that_are_no_text(demo: Path) -> None:
    """A number among the words is a word."""
    assert access(["find", "script", 5])["list"] == []  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("find script nothing", 0),
        ("find repo", 0),
        ("load script *", 1),
        ("find script a:b:c", 1),
        ("rm script a", 1),
        ("rm script", 1),
        ("mv script a", 1),
        ("mv script a b", 1),
        ("rm repo local --all", 1),
        ("add s? x", 2),
        ("find local:script", 3),
        ("find scrip", 4),
        ("nosuch script a", 4),
        ("", 4),
        ("pull script", 4),
        ("load repo", 4),
        ("add script demo:a", 8),
        ("load script loop", 8),
        ("load script nothing", 16),
        ("add script nosuch:x", 16),
        ("where repo nosuch", 16),
        ("find script @nosuch.yaml", 16),
    ],
)
def test_return_codes(demo: Path, words: str, code: int) -> None:
    """Each return code of the specification; a failure has a text and a hint."""
    files = {
        "script/loop/_cm.yaml": meta_of("loop", uid_of(7), _base="loop"),
        "automation/s1/_cm.yaml": meta_of("s1", uid_of(8), "automation"),
        "automation/s2/_cm.yaml": meta_of("s2", uid_of(9), "automation"),
    }
    write_files(demo, files)
    answer = access(words)
    assert answer["return"] == code, answer
    if code:
        assert set(answer) == {"return", "error", "hint"}
        assert answer["error"]
        assert "\n" not in answer["error"]


@pytest.mark.parametrize("words", ["find script", "log script a"])
def test_limits(demo: Path, words: str) -> None:
    """0 is none, nothing is all; what is no number from 0 on is refused."""
    everything = len(access(words)["list"])
    for limit, count in (("0", 0), ("1", 1), ("99", everything)):
        assert len(access(f"{words} --limit={limit}")["list"]) == count
    for flag in ("--limit=-1", "--limit=x", "--limit=", "--limit", "--limit=1.5"):
        answer = access(f"{words} {flag}")
        assert (answer["return"], answer["error"].startswith("limit ")) == (1, True), answer
    given = {"action": words.split()[0], "automation": "script", "artifact": "a"}
    assert [len(access({**given, "limit": n})["list"]) for n in (None, 0, 1)] == [1, 0, 1]
    assert access({**given, "limit": -1})["return"] == 1


def test_suggestion() -> None:
    """An action that there is not: the one that was meant."""
    answer = access({"action": "fnd", "automation": "script"})
    assert (answer["return"], answer["hint"]) == (4, "did you mean 'find'?")


@pytest.mark.parametrize("alias", ALIASES)
def test_aliases(demo: Path, alias: str) -> None:
    """An alias is its action: it is not unknown, with ``_`` and ``-`` alike."""
    assert ALIASES[alias] in ARTIFACT_ACTIONS
    assert "not found for automation" not in access(f"{alias} script nothing").get("error", "")
    assert access("print-input x")["return"] == access("print_input x")["return"] == 0


def test_a_life(demo: Path, workspace: Workspace, tmp_path: Path) -> None:
    """add, update, cp, mv, info, save, rm by dicts."""

    def do(action: str, artifact: str, **rest: object) -> dict[str, object]:
        answer = access({"action": action, "automation": "script", "artifact": artifact, **rest})
        assert answer["return"] == 0, answer
        return answer

    write_files(tmp_path, {"src/x": "1"})
    added = do("add", "demo:n", tags=["x"], meta={"k": {"a": 1}}, **{"from": str(tmp_path / "src")})
    assert added["path"] == "script/n"
    do("update", "n", tags="y", meta={"k": {"b": 2}})
    assert do("load", "n")["meta"]["k"] == {"a": 1, "b": 2}  # type: ignore[index]
    do("update", "n", meta={"k": 3}, replace=True)
    assert "tags" not in do("load", "n")["meta"]  # type: ignore[operator]
    do("cp", "n", artifacts=["m"], new_tags="z")
    do("mv", "m", artifacts=["local:"])
    assert [a.repo for a in workspace.find("script", tags="z")] == ["local"]
    assert do("info", "n")["files"] == ["_cm.json", "x"]
    write_files(demo, {"script/n/y": "2"})
    saved = access({"action": "save", "repo": "demo", "m": "words"})
    assert saved == {"return": 0, "paths": ["script/n/y"]}
    do("rm", "n", f=True)
    assert workspace.find("script", "n") == []
    assert access({"action": "update", "automation": "script", "artifact": "made"})["return"] == 0


def test_repositories(demo: Path, workspace: Workspace, tmp_path: Path) -> None:
    """The actions on repositories by dicts, ``repo`` by alias, by UID, or by both."""
    for automation in ("repo", "repo,55c3e27e8a140e48", "55c3e27e8a140e48"):
        answer = access({"action": "find", "automation": automation, "artifact": "demo"})
        assert [repo["path"] for repo in answer["list"]] == [str(demo)]
    assert set(REPOSITORY_ACTIONS) >= {"init", "add", "pull", "rm", "find", "show", "where",
                                       "detect", "checkout", "update"}  # fmt: skip
    assert access("where repo demo")["list"] == [str(demo)]
    assert access(f"detect repo --path={demo}/script")["alias"] == "demo"
    assert access({"action": "detect", "automation": "repo", "path": "/"})["return"] == 16
    assert access("update repo demo --desc=words")["return"] == 0
    assert access("show repo demo")["list"][0]["desc"] == "words"
    assert access("rm repo demo")["list"] == ["demo"]
    for depth in ("0", "-1", "x", ""):
        answer = access(f"pull repo demo --url={demo} --depth={depth}")
        assert (answer["return"], answer["error"].startswith("depth ")) == (1, True), answer
    assert access("find repo demo")["list"] == []


def test_meta_of_another_kind(demo: Path) -> None:
    """``meta`` that is no mapping is refused by add and update."""
    for action in ("add", "update"):
        answer = access({"action": action, "automation": "script", "artifact": "demo:x", "meta": 3})
        assert answer["return"] == 1, action
    answer = access({"action": "update", "automation": "script", "artifact": "a", "meta": ["x"]})
    assert answer["return"] == 1


def test_system_errors(demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the system refuses is a return code too."""
    monkeypatch.setenv("CMGIT_HOME", str(demo / "cmr.yaml" / "home"))
    answer = access({"action": "find", "automation": "script"})
    assert answer["return"] == 1
    assert "cmr.yaml" in answer["error"]
