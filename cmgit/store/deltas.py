"""Deltas for what is new, made without the git program: each version of a file or a directory as
what differs from the one before it, which may be one that the other side has (a *thin* pack).

The format of a delta is Git's (``gitformat-pack(5)``). It is found as Git finds it, by blocks of 16
bytes of the base, in time that grows with the size alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from graphlib import TopologicalSorter

from dulwich.objects import hex_to_sha, sha_to_hex
from dulwich.pack import UnpackedObject, find_reusable_deltas, full_unpacked_object

from .git import GitRepository
from .objects import EXECUTABLE, FILE, KIND_NUMBERS, ObjectID
from .treelines import read_differing

_BLOCK = 16
_FILES = {FILE, EXECUTABLE}
_DEEPEST = 50  # deltas to deltas, as git has it
_LONGEST = 8 << 20  # bytes of what is compared: both are in memory
_LONGEST_COPY, _LONGEST_INSERT = 0xFFFF, 0x7F

Parents = Mapping[ObjectID, Collection[ObjectID]]


def packed(
    git: GitRepository, objects: Collection[ObjectID], there: Collection[bytes], commits: Parents
) -> Iterator[UnpackedObject]:
    """The objects as they go into a pack: by the deltas that packs have, else by new ones.

    ``commits`` are those among the objects, with their parents; what these reach and is none of
    the objects, the other side has. ``there`` is what it is known to have.
    """
    store = git.dulwich.object_store
    todo = set(objects)
    raw = {oid.encode("ascii") for oid in objects}
    for known in find_reusable_deltas(store, raw, other_haves=set(there)):  # type: ignore[arg-type]
        todo.discard(_text(known.sha()))
        yield known
    depths: dict[ObjectID, int] = {}  # of what was written here
    for oid, base in _versions(git, commits):
        if oid not in todo or oid in depths:
            continue
        usable = base and (base in depths or base not in objects)  # else it may follow from this
        depth = depths.get(base, 0) + 1
        delta = _delta_of(git, oid, base) if usable and depth <= _DEEPEST else None
        depths[oid] = depth if delta else 0
        yield delta or full_unpacked_object(store[oid.encode("ascii")])  # type: ignore[index]
    for oid in sorted(todo - depths.keys()):
        yield full_unpacked_object(store[oid.encode("ascii")])  # type: ignore[index]


def _text(raw: bytes) -> ObjectID:
    return ObjectID(sha_to_hex(raw).decode("ascii"))  # type: ignore[arg-type]


def _versions(git: GitRepository, commits: Parents) -> Iterator[tuple[ObjectID, ObjectID]]:
    """What each commit has and its first parent has not, with what is there instead (or an empty
    id); parents first."""
    parents = {oid: [p for p in commits[oid] if p in commits] for oid in commits}
    for oid in TopologicalSorter(parents).static_order():
        commit = git.read_commit(oid)
        before = git.read_commit(commit.parents[0]).tree if commit.parents else ObjectID("")
        if before != commit.tree:
            yield from _differing(git, before, commit.tree)


def _differing(
    git: GitRepository, old: ObjectID, new: ObjectID
) -> Iterator[tuple[ObjectID, ObjectID]]:
    yield new, old
    before, after = read_differing(git.objects, old, new)
    for name, entry in after.items():
        other = before.get(name)
        same = other and (other.mode == entry.mode or {other.mode, entry.mode} <= _FILES)
        base = other.oid if other and same else ObjectID("")
        if entry.is_tree:
            yield from _differing(git, base, entry.oid)
        else:
            yield entry.oid, base


def _delta_of(git: GitRepository, oid: ObjectID, base: ObjectID) -> UnpackedObject | None:
    """An object as a delta, if that is less than half of it."""
    kind, data = git.objects.read(oid)
    if not _BLOCK < len(data) <= _LONGEST:
        return None
    base_kind, base_data = git.objects.read(base)
    if base_kind != kind or len(base_data) > _LONGEST:
        return None
    delta = make_delta(base_data, data)
    if len(delta) > len(data) // 2:
        return None
    return UnpackedObject(
        KIND_NUMBERS[kind],
        sha=hex_to_sha(oid.encode("ascii")),  # type: ignore[arg-type]
        delta_base=hex_to_sha(base.encode("ascii")),  # type: ignore[arg-type]
        decomp_len=len(delta),
        decomp_chunks=[delta],
    )


# -- one delta --------------------------------------------------------------------------------


def make_delta(base: bytes, target: bytes) -> bytes:
    """What makes a target of a base: copies of pieces of the base, and bytes to insert."""
    starts = reversed(range(0, len(base) - _BLOCK + 1, _BLOCK))  # the first of equal blocks
    blocks = {base[at : at + _BLOCK]: at for at in starts}
    made = bytearray(_size(len(base)) + _size(len(target)))
    here = done = 0
    while here + _BLOCK <= len(target):
        at = blocks.get(target[here : here + _BLOCK])
        if at is None:
            here += 1
            continue
        while here > done and at and target[here - 1] == base[at - 1]:
            here, at = here - 1, at - 1
        length = _alike(base, at, target, here)
        made += _insert(target[done:here]) + _copy(at, length)
        here = done = here + length
    return bytes(made + _insert(target[done:]))


def _alike(base: bytes, at: int, target: bytes, here: int) -> int:
    """How many bytes are the same from two places on."""
    length, step = 0, 1 << 12
    most = min(len(base) - at, len(target) - here)
    while step:
        fits = length + step <= most
        if (
            fits
            and base[at + length : at + length + step]
            == target[here + length : here + length + step]
        ):
            length += step
        else:
            step >>= 1
    return length


def _size(value: int) -> bytes:
    made = bytearray()
    while value > 0x7F:
        made.append(0x80 | value & 0x7F)
        value >>= 7
    return bytes([*made, value])


def _insert(data: bytes) -> bytes:
    pieces = (data[i : i + _LONGEST_INSERT] for i in range(0, len(data), _LONGEST_INSERT))
    return b"".join(bytes([len(piece)]) + piece for piece in pieces)


def _copy(at: int, length: int) -> bytes:
    made = bytearray()
    while length:
        count = min(length, _LONGEST_COPY)
        fields = [*at.to_bytes(4, "little"), *count.to_bytes(2, "little")]
        made.append(0x80 | sum(1 << place for place, byte in enumerate(fields) if byte))
        made += bytes(filter(None, fields))
        at, length = at + count, length - count
    return bytes(made)
