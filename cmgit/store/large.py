"""What Git knows of large files: where they are here and elsewhere, and which ones refs name."""

from __future__ import annotations

import io
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from dulwich.config import ConfigFile, StackedConfig

from ..errors import Damaged, GitError
from ..lfs.pointer import Pointer, parse_pointer
from .git import GitRepository
from .objects import ObjectID, read_blob
from .pack_reader import Found, PackReader, objects_of_size

if TYPE_CHECKING:
    from dulwich.client import AuthCallbackPoolManager
    from urllib3 import PoolManager

CONFIG = ".lfsconfig"
_SIZES = range(125, 144)  # bytes of a pointer
_BIG_INDEX = 1 << 18  # bytes, of some 8,000 objects; below, starting git takes longer


def large_directory(git: GitRepository) -> str:
    """Where Git LFS keeps the large files of a repository."""
    return os.path.join(git.common_directory, _setting(git, "lfs", "storage") or "lfs")


def large_url(git: GitRepository, lfsconfig: bytes = b"") -> str:
    """Where the large files of a repository come from; empty when nothing says so.

    ``cmgit.lfsurl`` (of any kind), ``lfs.url`` or ``remote.origin.lfsurl`` of Git's configuration,
    else ``lfs.url`` of the repository's ``.lfsconfig``, which may name a server only, else what
    follows from ``origin``. A relative path starts at the repository.
    """
    return _url(git, lfsconfig, [("lfs", "url"), ("remote", "lfsurl", "origin")], git.remote_url())


def push_url(git: GitRepository, lfsconfig: bytes = b"") -> str:
    """Where the large files of a repository go to: as ``large_url``, but what Git LFS and Git have
    for a push (``lfs.pushurl``, ``remote.origin.lfspushurl``, ``remote.origin.pushurl``) counts
    before what they have for both ways."""
    settings = [("lfs", "pushurl"), ("remote", "lfspushurl", "origin")]
    settings += [("lfs", "url"), ("remote", "lfsurl", "origin")]
    origin = _setting(git, "remote", "pushurl", "origin") or git.remote_url()
    return _url(git, lfsconfig, settings, origin)


def _url(
    git: GitRepository, lfsconfig: bytes, settings: Sequence[tuple[str, ...]], origin: str
) -> str:
    named = (_setting(git, *setting) for setting in [("cmgit", "lfsurl"), *settings])
    url = next(filter(None, named), "") or _url_in(lfsconfig) or _url_of_origin(origin)
    relative = url and not urlsplit(url).scheme and not os.path.isabs(url)
    return os.path.normpath(os.path.join(git.path, url)) if relative else url


def _setting(git: GitRepository, section: str, name: str, part: str = "") -> str:
    try:
        words = tuple(word.encode() for word in (section, part) if word)
        return os.fsdecode(git.config().get(words, name.encode()))
    except KeyError:
        return ""


def _url_in(lfsconfig: bytes) -> str:
    try:
        config = ConfigFile.from_file(io.BytesIO(lfsconfig), expand_includes=False)
        url = config.get((b"lfs",), b"url").decode()
        return url if urlsplit(url).scheme in ("https", "http") else ""
    except (KeyError, ValueError):
        return ""


def _url_of_origin(url: str) -> str:
    """The rule of Git LFS: ``URL.git/info/lfs``, by https where Git goes by ssh; a directory is
    itself."""
    parts = urlsplit(url)
    if parts.scheme == "ssh":
        url = f"https://{parts.hostname}/{parts.path.lstrip('/')}"
    elif not parts.scheme and ":" in url and not os.path.isabs(url):
        host, _, path = url.partition(":")
        url = f"https://{host.rpartition('@')[2]}/{path.lstrip('/')}"
    elif parts.scheme not in ("https", "http"):
        return "" if parts.scheme in ("git", "package") else url
    url = url.rstrip("/")
    return f"{url}/info/lfs" if url.endswith(".git") else f"{url}.git/info/lfs"


def http_pool(url: str) -> PoolManager | AuthCallbackPoolManager:
    """Connections to a server, by Git's settings for proxies and certificates."""
    from dulwich.client import default_urllib3_manager

    from . import git_program

    seconds = float(git_program.STALLED_SECONDS)
    return default_urllib3_manager(StackedConfig.default(), base_url=url, timeout=seconds)


# -- which there are -------------------------------------------------------------------------


def named_pointers(
    git: GitRepository, program: str = "", tips: Sequence[ObjectID] | None = None
) -> set[Pointer]:
    """The large files that anything reachable from some commits of a repository names; without
    these, from any ref or HEAD.

    Raises Damaged when something of that is missing.
    """
    if tips is not None and not tips:
        return set()
    ids = _small_blobs(git, program, tips) if program else _reachable(git, tips)
    found = set()
    for oid in ids:
        kind, data = git.objects.read(oid)
        pointer = parse_pointer(data) if kind == "blob" else None
        if pointer is not None:
            found.add(pointer)
    return found


def plain_packs(directory: str, known: Collection[str], program: str = "") -> list[str] | None:
    """The packs of a Git directory, when none of its objects, reachable or not, is a pointer; None
    when one is, or when that cannot be told fast. Of ``known`` packs none is."""
    store = os.path.join(directory, "objects")
    packs = [name for name in os.listdir(os.path.join(store, "pack")) if name.endswith(".idx")]
    if not set(os.listdir(store)) <= {"pack", "info"}:  # loose objects
        return None
    if os.path.exists(os.path.join(store, "info", "alternates")):
        return None
    paths = [os.path.join(store, "pack", name) for name in set(packs) - set(known)]
    is_big = sum(map(os.path.getsize, paths)) > _BIG_INDEX
    with suppress(ValueError, GitError):
        each = (
            [_sized_by_git(directory, program)]
            if is_big and program
            else (objects_of_size(path, _SIZES) for path in paths)
        )
        if not any(parse_pointer(data) for found in each for _, data in found):
            return sorted(packs)
    return None


def _sized_by_git(directory: str, program: str) -> Iterator[Found]:
    """All objects of the size of a pointer, as the git program lists them. Raises GitError."""
    from .git_program import output

    words = ["cat-file", "--batch-all-objects", "--unordered", "--buffer"]
    words.append("--batch-check=%(objectsize) %(objectname)")
    packs = PackReader(os.path.join(directory, "objects", "pack"))
    with closing(packs), output(program, words, directory) as lines:
        for line in lines:
            size, _, oid = line.rstrip().partition(b" ")
            if int(size) in _SIZES:
                found = packs.read(oid.decode("ascii"))
                if found is None:
                    raise Damaged(f"{directory}: {oid.decode('ascii')} cannot be read")
                yield found


def _small_blobs(
    git: GitRepository, program: str, tips: Sequence[ObjectID] | None
) -> Iterator[ObjectID]:
    """The blobs of the size of a pointer, as the git program lists them."""
    from . import git_program

    begin = ["--all", *filter(None, [git.head().commit])] if tips is None else tips
    words = ["rev-list", "--objects", "--no-object-names", *begin]
    shown = "--batch-check=%(objecttype) %(objectsize) %(objectname)"
    listed = git_program.run(program, words, git.git_directory)
    sized = git_program.run(program, ["cat-file", shown], git.git_directory, listed.out)
    for done in (listed, sized):  # what is not listed would count as needed by nobody
        if done.code:
            raise Damaged(f"{git.path}: {done.complaint}", "run 'cmgit check'")
    for line in sized.out.splitlines():
        kind, _, rest = line.partition(" ")
        size, _, oid = rest.partition(" ")
        if kind == "blob" and int(size) in _SIZES:
            yield ObjectID(oid)


def _reachable(git: GitRepository, tips: Sequence[ObjectID] | None) -> Iterator[ObjectID]:
    from .quarantine import links

    seen: set[ObjectID] = set()
    todo = list(git.refs().values() if tips is None else tips)
    while todo:
        oid = todo.pop()
        if oid not in seen:
            seen.add(oid)
            todo += links(git, oid)
            yield oid


def pointers_among(git: GitRepository, blobs: Iterable[ObjectID]) -> set[Pointer]:
    """The large files that some blobs are pointers of."""
    found = {parse_pointer(read_blob(git.objects, oid)) for oid in blobs}
    return {pointer for pointer in found if pointer is not None}
