"""Many repositories at once: what is told of each, and the threads that work on them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import NamedTuple, TypeVar

from ..errors import counted

T = TypeVar("T")
R = TypeVar("R")

EXPORTING, CHECKING = "exporting", "checking"
UNDER_WAY = (EXPORTING, CHECKING)
_TOLD_SECONDS = 0.25
JOBS = min(8, 2 * (os.cpu_count() or 1))


class Step(NamedTuple):
    """What happened to one repository: its name, a state, how many objects and bytes, and what is
    wrong or worth knowing. While it is under way, ``bytes`` are those up to now, of about
    ``total`` (0: of who knows how many)."""

    repository: str
    state: str
    objects: int = 0
    bytes: int = 0
    problem: str = ""
    total: int = 0

    @property
    def ended(self) -> bool:
        """Whether that was all."""
        return self.state not in UNDER_WAY

    def __str__(self) -> str:
        came = f": {counted(self.objects, 'object')}, {size(self.bytes)}" if self.bytes else ""
        return f"{self.repository}: {self.state}{came}" + (self.problem and f": {self.problem}")


Tell = Callable[[Step], None]


def silent(step: Step) -> None:
    """Tell nobody."""


class Meter:
    """Tells how many bytes of a repository are done, a few times a second."""

    def __init__(self, tell: Tell, repository: str, state: str, total: int) -> None:
        self._tell = tell
        self._step = Step(repository, state, total=total)
        self._told = time.monotonic()

    def add(self, count: int) -> None:
        """Count so many more."""
        self._step = self._step._replace(bytes=self._step.bytes + count)
        if time.monotonic() - self._told > _TOLD_SECONDS:
            self._told = time.monotonic()
            self._tell(self._step)


def size(count: int) -> str:
    """A number of bytes for people."""
    value, units = float(count), iter(("kB", "MB", "GB", "TB"))
    unit = "B"
    while value >= 1000 and (unit := next(units, "")):
        value /= 1000
    return f"{value:.1f} {unit}" if count >= 1000 else f"{count} B"


def in_parallel(
    items: Sequence[T], work: Callable[[T], tuple[R, Step]], jobs: int, tell: Tell
) -> list[R]:
    """What the work makes of each item, in their order, in so many threads; each step is told as
    soon as it is made. An error ends it all: what has not begun does not begin."""
    with ThreadPoolExecutor(max_workers=max(1, jobs)) as pool:
        futures = [pool.submit(work, item) for item in items]
        try:
            for future in as_completed(futures):
                tell(future.result()[1])
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return [future.result()[0] for future in futures]
