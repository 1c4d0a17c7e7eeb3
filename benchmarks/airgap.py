"""Across an air gap: exporting and importing 200 repositories, beside Git with 8 workers.

Export: the whole process of ``cmgit mirror export``, manifest and SHA-256 of every part included,
beside ``git bundle create`` for each repository. An increment of 2 commits for each, likewise.
Import into an empty home: ``cmgit mirror import``, with every sum, object and link checked and the
index made, beside ``git clone --mirror`` of each bundle. Bars: at most 1.5 times Git; an
increment's size within 10% of Git's. ``without git`` is the same by dulwich alone, without a bar.

The repositories have 40 commits and some 270 objects each.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from .measure import LIMIT_S, Case, expect, print_line, run_all, script
from .startup import cmgit, cmgit_environment

WORKERS = 8
WORDS = ["alpha", "beta", "gamma", "delta", "run", "script", "model", "os", "detect"]


def run(runs: int, smoke: bool) -> None:
    """Print the figures; the smoke size has 3 repositories instead of 200."""
    count = 3 if smoke else 200
    with tempfile.TemporaryDirectory(prefix="cmgit-bench-") as top:
        gap = Gap(Path(top), count)
        about = {"repositories": count, "workers": WORKERS}
        run_all(
            "airgap: whole", [*gap.exports("whole"), *gap.imports()], runs, LIMIT_S, about=about
        )
        gap.grow()
        run_all("airgap: increment", gap.exports("increment"), runs, LIMIT_S, about=about)
        gap.print_sizes()


class Gap:
    """A home with repositories, a disk, and an empty home; what Git makes of the same."""

    def __init__(self, top: Path, count: int) -> None:
        self.top = top
        self.names = [f"r{number:03}" for number in range(count)]
        self.repos = top / "cmgit" / "repos"
        self.environment = cmgit_environment(top)
        self.there = {**self.environment, "CMGIT_HOME": str(top / "there")}
        nowhere = top / "nowhere"  # a PATH without git
        nowhere.mkdir()
        self.without = {"PATH": str(nowhere)}
        register(top / "cmgit", self.names)
        for name in self.names:
            run_git(top, "init", "-q", "--bare", "-b", "main", str(self.repos / f"{name}.git"))
            run_git(self.repos / f"{name}.git", "fast-import", "--quiet", given=history(name))
        self.base = {name: tip(self.repos / f"{name}.git") for name in self.names}
        self.since: list[str] = []

    def exports(self, kind: str) -> list[Case]:
        """Git's loop, cmgit, and cmgit without git; each to a directory of its own."""
        loop = f"git bundle create, {kind}"
        places = {"git": self.top / f"{kind}-git", "": self.top / f"{kind}-dulwich"}
        words = ["mirror", "export", *self.since]
        prepared = self.top / f"{kind}-loop"
        clean: Callable[[Path], None] = partial(shutil.rmtree, ignore_errors=True)
        command = (
            f"ls '{self.repos}' | xargs -P{WORKERS} -I@ sh -c 'git -C {self.repos}/@ bundle create "
            f"-q {prepared}/@.bundle --all $(cat {self.top}/base/@ 2>/dev/null)'"
        )

        def fresh() -> None:
            clean(prepared)
            prepared.mkdir()

        def bundles(output: str) -> None:
            expect("bundles", len(os.listdir(prepared)), len(self.names))

        def exported(place: Path, output: str) -> None:
            found = list(place.glob("*/bundles/*.bundle"))
            expect("bundles", len(found), len(self.names))
            run_git(self.repos / f"{self.names[0]}.git", "bundle", "verify", str(sorted(found)[0]))

        cases = [Case(loop, ["sh", "-c", command], prepare=fresh, check=bundles)]
        for git, place in places.items():
            plain = cmgit(self.environment, *words, f"--to={place}")
            name = f"cmgit mirror export, {kind}" + ("" if git else ", without git")
            environment = {**self.environment, **({} if git else self.without)}
            check = partial(exported, place)
            cases.append(
                Case(name, plain.command, (loop,), environment, partial(clean, place), check)
            )
        return cases

    def imports(self) -> list[Case]:
        """The same for what the exports left."""
        loop, clones, home = "git clone --mirror of each", self.top / "clones", self.top / "there"
        clean: Callable[[Path], None] = partial(shutil.rmtree, ignore_errors=True)
        bundles = self.top / "whole-loop"
        command = (
            f"ls '{bundles}' | xargs -P{WORKERS} -I@ git clone -q --mirror {bundles}/@ {clones}/@"
        )

        def cloned(output: str) -> None:
            expect("clones", len(os.listdir(clones)), len(self.names))

        def imported(output: str) -> None:
            for name in self.names[:3]:
                got = home / "repos" / f"{name}.git"
                expect("git fsck", run_git(got, "fsck", "--strict"), "")
                expect("tip", tip(got), self.base[name])
            expect("imported", len(os.listdir(home / "repos")), len(self.names))

        cases = [
            Case(loop, ["sh", "-c", command], prepare=partial(clean, clones), check=cloned),
        ]
        for git in ("git", ""):
            name = "cmgit mirror import" + ("" if git else ", without git")
            words = [script("cmgit"), "mirror", "import", str(self.top / "whole-git")]
            environment = {**self.there, **({} if git else self.without)}
            cases.append(Case(name, words, (loop,), environment, partial(clean, home), imported))
        return cases

    def grow(self) -> None:
        """Two commits more in each; increments are since what was exported before."""
        (self.top / "base").mkdir()
        for name in self.names:
            run_git(self.repos / f"{name}.git", "fast-import", "--quiet", given=more(name))
            (self.top / "base" / f"{name}.git").write_text(f"^{self.base[name]}")
        self.since = [f"--since={self.top / 'whole-git'}"]

    def print_sizes(self) -> None:
        """How many bytes the bundles of the increments are, and their ratio to Git's."""
        theirs = size(self.top / "increment-loop", "*.bundle")
        for kind in ("git", "dulwich"):
            own = size(self.top / f"increment-{kind}", "*/bundles/*.bundle")
            line = {
                "name": f"bytes of an increment, {kind}",
                "bytes": own,
                "baseline": "git bundle",
            }
            print_line({**line, "ratio": round(own / theirs, 3)})


def size(directory: Path, pattern: str) -> int:
    """The bytes of the files that a pattern fits."""
    return sum(path.stat().st_size for path in directory.glob(pattern))


def register(home: Path, names: list[str]) -> None:
    """Make bare repositories known to a home, before they are there."""
    from cmgit import Workspace
    from cmgit.registry import BARE, Entry

    workspace = Workspace(str(home))
    with workspace.registry.change() as registry:
        for number, name in enumerate(names):
            path, url = str(home / "repos" / f"{name}.git"), f"https://example.org/{name}"
            registry.add(Entry(0, name, f"{number + 1:016x}", BARE, path, url))


def run_git(directory: Path, *words: str, given: bytes = b"") -> str:
    """Run the real Git; returns what it printed to stdout, stripped."""
    done = subprocess.run(
        ["git", *words],
        cwd=directory,
        input=given,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    return done.stdout.decode().strip()


def tip(repository: Path) -> str:
    """The commit of its branch."""
    return run_git(repository, "rev-parse", "refs/heads/main")


# -- what is in the repositories, for git fast-import ---------------------------------------------


def history(name: str) -> bytes:
    """40 commits, each with two scripts changed."""
    chance = random.Random(name)
    uid = f"{int(name[1:]) + 1:016x}"
    first = file("cmr.yaml", f"alias: {name}\nuid: {uid}\n")
    return b"".join(commit(n, chance, first if n == 0 else b"") for n in range(40))


def more(name: str) -> bytes:
    """Two commits more."""
    chance = random.Random(f"{name} more")
    start = b"from refs/heads/main^0\n"
    return commit(40, chance, b"", start) + commit(41, chance, b"")


def commit(number: int, chance: random.Random, files: bytes, start: bytes = b"") -> bytes:
    """One commit."""
    head = (
        f"commit refs/heads/main\ncommitter A <a@example.org> {1_700_000_000 + 60 * number} +0000\n"
    )
    changed = [
        file(
            f"script/s{chance.randrange(20)}/run.sh",
            " ".join(f"{chance.choice(WORDS)}{chance.randrange(1000)}" for _ in range(120)),
        )
        for _ in range(2)
    ]
    return b"".join([head.encode(), b"data 3\nc%02d\n" % number, start, files, *changed, b"\n"])


def file(path: str, text: str) -> bytes:
    """One file of a commit."""
    return f"M 100644 inline {path}\ndata {len(text)}\n{text}\n".encode()
