"""Mirrors: 200 repositories and a big one brought in step, beside Git with 8 workers.

Each is the whole process of ``cmgit mirror sync``, all checks and the index included, beside
``git clone --mirror`` and ``git remote update`` of each repository. Bars: the first sync at most
1.0 times Git, one with nothing new 0.5 times, over ``file:`` and HTTP (``git http-backend``, which
nginx runs where it is there). The big repository has 195,000 objects, over HTTP. Bars: 1.15 times
Git, without git 5 times and 250 MB; 50 new commits 5 times Git. ``without git`` is the same by
dulwich alone.
"""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from .airgap import WORDS, WORKERS, file, history, run_git, tip
from .measure import LIMIT_S, Case, expect, print_line, run_all, script
from .served import served, server
from .startup import cmgit_environment

COMMITS = 48_750  # of the big one, four objects each
NEW = 50
CHECKED = "git clone --mirror, objects checked"


def run(runs: int, smoke: bool) -> None:
    """Print the figures; the smoke size has 3 repositories, and a big one of 150 objects."""
    count, commits = (3, 50) if smoke else (200, COMMITS)
    with tempfile.TemporaryDirectory(prefix="cmgit-bench-") as name:
        top = Path(name)
        origins = [f"r{number:03}.git" for number in range(count)]
        make(top / "origins", origins)
        with served(top / "origins", WORKERS) as url:
            for where in (f"file://{top}/origins", url):
                fleet = Fleet(top, origins, where)
                over = server() if where == url else "file"
                about = {"repositories": count, "workers": WORKERS, "over": over}
                run_all("mirror: first", fleet.first(), runs, 4 * LIMIT_S, about=about)
                run_all("mirror: nothing new", fleet.again(), runs, LIMIT_S, about=about)
    with tempfile.TemporaryDirectory(prefix="cmgit-bench-") as name:
        top = Path(name)
        make_big(top / "origins", commits)
        with served(top / "origins", WORKERS) as url:
            big = Fleet(top, ["big.git"], url)
            about = {"objects": 4 * commits, "over": server()}
            run_all("mirror: big", big.first(), min(runs, 3), 4 * LIMIT_S, more=True, about=about)
            grow(top / "origins" / "big.git", commits)
            run_all(f"mirror: {NEW} new commits", big.behind(), runs, LIMIT_S, about=about)
            big.print_sizes()


class Fleet:
    """The same repositories mirrored by Git's loop, by cmgit, and by cmgit without git."""

    def __init__(self, top: Path, names: list[str], url: str) -> None:
        self.top = top
        self.names = names
        self.url = url
        self.loop = top / "loop"
        self.homes = {"": top / "home", ", without git": top / "home-without"}
        for place in (self.loop, *self.homes.values()):
            shutil.rmtree(place, ignore_errors=True)
        self.tips = {name: tip(top / "origins" / name) for name in names}

    def first(self) -> list[Case]:
        """Into an empty directory, an empty home; by git also with every object checked, as cmgit
        does it."""
        clone = "clone -q --mirror {url}/@ {loop}/@"
        checked = Case(
            CHECKED,
            self._loop(f"-c transfer.fsckObjects=true {clone}"),
            prepare=partial(_emptied, self.loop),
            check=partial(self._same, self.loop, ""),
        )
        return [checked, *self._cases("git clone --mirror", self._loop(clone))]

    def again(self) -> list[Case]:
        """When all is in step."""
        words = "-C {loop}/@ remote update --prune"
        return self._cases("git remote update", self._loop(words), fresh=False)

    def behind(self) -> list[Case]:
        """Back to where it was before each run."""
        self.tips = {name: tip(self.top / "origins" / name) for name in self.names}
        places = [self.loop, *self.homes.values()]
        for place in places:
            place.rename(f"{place}-old")
        cases = self.again()
        return [
            Case(case.name, case.command, case.baselines, case.environment, back, case.check)
            for case, back in zip(cases, [partial(_copy, place) for place in places], strict=True)
        ]

    def _loop(self, words: str) -> list[str]:
        command = words.format(url=self.url, loop=self.loop)
        names = " ".join(self.names)
        workers = f"xargs -n1 -P{WORKERS} -I@ git {command}"
        return ["sh", "-c", f"printf '%s\\n' {names} | {workers} >/dev/null"]

    def _cases(self, peer: str, loop: list[str], fresh: bool = True) -> list[Case]:
        cases = [
            Case(
                peer,
                loop,
                prepare=partial(_emptied, self.loop) if fresh else _nothing,
                check=partial(self._same, self.loop, ""),
            )
        ]
        for kind, home in self.homes.items():
            environment = {**cmgit_environment(self.top), "CMGIT_HOME": str(home)}
            if kind:
                environment["CMGIT_TRANSPORT"] = "dulwich"
            prepare: Callable[[], None] = partial(self._empty_home, home) if fresh else _nothing
            cases.append(
                Case(
                    f"cmgit mirror sync -j {WORKERS}{kind}",
                    [script("cmgit"), "mirror", "sync", "-j", str(WORKERS)],
                    (peer, CHECKED) if fresh else (peer,),
                    environment,
                    prepare,
                    partial(self._same, home / "repos", f"{len(self.names)} mirrors in step"),
                )
            )
        return cases

    def _empty_home(self, home: Path) -> None:
        _emptied(home)
        lines = [f"- {{url: '{self.url}/{n}', name: {n.removesuffix('.git')}}}" for n in self.names]
        (home / "mirrors.yaml").write_text("\n".join(["mirrors:", *lines, ""]))

    def _same(self, place: Path, said: str, output: str) -> None:
        expect("it says so", said in output, True)
        for name in self.names:
            expect(f"tip of {name}", tip(place / name), self.tips[name])
        expect("git fsck", run_git(place / self.names[0], "fsck", "--no-dangling"), "")

    def print_sizes(self) -> None:
        """How many bytes came with the new commits, and their ratio to what Git keeps of them."""
        theirs = packs(self.loop) - packs(Path(f"{self.loop}-old"))
        for kind, home in self.homes.items():
            own = packs(home) - packs(Path(f"{home}-old"))
            line = {"name": f"bytes of {NEW} new commits{kind}", "bytes": own, "baseline": "git"}
            print_line({**line, "ratio": round(own / max(1, theirs), 3)})


def _nothing() -> None:
    pass


def _emptied(place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)


def _copy(place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(f"{place}-old", place, symlinks=True)


def packs(place: Path) -> int:
    """The bytes of objects below a directory."""
    files = [*place.rglob("*.pack"), *place.glob("**/objects/??/*")]
    return sum(path.stat().st_size for path in files)


# -- what is mirrored -----------------------------------------------------------------------------


def make(place: Path, names: list[str]) -> None:
    """Repositories of some 200 objects each."""
    for name in names:
        run_git(place.parent, "init", "-q", "--bare", "-b", "main", str(place / name))
        run_git(place / name, "fast-import", "--quiet", given=history(name.removesuffix(".git")))


def make_big(place: Path, commits: int) -> None:
    """One repository in which each commit makes four objects."""
    run_git(place.parent, "init", "-q", "--bare", "-b", "main", str(place / "big.git"))
    data = b"".join(_commit(number) for number in range(commits))
    run_git(place / "big.git", "fast-import", "--quiet", given=data)
    run_git(place / "big.git", "repack", "-adq")


def grow(repository: Path, commits: int) -> None:
    """Some commits more."""
    first = _commit(commits, b"from refs/heads/main^0\n")
    data = first + b"".join(_commit(commits + number) for number in range(1, NEW))
    run_git(repository, "fast-import", "--quiet", given=data)


def _commit(number: int, start: bytes = b"") -> bytes:
    chance = random.Random(number)
    text = " ".join(f"{chance.choice(WORDS)}{chance.randrange(1000)}" for _ in range(60))
    time = f"{1_700_000_000 + 60 * number} +0000"
    head = f"commit refs/heads/main\ncommitter A <a@example.org> {time}\ndata 1\nc\n"
    path = f"d{number % 30}/f{number % 900}"
    return head.encode() + start + file(path, f"{number} {text}") + b"\n"
