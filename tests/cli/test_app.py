"""The application is made of the commands that are needed, and nobody can tell."""

from __future__ import annotations

import pytest

from cmgit.cli import app
from tests.cli import run

LINES = [
    "", "-h", "--help", "--version", "versio", "infoo script x", "info", "info script", "show script",
    "find --help", "ls --nosuch", "init", "pull repo --help", "checkout", "checkout it", "show repo",
    "show --json repo", "find repo", "find REPO", "find 55c3e27e8a140e48", "ls repo,5b4e0237da074764",
    "delete repo nosuch", "mirror", "mirror ls", "mirror sync --help", "mirror nosuch", "lfs push --no",
    "mirror --help", "mirror ls nosuch", "print_input x --a.b=1", "--json find repo", "find",
]  # fmt: skip


@pytest.mark.parametrize("line", LINES)
def test_the_same_as_of_all_commands(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Help, hints and errors do not depend on how many commands were made."""
    some = run(*line.split(), full=True)
    app.all_commands()
    monkeypatch.setattr(app, "_needed", lambda words: app.app)
    assert run(*line.split(), full=True) == some


@pytest.mark.parametrize(
    ("line", "number"),
    [("info script x", 1), ("ls x", 2), ("mv script a b", 1), ("infoo x", None), ("--help", None)],
)
def test_what_is_made(line: str, number: int | None) -> None:
    """Those that begin as the command line does; all where none does."""
    needed = app._needed(line.split())
    assert (needed is app.app) == (number is None)
    assert number in (None, len(needed.registered_commands))


@pytest.mark.parametrize("word", ["repo", "REPO", "55c3e27e8a140e48", "x,55C3E27E8A140E48"])
def test_repo_by_any_of_its_names(word: str) -> None:
    """``find repo`` is asked for by each of them."""
    assert run("find", word).out == run("find", "repo").out != ""


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("checkout demo work", "did you mean 'checkout repo'?"),
        ("detect", "did you mean 'detect repo'?"),
        ("script find", "the action comes first: cmgit find script"),
        ("repo pull demo", "the action comes first: cmgit pull repo"),
        ("fnid script", "did you mean 'find'?"),
        ("nonsense script", "see 'cmgit --help'"),
        ("help", "see 'cmgit --help'"),
        ("help pull repo", "see 'cmgit pull repo --help'"),
    ],
)
def test_hint_for_an_unknown_action(words: str, hint: str) -> None:
    """The command that the words may have meant."""
    result = run(*words.split())
    assert result.code == 4
    assert result.err.splitlines()[-1] == f"  hint: {hint}"
