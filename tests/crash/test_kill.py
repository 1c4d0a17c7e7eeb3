"""kill -9 at any moment: the state is that before or that after, and everything goes on.

Two ways to choose the moment. *At random*: processes of the console script, killed after a time
drawn uniformly from how long the command takes. *At steps*: just before something that the command
does to the disk (see crash_zygote). The seed is printed when a test fails; CMGIT_SEED sets it.
Counts are small by default; ``CMGIT_FULL=1 pytest tests/crash`` runs 200 random kills and many steps
of every command; ``CMGIT_STEPS=1000`` besides runs all steps.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from crash_support import (
    FULL,
    Home,
    State,
    Zygote,
    check_no_locks,
    check_repository,
    count,
    git,
    keep_template,
    make_home,
    names,
    records,
    restore,
    state,
    uid,
    write_artifact,
    write_upstream,
)

SEED = int(os.environ.get("CMGIT_SEED", "0")) or random.randrange(1, 1_000_000)
RANDOM_KILLS = count(200, 5)
STEPS = int(os.environ.get("CMGIT_STEPS", "0")) or count(20, 2)  # at most so many of a command

Scenario = tuple[list[str], Callable[[Home], None]]


def nothing(home: Home) -> None:
    """No preparation."""


def new_commit_upstream(home: Home) -> None:
    """Something to pull: an artifact more, and one less."""
    upstream = home.path.parent / "upstream"
    write_artifact(upstream, "pulled", 500)
    git(upstream, "rm", "-q", "-r", "model/u2")
    git(upstream, "add", "-A")
    git(upstream, "commit", "-q", "-m", "more")


def another_upstream(home: Home) -> None:
    """Another repository to pull."""
    path = home.path.parent / "two"
    write_upstream(path, {"two": 600})
    (path / "cmr.yaml").write_text("alias: two\nuid: 00000000000000cc\n")
    git(path, "commit", "-q", "-a", "-m", "its own name")


def edits_on_the_disk(home: Home) -> None:
    """Something to save: a new artifact, a changed one, one that is gone."""
    write_artifact(home.local, "byhand", 700)
    (home.local / "model" / "l0" / "weights.txt").write_text("other\n")
    for path in (home.local / "model" / "l1").iterdir():
        path.unlink()
    (home.local / "model" / "l1").rmdir()


SCENARIOS: dict[str, Scenario] = {
    "add": (["add", "model", f"new,{uid(100)}", "--tags=a"], nothing),
    "add-bare": (["add", "model", f"up:new,{uid(100)}", "--tags=a"], nothing),
    "update": (["update", "model", "l0", "--tags=b"], nothing),
    "update-bare": (["update", "model", "u0", "--tags=b"], nothing),
    "rename": (["mv", "model", "l0", "other"], nothing),
    "rename-bare": (["mv", "model", "u0", "other"], nothing),
    "mv-to-bare": (["mv", "model", "l0", "up:"], nothing),
    "mv-to-working": (["mv", "model", "u0", "local:"], nothing),
    "rm": (["rm", "model", "l*", "-f"], nothing),
    "rm-bare": (["rm", "model", "u*", "-f"], nothing),
    "pull": (["pull", "repo", "up"], new_commit_upstream),
    "pull-new": (["pull", "repo", "two", "--url=two"], another_upstream),
    "reindex": (["reindex"], nothing),
    "save": (["save"], edits_on_the_disk),
}


CHOSEN = list(SCENARIOS) if FULL else ["add", "rename", "mv-to-bare", "pull", "save"]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory, zygote: Zygote) -> Home:
    """A home and what it was pulled from, to be copied."""
    local, up = {"l0": 10, "l1": 11, "l2": 12}, {"u0": 20, "u1": 21, "u2": 22}
    home = make_home(tmp_path_factory.mktemp("kill") / "root", local, up, zygote)
    shutil.copytree(home.path.parent, home.path.parent.with_name("base"), symlinks=True)
    return home


class Case:
    """A command, prepared to be killed: its home, the states before and after, what it takes."""

    def __init__(self, name: str, base: Home) -> None:
        root = base.path.parent
        shutil.rmtree(root)
        shutil.copytree(root.with_name("base"), root, symlinks=True)
        self.name = name
        self.home = base
        self.words, prepare = SCENARIOS[name]
        self.words = [w.replace("=two", f"={root / 'two'}") for w in self.words]
        prepare(self.home)
        keep_template(self.home)
        restore(self.home)
        self.before = state(self.home)
        self.steps = self.home.quick(*self.words).ok().steps
        self.after = state(self.home)
        restore(self.home)
        began = time.monotonic()
        self.home.run(*self.words).ok()
        self.seconds = time.monotonic() - began

    def check(self) -> State:
        """Before or after, and all is well; what comes next works."""
        home = self.home
        now = state(home)
        assert now in (self.before, self.after)
        home.quick("add", "model", f"next,{uid(900)}").ok()
        home.quick("update", "model", "u1", "--tags=next").ok()
        if self.name == "save":
            assert home.quick("save").code == 0  # it says so where all was saved before the kill
        check_no_locks(home)
        check_repository(home.local, working=True)
        check_repository(home.bare(), working=False)
        git(home.local, "commit", "-q", "--allow-empty", "-m", "empty")
        found = home.quick("find", "*", "--json").ok()
        assert names(records(found))["next"] == 1
        assert os.listdir(home.path / "pending") == []
        home.quick("reindex").ok()
        assert home.quick("find", "*", "--json").ok().out == found.out
        return now


def kill_after(home: Home, words: list[str], seconds: float) -> None:
    """Run the console script, for so long and not longer."""
    process = home.start(*words)
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def kill_at_random(case: Case) -> None:
    """Kill the console script at random moments."""
    chance = random.Random(f"{SEED} {case.name}")
    for number in range(-(-RANDOM_KILLS // len(CHOSEN))):
        restore(case.home)
        moment = chance.uniform(0, case.seconds)
        kill_after(case.home, case.words, moment)
        try:
            case.check()
        except AssertionError as error:
            where = f"kill {number}, after {moment:.4f} s of {case.seconds:.4f}"
            raise AssertionError(f"{case.name}, {where}; CMGIT_SEED={SEED}") from error


def kill_at_steps(case: Case) -> None:
    """Kill a forked process before what it does to the disk; a last step need not come each time."""
    steps = range(1, case.steps + 1)
    for step in steps if len(steps) <= STEPS else random.Random(SEED).sample(steps, STEPS):
        restore(case.home)
        killed = case.home.quick(*case.words, kill_at=step)
        assert killed.code == -signal.SIGKILL or killed.ok().steps < step
        try:
            case.check()
        except AssertionError as error:
            where = f"before step {step} of {case.steps}"
            raise AssertionError(f"{case.name}, {where}; CMGIT_SEED={SEED}") from error


@pytest.mark.parametrize("name", CHOSEN)
def test_killed(name: str, base: Home) -> None:
    case = Case(name, base)
    kill_at_random(case)
    kill_at_steps(case)


def test_killed_while_a_home_is_made(tmp_path: Path, zygote: Zygote) -> None:
    """The very first command: the home, the registry and ``local`` are made on the way."""
    words = ["add", "automation", f"first,{uid(1)}"]
    home = Home(tmp_path / "home", zygote)
    steps = range(1, home.quick(*words).ok().steps + 1)
    whole = [json.loads(line) for line in home.quick("find", "*", "--json").ok().out.splitlines()]
    chosen = steps if FULL else random.Random(SEED).sample(steps, 6)
    for step in chosen:
        home = Home(tmp_path / f"home{step}" / "home", zygote)
        home.path.parent.mkdir()
        assert home.quick(*words, kill_at=step).code == -signal.SIGKILL
        found = records(home.quick("find", "*", "--json").ok())
        assert [r["alias"] for r in found] in ([], ["first"]), (step, SEED)
        if not found:
            home.quick(*words).ok()
            found = records(home.quick("find", "*", "--json").ok())
        assert [r["tree"] for r in found] == [r["tree"] for r in whole]
        check_no_locks(home)
        check_repository(home.local, working=True)
        git(home.local, "commit", "-q", "--allow-empty", "-m", "empty")
