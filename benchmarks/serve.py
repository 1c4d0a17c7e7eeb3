"""Serving: ``git clone`` from ``cmgit serve --git``, beside ``git http-backend`` in a web server.

One repository of 20,000 objects, cloned once, and by 8 clients at once; the same when it has two
packs, as after a sync that brought something. Bar: 3 times ``git http-backend``, see
:mod:`.served`. ``without git`` is the same repository served by cmgit alone.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from .airgap import run_git, tip
from .measure import LIMIT_S, Case, expect, run_all, script
from .mirror import grow, make_big
from .served import served, server
from .startup import cmgit_environment

COMMITS = 5000  # four objects each
CLIENTS = 8


def run(runs: int, smoke: bool) -> None:
    """Print the figures; the smoke size has 200 objects."""
    commits = 50 if smoke else COMMITS
    with tempfile.TemporaryDirectory(prefix="cmgit-bench-") as name, ExitStack() as stack:
        top = Path(name)
        make_big(top / "origins", commits)
        environment = cmgit_environment(top)
        sync(top, environment)
        urls = {
            "git http-backend": stack.enter_context(served(top / "home" / "repos", CLIENTS)),
            "cmgit serve": stack.enter_context(serving(environment)),
            "cmgit serve, without git": stack.enter_context(
                serving({**environment, "CMGIT_TRANSPORT": "dulwich"})
            ),
        }
        about = {"objects": 4 * commits, "server": server()}
        run_all("serve: clone", cases(top, urls, 1), runs, LIMIT_S, about=about)
        run_all(f"serve: {CLIENTS} at once", cases(top, urls, CLIENTS), runs, LIMIT_S, about=about)
        grow(top / "origins" / "big.git", commits)
        sync(top, environment)
        run_all("serve: clone, two packs", cases(top, urls, 1), runs, LIMIT_S, about=about)


def sync(top: Path, environment: dict[str, str]) -> None:
    """Bring the home that is served in step with the origin."""
    for words in (["add", f"file://{top}/origins/big.git", "--name=big"], ["sync"]):
        subprocess.run(
            [script("cmgit"), "mirror", *words],
            env={**os.environ, **environment, "CMGIT_HOME": str(top / "home")},
            check=True,
            capture_output=True,
        )
    environment["CMGIT_HOME"] = str(top / "home")


def cases(top: Path, urls: dict[str, str], clients: int) -> list[Case]:
    """The same clone from each server, the first of which is what the others are compared with."""
    wanted, first = tip(top / "origins" / "big.git"), next(iter(urls))
    clones = top / "clones"

    def fresh() -> None:
        shutil.rmtree(clones, ignore_errors=True)
        clones.mkdir()

    def whole(output: str) -> None:
        for number in range(clients):
            expect("tip", tip(clones / f"{number + 1}"), wanted)
        expect("git fsck", run_git(clones / "1", "fsck"), "")

    each = f"seq {clients} | xargs -P{clients} -I@ git clone -q --mirror {{url}}/big.git {clones}/@"
    return [
        Case(
            name,
            ["sh", "-c", each.format(url=url)],
            () if name == first else (first,),
            prepare=fresh,
            check=whole,
        )
        for name, url in urls.items()
    ]


@contextmanager
def serving(environment: dict[str, str]) -> Iterator[str]:
    """``cmgit serve`` as a process; yields its URL."""
    with subprocess.Popen(
        [script("cmgit"), "serve", "--git", "--port=0"],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()
