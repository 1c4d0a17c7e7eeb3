"""Git bundles: reading what one says of itself, and making one, by git or by dulwich.

The format is Git's own (``gitformat-bundle(5)``): a line ``# v2 git bundle``, prerequisites
(``-OID comment``), refs (``OID name``), an empty line, a pack. Version 3 has capabilities between
the first two; the only one taken here is ``object-format=sha1``. A bundle is made as a stream, so
that nothing but the list of its objects is ever in memory.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import BinaryIO, NamedTuple

from dulwich.config import ConfigFile
from dulwich.object_store import MissingObjectFinder
from dulwich.objects import Commit
from dulwich.pack import generate_unpacked_objects, write_pack_data
from dulwich.refs import check_ref_format

from ..errors import Damaged, GitError, Unsupported
from .formats import is_partial
from .git import GitRepository
from .git_program import Done, environment, settings
from .objects import ObjectID, is_id

VERSIONS = {b"# v2 git bundle\n": 2, b"# v3 git bundle\n": 3}
HEAD = "HEAD"
_LONGEST_LINE = 1 << 16
_CHUNK = 1 << 18

Write = Callable[[bytes], object]


class Header(NamedTuple):
    """What stands before the pack: refs, and the commits that must be there already; and how many
    objects the pack says it has."""

    refs: Mapping[str, ObjectID]
    prerequisites: tuple[ObjectID, ...]
    objects: int


def read_header(stream: BinaryIO) -> tuple[Header, bytes]:
    """The header of a bundle, and the first bytes of the pack, which were read with it.

    Raises Damaged for anything else than a bundle, Unsupported for one with a part of the objects
    or with other object ids than SHA-1.
    """
    version = VERSIONS.get(stream.readline(_LONGEST_LINE))
    if version is None:
        raise Damaged("it is not a Git bundle")
    refs: dict[str, ObjectID] = {}
    prerequisites: list[ObjectID] = []
    while (line := stream.readline(_LONGEST_LINE)) != b"\n":
        if not line.endswith(b"\n"):
            raise Damaged("the header of the bundle ends early")
        if line.startswith(b"@") and version == 3:
            _check_capability(line[1:-1])
        elif line.startswith(b"-"):
            prerequisites.append(_id(line[1:-1].split(b" ")[0]))
        else:
            value, _, name = line[:-1].partition(b" ")
            refs[_ref(name)] = _id(value)
    start = stream.read(12)
    if len(start) < 12 or start[:4] != b"PACK":
        raise Damaged("there is no pack in the bundle")
    return Header(refs, tuple(prerequisites), int.from_bytes(start[8:], "big")), start


def _check_capability(line: bytes) -> None:
    if line != b"object-format=sha1":
        text = line.decode("utf-8", "replace")
        raise Unsupported(f"the bundle has {text!r}, which cmgit does not take", "make it anew")


def _id(value: bytes) -> ObjectID:
    text = value.decode("ascii", "replace")
    if not is_id(text):
        raise Damaged(f"the header of the bundle does not parse: {text[:60]!r}")
    return ObjectID(text)


def _ref(name: bytes) -> str:
    text = name.decode("utf-8", "surrogateescape")
    if not is_ref(text):
        raise Damaged(f"the bundle has a ref {text[:60]!r}, which is no name of one")
    return text


def is_ref(name: str) -> bool:
    """Whether a text is ``HEAD`` or the full name of a ref."""
    raw = name.encode("utf-8", "surrogateescape")
    return name == HEAD or (name.startswith("refs/") and check_ref_format(raw))  # type: ignore[arg-type]


def command(program: str, git: str, *words: str) -> list[str]:
    """A command line of git on a Git directory, for when run is not enough."""
    return [program, *settings(), "--git-dir", git, *words]


# -- making one -------------------------------------------------------------------------------


def check_whole(git: GitRepository, config: ConfigFile) -> None:
    """Raise Unsupported for a shallow or partial clone: a bundle of it would not be complete."""
    if os.path.exists(os.path.join(git.common_directory, "shallow")):
        raise Unsupported(
            "it is shallow: the beginning of its history is not here", "pull it whole"
        )
    if is_partial(config):
        raise Unsupported("it is a partial clone: some of its objects are elsewhere")


def write_bundle(
    git: GitRepository,
    refs: Mapping[str, ObjectID],
    known: Iterable[ObjectID],
    write: Write,
    program: str = "",
) -> bool:
    """Make a bundle of refs, without what ``known`` objects reach; returns False, and writes
    nothing, when that leaves nothing.

    The bundle names the refs whose objects are new. With a ``program`` git does it. Raises
    GitError.
    """
    have = {oid for oid in known if oid in git.objects}
    wanted = {name: oid for name, oid in refs.items() if oid not in have}
    if not wanted:
        return False
    if not program:
        return _write_by_dulwich(git, wanted, have, write)
    if have:
        lines = [*wanted, *(f"^{oid}" for oid in have)]
        return _write_by_git(git, program, ["bundle", "create", "-q", "-", "--stdin"], lines, write)
    write(_header(wanted, ()))
    words = ["pack-objects", "-q", "--revs", "--stdout", "--delta-base-offset"]
    return _write_by_git(git, program, words, sorted(set(wanted.values())), write)


def _write_by_git(
    git: GitRepository, program: str, words: Sequence[str], lines: Sequence[str], write: Write
) -> bool:
    """Write what git prints for some lines; False, and nothing, when it calls that empty."""
    with tempfile.TemporaryFile() as errors, subprocess.Popen(
        command(program, git.git_directory, *words),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        env=environment(),
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            with process.stdin as stdin:
                stdin.write("\n".join([*lines, ""]).encode("utf-8", "surrogateescape"))
        except BrokenPipeError:
            pass  # it says why
        held = process.stdout.read(_CHUNK)  # the header of an empty one comes before the error
        while data := process.stdout.read(_CHUNK):
            write(held)
            held = data
        code = process.wait()
        errors.seek(0)
        said = errors.read().decode("utf-8", "replace")
        if code and "empty bundle" in said:
            return False
        if code:
            raise GitError(f"git {words[0]}: {Done(code, '', said).complaint}")
        write(held)
    return True


def _write_by_dulwich(
    git: GitRepository, refs: Mapping[str, ObjectID], have: Iterable[ObjectID], write: Write
) -> bool:
    store = git.dulwich.object_store
    wants = {oid.encode("ascii") for oid in refs.values()}
    finder = MissingObjectFinder(store, [oid.encode("ascii") for oid in have], wants)  # type: ignore[misc,arg-type]
    commits = {oid for oid, _, kind, _ in finder.objects_to_send if kind == Commit.type_num}
    parents = {oid: store[oid].parents for oid in commits}  # type: ignore[attr-defined]
    before = {p for oids in parents.values() for p in oids} - commits
    found = list(finder)
    new = {oid for oid, _ in found}
    sent = {name: oid for name, oid in refs.items() if oid.encode("ascii") in new}
    if not sent:
        return False
    write(_header(sent, [oid.decode("ascii") for oid in before]))
    there = finder.get_remote_has()
    if have:
        from .deltas import packed

        family = {_text(oid): [_text(p) for p in oids] for oid, oids in parents.items()}
        records = packed(git, {_text(oid) for oid, _ in found}, there, family)
    else:
        records = generate_unpacked_objects(store, found, other_haves=there)
    write_pack_data(write, records, num_records=len(found), object_format=store.object_format)  # type: ignore[arg-type]
    return True


def _text(raw: bytes) -> ObjectID:
    return ObjectID(raw.decode("ascii"))


def _header(refs: Mapping[str, ObjectID], before: Iterable[str]) -> bytes:
    lines = ["# v2 git bundle", *(f"-{oid} " for oid in sorted(before))]
    lines += [f"{oid} {name}" for name, oid in refs.items()]
    return ("\n".join(lines) + "\n\n").encode("utf-8", "surrogateescape")
