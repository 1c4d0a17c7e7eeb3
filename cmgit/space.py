"""``du`` and ``gc``: who uses the space of a home, and freeing what nothing refers to."""

from __future__ import annotations

import os
import re
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from typing import NamedTuple

from .errors import Busy, CmgitError, NotFound
from .index.manifest import DIRECTORY as INDEX
from .large import DIRECTORY as LARGE
from .lfs.objects import Objects
from .lfs.pointer import Pointer
from .names import is_temporary, parse_name
from .registry import Entry
from .repository import Repository
from .store.checkout import remove_checkout
from .store.git import GitRepository
from .store.large import large_directory, named_pointers
from .store.locks import process_lock
from .store.objects import is_id
from .store.transport import chosen
from .text.state import DIRECTORY as TEXT
from .workspace import Workspace

CHECKOUTS = "trees"
_INDEX = re.compile(r"(index|text)-v\d+")
_OF_INDEX = re.compile(r"(manifest-|tmp-|)\d+|.*\.(segment|watch|repositories|tmp)")
GRACE = 86400.0  # seconds that what is new is left alone: a process may be about to refer to it

# -- du -------------------------------------------------------------------------------------------


class RepositoryUse(NamedTuple):
    """The bytes of one repository: its objects (loose ones, packs), the rest of its Git directory,
    its files, and the large files that its refs name, wherever they are kept. Those are in no
    total, as repositories share them; see HomeUse."""

    repo: str
    path: str
    objects: int = 0
    packs: int = 0
    git: int = 0
    files: int = 0
    large_files: int = 0
    problem: str = ""

    @property
    def total(self) -> int:
        """All but the large files that the home keeps."""
        return self.objects + self.packs + self.git + self.files

    def to_dict(self) -> dict[str, object]:
        """For JSON."""
        return {**self._asdict(), "total": self.total}


@dataclass(frozen=True)
class HomeUse:
    """The bytes of what repositories of a home have in common."""

    home: str
    large_files: int
    check_outs: int
    index: int
    text_index: int
    other: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.large_files + self.check_outs + self.index + self.text_index + self.other

    def to_dict(self) -> dict[str, object]:
        """For JSON."""
        return {**asdict(self), "total": self.total}


def use_of_repositories(workspace: Workspace, repo: str = "") -> Iterator[RepositoryUse]:
    """What each repository uses that a name or pattern fits, all without one; what one cannot be
    asked is told in its ``problem``. Raises NotFound when nothing fits."""
    found = workspace.registry.find(parse_name(repo.rstrip(":")))
    if not found:
        raise NotFound(f"repository {repo!r} not found", "see 'cmgit find repo'")
    for entry in found:
        try:
            yield _use(workspace, entry)
        except (CmgitError, OSError) as error:
            yield RepositoryUse(entry.alias, entry.path, problem=str(error))


def _use(workspace: Workspace, entry: Entry) -> RepositoryUse:
    repository = Repository.open(entry.path, entry.alias)
    git = repository.git
    with closing(git):
        own = Objects(large_directory(git))
        named = named_pointers(git, chosen()[1])
        large = sum(p.size for p in named if p in workspace.large.objects or p in own)
        directory = git.common_directory
        objects, packs = (os.path.join(directory, "objects", part) for part in ("", "pack"))
        in_packs, in_objects, whole = size(packs), size(objects), size(directory)
        stored = size(own.directory) if own.directory.startswith(directory) else 0
        return RepositoryUse(
            entry.alias,
            entry.path,
            objects=in_objects - in_packs,
            packs=in_packs,
            git=whole - in_objects - stored,
            files=size(entry.path, but=directory) if repository.working else 0,
            large_files=large,
        )


def use_of_home(workspace: Workspace) -> HomeUse:
    """What a home uses beside its repositories."""
    home = workspace.home
    large, trees, index, text = (
        size(os.path.join(home, name)) for name in (LARGE, CHECKOUTS, INDEX, TEXT)
    )
    inside = [e.path for e in workspace.registry.entries if e.path.startswith(home + os.sep)]
    rest = size(home) - large - trees - index - text - sum(map(size, inside))
    return HomeUse(home, large, trees, index, text, max(0, rest))


def size(path: str, but: str = "") -> int:
    """The bytes of a file or of all files below a directory, one with several names counted once;
    0 when there is nothing."""
    seen: dict[tuple[int, int], int] = {}
    for file in _files(path, but):
        with suppress(OSError):
            found = os.lstat(file)
            if not stat.S_ISDIR(found.st_mode):
                seen[found.st_dev, found.st_ino] = found.st_size
    return sum(seen.values())


def _files(path: str, but: str) -> Iterator[str]:
    yield path
    for parent, directories, names in os.walk(path):
        directories[:] = [d for d in directories if os.path.join(parent, d) != but]
        yield from (os.path.join(parent, name) for name in names)


# -- gc -------------------------------------------------------------------------------------------


class Freed(NamedTuple):
    """Something that was removed, or would be: what it is, where, its bytes."""

    kind: str
    path: str
    bytes: int

    def to_dict(self) -> dict[str, object]:
        """For JSON."""
        return self._asdict()


def gc(workspace: Workspace, dry_run: bool = False, grace: float = GRACE) -> Iterator[Freed]:
    """Free what nothing refers to; yields each as it goes, or, with ``dry_run``, would go.

    These are check-outs, which are made again when they are asked for; large files that no ref of
    a repository of the home names; what killed processes left. What is younger than ``grace``
    seconds stays. When a repository cannot be read, all large files stay, and a warning says so.
    What a working repository keeps in its own ``.git/lfs`` is for ``git lfs prune``.
    """
    before = time.time() - grace
    yield from _checkouts(workspace.home, before, dry_run)
    yield from _large_files(workspace, before, dry_run)
    yield from _left_overs(workspace.home, before, dry_run)


def _checkouts(home: str, before: float, dry_run: bool) -> Iterator[Freed]:
    directory = os.path.join(home, CHECKOUTS)
    for name in _names(directory):
        path = os.path.join(directory, name)
        tree = name.removeprefix("tmp-")
        if not is_id(tree) or not _is_older(path, before):
            continue
        freed = Freed("check-out" if tree == name else "left-over", path, size(path))
        if dry_run or _removed(home, path, tree, before):
            yield freed


def _removed(home: str, path: str, tree: str, before: float) -> bool:
    """Remove a check-out, so that nobody sees half of it; False while one is being made there, or
    when somebody was just told where it is."""
    directory = os.path.join(home, CHECKOUTS)
    temporary = os.path.join(directory, f"tmp-{tree}")
    try:
        with process_lock(os.path.join(directory, "locks", tree[:2]), wait_seconds=0):
            if path != temporary:
                remove_checkout(temporary)
                os.rename(path, temporary)
                if not _is_older(temporary, before):
                    os.rename(temporary, path)
                    return False
            remove_checkout(temporary)
    except Busy:
        return False
    return True


def _large_files(workspace: Workspace, before: float, dry_run: bool) -> Iterator[Freed]:
    objects = workspace.large.objects
    old = [oid for oid, found in objects if found.st_mtime < before]
    if not old:
        return
    try:
        named = {pointer.oid for pointer in _named(workspace)}
    except CmgitError as error:
        workspace.report(f"warning: large files are kept, one may be needed: {error}")
        return
    for oid in sorted(set(old) - named):
        path = objects.path(oid)
        freed = Freed("large file", path, size(path))
        if _is_older(path, before) if dry_run else objects.drop(oid, before):
            yield freed


def _named(workspace: Workspace) -> Iterator[Pointer]:
    """What any repository names: those registered, and the bare ones that are only unregistered."""
    repos = os.path.join(workspace.home, "repos")
    paths = {os.path.join(repos, n) for n in _names(repos) if n.endswith(".git")}
    for path in sorted(paths | {entry.path for entry in workspace.registry.entries}):
        git = GitRepository.open(path)
        with closing(git):
            yield from named_pointers(git, chosen()[1])


def _left_overs(home: str, before: float, dry_run: bool) -> Iterator[Freed]:
    """What is written beside its place, and was not renamed into it; indexes of other formats."""
    places: dict[str, Callable[[str], bool]] = {
        os.path.join(LARGE, "tmp"): lambda name: True,
        "repos": is_temporary,
        "mirrors": lambda name: name.endswith(".tmp"),
        "": lambda name: _is_old_index(os.path.join(home, name)),
    }
    for place, is_left in places.items():
        directory = os.path.join(home, place)
        for name in filter(is_left, _names(directory)):
            path = os.path.join(directory, name)
            if not _is_older(path, before):
                continue
            freed = Freed("left-over", path, size(path))
            if dry_run or _swept(home, path):
                yield freed


def _is_old_index(path: str) -> bool:
    """Whether it is an index of another format: named like one, with nothing else in it."""
    name = os.path.basename(path)
    if not _INDEX.fullmatch(name) or name in (INDEX, TEXT):
        return False
    return all(map(_OF_INDEX.fullmatch, _names(path)))


def _swept(home: str, path: str) -> bool:
    """Remove what a process left; False while one is at work on it."""
    if os.path.islink(path) or not os.path.isdir(path):
        os.unlink(path)
        return True
    key = os.path.basename(path).removeprefix("tmp-")
    try:
        with process_lock(os.path.join(home, "locks", f"pull-{key}"), wait_seconds=0):
            shutil.rmtree(path)
    except Busy:
        return False
    return True


def _is_older(path: str, before: float) -> bool:
    """Whether nothing in a file or directory was written since a time; False when it is gone."""
    with suppress(FileNotFoundError):
        newest = os.lstat(path).st_mtime
        if os.path.isdir(path):
            newest = max([newest, *(os.lstat(entry.path).st_mtime for entry in os.scandir(path))])
        return newest < before
    return False


def _names(directory: str) -> list[str]:
    return sorted(os.listdir(directory)) if os.path.isdir(directory) else []
