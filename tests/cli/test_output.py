"""What is printed and where: data to stdout, the rest to stderr; prompts; colours; pipes."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import time
from pathlib import Path

import orjson
import pytest

from cmgit.cli.output import Output, printable
from cmgit.workspace import Workspace
from tests.cli import SCRIPT, bad, good, run, spawn
from tests.cli.test_help import ALL
from tests.conftest import MakeRepo, write_files


@pytest.fixture
def script(workspace: Workspace) -> str:
    """The UID of an artifact of automation script in ``local``."""
    good("add", "automation", "script")
    return good("add", "script", "hello").out.strip()[-16:]


def in_terminal(*words: str, answer: str = "", **env: str) -> tuple[int, str]:
    """Run the console script on a pseudo-terminal and type an answer to its question; returns the
    exit code and everything that the terminal showed."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(SCRIPT, [SCRIPT, *words], {**os.environ, **env})
    shown, deadline = b"", time.monotonic() + 60
    while time.monotonic() < deadline:
        if not select.select([terminal], [], [], 1)[0]:
            continue
        try:
            data = os.read(terminal, 65536)
        except OSError:  # Linux says so when the other side is closed
            break
        if not data:
            break
        shown += data
        if answer and b"[y/N]" in shown:
            os.write(terminal, f"{answer}\n".encode())
            answer = ""
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode()


@pytest.mark.parametrize(
    ("answer", "gone"), [("y", True), ("YES", True), ("n", False), ("maybe", False)]
)
def test_prompt(script: str, answer: str, gone: bool) -> None:
    """On a terminal ``rm`` asks, and removes for yes only."""
    code, shown = in_terminal("rm", "script", "hello", answer=answer)
    assert f"Remove script local:hello,{script}? [y/N]" in shown
    assert code == (0 if gone else 1)
    assert good("find", "script", "--count").out == ("0\n" if gone else "1\n")


def test_no_prompt_with_force(script: str) -> None:
    """``-f`` on a terminal does not ask."""
    code, shown = in_terminal("rm", "script", "hello", "-f")
    assert (code, shown) == (0, f"script local:hello,{script}\r\n")


def test_no_prompt_without_a_terminal(script: str, tmp_path: Path) -> None:
    """Without a terminal and ``-f`` there is no question: an error, and nothing removed."""
    done = spawn("rm", "script", "hello", stdin=None, input=b"y\n")
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.decode().splitlines() == [
        "cmgit: nothing was removed",
        "  hint: say -f to remove without being asked",
    ]
    good("init", "repo", "mine", f"--path={tmp_path / 'mine'}")
    assert "-f" in bad(1, "rm", "repo", "mine", "--all")
    assert (tmp_path / "mine" / "cmr.yaml").exists()
    assert good("find", "script", "--count").out == "1\n"


def test_progress_on_a_terminal_only(make_repo: MakeRepo, workspace: Workspace) -> None:
    """Long work says what it does on a terminal, and is silent in a pipe."""
    path = make_repo("demo", "a")
    done = spawn("pull", "repo", f"--url={path}")
    assert (done.returncode, done.stderr) == (0, b"")
    code, shown = in_terminal("check", TERM="xterm")
    assert code == 0
    assert "checking" in shown or "indexing" in shown  # whichever was there to be seen
    assert "all is well" in shown


@pytest.mark.parametrize("words", [["find", "scrip"], ["find", "--help"], ["check"]])
def test_no_color(script: str, words: list[str]) -> None:
    """With NO_COLOR nothing on a terminal is coloured."""
    code, shown = in_terminal(*words, TERM="xterm-256color", NO_COLOR="1")
    assert code in (0, 4)
    coloured = [part for part in shown.split("\x1b[")[1:] if part.split("m")[0].isdigit()
                and part.split("m")[0] not in ("0", "1", "2")]  # fmt: skip
    assert coloured == []


def test_closed_stdout(script: str) -> None:
    """A reader that is gone before the first byte: no word about it, and no traceback."""
    for words in (["find", "script"], ["find", "script", "--sort=uid"], ["load", "script"]):
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run(
            [SCRIPT, *words], stdout=writer, stderr=subprocess.PIPE, check=False, timeout=60
        )
        os.close(writer)
        assert (done.returncode, done.stderr) == (141, b"")


def test_no_streams_at_all(script: str) -> None:
    """With stdout and stderr closed a command still works."""
    done = subprocess.run(
        ["bash", "-c", f"'{SCRIPT}' add script other >&- 2>&-"], check=False, timeout=60
    )
    assert done.returncode in (0, 1)
    assert good("find", "script", "other", "--count").out == "1\n"


def test_full_disk(script: str) -> None:
    """A stdout that cannot be written is an error, not a traceback."""
    for words in (["find", "script"], ["find", "script", "--sort=uid"]):
        with open("/dev/full", "wb") as full:
            done = subprocess.run(
                [SCRIPT, *words], stdout=full, stderr=subprocess.PIPE, check=False, timeout=60
            )
        assert done.returncode == 1
        assert done.stderr.startswith(b"cmgit: ")
        assert b"Traceback" not in done.stderr


def test_control_characters_are_shown() -> None:
    """What goes to stderr is one line that cannot play tricks on a terminal."""
    assert printable("a\x1b[31mb\nc\u202ed") == "a\\x1b[31mb\\nc\\u202ed"
    assert "\x1b" not in bad(1, "find", "script", "\x1b[31m")


def test_many_warnings(make_repo: MakeRepo, workspace: Workspace, tmp_path: Path) -> None:
    """At most ten warnings are printed, and a line that there are more."""
    path = make_repo("demo", "a")
    write_files(path, {f"script/x{n}/_cm.yaml": "[" for n in range(25)})
    good_lines = run("init", "repo", f"--path={path}")
    assert good_lines.code == 0
    lines = run("find", "script").err.splitlines()
    assert len(lines) == 11
    assert lines[0].startswith("warning: demo/script/x0/_cm.yaml:")
    assert lines[-1] == "warning: there are more; 'cmgit check' lists all"


def test_warnings_are_counted_per_run() -> None:
    """Every run of the command line begins to count anew."""
    assert Output().warned == 0


LISTING = [
    "find script", "find repo", "show repo", "log script hello", "diff script hello HEAD~1", "check",
]  # fmt: skip
OTHERS = [
    "add script x", "update script hello --tags=t", "cp script hello y", "mv script hello z",
    "info script hello", "where script hello", "save", "version", "cat script hello",
    "cat script hello latin", "where repo", "detect repo --path={home}/local",
    "update repo local --desc=x", "rm script hello -f", "reindex", "init repo new --path={home}/new",
    "pull repo demo --url={demo}", "checkout repo demo {home}/work", "rm repo demo",
]  # fmt: skip


@pytest.fixture
def places(script: str, home: Path, make_repo: MakeRepo) -> dict[str, Path]:
    """What the command lines need: an artifact that was edited, and a repository that was pulled."""
    write_files(home / "local" / "script" / "hello", {"latin": b"\xe4\n"})
    good("save")
    demo = make_repo("demo", "a")
    good("pull", "repo", "demo", f"--url={demo}")
    return {"home": home, "demo": demo}


@pytest.mark.parametrize("line", LISTING)
def test_json_of_what_lists(places: dict[str, Path], line: str) -> None:
    """``--json`` is an object a line; ``--out=json`` has the same in the return dict."""
    listed = good(*line.split(), "--json").json
    answer = orjson.loads(good(*line.split(), "--out=json").out)
    assert (answer["return"], answer["list"]) == (0, listed)
    assert listed or line == "check"
    assert "xml" in bad(1, *line.split(), "--out=xml")


@pytest.mark.parametrize("line", OTHERS)
@pytest.mark.parametrize("flag", ["--json", "--out=json"])
def test_json_of_the_others(places: dict[str, Path], line: str, flag: str) -> None:
    """The whole return dict, whichever way it is asked for."""
    answer = orjson.loads(good(*line.format(**places).split(), flag).out)
    assert answer.pop("return") == 0
    assert answer


def test_json_of_files(places: dict[str, Path]) -> None:
    """Text as it is, bytes that are none in base64; of a meta, ``load`` prints it alone."""
    assert orjson.loads(good("cat", "script", "hello", "latin", "--json").out)["data"] == {
        "base64": "5Ao="
    }
    (meta,) = good("load", "script", "hello", "--json").json
    assert orjson.loads(orjson.loads(good("cat", "script", "hello", "--json").out)["data"]) == meta
    assert orjson.loads(good("load", "script", "hello", "--out=json").out)["meta"] == meta


def test_json_of_a_check_that_fails(places: dict[str, Path]) -> None:
    """``return`` is the exit code, here as everywhere."""
    (places["home"] / "repos" / "demo.git").rename(places["home"] / "away")
    found = run("check", "--out=json")
    answer = orjson.loads(found.out)
    assert (found.code, answer["return"], answer["error"]) == (1, 1, "1 problem is left")
    assert answer["list"][0]["where"] == "demo"


@pytest.mark.parametrize("name", [n for n, c in ALL.items() if not hasattr(c, "commands")])
def test_every_command_has_json(name: str) -> None:
    """All but one that prints nothing else."""
    options = {option for parameter in ALL[name].params for option in parameter.opts}
    assert ("--json" in options) == (name != "print-input")
