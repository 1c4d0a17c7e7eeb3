"""Tests of the command line. Helpers: ``run`` in this process, ``spawn`` as a process."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import orjson

from cmgit.cli import short
from cmgit.cli.app import run_app
from cmgit.cli.output import out

SCRIPT = str(Path(sys.executable).with_name("cmgit"))


class Result(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """The lines of stdout."""
        return self.out.splitlines()

    @property
    def json(self) -> list[dict[str, object]]:
        """The JSON objects of stdout, one a line."""
        return [orjson.loads(line) for line in self.lines]

    @property
    def names(self) -> list[str]:
        """The aliases that ``find`` printed."""
        return [line.partition(":")[2].partition(",")[0] for line in self.lines]


@contextmanager
def captured(descriptor: int, redirect: Any) -> Iterator[BinaryIO]:
    """Put a file in the place of stdout (1) or stderr (2) and of the descriptor below it."""
    saved = os.dup(descriptor)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), descriptor)
        try:
            with redirect(io.TextIOWrapper(file, "utf-8", write_through=True)) as stream:
                yield file
                stream.detach()  # type: ignore[attr-defined]
        finally:
            os.dup2(saved, descriptor)
            os.close(saved)


def run(*words: str, full: bool = False) -> Result:
    """Run a command line in this process; ``full`` leaves the short path of ``find`` out."""
    out.warned = 0
    with captured(1, redirect_stdout) as stdout, captured(2, redirect_stderr) as stderr:
        code = None if full else short.run(words)
        if code is None:
            code = run_app(words)
        texts = []
        for file in (stdout, stderr):
            file.seek(0)
            texts.append(file.read().decode("utf-8", "surrogateescape"))
    return Result(code, *texts)


def good(*words: str) -> Result:
    """Run a command line that must succeed without a word on stderr."""
    result = run(*words)
    assert (result.code, result.err) == (0, ""), result
    return result


def bad(code: int, *words: str) -> str:
    """Run a command line that must fail with this code and print nothing; returns the error: one
    line, and maybe a hint."""
    result = run(*words)
    assert (result.code, result.out) == (code, ""), result
    first, *rest = result.err.splitlines()
    assert first.startswith("cmgit: "), result
    assert not rest or (len(rest) == 1 and rest[0].startswith("  hint: ")), result
    return result.err


def spawn(*words: str, **options: object) -> subprocess.CompletedProcess[bytes]:
    """Run the console script; ``env`` adds to the environment."""
    added = options.pop("env", {})
    assert isinstance(added, Mapping)
    settings = {"stdin": subprocess.DEVNULL, "capture_output": True, "timeout": 60, **options}
    return subprocess.run(  # type: ignore[call-overload,no-any-return]
        [SCRIPT, *words], env={**os.environ, **added}, check=False, **settings
    )


def on_terminal(*words: str, **environment: str) -> str:
    """What a command prints on a terminal."""
    process, terminal = pty.fork()
    if not process:
        for key in ("NO_COLOR", "TERM"):
            os.environ.pop(key, None)
        os.environ.update(environment)
        os.execv(SCRIPT, [SCRIPT, *words])
    shown = b""
    while True:
        try:
            data = os.read(terminal, 4096)
        except OSError:
            break
        shown += data
        if not data:
            break
    os.waitpid(process, 0)
    os.close(terminal)
    return shown.decode().replace("\r\n", "\n")
