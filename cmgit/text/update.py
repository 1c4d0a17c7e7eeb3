"""Keeping the text index up to date, and asking it.

The next generation is made of links to the files of the last, with what is new beside them, under
a name of its own; at the end it gets its number. So a process that is killed leaves a directory to
be swept and nothing else, and nobody sees half of a change. One process at a time does this; those
that search do not wait for it.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Callable

from ..errors import Busy, Unsupported
from ..index.lookup import Index
from ..index.pages import DamagedIndex
from ..names import is_utf8
from ..query import Query
from ..store.locks import process_lock
from .build import Generation, Last
from .changes import keep
from .lookup import Matches, TextIndex, open_text
from .state import DIRECTORY, ENGINE, SNAPSHOT, DamagedText, generation, generations

_NOT_HERE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT)
_TRIES = 20


class Updater:
    """The text index of a home. ``index`` gives the index as of now; ``report`` gets a line now
    and then; ``jobs`` processes may work on it."""

    def __init__(
        self,
        home: str,
        index: Callable[[], Index],
        report: Callable[[str], None],
        jobs: int = 1,
    ) -> None:
        self._home = home
        self._index = index
        self._report = report
        self._jobs = jobs
        self._directory = os.path.join(home, DIRECTORY)
        self._lock = os.path.join(home, "locks", "text")

    def find(self, query: Query, text: str, limit: int | None = None) -> Matches:
        """What :meth:`TextIndex.find` finds in a text index that is up to date; one that turns out
        to be damaged is built anew."""
        try:
            return self.fresh().find(query, text, limit)
        except DamagedText as error:
            self._warn(f"the text index was damaged and is built anew ({error})")
            with process_lock(self._lock):
                shutil.rmtree(self._directory, ignore_errors=True)
            return self.fresh().find(query, text, limit)

    def fresh(self) -> TextIndex:
        """The text index, up to date; in a temporary directory where nothing can be written.

        Raises Unsupported for a home that tantivy cannot find.
        """
        if not is_utf8(self._home):
            raise Unsupported(f"{self._home} is no UTF-8", "text search needs a home whose path is")
        for _ in range(_TRIES):
            index = self._index()
            found = open_text(self._home, index)
            if found is not None:
                return found
            if not os.path.isdir(index.directory):
                return self._elsewhere(index)  # the index is in memory only
            try:
                return self._next()
            except FileNotFoundError:
                continue  # the index was replaced
            except OSError as error:
                if error.errno not in _NOT_HERE:
                    raise
                return self._elsewhere(self._index())
        raise Busy("the index kept changing", "try it again")

    def _next(self) -> TextIndex:
        """Make the next generation, unless another process was faster."""
        with process_lock(self._lock):
            index = self._index()  # it may have gone on meanwhile
            found = open_text(self._home, index)
            if found is not None:
                return found
            self._sweep()
            target = os.path.join(self._directory, f"tmp-{os.getpid()}")
            os.makedirs(target)
            try:
                keep(index, os.path.join(target, SNAPSHOT))
                last = self._make(
                    Generation(self._home, target, index, self._report, self._jobs), target
                )
                place = generation(self._home, last + 1)
                os.rename(target, place)
            except BaseException:
                shutil.rmtree(target, ignore_errors=True)
                raise
            text = TextIndex(place, index)
            self._sweep()
            return text

    def _elsewhere(self, index: Index) -> TextIndex:
        """Make a generation in a temporary directory; what was opened stays."""
        target = tempfile.mkdtemp(prefix="cmgit-")
        try:
            new = Generation(self._home, target, index, self._report, self._jobs, os.symlink)
            self._make(new, target)
            return TextIndex(target, index)
        finally:
            shutil.rmtree(target, ignore_errors=True)

    def _make(self, new: Generation, directory: str) -> int:
        """Make a generation, from the newest one if it can be read; returns that one's number."""
        number = max(generations(self._home), default=0)
        if number:
            try:
                new.make(Last(generation(self._home, number), self._home))
            except (DamagedText, DamagedIndex) as error:
                self._warn(f"the text index is built anew ({error})")
                shutil.rmtree(os.path.join(directory, ENGINE), ignore_errors=True)
            else:
                return number
        new.make(None)
        return number

    def _sweep(self) -> None:
        """Remove all but the newest generation, and what killed processes left."""
        newest = [str(number) for number in generations(self._home)[:1]]
        for name in os.listdir(self._directory) if os.path.isdir(self._directory) else ():
            if name not in newest:
                shutil.rmtree(os.path.join(self._directory, name), ignore_errors=True)

    def _warn(self, text: str) -> None:
        self._report(f"warning: {text}")
