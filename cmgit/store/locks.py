"""Locks: cmgit's own, which the system frees when a process dies, and the lock files of Git.

Git's protocol for changing ``FILE`` is: create ``FILE.lock`` exclusively, write the new contents
into it, rename it over ``FILE``. A process that is killed in between leaves the lock file, and Git
then refuses to work until a person removes it. So cmgit first creates an *anchor* of its own and
links it to ``FILE.lock``; a later process that finds an anchor whose owner is dead (it holds
cmgit's lock itself) can tell by the inode whether the lock file is the dead one's, and removes it.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import TracebackType
from urllib.parse import quote, unquote

from ..errors import Busy

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

GIT_WAIT_SECONDS = 5.0
_ANCHOR = "held-"  # then the path of the file, from where the anchor is
_LONGEST_NAME = 255
_ERRORS = "surrogateescape"  # of names that are no UTF-8
_PAUSE_SECONDS = 0.005
_HELD = (errno.EACCES, errno.EAGAIN)


@contextmanager
def process_lock(path: str, wait_seconds: float = -1) -> Iterator[None]:
    """Hold an exclusive lock between processes; waits for ever when ``wait_seconds`` is negative.

    Raises Busy when the time is over. The lock goes with the process, whatever ends it.
    """
    os.makedirs(os.path.dirname(path), exist_ok=True)
    release = _lock(path, wait_seconds)
    try:
        yield
    finally:
        release()


def _lock(path: str, wait_seconds: float) -> Callable[[], None]:
    """Lock a file; returns what lets go of it. On Linux and macOS it is what filelock does, which
    takes longer to import than most changes take."""
    if fcntl is None:
        return _lock_by_filelock("FileLock", path, wait_seconds)
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            file = _try_lock(path)
        except OSError as error:
            if error.errno != errno.ENOSYS:
                raise
            # a file system without locks: it goes by what file is there
            return _lock_by_filelock("SoftFileLock", f"{path}.held", wait_seconds)
        if file is not None:
            return partial(os.close, file)
        if wait_seconds >= 0 and time.monotonic() >= deadline:
            raise _busy(path)
        time.sleep(_PAUSE_SECONDS)


def _try_lock(path: str) -> int | None:
    """A file that stays locked until it is closed; None while another process holds it."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(file).st_nlink:  # else it was removed before it was locked
            return file
    except OSError as error:
        if error.errno not in _HELD:
            os.close(file)
            raise
    os.close(file)
    return None


def _lock_by_filelock(kind: str, path: str, wait_seconds: float) -> Callable[[], None]:
    import filelock

    lock = getattr(filelock, kind)(path, timeout=wait_seconds, thread_local=False)
    try:
        lock.acquire(poll_interval=_PAUSE_SECONDS)
    except filelock.Timeout:
        raise _busy(path) from None
    return partial(lock.release)


def _busy(path: str) -> Busy:
    return Busy(f"another cmgit process is changing {os.path.dirname(path)}")


class GitLock:
    """A lock file of Git: ``with GitLock(path, anchors) as lock: lock.replace(data)``.

    Leaving the block without ``replace`` leaves the file as it was. Raises Busy when another
    process keeps holding the lock file.
    """

    def __init__(self, path: str, anchors: str, wait_seconds: float | None = None) -> None:
        self.path = path
        self._lock = path + ".lock"
        near = os.path.relpath(path, anchors)
        self._anchor = os.path.join(anchors, _ANCHOR + quote(near, safe="", errors=_ERRORS))
        self._wait = GIT_WAIT_SECONDS if wait_seconds is None else wait_seconds
        self._held = False

    def __enter__(self) -> GitLock:
        os.makedirs(os.path.dirname(self._anchor), exist_ok=True)
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        deadline = time.monotonic() + self._wait
        while not self._acquire():
            if time.monotonic() > deadline:
                raise Busy(
                    f"{self._lock} exists: another Git program is at work there",
                    "wait for it to end; if none is running, remove the file",
                )
            time.sleep(0.02)
        self._held = True
        return self

    def _acquire(self) -> bool:
        if len(os.path.basename(self._anchor)) > _LONGEST_NAME:  # refs may be that long
            return self._create()
        if os.path.exists(self._anchor):  # never opened: it may be a link to the file itself
            os.unlink(self._anchor)
        with open(self._anchor, "xb"):
            pass
        try:
            os.link(self._anchor, self._lock)
        except FileExistsError:
            os.unlink(self._anchor)
            return False
        except OSError:  # no hard links here
            os.unlink(self._anchor)
            return self._create()
        return True

    def _create(self) -> bool:
        """Create the lock file exclusively, without the safety net."""
        try:
            os.close(os.open(self._lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        except FileExistsError:
            return False
        return True

    def replace(self, data: bytes) -> None:
        """Put data in place of the file, durably and at once, and let go of the lock."""
        with open(self._lock, "r+b") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(self._lock, self.path)
        self._held = False

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._held:
            os.unlink(self._lock)
            self._held = False
        if os.path.exists(self._anchor):
            os.unlink(self._anchor)


def release_dead(anchors: str) -> list[str]:
    """Remove the lock files that dead processes left; call it with cmgit's lock held.

    Returns the paths that were freed.
    """
    freed = []
    try:
        names = os.listdir(anchors)
    except FileNotFoundError:
        return []
    for name in names:
        if not name.startswith(_ANCHOR):
            continue
        near = unquote(name[len(_ANCHOR) :], errors=_ERRORS)
        path = os.path.normpath(os.path.join(anchors, near))
        anchor, lock = os.path.join(anchors, name), f"{path}.lock"
        if os.path.exists(lock) and os.path.samefile(anchor, lock):
            os.unlink(lock)
            freed.append(lock)
        os.unlink(anchor)
    return freed
