"""Files that are made for the first who asks, and kept in a repository until others are wanted:
packs and bundles of all that it offers."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import BinaryIO, cast

from ..errors import Busy, Unsupported
from ..index.record import digest
from .bundle import check_whole, write_bundle
from .git import PRIVATE_DIRECTORY, GitRepository
from .locks import process_lock
from .objects import ObjectID

PULSE_SECONDS = 5.0
Make = Callable[[BinaryIO], None]


def prepared(repository: str, name: str, make: Make, pulse: Callable[[], None]) -> BinaryIO:
    """The file of that name, open; ``make`` writes it when it is not there, in place of others with
    the same ending. While another process makes it, ``pulse`` is called.

    Where nothing can be kept, it is made each time.
    """
    if not os.access(repository, os.W_OK):
        file = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115
        make(file)
        file.seek(0)
        return file
    place = os.path.join(repository, PRIVATE_DIRECTORY, "served")
    while True:
        try:
            with process_lock(f"{place}.lock", PULSE_SECONDS):
                return open(_kept(place, name, make), "rb")
        except Busy:
            pulse()


def _kept(place: str, name: str, make: Make) -> str:
    path = os.path.join(place, name)
    if not os.path.exists(path):
        os.makedirs(place, exist_ok=True)
        suffix = os.path.splitext(name)[1]
        for other in os.listdir(place):
            if suffix in other:
                os.unlink(os.path.join(place, other))
        try:
            with open(f"{path}.tmp", "wb") as file:
                make(file)
            os.replace(f"{path}.tmp", path)
        except BaseException:
            os.unlink(f"{path}.tmp")
            raise
    return path


def bundle_name(path: str) -> str:
    """What the bundle of a bare repository is called, as it is now; empty when there is none,
    because there are no branches and tags, or its history is not whole."""
    with closing(GitRepository.open(path)) as git:
        refs = _bundled(git)
        return _name_of(refs) if refs else ""


def open_bundle(path: str, name: str, program: str) -> BinaryIO | None:
    """The bundle of that name; None when the repository is not so any more. Raises GitError."""
    with closing(GitRepository.open(path)) as git:
        refs = _bundled(git)
        if not refs or name != _name_of(refs):
            return None

        def make(file: BinaryIO) -> None:
            write_bundle(git, refs, (), file.write, program)

        return prepared(path, name, make, lambda: None)


def _bundled(git: GitRepository) -> dict[str, ObjectID]:
    """The branches and tags; none of a repository that has not all of their history."""
    try:
        check_whole(git, git.local_config())
    except Unsupported:
        return {}
    shown = ("refs/heads/", "refs/tags/")
    return {name: oid for name, oid in git.refs().items() if name.startswith(shown)}


def _name_of(refs: Mapping[str, ObjectID]) -> str:
    text = "\n".join(f"{oid} {name}" for name, oid in sorted(refs.items()))
    return f"{digest(text.encode('utf-8', 'surrogateescape'))}.bundle"
