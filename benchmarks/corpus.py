"""Homes with any number of realistic artifacts, made once and kept: a seeded generator.

    python -m benchmarks.corpus ARTIFACTS REPOSITORIES [--seed=N] [--working] [--directory=DIR]

prints the directory of a corpus, and makes it when it is not there. ``home`` in it is a home of
cmgit (set CMGIT_HOME to it) with ``local`` and bare repositories ``bench-NNNNN``, one commit each,
or working ones in ``home/work``. Repository n is about as large as 1 / sqrt(n + 1) says. One
artifact in 200 is one of a few that are the same, tree and all, in several repositories. The first
repository has the real automations.

The same parameters make the same objects everywhere, the same packs with the same zlib. Memory
grows with the largest repository, not with the corpus.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import subprocess
import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from multiprocessing import Pool
from pathlib import Path

from cmgit.names import Name
from cmgit.registry import BARE, FORMAT, LOCAL, WORKING
from cmgit.workspace import init_working

from .packs import BLOB, COMMIT, TREE, PackWriter, fixed, new_pack
from .vocabulary import Artifact, Author, vocabulary

VERSION = 1  # of what is made: in the name of the directory
DIRECTORY = "CMGIT_BENCHMARK_CORPORA"  # the environment variable that says where
SHARED = 0.005  # of all artifacts
_WHO = b"Ann Author <ann@example.org> 1700000000 +0000"
_SCRIPT = fixed(b"#!/bin/bash\n\n${CM_PYTHON_BIN_WITH_PATH} ${CM_TMP_CURRENT_SCRIPT_PATH}/run.py\n")


@dataclass(frozen=True)
class Spec:
    """Which corpus: how many artifacts in how many repositories."""

    artifacts: int
    repositories: int = 1
    seed: int = 1
    working: bool = False

    @property
    def name(self) -> str:
        """The name of its directory."""
        kind = "-working" if self.working else ""
        return f"cmgit-corpus-{VERSION}-{self.artifacts}x{self.repositories}-{self.seed}{kind}"

    def size(self, repository: int) -> int:
        """How many artifacts a repository has."""
        return self._until(repository + 1) - self._until(repository)

    def _until(self, repository: int) -> int:
        share = math.sqrt(repository) / math.sqrt(self.repositories)
        return round(self.artifacts * share)


def default_directory() -> Path:
    """Where corpora are kept: $CMGIT_BENCHMARK_CORPORA, or the system's temporary directory."""
    return Path(os.environ.get(DIRECTORY) or tempfile.gettempdir())


def corpus(spec: Spec, directory: Path | None = None) -> Path:
    """The directory of a corpus, made now if it is not there."""
    return made((directory or default_directory()) / spec.name, partial(_make, spec))


def made(path: Path, make: Callable[[Path], object]) -> Path:
    """A directory; ``make`` fills it when it is not there, and it appears when it is complete."""
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f"{path.name}-", dir=path.parent))
    try:
        make(temporary)
        os.chmod(temporary, 0o755)
        os.rename(temporary, path)
    except OSError:
        if not path.exists():  # somebody else was faster
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return path


def copy_home(home: Path, target: Path) -> Path:
    """A copy of a home that may be changed; packs, which never change, are linked."""

    def copy(source: str, destination: str) -> str:
        linked = source.endswith((".pack", ".idx"))
        return str((os.link if linked else shutil.copy2)(source, destination) or destination)

    return Path(shutil.copytree(home, target, symlinks=True, copy_function=copy))


def make_movable(home: Path) -> None:
    """Let nothing in a home that cmgit made say where it is: the working repositories in it are
    registered by relative paths, and the index, which would notice, goes."""
    path = home / "registry.json"
    value = json.loads(path.read_text())
    for item in value["repositories"]:
        item["path"] = os.path.relpath(home / item["path"], home)
    del value["check"]
    path.write_text(json.dumps(value, indent=2) + "\n")
    (home / "registry.json~").unlink()
    for index in home.glob("index-v*"):
        shutil.rmtree(index)


# -- what is in it --------------------------------------------------------------------------------


def repository_name(number: int) -> Name:
    """The alias and the UID of a repository."""
    return Name(f"bench-{number:05}", f"bbbbbbbb{number:08x}")


def artifacts(spec: Spec) -> Iterator[tuple[int, Artifact]]:
    """All artifacts of a corpus with the numbers of their repositories."""
    for number in range(spec.repositories):
        for artifact in repository_artifacts(spec, number):
            yield number, artifact


def repository_artifacts(spec: Spec, number: int) -> Iterator[Artifact]:
    """The artifacts of one repository; no two go by the same name."""
    author, seen = Author(f"{spec.seed}/{number}"), set()
    wanted = spec.size(number)
    first = author.automations()[:wanted] if number == 0 else []
    pool = round(spec.artifacts * SHARED / 2) if spec.repositories > 1 else 0
    for artifact in first:
        seen.add((artifact.automation, artifact.alias))
        yield artifact
    while len(seen) < wanted:
        share = author.share()
        if share < SHARED and pool:
            artifact = Author(f"{spec.seed}/shared/{int(share / SHARED * pool)}").artifact()
        else:
            artifact = author.artifact()
        name = (artifact.automation, artifact.alias)
        if name not in seen:
            seen.add(name)
            yield artifact


# -- writing it -----------------------------------------------------------------------------------


def _make(spec: Spec, top: Path) -> None:
    home = top / "home"
    for name in ("repos", "pending"):
        (home / name).mkdir(parents=True)
    init_working(str(home / "local"), LOCAL)
    vocabulary()  # read once, before there are processes
    work, numbers = partial(_repository, spec, home), range(spec.repositories)
    if spec.artifacts < 10_000 or spec.repositories == 1:
        deque(map(work, numbers), maxlen=0)
    else:
        with Pool() as pool:
            deque(pool.imap_unordered(work, numbers), maxlen=0)
    _register(spec, home)


def _repository(spec: Spec, home: Path, number: int) -> None:
    name = repository_name(number)
    path = home / "repos" / f"{name.alias}.git"
    write_repository(path, name, repository_artifacts(spec, number))
    if spec.working:
        _check_out(path, home / "work" / name.alias)


def write_repository(path: Path, name: Name, content: Iterator[Artifact]) -> None:
    """Make a bare repository with artifacts, in one commit."""
    for directory in ("objects/pack", "objects/info", "refs/heads", "refs/tags", "info"):
        (path / directory).mkdir(parents=True)
    (path / "HEAD").write_text("ref: refs/heads/main\n")
    (path / "config").write_text("[core]\n\trepositoryformatversion = 0\n\tbare = true\n")
    with new_pack(str(path / "objects" / "pack")) as pack:
        about = pack.add(BLOB, [f"alias: {name.alias}\nuid: {name.uid}\n".encode()])
        tree = pack.add(TREE, [_root(pack, about, content)])
        people = b"author %b\ncommitter %b\n" % (_WHO, _WHO)
        commit = pack.add(COMMIT, [b"tree %b\n%b\nadd all\n" % (tree.hex().encode(), people)])
    (path / "refs" / "heads" / "main").write_text(f"{commit.hex()}\n")


def _root(pack: PackWriter, about: bytes, content: Iterator[Artifact]) -> bytes:
    """The bytes of the root tree."""
    script = pack.add(BLOB, [_SCRIPT])
    directories: dict[str, list[tuple[bytes, bytes]]] = {}
    for artifact in content:
        oid = pack.add(TREE, [_artifact(pack, artifact, script)])
        entry = (artifact.alias.encode() + b"/", oid)  # Git sorts directories as if with a slash
        directories.setdefault(artifact.automation, []).append(entry)
    entries = [(b"cmr.yaml", b"100644 cmr.yaml\0" + about)]
    for automation, below in directories.items():
        below.sort()
        oid = pack.add(TREE, [b"".join([b"40000 %b\0%b" % (n[:-1], oid) for n, oid in below])])
        name = automation.encode()
        entries.append((name + b"/", b"40000 %b\0%b" % (name, oid)))
    return b"".join([entry for _, entry in sorted(entries)])


def _artifact(pack: PackWriter, artifact: Artifact, script: bytes) -> bytes:
    """Add the files of an artifact; returns the bytes of its tree."""
    readme = b"100644 README.md\0" + pack.add(BLOB, artifact.readme) if artifact.readme else b""
    meta = b"100644 %b\0%b" % (artifact.file.encode(), pack.add(BLOB, artifact.meta))
    return readme + meta + b"100755 run.sh\0" + script


def _check_out(bare: Path, target: Path) -> None:
    target.mkdir(parents=True)
    os.rename(bare, target / ".git")
    for words in (["config", "core.bare", "false"], ["reset", "-q", "--hard"]):
        subprocess.run(["git", "-C", str(target), *words], check=True)


def _register(spec: Spec, home: Path) -> None:
    items: list[dict[str, object]] = [_entry(0, LOCAL, WORKING, "local")]
    for number in range(spec.repositories):
        name = repository_name(number)
        kind, path = (WORKING, "work/") if spec.working else (BARE, "repos/")
        path += name.alias if spec.working else f"{name.alias}.git"
        items.append(_entry(number + 1, name, kind, path))
    value = {"format": FORMAT, "next": len(items), "repositories": items}
    (home / "registry.json").write_text(json.dumps(value, indent=2) + "\n")


def _entry(number: int, name: Name, kind: str, path: str) -> dict[str, object]:
    return {"number": number, "alias": name.alias, "uid": name.uid, "kind": kind, "path": path}


def main() -> None:
    """Print the directory of a corpus."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.corpus", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("artifacts", type=int)
    parser.add_argument("repositories", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--working", action="store_true", help="with files, to be worked on")
    parser.add_argument("--directory", type=Path, help=f"default: ${DIRECTORY}, or the temporary")
    given = parser.parse_args()
    spec = Spec(given.artifacts, given.repositories, given.seed, given.working)
    print(corpus(spec, given.directory))


if __name__ == "__main__":
    main()
