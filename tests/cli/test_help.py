"""``--help`` of every command, errors with suggestions, completion in a shell."""

from __future__ import annotations

import pytest

from cmgit import __version__
from cmgit.cli.app import all_commands
from cmgit.cli.reference import shown
from cmgit.workspace import Workspace
from tests.cli import bad, good, spawn

COMMANDS = all_commands()
ALL = {**COMMANDS, **shown()}


@pytest.mark.parametrize("name", ALL)
def test_help(name: str) -> None:
    """Every command says what it does, describes every argument and option, and has an example."""
    command = ALL[name]
    text = " ".join(good(*name.split(), "--help").out.split())
    assert command.help.split("\n")[0].strip() in text
    assert command.epilog.startswith("Example")
    assert f"cmgit {name}" in command.epilog
    assert "Example" in text
    for parameter in command.params:
        assert parameter.help, parameter.name
        assert parameter.help.split("\n")[0] in text
    assert good(*name.split(), "-h").out == good(*name.split(), "--help").out


def test_top_level_help() -> None:
    """``cmgit`` alone and ``cmgit --help`` list the commands."""
    assert good().out == good("--help").out
    for name, command in COMMANDS.items():
        assert command.hidden or f"\n  {name} " in good().out


def test_version() -> None:
    """``cmgit version`` prints the version."""
    assert good("version").out == f"{__version__}\n"
    assert good("version", "--json").out.split() == ["{", '"return":', "0,", '"version":', f'"{__version__}"', "}"]  # fmt: skip


def test_suggestions(workspace: Workspace) -> None:
    """An action, an option, an artifact that is not there: what may have been meant."""
    assert "did you mean 'find'?" in bad(4, "fnd", "script")
    assert "did you mean 'find'?" in bad(4, "fnd")
    assert "--limit" in bad(1, "find", "script", "--limt=3")
    good("add", "automation", "script")
    good("add", "script", "detect-os")
    assert "did you mean 'detect-os'?" in bad(16, "load", "script", "detect-so")
    assert "add automation nosuch" in bad(4, "find", "nosuch")
    assert "Missing argument" in bad(1, "find")
    assert "see 'cmgit" in bad(4, "zzzzzzzz")


def complete(line: str, shell: str = "bash") -> list[str]:
    """What a shell offers at the end of a command line (bash splits it at ``=`` by itself)."""
    if shell == "bash":
        words = line.replace("=", " = ").split(" ")
        words = [word for word in words[:-1] if word] + words[-1:]
        if words[-2:] == ["=", ""]:
            words.pop()
        env = {"COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    else:
        env = {"_TYPER_COMPLETE_ARGS": line, "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    done = spawn(env={"_CMGIT_COMPLETE": f"complete_{shell}", **env})
    assert (done.returncode, done.stderr) == (0, b""), done
    return [line for line in done.stdout.decode().splitlines() if line]


@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_completion(workspace: Workspace, shell: str) -> None:
    """Commands, automations, artifacts of the automation, tags and repositories are offered."""
    good("add", "automation", "script")
    good("add", "automation", "model")
    good("add", "script", "detect-os", "--tags=detect,os")
    good("add", "script", "detect-cpu", "--tags=detect,cpu")
    good("add", "model", "bert")
    good("find", "*")
    expected = {
        "cmgit fi": ["find"],
        "cmgit re": ["restore", "reindex"],
        "cmgit in": ["info", "init"],
        "cmgit init ": ["repo"],
        "cmgit checkout re": ["repo"],
        "cmgit pull ": ["repo", "local"],
        "cmgit pull lo": ["local"],
        "cmgit add re": ["repo"],
        "cmgit delete repo lo": ["local"],
        "cmgit init x": [],
        "cmgit init repo x --pa": ["--path"],
        "cmgit find scr": ["script"],
        "cmgit find script detect": ["detect-cpu", "detect-os"],
        "cmgit load script detect-o": ["detect-os"],
        "cmgit load model ": ["bert"],
        "cmgit find script --tags=det": ["detect"],
        "cmgit find script --tags=detect,o": ["detect,os"],
        "cmgit find script --tags=": ["cpu", "detect", "os"],
        "cmgit find repo lo": ["local"],
        "cmgit cat script det": ["detect-cpu", "detect-os"],
        "cmgit find script --lim": ["--limit"],
        "cmgit nosuch xyz": [],
        "cmgit nosuch xyz fi": [],
    }
    lines = expected if shell == "bash" else [line for line in expected if "--tags" in line]
    for line in lines:
        offered = [word.split("\t")[0] for word in complete(line, shell)]
        assert offered == expected[line], line
    if shell == "fish":
        assert complete("cmgit find script local:detect-o", shell)[0].startswith("local:detect-os")


TWO_WORDS = [name for name in COMMANDS if " " in name and not COMMANDS[name].hidden]


@pytest.mark.parametrize("name", TWO_WORDS)
def test_completion_of_two_words(workspace: Workspace, name: str) -> None:
    """Each of the two, and then the repositories where one is named."""
    workspace.index()
    first, second = name.split()
    assert first in complete(f"cmgit {first[:-1]}")
    assert second in complete(f"cmgit {first} ")
    assert complete(f"cmgit {first} {second[:-1]}") == [second]
    named = "of here" in COMMANDS[name].params[0].help or first == "pull"
    assert complete(f"cmgit {name} lo") == (["local"] if named else [])
    assert "--json" in complete(f"cmgit {name} --")


def test_completion_without_a_home() -> None:
    """Completion is silent when there is nothing yet."""
    assert complete("cmgit find script x") == []
    assert "automation" in complete("cmgit find ")


def test_completion_script() -> None:
    """The script that a shell sources names the program."""
    done = spawn(env={"_CMGIT_COMPLETE": "source_bash"})
    assert b"complete -o default -F _cmgit_completion cmgit" in done.stdout
