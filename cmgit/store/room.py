"""Room on the disk, looked for before the point where there is no way back."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

_PLENTY = 1 << 30  # with so much left, nobody counts what a change takes
_BLOCK = 4096
_SLACK = 16 * _BLOCK  # for Git's index, its logs, directories


def blocks(size: int) -> int:
    """What a file of this size takes, and a directory for it."""
    return -(-size // _BLOCK) * _BLOCK + _BLOCK


def check_room(directory: str, needed: Callable[[], int]) -> None:
    """Raise OSError (no space left) when a file system has no room for so many bytes.

    ``needed`` is asked only when the disk is nearly full. Nothing is kept: who fills the disk in
    the next moment makes the change fail all the same, to be finished later.
    """
    if not hasattr(os, "posix_fallocate") or _free(directory) >= _PLENTY:
        return
    path = os.path.join(directory, "room")
    try:
        with open(path, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, needed() + _SLACK)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), directory) from None
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
            raise
    finally:
        if os.path.exists(path):
            os.unlink(path)


def _free(directory: str) -> int:
    found = os.statvfs(directory)
    return found.f_bavail * found.f_frsize
