"""Work on all cores: processes that are started only where there is much to do."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

_AHEAD = 4  # batches for each process


def spread(
    jobs: int, work: Callable[[T], R], items: Iterable[T], least: int, together: int = 1
) -> Iterator[R]:
    """What ``work`` makes of each item, in their order; by ``jobs`` processes at once when there
    are ``least`` items or more, which get them ``together`` at a time.

    ``work`` is a function of a module, and items and results can be pickled. The processes are
    spawned, so that a program that asks for several has to be importable, as
    ``if __name__ == "__main__":`` makes it.
    """
    items = iter(items)
    first = list(islice(items, least))
    if jobs < 2 or len(first) < least:
        yield from map(work, first)
        yield from map(work, items)
        return
    from collections import deque
    from concurrent.futures import Future, ProcessPoolExecutor
    from itertools import chain
    from multiprocessing import get_context

    pool = ProcessPoolExecutor(jobs, get_context("spawn"), _begin)
    try:
        some, waiting = chain(first, items), deque[Future[list[R]]]()
        while batch := list(islice(some, together)):
            waiting.append(pool.submit(_each, work, batch))
            if len(waiting) > _AHEAD * jobs:  # no more than so many are held in memory
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _each(work: Callable[[T], R], items: list[T]) -> list[R]:
    return [work(item) for item in items]


def _begin() -> None:
    """In a worker: leave interrupts to the parent, and end when it does, however it ends.

    Many small objects are made there and few cycles, for which Python would look again and again.
    """
    import gc
    from multiprocessing import connection, parent_process
    from threading import Thread

    gc.set_threshold(200_000)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    assert parent is not None

    def follow() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    Thread(target=follow, daemon=True).start()
