"""The large files of mirrors: all that any of their refs name, those that were kept included."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace

import orjson

from ..index.record import digest
from ..large import LargeFiles
from ..lfs.pointer import Pointer
from ..repository import Repository
from ..store.git import GitRepository
from ..store.large import named_pointers
from ..store.transport import chosen
from .sources import Mirror
from .state import read_state, write_state


def bring(home: str, mirror: Mirror, path: str, report: Callable[[str], None]) -> int:
    """Bring the large files of a mirror that are not here; returns how many bytes came.

    Its history is searched only when its refs are others than at the last time. Raises NotFound
    for what its source does not have, at the end, and RemoteError.
    """
    repository = Repository.open(path, mirror.name)
    with closing(repository.git):
        large = LargeFiles(home, report)
        lacking = [p for p in _named(home, mirror, repository.git) if p not in large.objects]
        if lacking:
            large.provide(repository, lacking)
    return sum(pointer.size for pointer in lacking)


def _named(home: str, mirror: Mirror, git: GitRepository) -> list[Pointer]:
    state = read_state(home, mirror.url)
    refs = digest(orjson.dumps(git.refs(), option=orjson.OPT_SORT_KEYS))
    if state.large_of != refs:
        found = dict(sorted(named_pointers(git, chosen()[1])))
        state = replace(state, large_of=refs, large=found)
        write_state(home, state)
    return [Pointer(oid, size) for oid, size in state.large.items()]


def problems(home: str, git: GitRepository) -> Iterator[str]:
    """What is wrong with the large files that a repository's refs name: each is hashed again."""
    objects = LargeFiles(home, lambda line: None).objects
    for pointer in sorted(named_pointers(git, chosen()[1])):
        problem = objects.verify(pointer)
        if problem:
            yield problem
