"""Adding artifacts: one by ``cmgit add`` beside ``cm add``, and 10,000 at once beside real Git.

One: the whole process; cmgit makes a commit, cm does not. Bar: at most 2 times cm.

10,000 in one change, from Python, each with a meta and a script: the whole process, from the
start of Python to an index that finds them. Into a working repository cmgit writes the files too.
Git is timed twice on the same files: ``git add`` and ``git commit`` alone, the files being there
already, and by a Python process that writes them first. Bar: at most 1.5 times Git.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from .measure import Case, expect, run_all, run_once, script
from .startup import cmgit, cmgit_environment

AUTOMATION = ("core", "60cb625a46b38610")  # one of CM's own
GIT_ONLY, GIT_AND_FILES = "git add + git commit", "files + git add + git commit"


def run(runs: int, smoke: bool) -> None:
    """Print the figures; the smoke size adds 20 instead of 10,000."""
    with tempfile.TemporaryDirectory(prefix="cmgit-bench-") as top:
        run_all("write: one", one(Path(top)), runs)
    with tempfile.TemporaryDirectory(prefix="cmgit-bench-") as top:
        count = 20 if smoke else 10_000
        run_all(f"write: {count} at once", many(Path(top), count), runs)


# -- one artifact ---------------------------------------------------------------------------------


def one(top: Path) -> list[Case]:
    """An artifact of CM's own automation ``core`` into ``local``, named by its UID."""
    words = ["add", AUTOMATION[0], "--tags=benchmark,small"]
    cm_home = {"CM_REPOS": str(top / "cm"), "CM_CORE_SKIP_INTERNAL_REPOS": "yes"}
    environment = cmgit_environment(top)
    run_once(cmgit(environment, "pull", "repo", "internal", "--url=package:cmind"))
    run_once(Case("index", [script("cm"), "find", "core"], environment=cm_home))
    local = top / "cmgit" / "local"
    cm_local = top / "cm" / "repos" / "local"
    counted: dict[str, int] = {"cm": 0, "cmgit": 0}

    def added(name: str, directory: Path) -> None:
        counted[name] += 1
        expect(f"artifacts of {name}", len(os.listdir(directory)), counted[name])

    def committed(output: str) -> None:
        added("cmgit", local / AUTOMATION[0])
        expect("commits", git(local, "rev-list", "--count", "HEAD"), str(counted["cmgit"] + 1))
        expect("git fsck", git(local, "fsck", "--strict", "--no-dangling"), "")
        expect("git status", git(local, "status", "--porcelain"), "")

    plain = cmgit(environment, *words)
    name = f"cm {' '.join(words)}"
    return [
        Case(
            name,
            [script("cm"), *words],
            environment=cm_home,
            check=lambda output: added("cm", cm_local / AUTOMATION[0]),
        ),
        Case(plain.name, plain.command, (name,), environment, check=committed),
    ]


# -- many at once ---------------------------------------------------------------------------------


def many(top: Path, count: int) -> list[Case]:
    """The same artifacts by Git and by cmgit, each time into a fresh repository."""
    environment = cmgit_environment(top)
    place, trees = top / "plain", set()

    def fresh_git(files: bool) -> None:
        shutil.rmtree(place, ignore_errors=True)
        git(top, "init", "-q", str(place))
        if files:
            write_files(place, count)

    def fresh_home(*words: str) -> None:
        shutil.rmtree(top / "cmgit", ignore_errors=True)
        run_once(cmgit(environment, *words))

    def same(directory: Path, output: str) -> None:
        tree = git(directory, "rev-parse", f"HEAD:{AUTOMATION[0]}")
        trees.add(tree)
        expect("different trees", len(trees), 1)
        files = git(directory, "ls-tree", "-r", "--name-only", "HEAD", f"{AUTOMATION[0]}/")
        expect("files", len(files.splitlines()), 2 * count)
        expect("git fsck", git(directory, "fsck", "--strict", "--no-dangling"), "")

    def in_working(output: str) -> None:
        same(top / "cmgit" / "local", output)
        expect("git status", git(top / "cmgit" / "local", "status", "--porcelain"), "")
        expect("found", output.strip(), str(count))

    def in_bare(output: str) -> None:
        same(top / "cmgit" / "repos" / "empty.git", output)
        expect("found", output.strip(), str(count))

    empty = top / "empty"
    git(top, "init", "-q", str(empty))
    (empty / "cmr.yaml").write_text("alias: empty\nuid: 0123456789abcdef\n")
    commit(empty, environment)
    os.environ.update(environment)  # Git commits as the same person
    baselines = (GIT_ONLY, GIT_AND_FILES)
    return [
        Case(
            GIT_ONLY,
            ["sh", "-c", f"cd '{place}' && git add --all && git commit -q -m add"],
            prepare=partial(fresh_git, True),
            check=partial(same, place),
        ),
        Case(
            GIT_AND_FILES,
            _worker("git", place, count),
            prepare=partial(fresh_git, False),
            check=partial(same, place),
        ),
        Case(
            f"cmgit.artifacts.add_many of {count}, working",
            _worker("local", top / "cmgit", count),
            baselines,
            environment,
            partial(fresh_home, "find", "*"),
            in_working,
        ),
        Case(
            f"cmgit.artifacts.add_many of {count}, bare",
            _worker("empty", top / "cmgit", count),
            baselines,
            environment,
            partial(fresh_home, "pull", "repo", "empty", f"--url={empty}"),
            in_bare,
        ),
    ]


def git(directory: Path, *words: str) -> str:
    """Run the real Git; returns what it printed, errors and notes included, stripped."""
    done = subprocess.run(
        ["git", "-C", str(directory), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def commit(directory: Path, environment: dict[str, str]) -> None:
    """Commit everything there with the real Git."""
    for words in (["add", "--all"], ["commit", "-q", "-m", "add"]):
        subprocess.run(
            ["git", *words], cwd=directory, env={**os.environ, **environment}, check=True
        )


# -- what runs in the timed processes -------------------------------------------------------------


def _worker(kind: str, place: Path, count: int) -> list[str]:
    return [sys.executable, "-m", "benchmarks.write", kind, str(place), str(count)]


def artifacts(count: int) -> Iterator[tuple[dict[str, Any], bytes]]:
    """The meta of each artifact, and its script."""
    for number in range(count):
        meta = {
            "alias": f"artifact-{number:05}",
            "uid": f"{number + 1:016x}",
            "automation_alias": AUTOMATION[0],
            "automation_uid": AUTOMATION[1],
            "tags": ["benchmark", f"group-{number % 100}"],
            "number": number,
        }
        yield meta, f"echo {number}\n".encode()


def write_files(place: Path, count: int) -> None:
    """Write all of them as files, the bytes that cmgit writes."""
    for meta, code in artifacts(count):
        directory = os.path.join(place, AUTOMATION[0], meta["alias"])
        os.makedirs(directory)
        with open(os.path.join(directory, "_cm.json"), "w", encoding="utf-8") as file:
            file.write(json.dumps(meta, indent=2, sort_keys=True) + "\n")
        with open(os.path.join(directory, "run.sh"), "wb") as binary:
            binary.write(code)


def add_to_cmgit(home: str, repo: str, count: int) -> int:
    """Add all of them to a repository of a home; returns how many are found then."""
    from cmgit import Workspace
    from cmgit.artifacts import New, add_many
    from cmgit.change import File
    from cmgit.names import Name

    workspace = Workspace(home)
    news = [
        New(Name(meta["alias"], meta["uid"]), meta, files={"run.sh": File(code)})
        for meta, code in artifacts(count)
    ]
    add_many(workspace, workspace.registry.one(Name(repo)), Name(*AUTOMATION), news)
    return len(workspace.find(AUTOMATION[0], tags="benchmark", repo=repo))


def _work(kind: str, place: str, count: int) -> None:
    if kind == "git":
        write_files(Path(place), count)
        commit(Path(place), {})
    else:
        print(add_to_cmgit(place, kind, count))


if __name__ == "__main__":
    _work(sys.argv[1], sys.argv[2], int(sys.argv[3]))
