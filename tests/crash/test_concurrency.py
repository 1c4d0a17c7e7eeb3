"""Many processes at once on one home: nothing is lost, nobody fails, nobody sees a half.

Counts are small by default; ``CMGIT_FULL=1 pytest tests/crash`` runs the full ones.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from crash_support import (
    Home,
    Record,
    Result,
    Zygote,
    check_no_locks,
    check_repository,
    commits,
    count,
    finish,
    make_home,
    names,
    records,
    uid,
    uids,
)

PROCESSES = count(24, 6)
STABLE = count(50, 20)


def all_of(processes: list[subprocess.Popen[str]]) -> list[Result]:
    """Wait for processes; every one must have done well, without a word."""
    return [finish(process).ok() for process in processes]


def test_adds_at_once_to_a_home_that_is_not_there_yet(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    all_of([home.start("add", "automation", f"a{n}") for n in range(PROCESSES)])
    found = records(home.run("find", "automation", "--json").ok())
    assert names(found) == {f"a{n}": 1 for n in range(PROCESSES)}
    assert commits(home.local) == PROCESSES + 1
    check_repository(home.local, working=True)
    check_no_locks(home)


def test_adds_at_once_to_a_bare_repository(tmp_path: Path) -> None:
    home = make_home(tmp_path, {}, {"s": 1})
    before = commits(home.bare())
    all_of([home.start("add", "model", f"up:a{n}") for n in range(PROCESSES)])
    found = records(home.run("find", "model", "--json").ok())
    assert names(found) == {"s": 1, **{f"a{n}": 1 for n in range(PROCESSES)}}
    assert commits(home.bare()) == before + PROCESSES
    check_repository(home.bare(), working=False)
    check_no_locks(home)


def test_adds_at_once_to_a_repository_that_is_checked_out(tmp_path: Path) -> None:
    """Those that waited for the bare repository go on in the work tree."""
    home = make_home(tmp_path, {}, {"s": 1})
    place = tmp_path / "work"
    adding = [home.start("add", "model", f"up:a{n}") for n in range(PROCESSES)]
    adding.insert(PROCESSES // 2, home.start("checkout", "repo", "up", str(place)))
    all_of(adding)
    found = records(home.run("find", "model", "--json").ok())
    assert names(found) == {"s": 1, **{f"a{n}": 1 for n in range(PROCESSES)}}
    assert commits(place) == PROCESSES + 1
    assert list((home.path / "repos").iterdir()) == []
    check_repository(place, working=True)
    check_no_locks(home)


class Finds:
    """``find`` again and again in a thread, each answer checked."""

    def __init__(self, run: Callable[[], Result], check: Callable[[list[Record]], None]) -> None:
        self.count = 0
        self._run, self._check = run, check
        self._ended = threading.Event()
        self._errors: list[BaseException] = []
        self._thread = threading.Thread(target=self._loop)

    def _loop(self) -> None:
        try:
            while not self._ended.is_set():
                self._check(records(self._run().ok()))
                self.count += 1
        except BaseException as error:
            self._errors.append(error)

    def __enter__(self) -> Finds:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        for error in self._errors:
            raise error


@pytest.fixture
def busy(tmp_path: Path, zygote: Zygote) -> Home:
    """A home with artifacts that stay, and others for all kinds of changes."""
    local = {f"stable{n}": 1000 + n for n in range(0, STABLE, 2)}
    up = {f"stable{n}": 1000 + n for n in range(1, STABLE, 2)}
    for n in range(PROCESSES):
        (local if n % 2 else up)[f"work{n}"] = 2000 + n
    return make_home(tmp_path, local, up, zygote)


def changes(home: Home) -> list[list[str]]:
    """One change a process: add, update, rm, mv inside a repository, mv to the other."""
    result = []
    for n in range(PROCESSES):
        here, there = ("local", "up") if n % 2 else ("up", "local")
        kind = ("across", "add", "update", "rename", "across", "rm")[(n // 2) % 6]
        result.append({
            "across": ["mv", "model", f"{here}:work{n}", f"{there}:"],
            "rename": ["mv", "model", f"{here}:work{n}", f"renamed{n}"],
            "add": ["add", "model", f"{here}:new{n}"],
            "update": ["update", "model", f"{here}:work{n}", "--tags=updated"],
            "rm": ["rm", "model", f"{here}:work{n}", "-f"],
        }[kind])  # fmt: skip
    return result


def test_mixed_changes_with_finds_all_the_while(busy: Home) -> None:
    todo = changes(busy)
    removed = {uid(2000 + n) for n, words in enumerate(todo) if words[0] == "rm"}
    always = {uid(1000 + n) for n in range(STABLE)} | {uid(2000 + n) for n in range(PROCESSES)}
    always -= removed

    def check(found: list[Record]) -> None:
        seen = uids(found)
        assert {u: seen[u] for u in always if seen[u] != 1} == {}
        assert max(seen.values()) == 1

    with (
        Finds(lambda: busy.run("find", "model", "--json"), check) as real,
        Finds(lambda: busy.quick("find", "model", "--json"), check) as quick,
    ):
        all_of([busy.start(*words) for words in todo])
    assert real.count
    assert quick.count
    found = records(busy.run("find", "model", "--json").ok())
    by_name = {record["alias"]: record for record in found}
    for n, words in enumerate(todo):
        if words[0] == "rm":
            assert f"work{n}" not in by_name
        elif words[0] == "add":
            assert by_name[f"new{n}"]["repo"] == words[2].split(":")[0]
        elif words[0] == "update":
            assert by_name[f"work{n}"]["tags"] == ["t", "updated"]
        elif words[3].endswith(":"):
            assert by_name[f"work{n}"]["repo"] == words[3][:-1]
        else:
            assert f"renamed{n}" in by_name
    check_repository(busy.local, working=True)
    check_repository(busy.bare(), working=False)
    check_no_locks(busy)
    assert list((busy.path / "pending").iterdir()) == []


def test_one_artifact_moved_to_and_fro(busy: Home) -> None:
    """The densest case: a find falls into nearly every moment of a move between repositories."""

    def check(found: list[Record]) -> None:
        assert uids(found)[uid(2001)] == 1
        assert uids(found)[uid(2003)] == 1
        assert len(found) == STABLE + PROCESSES

    with (
        Finds(lambda: busy.run("find", "model", "--json"), check) as real,
        Finds(lambda: busy.quick("find", "model", "--json"), check) as quick,
    ):
        for n in range(count(40, 4)):
            here, there = ("up", "local") if n % 2 else ("local", "up")
            across = busy.start("mv", "model", f"{here}:work1", f"{there}:")
            name, other = ("work3", "other") if n % 2 == 0 else ("other", "work3")
            busy.run("mv", "model", f"local:{name}", other).ok()
            finish(across).ok()
    assert real.count
    assert quick.count
    check_repository(busy.local, working=True)
    check_repository(busy.bare(), working=False)
