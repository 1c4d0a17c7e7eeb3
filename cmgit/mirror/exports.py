"""``mirror export``: repositories as bundles on a disk, with a manifest. See FORMATS.md."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime, timezone
from functools import partial
from typing import NamedTuple

from .. import __version__
from ..errors import Busy, CmgitError, Damaged, GitError, NotFound, UsageError
from ..large import LargeFiles
from ..lfs.pointer import Pointer
from ..names import parse_name
from ..registry import BARE, LOCAL, Entry
from ..repository import Repository
from ..store.bundle import HEAD, check_whole, read_header, write_bundle
from ..store.git import GitRepository, Head
from ..store.git_program import find_git
from ..store.locks import process_lock
from ..store.objects import ObjectID
from ..workspace import Workspace
from .incoming import recorded_lfs
from .large import is_known_without, named, write_large
from .manifest import (
    BUNDLES,
    LARGE,
    MANIFEST,
    SIGNATURE,
    SUMS,
    Export,
    Failed,
    Held,
    Manifest,
    decode,
    find_exports,
    in_order,
    new_stamp,
    read_export,
    sums,
)
from .parts import PartWriter
from .signatures import sign
from .sources import Mirrors
from .steps import EXPORTING, JOBS, Meter, Step, Tell, in_parallel, silent
from .sync import pack_bytes

_TEMPORARY = ".cmgit-export-"
_TRIES = 5  # to make a bundle while somebody moves the refs
_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG}


class Options(NamedTuple):
    """How to export: in files of at most ``split`` bytes, signed with a ``key``, by so many
    ``jobs``, with git or (empty) without."""

    split: int = 0
    key: str = ""
    jobs: int = JOBS
    program: str = ""


def export(
    workspace: Workspace,
    to: str,
    names: Sequence[str] = (),
    since: str = "",
    options: Options | None = None,
    tell: Tell = silent,
) -> Export:
    """Write repositories into a new directory in the directory ``to``; returns what was written.

    Without names it is every bare repository. ``since`` is the directory or manifest of an
    earlier export, or a directory of them, of which it is the last; then only what is new since is
    written. A repository that cannot be exported is told and stands in the manifest as failed.

    Raises UsageError, NotFound; GitError when there is nothing that could be exported.
    """
    options = options or Options(program=find_git())
    entries = _chosen(workspace, names)
    earlier = read_since(since) if since else None
    stamp = new_stamp(datetime.now(timezone.utc))
    os.makedirs(to, exist_ok=True)
    with _temporary(to, stamp.id) as directory:
        os.mkdir(os.path.join(directory, BUNDLES))
        large = LargeFiles(workspace.home, workspace.report)
        mirrors = {mirror.url: mirror.lfs for mirror in Mirrors(workspace.home).items}
        work = partial(_export_one, earlier, directory, options, large, mirrors, tell)
        results = in_parallel(entries, work, options.jobs, tell)
        held = tuple(result for result in results if isinstance(result, Held))
        failed = tuple(result for result in results if isinstance(result, Failed))
        if not held:
            raise GitError(f"nothing was exported: {failed[0].alias}: {failed[0].problem}")
        base = earlier.stamp if earlier else None
        contents = write_large(directory, held, earlier, large.objects, options.split)
        manifest = Manifest(stamp, base, held, failed, f"cmgit {__version__}", contents)
        _finish(directory, manifest, options.key)
        final = os.path.join(to, f"{stamp.created.replace(':', '')}-{stamp.id}")
        os.rename(directory, final)
        _sync(to)
    return read_export(final)


def _chosen(workspace: Workspace, names: Sequence[str]) -> list[Entry]:
    registry = workspace.registry
    if not names:
        found = [entry for entry in registry.entries if entry.kind == BARE]
        if not found:
            raise UsageError("there is nothing to export", "'cmgit pull repo' brings a repository")
        return found
    chosen: dict[int, Entry] = {}
    for name in names:
        fitting = registry.find(parse_name(name))
        if not fitting:
            raise NotFound(f"repository {name!r} not found", "see 'cmgit find repo'")
        chosen |= {entry.number: entry for entry in fitting}
    if any(entry.uid == LOCAL.uid for entry in chosen.values()):
        raise UsageError(
            "every home has a local of its own, so that none can take in another's",
            "'cmgit cp' what is in it into a repository, and export that",
        )
    return list(chosen.values())


def read_since(path: str) -> Manifest:
    """The manifest of the export that an increment is to; raises NotFound and Damaged."""
    if os.path.isfile(path):
        with open(path, "rb") as file:
            return decode(file.read(), path)
    return in_order(map(read_export, find_exports(path)))[-1].manifest


# -- one repository ---------------------------------------------------------------------------


def _export_one(
    earlier: Manifest | None,
    directory: str,
    options: Options,
    large: LargeFiles,
    mirrors: Mapping[str, bool],
    tell: Tell,
    entry: Entry,
) -> tuple[Held | Failed, Step]:
    before = earlier.find(entry.uid) if earlier else None
    try:
        with closing(GitRepository.open(entry.path)) as git:
            total = 0 if before else pack_bytes(entry.path)
            meter = Meter(tell, entry.alias, EXPORTING, total)
            config = git.local_config()
            check_whole(git, config)
            lfs = mirrors.get(entry.url, recorded_lfs(git))
            pointers = _with_contents(git, entry, large, options.program) if lfs else []
            is_mirror = bool(config.get_boolean((b"remote", b"origin"), b"mirror", False))
            held = _bundle(git, entry, is_mirror, before, directory, options, meter)
            held = replace(held, large=dict(pointers), lfs=lfs)
    except (CmgitError, OSError) as error:
        if isinstance(error, OSError) and error.errno in _DISK:
            raise
        return Failed(entry.alias, entry.uid, str(error)), Step(
            entry.alias, "failed", problem=str(error)
        )
    state = "exported" if held.parts else "unchanged"
    return held, Step(entry.alias, state, held.objects, held.size)


def _with_contents(
    git: GitRepository, entry: Entry, large: LargeFiles, program: str
) -> list[Pointer]:
    """The large files of a repository, once their contents are here."""
    if is_known_without(large.home, entry):
        return []
    try:
        pointers = named(git, program)
    except Damaged:
        _state(git)  # says what is wrong with the refs, if anything
        raise
    if pointers:
        large.provide(Repository(git, entry.alias), pointers)
    return pointers


def _bundle(
    git: GitRepository,
    entry: Entry,
    mirror: bool,
    before: Held | None,
    directory: str,
    options: Options,
    meter: Meter,
) -> Held:
    known = list(before.refs.values()) if before else []
    for _ in range(_TRIES):
        refs, head = _state(git)
        branch = head.ref if head.ref and head.ref.startswith("refs/heads/") else ""
        held = Held(entry.alias, entry.uid, entry.url, entry.branch, branch, refs, mirror)
        name = f"{BUNDLES}/{entry.alias}.bundle"
        writer = PartWriter(directory, name, options.split, meter.add)
        try:
            wanted = {**({HEAD: head.commit} if head.commit else {}), **refs}
            if not write_bundle(git, wanted, known, writer.write, options.program):
                writer.discard()
                return held
            held = replace(held, parts=writer.close())
        except BaseException:
            writer.discard()
            raise
        with open(os.path.join(directory, *held.parts[0].file.split("/")), "rb") as file:
            header, _ = read_header(file)
        if header.refs.items() <= wanted.items():
            return replace(held, objects=header.objects, prerequisites=header.prerequisites)
        writer.discard()
    raise Busy("its refs keep moving", "export it again")


def _state(git: GitRepository) -> tuple[dict[str, ObjectID], Head]:
    refs = {name: oid for name, oid in git.refs().items() if name != HEAD}
    if not refs:
        raise NotFound("it is empty: it has no refs", "pull it again")
    for name, oid in refs.items():
        if oid not in git.objects:
            raise Damaged(f"{name} points to {oid}, which is missing", "pull it again")
    return refs, git.head()


# -- the directory ----------------------------------------------------------------------------


@contextmanager
def _temporary(to: str, key: str) -> Iterator[str]:
    """A directory for an export in the making, beside what it becomes; those that killed processes
    left are removed."""
    _sweep(to)
    directory = os.path.join(to, _TEMPORARY + key)
    lock = directory + ".lock"
    with process_lock(lock):
        os.mkdir(directory)
        try:
            yield directory
        finally:
            shutil.rmtree(directory, ignore_errors=True)
            os.unlink(lock)


def _sweep(to: str) -> None:
    for name in os.listdir(to):
        if not name.startswith(_TEMPORARY):
            continue
        lock = os.path.join(to, name.removesuffix(".lock") + ".lock")
        try:
            with process_lock(lock, wait_seconds=0):
                shutil.rmtree(lock.removesuffix(".lock"), ignore_errors=True)
                os.unlink(lock)
        except (Busy, FileNotFoundError):
            continue


def _finish(directory: str, manifest: Manifest, key: str) -> None:
    """Write what stands for all the rest, last, and flush it."""
    data, signature = manifest.encode(), None
    path = os.path.join(directory, MANIFEST)
    _write(path, data)
    if key:
        sign(path, key)
        with open(os.path.join(directory, SIGNATURE), "rb") as file:
            signature = file.read()
            os.fsync(file.fileno())
    _write(os.path.join(directory, SUMS), sums(manifest, data, signature))
    for place in (BUNDLES, LARGE) if manifest.large else (BUNDLES,):
        _sync(os.path.join(directory, place))
    _sync(directory)


def _write(path: str, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync(directory: str) -> None:
    if os.name == "nt":
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
