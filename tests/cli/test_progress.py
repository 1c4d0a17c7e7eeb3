"""What is shown while many repositories are worked on."""

from __future__ import annotations

import io
import os
import pickle
import sys
from pathlib import Path

import pytest

from cmgit.cli.output import out
from cmgit.cli.progress import Rows
from cmgit.mirror import steps
from cmgit.store import dulwich_transport
from cmgit.store.transport import Received
from cmgit.workspace import Workspace
from tests.conftest import MakeRepo, run_git
from tests.mirror.world import World
from tests.servers import Backend, backend

from . import good, run

__all__ = ["backend"]


class Terminal(io.StringIO):
    """What is written to it as to a terminal, to be read."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        """It says that it is one."""
        return True


def open_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Put a terminal in the place of stderr."""
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    return terminal


def test_rows_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Name, bytes of how many, words; a line that is written takes them away for a moment."""
    terminal = open_terminal(monkeypatch)
    rows = Rows()
    rows.show("one", 1 << 20, 4 << 20, "exporting")
    rows.show("two", text="Counting \x1b[31m[bold]")
    rows.note("a line")
    rows.end("two")
    rows.end("three")
    rows.show("", 5 << 20, text="1/2, 3 s left")
    out.quiet()
    shown = terminal.getvalue()
    assert "one 1.0/4.0 MiB" in shown
    assert r"Counting \x1b[31m[bold]" in shown
    assert "a line" in shown
    assert "1/2, 3 s left" in shown.rpartition("a line")[2]


def test_a_status_is_no_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a server says can do nothing to a terminal."""
    terminal = open_terminal(monkeypatch)
    out.report("remote: \x1b]0;evil\x07 [red]x")
    out.quiet()
    shown = terminal.getvalue()
    assert r"\x1b]0;evil\x07 [red]x" in shown


def test_nothing_is_shown_elsewhere(capfd: pytest.CaptureFixture[str]) -> None:
    """Not in a pipe or a file."""
    rows = Rows()
    rows.show("one", 1, 2, "x")
    rows.end("one")
    assert capfd.readouterr() == ("", "")


def test_events_of_exports_and_imports(
    tmp_path: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes as they go by, up to all; then how it ended."""
    monkeypatch.setattr(steps, "_TOLD_SECONDS", -1)
    world = World(tmp_path, True)
    world.here = workspace
    world.add("one", files={"noise": os.urandom(400_000).hex()})
    run_git(world.bare("one"), "repack", "-q", "-a", "-d")
    *told, ended, done = good("mirror", "export", f"--to={world.disk}", "--json").json
    assert {event["event"] for event in told} == {"progress"}
    assert {event["state"] for event in told} == {"exporting"}
    counts = [int(str(event["bytes"])) for event in told]
    assert counts == sorted(counts)
    assert (ended["event"], ended["bytes"]) == ("ended", counts[-1])
    assert 0.5 * counts[-1] < int(str(told[0]["total"])) < 2 * counts[-1]
    assert done["event"] == "done"
    monkeypatch.setenv("CMGIT_HOME", world.there.home)
    *told, _, ended = good("mirror", "import", str(world.disk), "--json").json
    assert {event["state"] for event in told} == {"checking"}
    assert told[-1]["bytes"] == told[-1]["total"] == ended["bytes"]


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_events_of_a_sync(
    workspace: Workspace, make_repo: MakeRepo, backend: type[Backend], jobs: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """The bytes that came from a server, also by way of another process."""
    monkeypatch.setattr(dulwich_transport, "_TOLD_SECONDS", -1)
    for name in ("one", "two"):
        place = make_repo(name, "a")
        (place / "noise").write_bytes(os.urandom(300_000))
        run_git(place, "add", "noise")
        run_git(place, "commit", "-q", "-m", "noise")
        good("mirror", "add", f"{backend.url}/{name}/.git", f"--name={name}")  # type: ignore[attr-defined]
    events = run("mirror", "sync", "-j", jobs, "--json").json
    for name in ("one", "two"):
        told = [e for e in events if e["name"] == name and e["event"] == "progress"]
        counts = [int(str(event["bytes"])) for event in told if "bytes" in event]
        assert counts == sorted(counts)
        assert counts[-1] > 300_000
        assert "received 0.3 MiB" in [event["text"] for event in told]
    assert [e["state"] for e in events if e["event"] == "ended"] == ["new", "new"]


def test_a_line_with_bytes_crosses_processes() -> None:
    """It is a text like any other, and says how many."""
    line = pickle.loads(pickle.dumps(Received(3 << 20)))
    assert (line, line.size) == ("received 3.0 MiB", 3 << 20)
    line = pickle.loads(pickle.dumps(Received(3 << 20, 5 << 20)))
    assert (line, line.total) == ("received 3.0 of 5.0 MiB", 5 << 20)
