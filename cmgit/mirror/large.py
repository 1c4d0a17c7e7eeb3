"""The large files of mirrors: all that any of their refs name, those that were kept included.

How they come, how they are verified, and how exports carry them: once, whatever the number of
repositories that name one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import BinaryIO, cast

from ..errors import Damaged
from ..index.record import digest
from ..large import LargeFiles
from ..lfs.objects import CHUNK, Objects
from ..lfs.pointer import Pointer
from ..registry import Entry
from ..repository import Repository
from ..store.git import GitRepository
from ..store.large import named_pointers, plain_packs
from ..store.objects import ObjectID
from ..store.quarantine import packed_refs
from ..store.ref_files import read_refs
from ..store.transport import chosen
from .manifest import LARGE, Export, Held, Large, Manifest, Part
from .parts import PartReader, PartWriter
from .sources import Mirror
from .state import State, read_state, write_state


def bring(home: str, mirror: Mirror, path: str, report: Callable[[str], None]) -> int:
    """Bring the large files of a mirror that are not here; returns how many bytes came.

    Its history is searched only when its refs are others than at the last time. Raises NotFound
    for what its source does not have, at the end, and RemoteError. Of one without, none.
    """
    if not mirror.lfs:
        return 0
    if _none_named(home, mirror, path):
        return 0
    repository = Repository.open(path, mirror.name)
    with closing(repository.git):
        large = LargeFiles(home, report)
        lacking = [
            p for p in _named(home, mirror, repository.git, large.objects) if p not in large.objects
        ]
        if lacking:
            large.provide(repository, lacking)
    return sum(pointer.size for pointer in lacking)


def known_none(state: State, refs: Mapping[str, ObjectID]) -> bool:
    """Whether refs were found to name no large file."""
    return state.large_of == digest(packed_refs(refs)) and not state.large


def is_known_without(home: str, entry: Entry) -> bool:
    """Whether the last sync of a mirror found that its refs, as they are, name no large file."""
    here = read_refs(entry.path)
    return here is not None and known_none(read_state(home, entry.url), here.refs)


def _none_named(home: str, mirror: Mirror, path: str) -> bool:
    """Whether it is known, without opening the repository, that its refs name no large file."""
    here, state = read_refs(path), read_state(home, mirror.url)
    if here is None:
        return False
    refs = digest(packed_refs(here.refs))
    if state.large_of == refs:
        return not state.large
    packs = plain_packs(path, state.plain, chosen()[1])
    if packs is None:
        return False
    state = read_state(home, mirror.url)  # as it is by now: another sync may have ended
    write_state(home, replace(state, large_of=refs, large={}, plain=tuple(packs)))
    return True


def _named(home: str, mirror: Mirror, git: GitRepository, objects: Objects) -> list[Pointer]:
    state = read_state(home, mirror.url)
    refs = digest(packed_refs(git.refs()))
    if state.large_of != refs:
        found = dict(sorted(named_pointers(git, chosen()[1])))
        for pointer in (Pointer(*item) for item in found.items()):
            objects.touch(pointer)  # gc may have looked at the refs as they were
        state = replace(read_state(home, mirror.url), large_of=refs, large=found)
        write_state(home, state)
    return [Pointer(oid, size) for oid, size in state.large.items()]


def named(git: GitRepository, program: str) -> list[Pointer]:
    """The large files that a repository's refs name, sorted. Raises Damaged when the objects that
    may name one are not whole."""
    if plain_packs(git.common_directory, (), program) is not None:
        return []
    return sorted(named_pointers(git, program))


def problems(home: str, git: GitRepository) -> Iterator[str]:
    """What is wrong with the large files that a repository's refs name: each is hashed again."""
    objects = LargeFiles(home, lambda line: None).objects
    for pointer in named(git, chosen()[1]):
        problem = objects.verify(pointer)
        if problem:
            yield problem


# -- exports ----------------------------------------------------------------------------------


def write_large(
    directory: str, held: Iterable[Held], earlier: Manifest | None, objects: Objects, split: int
) -> tuple[Large, ...]:
    """Write the large files of repositories into an export, each hashed again: those that an
    earlier one did not have. Returns what the manifest says of all of them. Raises Damaged."""
    wanted = {oid: size for item in held for oid, size in item.large.items()}
    known = {large.oid for large in earlier.large} if earlier else set()
    if wanted:
        os.mkdir(os.path.join(directory, LARGE))
    found = []
    for pointer in (Pointer(*item) for item in sorted(wanted.items())):
        parts: tuple[Part, ...] = ()
        if pointer.oid not in known:
            writer = PartWriter(directory, f"{LARGE}/{pointer.oid}", split)
            objects.copy(pointer, cast(BinaryIO, writer))
            parts = writer.close()
        found.append(Large(pointer.oid, pointer.size, parts))
    return tuple(found)


def take_large(exports: Sequence[Export], objects: Objects) -> None:
    """Take in the large files of exports, each checked, and look whether all that their
    repositories name are there. Raises NotFound and Damaged; what came by then does no harm."""
    for export in exports:
        for large in export.manifest.large:
            pointer = Pointer(large.oid, large.size)
            if not objects.touch(pointer) and large.parts:
                _take(export, large, pointer, objects)
    for export in exports:
        for held in export.manifest.repositories:
            for pointer in (Pointer(*item) for item in held.large.items()):
                if pointer not in objects:
                    raise Damaged(
                        f"{held.alias}: the large file {pointer.oid} is missing",
                        "the export that this is an increment to has it: import both",
                    )


def _take(export: Export, large: Large, pointer: Pointer, objects: Objects) -> None:
    with PartReader(export.directory, large.parts) as reader:
        objects.receive(pointer, lambda _: (0, iter(lambda: reader.read(CHUNK) or b"", b"")))
        reader.finish()
