"""Work by several processes: the same as by one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from functools import partial
from itertools import count, islice
from pathlib import Path

import pytest

from cmgit import observe, refresh
from cmgit.index.lookup import Index
from cmgit.jobs import spread
from cmgit.pull import pull
from cmgit.refresh import Mode
from cmgit.workspace import Workspace
from tests.conftest import MakeRepo


def square(number: int) -> int:
    """A function of a module, as processes need it; it complains of 13."""
    if number == 13:
        raise ValueError("thirteen")
    return number * number


@pytest.mark.parametrize(("jobs", "least"), [(1, 1), (2, 100), (2, 4)])
def test_results_come_in_order(jobs: int, least: int) -> None:
    """Whoever makes them, for fewer and for more items than are worth a process."""
    for size in (0, 3, 12):
        found = spread(jobs, square, iter(range(size)), least, together=2)
        assert list(found) == [number * number for number in range(size)]


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_comes_through(jobs: int) -> None:
    """It is raised where its result would be."""
    results = spread(jobs, square, range(20), 4)
    assert list(islice(results, 13)) == [number * number for number in range(13)]
    with pytest.raises(ValueError, match="thirteen"):
        next(results)


def test_one_process_works_as_it_is_asked() -> None:
    """Nothing is read ahead but what tells whether it is worth a process."""
    assert list(islice(spread(1, square, count(20), 3), 2)) == [400, 441]


ENDLESS = """
import os, sys, time
from cmgit.jobs import spread
from tests.test_jobs import note
if __name__ == "__main__":
    from functools import partial
    list(spread(2, partial(note, sys.argv[1]), range(4), 1))
"""


def note(directory: str, number: int) -> None:
    """Say in a file which process this is, and stay."""
    Path(directory, str(os.getpid())).touch()
    time.sleep(60)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks at processes in /proc")
def test_workers_end_with_their_parent(tmp_path: Path) -> None:
    """Killed as it may be, it leaves no process behind."""
    script, pids = tmp_path / "script.py", tmp_path / "pids"
    script.write_text(ENDLESS)
    pids.mkdir()
    root = str(Path(__file__).parents[1])
    parent = subprocess.Popen(
        [sys.executable, str(script), str(pids)], env={**os.environ, "PYTHONPATH": root}
    )
    while len(os.listdir(pids)) < 2:
        time.sleep(0.05)
        assert parent.poll() is None
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 30
    while any(map(alive, os.listdir(pids))):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def alive(pid: str) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def content(index: Index) -> list[object]:
    """All that an index says, whatever its files are called."""
    states = [state.to_dict() for state in index.manifest.repositories]
    for state in states:
        state["watch"] = bool(state["watch"])
    return [states, [(number, record) for number, record in index.records()]]


@pytest.mark.parametrize("large", [False, True])
def test_an_index_built_by_many(
    make_repo: MakeRepo, workspace: Workspace, monkeypatch: pytest.MonkeyPatch, large: bool
) -> None:
    """Over many repositories and in a large one it is what one process builds, warnings too."""
    files = {"script/bad/_cm.yaml": "[", "data/x/_cm.yaml": "- 1"}
    for number in range(4):
        names = [f"a{number}{n}" for n in range(6)]
        path = make_repo(f"demo{number}", *names, files=files, uid=f"{number:016x}")
        pull(workspace, f"demo{number}", str(path))
    build = partial(refresh.refresh, workspace.home, lambda line: None)
    alone = content(build(Mode(anew=True)))
    monkeypatch.setattr(refresh, "_MANY", 100 if large else 2)
    monkeypatch.setattr(observe, "_PART", 2)
    monkeypatch.setattr(observe, "_PARTS", 2)
    assert content(build(Mode(anew=True, jobs=2))) == alone
    assert len(alone[1]) == 24  # type: ignore[arg-type]
