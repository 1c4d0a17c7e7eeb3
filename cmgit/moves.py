"""Moving an artifact from one repository to another: made or not made, whatever happens.

Such a move is two commits: the artifact arrives in one repository, then it leaves the other. Before
the first, a file in ``pending/`` of the home says what is under way, and it goes when the index
knows of both. Meanwhile look-ups answer what was before. When the process was killed, the next one
that gets the locks of both repositories makes the second commit, if the first was made, else
forgets the move. A move that fails with its process alive is taken back, by this process or by the
next.

The file is ``move-UID``, or ``undo-UID`` for one that is to be taken back, with the artifact's UID.
It is JSON: ``source`` and ``target``, each with ``number`` (the repository's), ``path`` and
``tree`` (the artifact's there), and ``message``, that of the second commit.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import NamedTuple

import orjson

from .errors import CmgitError
from .index.lookup import PENDING
from .registry import Entry
from .repository import Repository
from .store.objects import read_blob
from .store.room import blocks, check_room
from .store.trees import edit, lookup, walk

_TWO_COMMITS = 192 * 1024  # bytes that they take at most, content aside
_MOVE, _UNDO = "move-", "undo-"


class Place(NamedTuple):
    """Where an artifact is: the number of the repository, the path in it, and its tree there."""

    number: int
    path: str
    tree: str


class Move(NamedTuple):
    """A move between two repositories; ``undo`` when it is to be taken back."""

    uid: str
    source: Place
    target: Place
    message: str
    undo: bool = False

    @property
    def numbers(self) -> set[int]:
        """The numbers of the two repositories."""
        return {self.source.number, self.target.number}

    def settle(self, opened: Mapping[int, Repository]) -> None:
        """Make or take back the whole move, if half of it was made; with both locks held."""
        source, target = opened[self.source.number], opened[self.target.number]
        arrived = lookup(target.git.objects, target.tree(), self.target.path)
        if arrived is None or arrived.oid != self.target.tree:
            return
        if content_tree(source, self.source.path) != self.source.tree:
            return  # it left, or somebody went on working on it there
        if self.undo:
            _remove(target, self.target.path, f"{self.message} taken back")
        else:
            _remove(source, self.source.path, self.message)


def _remove(repository: Repository, path: str, message: str) -> None:
    with repository.change(message) as change:
        change.remove(path)


def content_tree(repository: Repository, path: str) -> str:
    """The id that the tree at a path has, as it is now."""
    return edit(repository.git.objects, "", repository.content(path))


def begin(home: str, move: Move, arriving: Repository) -> None:
    """Say that a move is under way; there shall be room for all of it, since undoing takes more."""
    store = arriving.git.objects
    content = [entry.oid for _, entry in walk(store, move.target.tree)]
    sizes = (2 * blocks(len(read_blob(store, oid))) for oid in content)
    check_room(home, lambda: sum(sizes) + _TWO_COMMITS)
    path = os.path.join(home, PENDING, _MOVE + move.uid)
    temporary = os.path.join(home, "locks", _MOVE + move.uid)
    places = {"source": move.source._asdict(), "target": move.target._asdict()}
    with open(temporary, "wb") as file:
        file.write(orjson.dumps({**places, "message": move.message}))
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def take_back(home: str, move: Move, opened: Mapping[int, Repository]) -> None:
    """Undo what was made of a move that failed; what cannot be undone now is left to the next."""
    path, undo = (os.path.join(home, PENDING, kind + move.uid) for kind in (_MOVE, _UNDO))
    with suppress(CmgitError, OSError):
        os.rename(path, undo)
        for repository in opened.values():
            repository.recover()
        settle(home, move._replace(undo=True), opened)


def settle(home: str, move: Move, opened: Mapping[int, Repository]) -> None:
    """Make a move whole or undo it, as its file says, with both repositories locked and between
    changes. What remains is to tell the index, and to end it."""
    move.settle(opened)
    if move.undo:
        path, undo = (os.path.join(home, PENDING, kind + move.uid) for kind in (_MOVE, _UNDO))
        os.rename(undo, path)


def end(home: str, uid: str) -> None:
    """Say that a move is whole or undone, as the index knows already."""
    with suppress(FileNotFoundError):
        os.unlink(os.path.join(home, PENDING, _MOVE + uid))


def under_way(home: str) -> list[Move]:
    """The moves that are being made, or were when their process was killed."""
    directory = os.path.join(home, PENDING)
    try:
        names = sorted(os.listdir(directory))
    except OSError:
        return []
    return [move for name in names for move in _read(directory, name)]


def others(home: str) -> list[str]:
    """The names of what is in ``pending/`` and is no move."""
    try:
        names = os.listdir(os.path.join(home, PENDING))
    except OSError:
        return []
    return [name for name in names if not name.startswith((_MOVE, _UNDO))]


def _read(directory: str, name: str) -> Iterator[Move]:
    if not name.startswith((_MOVE, _UNDO)):
        return
    path = os.path.join(directory, name)
    try:
        with open(path, "rb") as file:
            value = orjson.loads(file.read())
        source, target = Place(**value["source"]), Place(**value["target"])
        yield Move(name[len(_MOVE) :], source, target, value["message"], name.startswith(_UNDO))
    except FileNotFoundError:
        return
    except (ValueError, KeyError, TypeError):
        with suppress(OSError):  # not what was written here: nothing can be made of it
            os.unlink(path)


@contextmanager
def lock_all(entries: Iterable[Entry], wait_seconds: float = -1) -> Iterator[dict[int, Repository]]:
    """Open and lock repositories, by number; always in one order, so that no two processes wait
    for each other. Raises Busy when the time is over."""
    with ExitStack() as stack:
        opened = {}
        for entry in sorted(entries, key=lambda entry: entry.number):
            repository = opened[entry.number] = Repository.open(entry.path, entry.alias)
            stack.callback(repository.git.close)
            stack.enter_context(repository.locked(wait_seconds))
        yield opened
