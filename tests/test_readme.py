"""The README says what is so: its commands are run, its reference is that of the commands."""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"
MARK = "=-=-= end of command"


def console_commands() -> list[tuple[str, str]]:
    """The commands of all ``console`` blocks, each with the output that the README shows."""
    blocks = re.findall(r"```console\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    commands: list[tuple[str, str]] = []
    for line in "".join(blocks).splitlines(keepends=True):
        if line.startswith("$ "):
            commands.append((line[2:].rstrip("\n"), ""))
        else:
            command, shown = commands[-1]
            commands[-1] = (command, shown + line)
    return commands


def test_tutorial_commands_print_what_the_readme_shows(tmp_path: Path) -> None:
    """Every command of the tutorial, in one shell, in order."""
    commands = console_commands()
    assert len(commands) > 30
    script = "".join(f"{command}\necho '{MARK}'\n" for command, _ in commands)
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-e"], input=script, capture_output=True, text=True, cwd=tmp_path, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    outputs = done.stdout.split(f"{MARK}\n")
    checker = doctest.OutputChecker()
    for (command, expected), printed in zip(commands, outputs, strict=False):
        shown = re.sub(r"^\.\.\.", "<any>...", expected, flags=re.MULTILINE).replace("<any>", "")
        assert checker.check_output(shown, printed, doctest.ELLIPSIS), (command, printed)


def test_reference_is_that_of_the_commands() -> None:
    """The command reference is what ``python -m cmgit.cli.reference`` prints."""
    from cmgit.cli.reference import reference

    text = README.read_text("utf-8")
    found = re.search(r"<!-- reference -->\n(.*)<!-- end of reference -->", text, re.DOTALL)
    assert found is not None
    assert found[1].strip() == reference().strip(), "run python -m cmgit.cli.reference"


@pytest.mark.parametrize("name", ["cmgit/README.md", "cmgit/index/README.md"])
def test_files_that_documents_name_exist(name: str) -> None:
    """What the map and the format document call a module is one."""
    root = README.parent
    text = (root / name).read_text("utf-8")
    for module in set(re.findall(r"`((?:\w+/)*\w+\.py)`", text)):
        places = [root / "cmgit" / module, (root / name).parent / module, root / module]
        assert any(place.exists() for place in places) or module == "access.py", module
