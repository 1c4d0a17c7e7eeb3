"""Contents on their way: several at once, by a few threads.

What goes wrong with one keeps no other from being moved. When the other side fails for many in a
row, the rest is left for the next time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import partial
from threading import Event
from typing import Any, TypeVar

from ..errors import CmgitError, Damaged, NotFound
from ..store.transport import Interrupted
from .pointer import Pointer

JOBS = 8
Moved = Callable[[int], None]
"""Is told of bytes as they are moved, by any thread."""

T = TypeVar("T")


class Absent(Exception):
    """The other side does not have a content."""


Outcome = bool | Absent | CmgitError


def nobody(moved: int) -> None:
    """Tell nobody."""


class Transfers:
    """Moves contents from or to one place, which ``where`` says in messages."""

    def __init__(self, where: str, moved: Moved = nobody) -> None:
        self._where = where
        self._moved = moved
        self._stopped = Event()

    def run(self, work: Callable[[Pointer, T], bool], items: Iterable[tuple[Pointer, T]]) -> int:
        """Do the work for each content; returns for how many it said True.

        At the end it raises Interrupted, RemoteError or Damaged for the first that failed, else
        NotFound for those for which the work raised Absent.
        """
        done, absent, failures = 0, list[Pointer](), list[CmgitError]()
        in_a_row = 0
        for pointer, outcome in self._begun(partial(_outcome, work), items):
            in_a_row = in_a_row + 1 if isinstance(outcome, Interrupted) else 0
            if isinstance(outcome, bool):
                done += outcome
            elif isinstance(outcome, Absent):
                absent.append(pointer)
            else:
                failures.append(self._named(outcome))
            if in_a_row > JOBS:
                break
        self._raise(failures, len(absent))
        refuse_absent(absent, self._where)
        return done

    def _begun(
        self, work: Callable[[Pointer, T], Outcome], items: Iterable[tuple[Pointer, T]]
    ) -> Iterator[tuple[Pointer, Outcome]]:
        """How it went with each content, as it ends; the next one is taken when there is room."""
        pool, running = ThreadPoolExecutor(JOBS, "large-file"), dict[Future[Outcome], Pointer]()
        try:
            for pointer, item in items:
                running[pool.submit(work, pointer, item)] = pointer
                if len(running) >= JOBS:
                    yield from _ended(running)
            while running:
                yield from _ended(running)
        except CmgitError:  # of who names the items: what is under way may come to its end
            raise
        except BaseException:
            self._stopped.set()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def counted(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """The pieces, told as they pass; they end early when all is given up."""
        for piece in pieces:
            if self._stopped.is_set():
                raise Interrupted(f"{self._where}: stopped")
            self._moved(len(piece))
            yield piece

    def file(self, stream: Any) -> Any:
        """A file that is sent, told as it is read."""
        return _Counted(stream, self)

    def _named(self, error: CmgitError) -> CmgitError:
        if self._where in str(error) or not isinstance(error, Damaged):
            return error
        return Damaged(f"{self._where}: {error}", error.hint)

    def _raise(self, failures: list[CmgitError], absent: int) -> None:
        """Raise the first failure, of those that may be over the next time before others."""
        for error in sorted(failures, key=lambda error: not isinstance(error, Interrupted))[:1]:
            others = len(failures) + absent - 1
            more = f" (and {others} more large files)" if others else ""
            raise type(error)(f"{error}{more}", error.hint)


class _Counted:
    """A file as urllib3 reads and rewinds it."""

    def __init__(self, stream: Any, transfers: Transfers) -> None:
        self._stream = stream
        self._transfers = transfers

    def read(self, size: int = -1) -> bytes:
        return b"".join(self._transfers.counted([self._stream.read(size)]))

    def seek(self, place: int) -> int:
        return int(self._stream.seek(place))

    def tell(self) -> int:
        return int(self._stream.tell())


def _outcome(work: Callable[[Pointer, T], bool], pointer: Pointer, item: T) -> Outcome:
    try:
        return work(pointer, item)
    except (Absent, CmgitError) as error:
        return error


def _ended(running: dict[Future[Outcome], Pointer]) -> Iterator[tuple[Pointer, Outcome]]:
    ended, _ = wait(running, return_when=FIRST_COMPLETED)
    for future in ended:
        yield running.pop(future), future.result()


def refuse_absent(absent: list[Pointer], where: str) -> None:
    """Raise NotFound when the other side does not have some contents."""
    if absent:
        first = min(absent)
        more = f" (and {len(absent) - 1} more)" if len(absent) > 1 else ""
        raise NotFound(
            f"the large file {first.oid} ({first.size} bytes){more} is not at {where}",
            "whoever committed it has to send it: 'cmgit lfs push' or 'git lfs push' there",
        )
