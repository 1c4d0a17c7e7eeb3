"""Bringing the index up to what the repositories hold now.

Bare repositories of the home change only through cmgit, which leaves a marker in ``pending/``
while it does, so only those with a marker are looked at. What changed in one repository,
:mod:`.observe` finds out.

Nothing is locked for this. A move between two repositories (:mod:`.moves`) is seen in both or in
neither: its process publishes the index before it says that the move is over, so that whoever read
one repository before and the other after it finds the next manifest taken.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import NamedTuple

from . import moves
from .errors import Busy, CmgitError
from .index import roaring
from .index.inherit import inherit
from .index.lookup import PENDING, Index, registry_digest
from .index.manifest import (
    DIRECTORY,
    Manifest,
    RepositoryState,
    SegmentState,
    manifest_numbers,
    read_manifest,
)
from .index.pages import DamagedIndex
from .index.segment import Segment
from .index.writer import Numbered, bury, compact, order, publish, write_segments
from .jobs import spread
from .moves import Move
from .observe import NO_ROOM, Observer, Report, observed
from .registry import BARE, Entry, Registry
from .repository import Repository

_TRIES = 200
_MANY = 100  # repositories: so many are worth the start of processes
_READ_ONLY = (errno.EACCES, errno.EPERM, errno.EROFS)


class Mode(NamedTuple):
    """How an index is brought up to date.

    ``everything`` looks at every repository; ``anew`` does, and forgets what the index knew of
    those that can be read. ``publishing`` does not end before the index is written, to the home
    and nowhere else.
    ``moving`` is the UID of an artifact that this process has just moved between two repositories.
    ``jobs`` is how many processes may work on it, see :mod:`.jobs`.
    """

    everything: bool = False
    anew: bool = False
    publishing: bool = False
    moving: str = ""
    jobs: int = 1


_WHAT_CHANGED = Mode()


class Refresher:
    """One run of bringing the index of a home up to date."""

    def __init__(self, home: str, report: Report, mode: Mode) -> None:
        self.home = home
        self.directory = os.path.join(home, DIRECTORY)
        self._report = report
        self._mode = mode
        self._warned: set[str] = set()
        self._damaged = -1  # the number of a manifest that is not to be read

    def run(self) -> Index:
        """Return an index that holds what is there now.

        It is published unless two other processes are faster: the second looked at everything
        after this one began, so that its index will do, if it need not be this one's.
        """
        lost = 0
        self._make_movable()
        for _ in range(_TRIES):
            living = self._living_moves()
            number = max(manifest_numbers(self.directory), default=0)
            try:
                manifest = self._current(number)
                fresh = self._next(manifest, living)
                index = Index(self.directory, fresh, roaring) if fresh else None
            except DamagedIndex as error:  # or swept by a faster process
                if max(manifest_numbers(self.directory), default=0) == number:
                    self._warn(f"the index was damaged and is built anew ({error})")
                    self._damaged = number
                continue
            if fresh is None or index is None or self._living_moves() != living:
                continue  # half of a move may have been seen
            if self._is(manifest, fresh) or publish(self.directory, fresh):
                self._release(fresh)
                return index
            lost += 1
            if lost > 1 and not self._mode.publishing:
                with suppress(DamagedIndex):
                    return Index(self.directory, read_manifest(self.directory, self.home), roaring)
        raise Busy("the index kept changing", "try it again")

    def _make_movable(self) -> None:
        """Have the registry say relative paths, as older versions did not."""
        registry = Registry(self.home)
        if registry.outdated:
            with suppress(Busy, OSError), registry.change(wait_seconds=0):
                pass  # it is written as it should be

    def _is(self, manifest: Manifest, fresh: Manifest) -> bool:
        """Whether the newest manifest says the same already."""
        newest = max(manifest_numbers(self.directory), default=0)
        return 0 < manifest.number == newest and fresh.to_dict() == manifest.to_dict()

    def _living_moves(self) -> list[Move]:
        """The moves that other processes are making; those of killed ones are settled first."""
        return [
            move
            for move in moves.under_way(self.home)
            if (move.undo or move.uid != self._mode.moving) and not settle_move(self.home, move)
        ]

    def _current(self, number: int) -> Manifest:
        """What the index says now; nothing when it is damaged."""
        os.makedirs(self.directory, exist_ok=True)
        return (
            Manifest(number)
            if number == self._damaged
            else read_manifest(self.directory, self.home)
        )

    def _warn(self, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            self._report(f"warning: {text}")

    def _next(self, manifest: Manifest, living: list[Move]) -> Manifest | None:
        """The manifest that shall come next; None when it has to wait for a move to end first."""
        digest = registry_digest(self.home)  # first: an older one than the entries does no harm
        registry = Registry(self.home)
        for warning in registry.warnings:
            self._warn(warning)
        entries = self._to_look_at(registry, manifest, digest)
        old = set(manifest.repositories.numbers())
        held = {number for move in living for number in move.numbers}
        change = _Change(self.home, self.directory, manifest)
        if any(
            change.observer(e).moved or e.number not in old for e in entries if e.number in held
        ):
            for move in living:
                settle_move(self.home, move, wait_seconds=-1)
            return None
        records = self._observe(entries, held, change)
        added = write_segments(self.directory, records)
        for number in old - {entry.number for entry in registry.entries}:
            change.remove(number)
        repositories = manifest.repositories.updated(
            change.states, (entry.number for entry in registry.entries)
        )
        draft = Manifest(manifest.number + 1, digest, repositories, change.segments() + added)
        if draft.segments != manifest.segments:
            inherit(self.directory, draft)
            draft.segments = compact(self.directory, draft.segments)
        return draft

    def _to_look_at(self, registry: Registry, manifest: Manifest, digest: str) -> list[Entry]:
        """The repositories that may not be as the index has them, by number."""
        entries = sorted(registry.entries, key=lambda entry: entry.number)
        if self._mode.everything or self._mode.anew or manifest.registry != digest:
            return entries
        known = manifest.repositories
        special = {state.number for state in known.special} | self._pending()
        return [entry for entry in entries if entry.number in special or entry.kind != BARE]

    def _observe(self, entries: list[Entry], held: set[int], change: _Change) -> Iterator[Numbered]:
        """Find out what changed in repositories; yields the records that are new, in order.

        Those between which something is being moved count as they were.
        """
        look = {entry.number for entry in entries} if self._mode.everything else self._pending()
        for entry in entries:
            if entry.number in held:
                change.take(change.observer(entry, self._mode.anew))
        free = [entry for entry in entries if entry.number not in held]
        work = ((change.observer(e, self._mode.anew), e.number in look) for e in free)
        for observer in self._run(work, len(free)):
            change.take(observer)
            number = observer.entry.number
            records = [(number, record) for record in observer.changes.values() if record]
            yield from sorted(records, key=order)

    def _run(self, work: Iterator[tuple[Observer, bool]], count: int) -> Iterator[Observer]:
        """Look into repositories: into many at once by several processes, into few in turn, each
        of which several processes may read."""
        jobs = self._mode.jobs
        if jobs > 1 and count >= _MANY:
            for at, observer in enumerate(spread(jobs, observed, work, _MANY, together=16)):
                self._report(f"indexing {observer.entry.alias} ({at + 1} of {count})")
                yield observer
            return
        for observer, look in work:
            observer.run(look, self._report, jobs)
            yield observer

    def _pending(self) -> set[int]:
        """The numbers of the repositories that have to be looked at."""
        own = [move for move in moves.under_way(self.home) if move.uid == self._mode.moving]
        return _marked(self.home) | {number for move in own for number in move.numbers}

    def _release(self, fresh: Manifest) -> None:
        """Remove the markers that killed processes left, now that the index knows all."""
        if self.directory != os.path.join(self.home, DIRECTORY):
            return  # it knows in memory only
        known = set(fresh.repositories.numbers())
        for name in moves.others(self.home):
            marker = os.path.join(self.home, PENDING, name)
            with suppress(CmgitError, OSError):
                if not name.isdigit() or int(name) not in known:
                    os.unlink(marker)
                    continue
                state = fresh.repositories.state(int(name))
                repository = Repository.open(state.path, state.alias)
                with closing(repository.git), repository.locked(wait_seconds=0):
                    if (repository.git.head().commit or "") == state.commit:
                        os.unlink(marker)


def _marked(home: str) -> set[int]:
    """The numbers of the bare repositories that are being changed, or were by a killed process."""
    return {int(name) for name in moves.others(home) if name.isdigit()}


def settle_move(home: str, move: Move, wait_seconds: float = 0) -> bool:
    """Finish or forget a move whose process was killed; False while a living one is making it."""
    entries = [entry for entry in Registry(home).entries if entry.number in move.numbers]
    try:
        with moves.lock_all(entries, wait_seconds) as opened:
            if len(opened) == 2 and move in moves.under_way(home):
                moves.settle(home, move, opened)
                Refresher(home, _silent, Mode(publishing=True, moving=move.uid)).run()
            moves.end(home, move.uid)
    except Busy:
        return False
    except CmgitError:  # one of the two is not there any more
        with suppress(OSError):
            moves.end(home, move.uid)
    except OSError as error:
        return error.errno in _READ_ONLY
    return True


def _silent(line: str) -> None:
    """Report nothing."""


class _Change:
    """What one run finds out: new states, and records that count no longer."""

    def __init__(self, home: str, directory: str, manifest: Manifest) -> None:
        self._home = home
        self.states: list[RepositoryState] = []
        self._directory = directory
        self._known = manifest.repositories
        self._numbers = set(self._known.numbers())
        self._old = manifest.segments
        self._opened = [Segment(os.path.join(directory, state.name)) for state in self._old]
        self._dead: list[list[int]] = [[] for _ in self._old]

    def observer(self, entry: Entry, anew: bool = False) -> Observer:
        """What finds out what changed in a repository."""
        known = entry.number in self._numbers
        old = self._known.state(entry.number) if known else None
        return Observer(self._home, self._directory, entry, old, anew)

    def take(self, observer: Observer) -> None:
        """Note what was found in one repository."""
        number = observer.entry.number
        if number not in self._numbers or observer.state != self._known.state(number):
            self.states.append(observer.state)
        if observer.moved:
            self.remove(number)
            return
        for dead, segment in zip(self._dead, self._opened, strict=True):
            found = (segment.locate(number, path) for path in observer.changes)
            dead.extend(at for at in found if at is not None)

    def remove(self, number: int) -> None:
        """Forget all records of a repository."""
        for dead, segment in zip(self._dead, self._opened, strict=True):
            dead.extend(segment.of_repository(number))

    def segments(self) -> list[SegmentState]:
        """The old segments without the records that count no longer."""
        return [bury(state, dead) for state, dead in zip(self._old, self._dead, strict=True)]


def refresh(home: str, report: Report, mode: Mode = _WHAT_CHANGED) -> Index:
    """Bring the index of a home up to date and return it; in memory where nothing can be written.

    ``report`` gets one line for each repository that is indexed anew, and for a rebuild.
    """
    try:
        return Refresher(home, report, mode).run()
    except OSError as error:
        if error.errno not in (*_READ_ONLY, *NO_ROOM):
            raise
        return _in_memory(home, report, mode._replace(everything=True, publishing=False))


def _in_memory(home: str, report: Report, mode: Mode) -> Index:
    """The same in a temporary directory, for a home that cannot be written."""
    import tempfile

    scratch = tempfile.mkdtemp(prefix="cmgit-")
    try:
        refresher = Refresher(home, report, mode)
        refresher.directory = scratch
        existing = os.path.join(home, DIRECTORY)
        if os.path.isdir(existing):
            for name in os.listdir(existing):  # not the directory's mode: it must be written
                shutil.copyfile(os.path.join(existing, name), os.path.join(scratch, name))
        return refresher.run()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
