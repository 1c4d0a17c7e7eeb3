"""Making the index, and keeping it: beside cm's, and beside Git's own way of reading and adding.

- Building it anew, ``cmgit reindex``, beside ``cm reindex`` (10,000 artifacts at most): artifacts a
  second, and a second of processor; peak memory; bytes on disk. Bars: 5,000 a second and core, 20
  times cm, 260 bytes an artifact.
- After a commit that changed one artifact: ``cmgit find`` of it, which brings the index up to date.
  Bar: 2% of building.
- Reading all metas of a repository out of Git, beside ``git cat-file --batch`` that is told what to
  read. Bar: at most twice its time.
- Adding one artifact to the one directory, beside Git's plumbing with an index of Git that is kept
  (``hash-object``, ``update-index``, ``write-tree``, ``commit-tree``, ``update-ref``). Bar: 0.6 of it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path

from .corpus import Spec, copy_home, corpus, default_directory, repository_name
from .measure import Case, expect, print_line, run_all, run_once, script, skip
from .peers import CM_MOST, cm_environment, generated
from .startup import cmgit, cmgit_environment
from .write import git

SIZES = {
    "10k": Spec(10_000, 1),
    "100k": Spec(100_000, 1),
    "1M": Spec(1_000_000, 10_000),
    "10M": Spec(10_000_000, 10_000),
}
DEFAULT_SIZES = ("10k", "100k")
LIMIT_S = 3600.0
REINDEX, PLUMBING, CAT = "cmgit reindex", "git plumbing", "git cat-file --batch"
REPO = repository_name(0).alias  # the first, the largest
CHANGED = "changed-by-the-benchmark"  # a tag


def run(runs: int, smoke: bool, sizes: Sequence[str] = ()) -> None:
    """Print the figures of each size; the smoke size is tiny and without cm."""
    if smoke:
        with tempfile.TemporaryDirectory(prefix="cmgit-bench-") as top:
            measure(Spec(100, 1), Path(top), Path(top), runs, smoke)
        return
    for size in sizes or DEFAULT_SIZES:
        directory = default_directory()
        directory.mkdir(parents=True, exist_ok=True)
        # the same file system, so that packs are linked and not copied
        with tempfile.TemporaryDirectory(prefix="cmgit-bench-", dir=directory) as top:
            measure(SIZES[size], directory, Path(top), runs, smoke)


def measure(spec: Spec, directory: Path, top: Path, runs: int, smoke: bool) -> None:
    """All figures for one corpus, in a copy of its home."""
    home = copy_home(corpus(spec, directory) / "home", top / "home")
    environment = {**cmgit_environment(top), "CMGIT_HOME": str(home)}
    about = {"artifacts": spec.artifacts, "repositories": spec.repositories}
    change = Changes(home, environment)
    size = size_on_disk(home, environment, change)
    cm = [] if smoke else cm_cases(spec, directory)
    run = partial(run_all, runs=runs, limit=LIMIT_S, more=not smoke, about=about)
    run("index", chain(index_cases(spec, environment, change), cm))
    per_artifact = round(size / spec.artifacts)
    print_line({"name": "index on disk", "bytes": size, "bytes_per_artifact": per_artifact})
    run("reading from Git", reading_cases(home))
    run("adding one", adding_cases(home, environment))
    for repository in (bare(home), top / "plumbing.git"):
        expect("git fsck", git(repository, "fsck", "--strict", "--no-dangling"), "")


def bare(home: Path) -> Path:
    """The first repository."""
    return home / "repos" / f"{REPO}.git"


def size_on_disk(home: Path, environment: dict[str, str], change: Changes) -> int:
    """The bytes of a new index. What was needed only while it was made goes at the next change,
    if it looks old."""
    everything = cmgit(environment, "find", "*", "--count")
    run_once(everything)
    for file in home.glob("index-v*/*"):
        os.utime(file, (0, 0))
    change.make()
    run_once(everything)
    return sum(file.stat().st_size for file in home.glob("index-v*/*"))


# -- building, and keeping up to date -------------------------------------------------------------


def index_cases(spec: Spec, environment: dict[str, str], change: Changes) -> Iterator[Case]:
    """Build it anew; and find what was changed since."""
    words = [script("cmgit"), "reindex"]
    yield Case(REINDEX, words, environment=environment, items=spec.artifacts)
    yield Case(
        "cmgit find, one changed",
        [script("cmgit"), "find", "script", f"--tags={CHANGED}"],
        (REINDEX,),
        environment,
        prepare=change.make,
        check=lambda output: expect("changed", len(output.splitlines()), change.made),
    )


class Changes:
    """Commits by Git to the first repository, each of which changes one artifact.

    cmgit looks at a bare repository only when a process of its own changes it, which says so by a
    marker; here the marker is put as a killed process leaves it.
    """

    def __init__(self, home: Path, environment: dict[str, str]) -> None:
        self.made = 0
        self._environment = {**environment, "GIT_INDEX_FILE": str(home.parent / "changes.index")}
        self._repository = bare(home)
        self._marker = home / "pending" / "1"
        self._git("read-tree", "HEAD")
        files = self._git("ls-tree", "-r", "--name-only", "HEAD", "script/").decode().splitlines()
        self._paths = iter([path for path in files if path.endswith("/_cm.yaml")])

    def make(self) -> None:
        """Give the next artifact one more tag."""
        path = next(self._paths)
        meta = self._git("cat-file", "blob", f"HEAD:{path}")
        meta = meta.replace(b"\ntags:\n", b"\ntags:\n- %b\n" % CHANGED.encode())
        blob = self._git("hash-object", "-w", "--stdin", input=meta).decode()
        self._git("update-index", "--cacheinfo", f"100644,{blob},{path}")
        tree = self._git("write-tree").decode()
        commit = self._git("commit-tree", tree, "-p", "HEAD", "-m", "change one").decode()
        self._marker.touch()
        self._git("update-ref", "HEAD", commit)
        self.made += 1

    def _git(self, *words: str, input: bytes = b"") -> bytes:
        done = subprocess.run(
            ["git", "-C", str(self._repository), *words],
            input=input,
            stdout=subprocess.PIPE,
            env={**os.environ, **self._environment},
            check=True,
        )
        return done.stdout if words[0] == "cat-file" else done.stdout.strip()


def cm_cases(spec: Spec, directory: Path) -> Iterator[Case]:
    """The same by cm, from files. It has 359 artifacts more, those of the installed package."""
    if spec.artifacts > CM_MOST:
        return skip("cm reindex", f"prepared for no more than {CM_MOST} artifacts")
    environment = cm_environment(generated(spec, directory))
    words = [script("cm"), "reindex", "repo"]
    yield Case("cm reindex", words, (REINDEX,), environment, items=spec.artifacts)


# -- reading, and adding --------------------------------------------------------------------------


def reading_cases(home: Path) -> Iterator[Case]:
    """Read the tree and the meta of each artifact."""
    repository = bare(home)
    lines = git(repository, "ls-tree", "-r", "-t", "HEAD").splitlines()
    ids = [line.split()[2] for line in lines if is_read(line.split("\t")[1])]
    names = home.parent / "ids"
    names.write_text("\n".join(ids) + "\n")
    words = f"git -C '{repository}' cat-file --batch < '{names}' > '{os.devnull}'"
    yield Case(CAT, ["sh", "-c", words], items=len(ids))
    command = [sys.executable, "-m", "benchmarks.index", str(repository)]
    yield Case("cmgit.scan.tree_artifacts", command, (CAT,), items=len(ids))


def is_read(path: str) -> bool:
    """Whether a path is that of an artifact's directory or its meta."""
    parts = path.split("/")
    return len(parts) == 2 or (len(parts) == 3 and parts[2].startswith("_cm."))


def adding_cases(home: Path, environment: dict[str, str]) -> Iterator[Case]:
    """One small artifact more, among all the others of its automation; a commit of its own."""
    plumbing = copy_home(bare(home), home.parent / "plumbing.git")
    meta, files = home.parent / "meta", home.parent / "plumbing.index"
    meta.write_text('{\n  "alias": "new",\n  "tags": [\n    "benchmark"\n  ]\n}\n')
    with_index = {**environment, "GIT_INDEX_FILE": str(files)}
    run_once(
        Case("fill", ["git", "-C", str(plumbing), "read-tree", "HEAD"], environment=with_index)
    )
    yield Case(
        PLUMBING,
        ["sh", "-euc", _PLUMBING, str(meta)],
        environment=with_index,
        directory=str(plumbing),
        check=one_commit_more(plumbing),
    )
    added = one_commit_more(bare(home))
    words = ["add", "script", f"{REPO}:", "--tags=benchmark"]
    yield Case("cmgit add", [script("cmgit"), *words], (PLUMBING,), environment, check=added)


_PLUMBING = """
blob=$(git hash-object -w "$0")
git update-index --add --cacheinfo "100644,$blob,script/new-$$/_cm.json"
tree=$(git write-tree)
commit=$(git commit-tree "$tree" -p HEAD -m "add one")
git update-ref HEAD "$commit"
"""


def one_commit_more(repository: Path) -> Callable[[str], None]:
    """A check that there is a commit that was not there before, with one meta more."""
    before = [git(repository, "rev-parse", "HEAD")]

    def check(output: str) -> None:
        expect("parent", git(repository, "rev-parse", "HEAD^"), before[0])
        changed = git(repository, "diff-tree", "-r", "--name-status", "HEAD^", "HEAD")
        expect("a meta added", [changed[0], changed.count("\n")], ["A", 0])
        before[0] = git(repository, "rev-parse", "HEAD")

    return check


def _read(path: str) -> None:
    """What runs in the timed process: read all artifacts of a repository."""
    from cmgit.repository import Repository
    from cmgit.scan import tree_artifacts

    repository = Repository.open(path)
    count = sum(1 for _ in tree_artifacts(repository.git.objects, repository.tree(), ""))
    print(count)


if __name__ == "__main__":
    _read(sys.argv[1])
