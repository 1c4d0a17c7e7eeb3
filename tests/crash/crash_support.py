"""Homes on which processes of cmgit are let loose, and what must hold of them afterwards."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

FULL = os.environ.get("CMGIT_FULL") == "1"
COMMAND = [sys.executable, "-m", "cmgit"]
MODEL = "00000000000000aa"  # the UID of the automation ``model``

Record = dict[str, Any]


def count(full: int, small: int) -> int:
    """How many of something to do: all with CMGIT_FULL=1, a few without."""
    return full if FULL else small


def environment(home: Path) -> dict[str, str]:
    """The environment of a process of cmgit, with nothing of the user's in it."""
    kept = {key: os.environ[key] for key in ("PATH", "PYTHONPATH", "LANG") if key in os.environ}
    return {
        **kept,
        "HOME": str(home.parent),
        "CMGIT_HOME": str(home),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "Test",
        "GIT_AUTHOR_EMAIL": "test@example.org",
        "GIT_COMMITTER_NAME": "Test",
        "GIT_COMMITTER_EMAIL": "test@example.org",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


class Result(NamedTuple):
    """What a process answered."""

    code: int
    out: str
    err: str
    steps: int = 0

    def ok(self) -> Result:
        """The same, after a look that all went well and nothing was complained about."""
        assert (self.code, self.err) == (0, ""), self
        return self


class Zygote:
    """A process that forks processes of cmgit; see crash_zygote."""

    def __init__(self, scratch: Path) -> None:
        script = Path(__file__).with_name("crash_zygote.py")
        self._scratch = scratch
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(scratch / "unused"),
            cwd=scratch,
        )

    def run(self, home: Path, words: Sequence[str], kill_at: int | None = None) -> Result:
        """Run one command line to its end, or to its death before a step."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            out, err = self._scratch / "out", self._scratch / "err"
            request = {
                "words": list(words), "env": environment(home), "stdout": str(out),
                "stderr": str(err), "below": str(home), "kill_at": kill_at,
            }  # fmt: skip
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            answer = json.loads(self._process.stdout.readline())
            return Result(answer["code"], out.read_text(), err.read_text(), answer["steps"])

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


class Home:
    """A home of cmgit, to be used by real processes."""

    def __init__(self, path: Path, zygote: Zygote | None = None) -> None:
        self.path = path
        self.zygote = zygote
        self.local = path / "local"

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start a process of the console script."""
        return subprocess.Popen(
            [*COMMAND, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(self.path),
            cwd=self.path.parent,
            start_new_session=True,
        )

    def run(self, *words: str) -> Result:
        """Run the console script to its end."""
        return finish(self.start(*words))

    def quick(self, *words: str, kill_at: int | None = None) -> Result:
        """Run a command line in a forked process."""
        assert self.zygote is not None
        return self.zygote.run(self.path, words, kill_at)

    def bare(self, name: str = "up") -> Path:
        """Where a pulled repository is."""
        return self.path / "repos" / f"{name}.git"


def finish(process: subprocess.Popen[str], seconds: float = 120) -> Result:
    """Wait for a process and take its answer."""
    out, err = process.communicate(timeout=seconds)
    return Result(process.returncode, out, err)


def git(directory: Path, *words: str) -> str:
    """What a real Git says; it must not fail, nor complain."""
    home = directory / "nowhere"
    done = subprocess.run(
        ["git", *words], cwd=directory, env=environment(home), capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, ""), (directory, words, done)
    return done.stdout.strip()


def records(result: Result) -> list[Record]:
    """The records that ``find --json`` printed."""
    return [json.loads(line) for line in result.out.splitlines()]


def names(found: list[Record]) -> Counter[str]:
    """How often each artifact is in an answer, by alias."""
    return Counter(record["alias"] for record in found)


def uids(found: list[Record]) -> Counter[str]:
    """How often each artifact is in an answer, by UID."""
    return Counter(record["uid"] for record in found)


def uid(number: int) -> str:
    """A UID for a test's artifact."""
    return f"{number:016x}"


def write_artifact(root: Path, alias: str, number: int) -> None:
    """Put an artifact of automation ``model`` on the disk."""
    place = root / "model" / alias
    place.mkdir(parents=True)
    meta = {
        "alias": alias, "uid": uid(number), "automation_alias": "model", "automation_uid": MODEL,
        "tags": ["t"],
    }  # fmt: skip
    (place / "_cm.json").write_text(json.dumps(meta, indent=2) + "\n")
    (place / "weights.txt").write_text(f"weights of {alias}\n" * 20)


def write_upstream(path: Path, artifacts: dict[str, int]) -> None:
    """Make a Git repository with the automation ``model`` and some artifacts."""
    path.mkdir(parents=True)
    (path / "cmr.yaml").write_text("alias: up\nuid: 00000000000000bb\n")
    automation = path / "automation" / "model"
    automation.mkdir(parents=True)
    (automation / "_cm.yaml").write_text(
        f"alias: model\nuid: {MODEL}\nautomation_alias: automation\n"
        "automation_uid: bbeb15d8f0a944a4\n"
    )
    for alias, number in artifacts.items():
        write_artifact(path, alias, number)
    git(path, "init", "-q", "-b", "main", ".")
    git(path, "add", "-A")
    git(path, "commit", "-q", "-m", "upstream")


def make_home(
    root: Path, local: dict[str, int], up: dict[str, int], zygote: Zygote | None = None
) -> Home:
    """A home with a pulled repository ``up``, and ``local``, each with some artifacts."""
    write_upstream(root / "upstream", up)
    home = Home(root / "home", zygote)
    home.run("pull", "repo", "up", f"--url={root / 'upstream'}").ok()
    for alias, number in local.items():
        write_artifact(home.local, alias, number)
    if local:
        home.run("save").ok()
    home.run("find", "model").ok()
    return home


def check_repository(path: Path, working: bool) -> None:
    """A repository that Git has nothing to say against, with one linear history."""
    assert git(path, "fsck", "--strict", "--no-dangling") == ""
    assert git(path, "rev-list", "--min-parents=2", "--count", "HEAD") == "0"
    if working:
        assert git(path, "status", "--porcelain") == ""


def commits(path: Path) -> int:
    """How many commits the head has."""
    return int(git(path, "rev-list", "--count", "HEAD"))


class State(NamedTuple):
    """What a home holds, without what differs from run to run: times and what follows of them."""

    found: tuple[str, ...]
    heads: tuple[tuple[str, int], ...]


def state(home: Home) -> State:
    """What ``find`` answers, and for each repository the tree and the number of its commits."""
    found = records(home.quick("find", "*", "--json").ok())
    lines = [json.dumps({k: v for k, v in r.items() if k != "commit"}) for r in found]
    return State(tuple(lines), heads(home))


def heads(home: Home) -> tuple[tuple[str, int], ...]:
    """For each registered repository the tree of its head and how many commits it has."""
    registered = json.loads((home.path / "registry.json").read_bytes())["repositories"]
    places = [home.path / entry["path"] for entry in registered]
    return tuple((git(p, "rev-parse", "HEAD^{tree}"), commits(p)) for p in places)


def check_no_locks(home: Home) -> None:
    """No lock file that would keep Git out; an unfinished clone or fetch, which the next one
    sweeps, does not count."""
    found = (path.relative_to(home.path).as_posix() for path in home.path.rglob("*.lock"))
    left = [path for path in found if not re.match("repos/(tmp-|[^/]+/cmgit/incoming/)", path)]
    assert left == [], left


def keep_template(home: Home) -> None:
    """Keep a copy of a home, for ``restore``."""
    shutil.copytree(home.path, home.path.with_name("template"), symlinks=True)


def restore(home: Home) -> None:
    """Make a home what it was when its template was taken, with a fresh index."""
    shutil.rmtree(home.path)
    shutil.copytree(home.path.with_name("template"), home.path, symlinks=True)
    git(home.local, "status", "--porcelain")
    home.quick("find", "model").ok()
