"""A place for objects that are not trusted yet: a bare repository that sees those of another.

Packs are taken in, hashed and looked through for what is missing; only then do they move to the
other repository, or is the whole made a repository of its own. Until then no one else sees them.
"""

from __future__ import annotations

import errno
import io
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import BinaryIO

from dulwich.config import ConfigFile

from ..errors import Damaged
from .bundle import command
from .commits import tag_target
from .git import DEFAULT_BRANCH, GitRepository
from .git_program import Done, environment
from .objects import KIND_NUMBERS, SUBMODULE, ObjectID, read_tree
from .pack_indexer import UNEXPECTED, index_pack
from .pack_reader import Found

_LAYOUT = ("objects/pack", "objects/info", "refs/heads", "refs/tags")
_CONFIG = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n"
_SUFFIXES = (".pack", ".rev", ".idx")  # in the order in which they may appear
_CHUNK = 1 << 20
_HEADER = 12  # bytes, the last four of which count the objects
_MANY = 500  # objects; below, starting git takes longer than what it saves
_MANY_IN_THREADS = 50


class Quarantine:
    """New objects for the repository ``target``; for a new one without it."""

    def __init__(self, path: str, target: GitRepository | None = None) -> None:
        self.path = path
        self.target = target
        for directory in _LAYOUT:
            os.makedirs(os.path.join(path, *directory.split("/")))
        self._write("config", _CONFIG)
        self._write("HEAD", f"ref: refs/heads/{DEFAULT_BRANCH}\n")
        if target is not None:
            objects = os.path.realpath(os.path.join(target.common_directory, "objects"))
            self._write("objects/info/alternates", objects + "\n")
        self.connected = True  # all that the objects refer to was looked for
        self._git: GitRepository | None = None
        self._lacking: set[bytes] = set()  # ids of what the objects refer to, in other packs
        self._taken_here: list[str] = []  # packs and their indexes, not flushed yet

    def _write(self, name: str, text: str) -> None:
        with open(os.path.join(self.path, *name.split("/")), "w", encoding="utf-8") as file:
            file.write(text)

    @property
    def git(self) -> GitRepository:
        """The repository, with the objects as they are now."""
        if self._git is None:
            self._git = GitRepository.open(self.path)
        return self._git

    def close(self) -> None:
        """Let go of files."""
        if self._git is not None:
            self._git.close()
            self._git = None

    # -- taking in ----------------------------------------------------------------------------

    def take(
        self, start: bytes, stream: BinaryIO, program: str = "", threads: bool = False
    ) -> None:
        """Take in a pack, thin or not: its first bytes, and a stream with the others.

        Every object is hashed, and what one refers to has to be there. With a ``program`` git
        takes the big ones; nearly all, where other ``threads`` would wait for Python. Raises
        Damaged.
        """
        self._take(start, stream, program, _MANY_IN_THREADS if threads else _MANY)
        self._check_links()

    def take_packs(self, paths: Sequence[str], program: str = "") -> None:
        """Take in files, whose objects may refer to those of each other. Raises Damaged."""
        for path in paths:
            with open(path, "rb") as file:
                self._take(b"", file, program, _MANY)
        self._check_links()

    def _take(self, start: bytes, stream: BinaryIO, program: str, many: int) -> None:
        self.close()
        start += stream.read(_HEADER - len(start))
        if start[:4] != b"PACK" or len(start) < _HEADER:
            raise Damaged("what came is no pack")
        objects = int.from_bytes(start[8:], "big")
        if not objects:
            while stream.read(_CHUNK):
                pass
        elif program and objects >= many:
            self._take_by_git(start, stream, program)
        else:
            self._take_here(start, stream)

    def _take_by_git(self, start: bytes, stream: BinaryIO, program: str) -> None:
        words = ["index-pack", "--stdin", "--fix-thin", "--check-self-contained-and-connected"]
        with tempfile.TemporaryFile() as errors, subprocess.Popen(
            command(program, self.path, *words),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            env=environment(),
        ) as process:  # fmt: skip
            assert process.stdin is not None
            with suppress(BrokenPipeError), process.stdin as stdin:
                stdin.write(start)
                shutil.copyfileobj(stream, stdin, _CHUNK)
            code = process.wait()
            errors.seek(0)
            said = errors.read().decode("utf-8", "replace")
        done = Done(code, "", said)
        if done.found_no_room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self.path)
        if code not in (0, 1):
            raise Damaged(f"its pack is not whole: {done.complaint}")
        if code == 1:  # some of what it refers to is elsewhere: in the target, one hopes
            self.connected = False

    def _take_here(self, start: bytes, stream: BinaryIO) -> None:
        git = self.git

        def base(oid: bytes) -> Found | None:
            with suppress(Damaged):
                kind, data = git.objects.read(ObjectID(oid.hex()))
                return KIND_NUMBERS[kind], data
            return None

        shallow = {oid.decode("ascii") for oid in git.dulwich.get_shallow()}
        try:
            taken = index_pack(start, stream, self._packs, base, shallow)
        except UNEXPECTED as error:
            raise Damaged(f"its pack is not whole: {_said(error)}") from None
        self.close()
        self._taken_here += [f"{taken.name}.pack", f"{taken.name}.idx"]
        self._lacking |= taken.lacking

    def _check_links(self) -> None:
        """Raise Damaged when something that the objects refer to is not there."""
        lacking, self._lacking = self._lacking, set()
        for raw in lacking:
            if (oid := ObjectID(raw.decode("ascii"))) not in self.git.objects:
                raise Damaged(f"its pack is not whole: it refers to {oid}, missing")

    @property
    def _packs(self) -> str:
        return os.path.join(self.path, "objects", "pack")

    # -- accepting ----------------------------------------------------------------------------

    def move_objects(self) -> None:
        """Move the packs to the target, durably; each is whole before it can be seen."""
        assert self.target is not None
        self.close()
        place = os.path.join(self.target.common_directory, "objects", "pack")
        os.makedirs(place, exist_ok=True)
        names = sorted(os.listdir(self._packs))
        self._sync_packs()
        for suffix in _SUFFIXES:
            for name in names:
                if name.endswith(suffix):
                    os.replace(os.path.join(self._packs, name), os.path.join(place, name))
        if names:
            _sync(place)

    def make_repository(
        self, refs: Mapping[str, ObjectID], head: str, url: str, mirror: bool = False
    ) -> None:
        """Make the whole a repository with these refs, durably; it is to be renamed then."""
        files = {"packed-refs": packed_refs(refs)}
        if head:
            files["HEAD"] = f"ref: {head}\n".encode("utf-8", "surrogateescape")
        if url:
            config = self.git.local_config()
            set_origin(config, url, mirror)
            text = io.BytesIO()
            config.write_to_file(text)
            files["config"] = text.getvalue()
        paths = [os.path.join(self.path, name) for name in files]
        for path, data in zip(paths, files.values(), strict=True):
            with open(path, "wb") as file:
                file.write(data)
        self._sync_packs()  # of all that is written, the first one takes long
        for path in [*paths, self.path]:
            _sync(path)

    def _sync_packs(self) -> None:
        """Make the packs durable; git has done so with those that it took."""
        for name in self._taken_here:
            _sync(os.path.join(self._packs, name))
        _sync(self._packs)


def set_origin(config: ConfigFile, url: str, mirror: bool) -> None:
    """Say in Git's own words where a repository comes from, and whether it is a mirror of that."""
    origin = (b"remote", b"origin")
    config.set(origin, b"url", url.encode())
    if not mirror:
        config.set(origin, b"fetch", b"+refs/heads/*:refs/remotes/origin/*")
        return
    config.set(origin, b"fetch", b"+refs/*:refs/*")
    config.add(origin, b"fetch", b"^refs/cmgit/*")
    config.set(origin, b"mirror", b"true")


def packed_refs(refs: Mapping[str, ObjectID]) -> bytes:
    """Refs as Git keeps many of them in one file."""
    named = sorted((name.encode("utf-8", "surrogateescape"), oid) for name, oid in refs.items())
    lines = [b"%s %s\n" % (oid.encode("ascii"), name) for name, oid in named]
    return b"".join([b"# pack-refs with: sorted \n", *lines])


def links(git: GitRepository, oid: ObjectID) -> list[ObjectID]:
    """The objects that an object refers to; none for a blob. Raises Damaged."""
    kind, data = git.objects.read(oid)
    if kind == "tree":
        entries = read_tree(git.objects, oid).values()
        return [entry.oid for entry in entries if entry.mode != SUBMODULE]
    if kind == "commit":
        commit = git.read_commit(oid)
        return [commit.tree, *commit.parents]
    return [tag_target(data)] if kind == "tag" else []


def _said(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0][:200] if lines else type(error).__name__


def _sync(path: str) -> None:
    """Flush a file or a directory to the disk."""
    if os.name == "nt" and os.path.isdir(path):
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
