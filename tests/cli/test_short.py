"""The short path of ``find`` answers with the same bytes as the full command line."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from cmgit.cli import short
from cmgit.workspace import Workspace
from tests.cli import captured, good, redirect_stdout, run
from tests.conftest import Git, MakeRepo, meta_of, uid_of, write_files

COMMAND_LINES = 120


@pytest.fixture(scope="session")
def real_home(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A home with the real repository cmx4mlops, pulled once."""
    place = tmp_path_factory.mktemp("real")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(place))
        for role in ("AUTHOR", "COMMITTER"):
            patch.setenv(f"GIT_{role}_NAME", "Ann Author")
            patch.setenv(f"GIT_{role}_EMAIL", "ann@example.org")
        Workspace(str(place / "home")).pull("package:cmx4mlops")
    return str(place / "home")


@pytest.fixture
def real(real_home: str, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace on that home; the command line uses it too."""
    monkeypatch.setenv("CMGIT_HOME", real_home)
    return Workspace(real_home)


def command_lines(workspace: Workspace, number: int) -> Iterator[list[str]]:
    """Random, but always the same, variants of ``find`` with words that there are, and others."""
    choose = random.Random(2042)
    known = workspace.find("*")
    tags = sorted({tag for artifact in known for tag in artifact.tags})
    automations = ["script", "SCRIPT", "s*", "*", "", "challenge", "cfg", "automation", "nosuch",
                   "5b4e0237da074764", "script,5b4e0237da074764"]  # fmt: skip
    for _ in range(number):
        one = choose.choice(known)
        words = [choose.choice(["find", "search", "ls", "list"]), choose.choice(automations)]
        words += choose.choice([[], [], [one.alias], [one.alias.upper()], [one.uid],
                                [f"x,{one.uid}"], [f"{one.alias[:4]}*"], [f"*{one.alias[-4:]}"],
                                ["cmx4mlops:"], [f"cm*:{one.alias}"], ["local:"], ["???"],
                                ["a:b:c"], ["a,b"], ["nosuch"]])  # fmt: skip
        flags = [
            f"--tags={choose.choice(tags)}",
            f"-tags={choose.choice(tags)},-{choose.choice(tags)}",
            f"--tags={','.join(one.tags[:2])}",
            f"--limit={choose.choice(['0', '1', '7', '-1', 'x', ''])}",
            f"--repo={choose.choice(['cmx4mlops', 'local', 'c*', '428611A6DB02407F', 'nosuch'])}",
            "--json",
            "--count",
            "--strict",
            "--sort=uid",
            "--nosuch",
            "--count=1",
        ]
        words += choose.sample(flags, choose.choice([0, 1, 1, 2, 3]))
        if choose.random() < 0.2:
            words[1:] = choose.sample(words[1:], len(words) - 1)
        yield words


def test_same_bytes(real: Workspace) -> None:
    """The two paths agree on stdout, stderr and exit code for whatever the words are."""
    answered = 0
    for words in command_lines(real, COMMAND_LINES):
        assert run(*words) == run(*words, full=True), words
        with captured(1, redirect_stdout):
            answered += short.run(words) is not None
    assert answered > COMMAND_LINES // 3


def test_inherited_tags_and_odd_text(make_repo: MakeRepo, workspace: Workspace) -> None:
    """The JSON lines are the same for what inherits, what is not committed, and odd text."""
    files = {
        "script/a/_cm.yaml": meta_of("a", uid_of(1), tags='[ü, "q\\"uote", "tab\\there"]'),
        "script/b/_cm.yaml": meta_of("größe '日本", uid_of(2), tags="[own]", _base="a"),
        "script/c/_cm.yaml": meta_of("c", uid_of(3), _base="nosuch"),
    }
    path = make_repo("demo", files=files)
    good("init", "repo", f"--path={path}")
    write_files(path, {"script/d/_cm.yaml": meta_of("d", uid_of(4), _base="script::a")})
    good("find", "*")
    first, second = (run("find", "script", "--json", full=full) for full in (False, True))
    assert first.out == second.out
    assert [len(hit["tags"]) for hit in first.json] == [3, 4, 0, 3]
    assert short.run(["find", "script", "nothing"]) == 0


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["find"],
        ["load", "script"],
        ["find", "repo"],
        ["find", "script", "a", "b"],
        ["find", "script", "@input.yaml"],
        ["find", "script", "--path"],
        ["find", "script", "--json-"],
        ["find", "."],
        ["find", "script", ".:x"],
        ["find", "script", "--repo=."],
        ["find", "local:script"],
        ["find", "script", "--", "x"],
        ["find", "script", "--help"],
    ],
)
def test_not_its_job(words: list[str], real: Workspace) -> None:
    """Everything but a plain ``find`` is left to the full command line."""
    assert short.run(words) is None


def test_stale_index(make_repo: MakeRepo, workspace: Workspace, git: Git) -> None:
    """An index that is no longer true, or a warning to be given, is not its job either."""
    path = make_repo("demo", "a")
    assert short.run(["find", "script"]) is None
    good("init", "repo", f"--path={path}")
    assert good("find", "script").names == ["a"]
    with captured(1, redirect_stdout):
        assert short.run(["find", "script"]) == 0
    git(path, "rm", "-rq", "script/a")
    assert short.run(["find", "script"]) is None
    good("find", "*")
    write_files(path, {"script/x/_cm.yaml": "["})
    run("find", "*")
    assert short.run(["find", "*"]) is None


def test_damaged_home(real_home: str, tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a home there is nothing to answer from."""
    monkeypatch.setenv("CMGIT_HOME", f"{tmp_path}/nowhere")
    assert short.run(["find", "script"]) is None
