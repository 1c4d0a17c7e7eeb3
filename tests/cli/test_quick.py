"""``add`` without the Typer application: the same as with it, or left to it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cmgit.cli import quick, short
from cmgit.cli.app import run_app
from cmgit.workspace import Workspace


@pytest.mark.parametrize(
    "line",
    [
        "find script", "add", "add -h", "add --help", "add repo x", "add repo,55c3e27e8a140e48 x",
        "add automation x", "add script a b", "add . a", "add script .:a", "add script @in.yaml",
        "add script a --unknown", "add script a --tags x", "add script a --yaml=1",
        "add script a --meta=1", "add script a -tags=x", "add script a --", "add script a --.b=1",
    ],
)  # fmt: skip
def test_what_is_not_plain_is_left_alone(line: str, home: Path) -> None:
    """Another action, help, unknown and oddly written flags: nothing is done, not even a home."""
    assert quick.run(line.split()) is None
    assert not home.exists()


@pytest.mark.parametrize(
    "flags",
    [[], ["--tags=a,b"], ["--yaml"], ["--meta.size=3", "--meta.env.A-b=x"], ["--json", "--yaml-"]],
)
def test_it_does_what_the_full_command_line_does(
    flags: list[str], workspace: Workspace, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """The same output, meta and kind of file, but for the UID."""
    workspace.add("automation", "script,5b4e0237da074764")
    answers = []
    for run, alias in ((quick.run, "one"), (run_app, "two")):
        assert run(["add", "script", alias, *flags]) == 0
        artifact = workspace.one("script", alias)
        meta = {**workspace.load(artifact), "uid": "", "alias": ""}
        output = capfdbinary.readouterr().out.decode()
        for word, name in ((artifact.uid, "UID"), (artifact.tree, "TREE"), (alias, "ALIAS"),
                           (artifact.commit, "COMMIT")):  # fmt: skip
            output = output.replace(word, name)
        names = workspace.repository("local").names(artifact.path)
        answers.append((meta, output, names))
    assert answers[0] == answers[1]


def test_errors_are_those_of_the_full_command_line(
    workspace: Workspace, capfd: pytest.CaptureFixture[str]
) -> None:
    """One line and a hint, CM's codes, nothing added."""
    workspace.add("automation", "script,5b4e0237da074764")
    workspace.add("script", "there")
    for words, code in (
        (["add", "script", "there"], 8),
        (["add", "script", "nowhere:a"], 16),
        (["add", "nothing", "a"], 4),
        (["add", "script", "a/b"], 1),
        (["add", "script", "a", "--from=/does/not/exist"], 16),
    ):
        assert quick.run(words) == code
        said = capfd.readouterr()
        assert run_app(words) == code
        assert capfd.readouterr() == said
        assert said.out == ""
        assert said.err.startswith("cmgit: ")
    assert [artifact.alias for artifact in workspace.find("script")] == ["there"]


def test_it_imports_nothing_that_it_does_not_need(workspace: Workspace) -> None:
    """Neither Typer nor what pulls, filters or reads mails: they take longer than the change."""
    workspace.add("automation", "script,5b4e0237da074764")
    heavy = (
        "typer", "rich", "ruamel.yaml", "filelock", "asyncio", "secrets", "email.utils",
        "dulwich.client", "dulwich.filters", "dulwich.patch", "dulwich.walk",
    )  # fmt: skip
    code = (
        "import sys; from cmgit.cli import quick; assert quick.run(['add', 'script', 'a']) == 0; "
        f"print([m for m in {heavy} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    "line",
    ["find model --json", "find model --tags=new --count", "tags", "where model b"],
)
def test_a_lookup_after_a_change(
    line: str, workspace: Workspace, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """An index that is not up to date is brought up to date, and answers as the full command line
    does; one that is, is not the reason why nobody answered."""
    workspace.add("automation", "model,1a2b3c4d5e6f7081")
    workspace.add("model", "b", tags="new")
    place = Path(workspace.home, "local", "model")
    (place / "b").rename(place / "c")
    (place / "c" / "_cm.json").write_text(
        (place / "c" / "_cm.json").read_text().replace("new", "new, newer")
    )
    (place / "c").rename(place / "b")
    assert short.run(line.split()) is None
    assert quick.run(line.split()) == 0
    quickly = capfdbinary.readouterr()
    assert run_app(line.split()) == 0
    assert capfdbinary.readouterr() == quickly
    assert quick.run(line.split()) is None


def test_a_lookup_that_cannot_be_made(workspace: Workspace, home: Path) -> None:
    """Without a home, and where something is to be told, the full command line has to."""
    workspace.add("automation", "model,1a2b3c4d5e6f7081")
    registry = home / "registry.json"
    registry.write_text(registry.read_text().replace('"path"', '"nowhere"'))
    assert quick.run(["find", "model"]) is None
    registry.unlink()
    assert quick.run(["find", "model"]) is None
