"""Runs command lines of cmgit in forked processes, so that many runs do not each pay the imports.

Reads one JSON object a line from stdin: ``words``, ``env``, ``stdout`` and ``stderr`` (paths),
``below`` (a directory) and ``kill_at`` (a number or null). Answers with one JSON object a line:
``code`` (negative for a signal) and ``steps``. A *step* is anything that changes the disk below the
directory: a file opened for writing, a rename, a link, a removal, a new directory. The process
kills itself with SIGKILL just before step ``kill_at``, counted from 1.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

_CHANGES = {
    "os.rename", "os.link", "os.symlink", "os.remove", "os.mkdir", "os.rmdir", "os.truncate",
}  # fmt: skip
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Steps:
    """An audit hook that counts the steps, and kills its process at one of them."""

    def __init__(self, below: str, kill_at: int | None, counter: int) -> None:
        self._below = below
        self._kill_at = kill_at
        self._counter = counter
        self._count = 0

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        """Called by Python before it does what ``event`` names."""
        if event == "open":
            if not isinstance(args[2], int) or not args[2] & _WRITING:
                return
        elif event not in _CHANGES:
            return
        if not any(self._is_below(arg) for arg in args[:2]):
            return
        self._count += 1
        os.pwrite(self._counter, b"%12d" % self._count, 0)
        if self._count == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def _is_below(self, path: object) -> bool:
        if isinstance(path, bytes):
            path = os.fsdecode(path)
        return isinstance(path, str) and path.startswith(self._below)


def child(request: dict[str, Any], counter: int) -> None:
    """Be one process of cmgit; does not return."""
    os.environ.clear()
    os.environ.update(request["env"])
    for number, flags in (("stdout", 1), ("stderr", 2)):
        target = os.open(request[number], os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o644)
        os.dup2(target, flags)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.argv = ["cmgit", *request["words"]]
    sys.addaudithook(Steps(request["below"], request["kill_at"], counter))
    code: Any = 0
    try:
        main()
    except SystemExit as done:
        code = done.code
    except BaseException:
        import traceback

        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 0 if code is None else 1)


def serve() -> None:
    """Answer requests until stdin ends."""
    for line in sys.stdin:
        request = json.loads(line)
        counter = os.memfd_create("steps") if hasattr(os, "memfd_create") else os.open(
            request["stdout"] + ".steps", os.O_CREAT | os.O_RDWR, 0o644
        )  # fmt: skip
        pid = os.fork()
        if pid == 0:
            child(request, counter)
        _, status = os.waitpid(pid, 0)
        steps = int(os.pread(counter, 12, 0) or b"0")
        os.close(counter)
        answer = {"code": os.waitstatus_to_exitcode(status), "steps": steps}
        sys.__stdout__.write(json.dumps(answer) + "\n")  # type: ignore[union-attr]
        sys.__stdout__.flush()  # type: ignore[union-attr]


if __name__ == "__main__":
    from cmgit.cli import app, artifacts, history, main, output, repositories  # noqa: F401
    from cmgit.store import journal, pack_writer, remote  # noqa: F401

    serve()
