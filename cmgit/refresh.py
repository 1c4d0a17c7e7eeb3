"""Bringing the index up to what the repositories hold now.

Bare repositories of the home change only through cmgit, which leaves a marker in ``pending/``
while it does, so only those with a marker are looked at; ``everything`` looks at all. What changed
in one repository, :mod:`.observe` finds out.

Nothing is locked for this. A move between two repositories (:mod:`.moves`) is seen in both or in
neither: its process publishes the index before it says that the move is over, so that whoever read
one repository before and the other after it finds the next manifest taken.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import closing, suppress

from . import moves
from .errors import Busy, CmgitError
from .index.inherit import inherit
from .index.lookup import PENDING, Index, registry_digest
from .index.manifest import (
    DIRECTORY,
    Manifest,
    SegmentState,
    manifest_numbers,
    read_manifest,
)
from .index.segment import DamagedIndex, Segment
from .index.watch import read_watch
from .index.writer import compact, publish, write_segment
from .moves import Move
from .observe import NO_ROOM, Changes, Observer, Report
from .registry import Registry
from .repository import Repository

_TRIES = 200
_READ_ONLY = (errno.EACCES, errno.EPERM, errno.EROFS)


class Refresher:
    """One run of bringing the index of a home up to date.

    ``everything`` looks at every repository, ``anew`` forgets what the index knew, ``publishing``
    does not end before the index is written. ``moving`` is the UID of an artifact that this
    process has just moved between two repositories.
    """

    def __init__(
        self,
        home: str,
        report: Report,
        everything: bool = False,
        publishing: bool = False,
        moving: str = "",
        anew: bool = False,
    ) -> None:
        self.home = home
        self.directory = os.path.join(home, DIRECTORY)
        self._report = report
        self._everything = everything
        self._publishing = publishing
        self._moving = moving
        self._anew = anew
        self._warned: set[str] = set()

    def run(self) -> Index:
        """Return an index that holds what is there now.

        It is published unless two other processes are faster: the second looked at everything
        after this one began, so that its index will do, if it need not be this one's.
        """
        lost = 0
        for _ in range(_TRIES):
            living = self._living_moves()
            manifest, opened = self._current()
            try:
                fresh = self._next(manifest, opened, living)
                index = Index(self.directory, fresh) if fresh else None
            except DamagedIndex:
                continue  # swept by a faster process
            if fresh is None or index is None or self._living_moves() != living:
                continue  # half of a move may have been seen
            if self._is(manifest, fresh) or publish(self.directory, fresh):
                self._release(fresh)
                return index
            lost += 1
            if lost > 1 and not self._publishing:
                with suppress(DamagedIndex):
                    return Index(self.directory, read_manifest(self.directory))
        raise Busy("the index kept changing", "try it again")

    def _is(self, manifest: Manifest, fresh: Manifest) -> bool:
        """Whether the newest manifest says the same already."""
        newest = max(manifest_numbers(self.directory), default=0)
        return 0 < manifest.number == newest and fresh.to_dict() == manifest.to_dict()

    def _living_moves(self) -> list[Move]:
        """The moves that other processes are making; those of killed ones are settled first."""
        return [
            move
            for move in moves.under_way(self.home)
            if (move.undo or move.uid != self._moving) and not settle_move(self.home, move)
        ]

    def _current(self) -> tuple[Manifest, list[Segment]]:
        os.makedirs(self.directory, exist_ok=True)
        while True:
            number = max(manifest_numbers(self.directory), default=0)
            if self._anew:
                return Manifest(number), []
            try:
                return self._read()
            except DamagedIndex as error:
                if max(manifest_numbers(self.directory), default=0) == number:
                    self._warn(f"the index was damaged and is built anew ({error})")
                    return Manifest(number), []

    def _read(self) -> tuple[Manifest, list[Segment]]:
        manifest = read_manifest(self.directory)
        segments = [Segment(os.path.join(self.directory, s.name)) for s in manifest.segments]
        for repo in manifest.repositories:
            if repo.watch:
                read_watch(os.path.join(self.directory, repo.watch))
        return manifest, segments

    def _warn(self, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            self._report(f"warning: {text}")

    def _next(
        self, manifest: Manifest, opened: list[Segment], living: list[Move]
    ) -> Manifest | None:
        """The manifest that shall come next; None when it has to wait for a move to end first."""
        digest = registry_digest(self.home)  # first: an older one than the entries does no harm
        registry = Registry(self.home)
        for warning in registry.warnings:
            self._warn(warning)
        old = {state.number: state for state in manifest.repositories}
        pending, held = self._pending(), {n for move in living for n in move.numbers}
        states, changes, gone = [], {}, set(old)
        for entry in registry.entries:
            observer = Observer(self.directory, entry, old.get(entry.number))
            if entry.number not in held:
                look = self._everything or entry.number in pending
                observer.run(look, self._report)
            elif observer.moved or entry.number not in old:
                _wait_for(self.home, living)
                return None
            states.append(observer.state)
            changes[entry.number] = observer.changes
            if not observer.moved:
                gone.discard(entry.number)
        segments = [SegmentState(s.name, s.count, set(s.dead)) for s in manifest.segments]
        _bury(segments, opened, gone, changes)
        fresh = [(n, r) for n, c in changes.items() for r in c.values() if r is not None]
        draft = Manifest(manifest.number + 1, digest, states, segments)
        if fresh:
            draft.segments.append(write_segment(self.directory, fresh))
        if fresh or gone or any(changes.values()):
            inherit(self.directory, draft)
            draft.segments = compact(self.directory, draft.segments)
        return draft

    def _pending(self) -> set[int]:
        """The numbers of the repositories that have to be looked at."""
        own = [move for move in moves.under_way(self.home) if move.uid == self._moving]
        return _marked(self.home) | {number for move in own for number in move.numbers}

    def _release(self, fresh: Manifest) -> None:
        """Remove the markers that killed processes left, now that the index knows all."""
        if self.directory != os.path.join(self.home, DIRECTORY):
            return  # it knows in memory only
        states = {str(state.number): state for state in fresh.repositories}
        for name in moves.others(self.home):
            marker = os.path.join(self.home, PENDING, name)
            with suppress(CmgitError, OSError):
                state = states.get(name)
                if state is None:
                    os.unlink(marker)
                    continue
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
                Refresher(home, _silent, publishing=True, moving=move.uid).run()
            moves.end(home, move.uid)
    except Busy:
        return False
    except CmgitError:  # one of the two is not there any more
        with suppress(OSError):
            moves.end(home, move.uid)
    except OSError as error:
        return error.errno in _READ_ONLY
    return True


def _wait_for(home: str, living: list[Move]) -> None:
    for move in living:
        settle_move(home, move, wait_seconds=-1)


def _silent(line: str) -> None:
    """Report nothing."""


def _bury(
    segments: list[SegmentState],
    opened: list[Segment],
    gone: set[int],
    changes: Mapping[int, Changes],
) -> None:
    """Mark the records of repositories that are gone, and of paths that changed, as dead."""
    for state, segment in zip(segments, opened, strict=True):
        for repository in gone:
            state.dead.update(segment.of_repository(repository))
        for repository, paths in changes.items():
            for path in paths:
                number = segment.locate(repository, path)
                if number is not None:
                    state.dead.add(number)


def refresh(
    home: str,
    report: Report,
    everything: bool = False,
    publishing: bool = False,
    moving: str = "",
    anew: bool = False,
) -> Index:
    """Bring the index of a home up to date and return it; in memory where nothing can be written.

    ``report`` gets one line for each repository that is indexed anew, and for a rebuild. For the
    rest see :class:`Refresher`.
    """
    try:
        return Refresher(home, report, everything, publishing, moving, anew).run()
    except OSError as error:
        if error.errno not in (*_READ_ONLY, *NO_ROOM):
            raise
        return _in_memory(home, report, moving)


def _in_memory(home: str, report: Report, moving: str) -> Index:
    """The same in a temporary directory, for a home that cannot be written."""
    scratch = tempfile.mkdtemp(prefix="cmgit-")
    try:
        refresher = Refresher(home, report, everything=True, moving=moving)
        refresher.directory = scratch
        existing = os.path.join(home, DIRECTORY)
        if os.path.isdir(existing):
            for name in os.listdir(existing):  # not the directory's mode: it must be written
                shutil.copyfile(os.path.join(existing, name), os.path.join(scratch, name))
        return refresher.run()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
