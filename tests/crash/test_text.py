"""Text search while processes are killed, run at once, or have no room: what is found is right.

Counts are small by default; ``CMGIT_FULL=1 pytest tests/crash`` runs the full ones.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from pathlib import Path

import pytest
from crash_support import (
    Home,
    Result,
    Zygote,
    count,
    finish,
    make_home,
    names,
    records,
    uid,
    write_artifact,
)
from test_disk_full import KIB, ROOMS, Ballast, check_failure, disk

__all__ = ["disk"]  # a fixture

SEED = int(os.environ.get("CMGIT_SEED", "0")) or random.randrange(1, 1_000_000)


def describe(home: Home, alias: str, text: str) -> None:
    """Write a README."""
    (home.local / "model" / alias / "README.md").write_text(text)


def found(result: Result) -> set[str]:
    """The aliases of an answer, each of which must be there once."""
    aliases = names(records(result.ok()))
    assert set(aliases.values()) <= {1}
    return set(aliases)


def ask(home: Home, text: str) -> set[str]:
    """What a text search finds."""
    return found(home.quick("find", f"--text={text}", "--json", "--limit=1000"))


def generations(home: Home) -> list[str]:
    """What is in the directory of text indexes."""
    return os.listdir(home.path / "text-v2")


@pytest.fixture
def home(tmp_path: Path, zygote: Zygote) -> Home:
    """A home whose texts were searched already."""
    local, up = {"l0": 10, "l1": 11}, {"u0": 20, "u1": 21}
    made = make_home(tmp_path / "root", local, up, zygote)
    describe(made, "l0", "old")
    assert ask(made, "old") == {"l0"}
    return made


def change(home: Home) -> None:
    """Artifacts come, go and change."""
    describe(home, "l0", "new")
    write_artifact(home.local, "more", 30)
    describe(home, "more", "new")
    shutil.rmtree(home.local / "model" / "l1")
    home.quick("rm", "model", "up:u0", "-f").ok()
    home.quick("find", "*").ok()


def check(home: Home) -> None:
    """What is found is what is there after the change, and nothing is left."""
    assert ask(home, "new") == {"l0", "more"}
    assert ask(home, "old") == set()
    assert ask(home, "t") == {"l0", "more", "u1"}
    assert len(generations(home)) == 1


@pytest.mark.parametrize("first", [False, True])
def test_killed_at_each_step(first: bool, home: Home) -> None:
    """A search that is killed while it brings the text index up to date changes nothing: at any
    step that Python makes; most are in tantivy."""
    change(home)
    if first:
        shutil.rmtree(home.path / "text-v2")
    before = home.path.with_name("before")
    shutil.copytree(home.path, before, symlinks=True)
    steps = home.quick("find", "--text=new").ok().steps
    check(home)
    chosen = range(1, steps + 1)
    for step in chosen if count(1, 0) else random.Random(SEED).sample(chosen, min(5, steps)):
        shutil.rmtree(home.path)
        shutil.copytree(before, home.path, symlinks=True)
        done = home.quick("find", "--text=new", kill_at=step)
        assert done.code == -signal.SIGKILL
        check(home)


def test_killed_at_any_time(home: Home) -> None:
    """The same at random times, again and again on one home, and with more to write."""
    choose = random.Random(SEED)
    for number in range(300):
        write_artifact(home.local, f"n{number}", 1000 + number)
    seconds = 1.0
    for turn in range(count(100, 8)):
        for number in choose.sample(range(300), 100):
            describe(home, f"n{number}", f"turn{turn} common")
        process = home.start("find", "--text=common", "--count")
        began = time.monotonic()
        time.sleep(choose.uniform(0, seconds))
        process.kill()
        code, *_ = finish(process)
        if code == 0:
            seconds = max(0.1, time.monotonic() - began)
    expected = {
        path.parent.name
        for path in home.local.glob("model/*/README.md")
        if "common" in path.read_text()
    }
    assert ask(home, "common") == expected
    last = {
        p.parent.name
        for p in home.local.glob("model/*/README.md")
        if f"turn{turn} " in p.read_text()
    }
    assert ask(home, f"turn{turn}") == last
    assert len(generations(home)) == 1


def test_at_once(home: Home) -> None:
    """Processes that add and processes that search: nobody fails, who searches finds what was
    there before, and in the end all is found."""
    adding = [
        home.start("add", "model", f"a{n},{uid(100 + n)}", "--meta.name=added")
        for n in range(count(24, 5))
    ]
    for n in range(count(24, 5)):
        adding.append(home.start("add", "model", f"up:b{n},{uid(200 + n)}", "--meta.name=added"))
    for _ in range(count(10, 3)):
        searching = [
            home.start("find", "--text=t added", "--json", "--limit=1000") for _ in range(4)
        ]
        for process in searching:
            result = finish(process)
            assert result.code == 0, result
            assert "Traceback" not in result.err
            assert "l0" in names(records(Result(0, result.out, "")))
    for process in adding:
        finish(process).ok()
    expected = {f"{letter}{n}" for letter in "ab" for n in range(count(24, 5))}
    searching = [home.start("find", "--text=added", "--json", "--limit=1000") for _ in range(4)]
    assert [found(finish(process)) for process in searching] == [expected] * 4
    assert len(generations(home)) == 1


def test_a_full_disk(disk: Path, tmp_path: Path, zygote: Zygote) -> None:
    """Without room for it, the text index is made in a temporary directory; with room again, in
    its place."""
    made = make_home(tmp_path / "first", {"l0": 10, "l1": 11}, {"u0": 20, "u1": 21}, zygote)
    shutil.copytree(made.path, disk / "home", symlinks=True)
    shutil.rmtree(made.path)
    made.path.symlink_to(disk / "home")
    describe(made, "l0", "old")
    assert ask(made, "old") == {"l0"}
    ballast = Ballast(disk)
    for turn, room in enumerate(ROOMS):
        describe(made, "l0", f"turn{turn}")
        ballast.leave(room * KIB)
        result = made.quick("find", f"--text=turn{turn}", "--json")
        ballast.remove()
        if result.code:
            check_failure(result)
        else:
            assert found(result) == {"l0"}
        assert ask(made, f"turn{turn}") == {"l0"}
        assert len(generations(made)) == 1
