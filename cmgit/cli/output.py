"""The only module that prints: data to stdout, everything else to stderr."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any, BinaryIO

import orjson

from ..errors import CmgitError
from ..meta.write import dump_json, dump_yaml
from ..workspace import Workspace
from .short import BROKEN_PIPE
from .short.text import bold

WARNING = "warning: "
_WARNINGS_SHOWN = 10
INTERRUPTED = 130
_PIECE = 1 << 20


class Output:
    """Where the commands' words go."""

    def __init__(self) -> None:
        self._status: Any = None
        self.warned = 0

    def data(self, text: str | bytes) -> None:
        """Write to stdout, UTF-8 whatever the locale."""
        if isinstance(text, str):
            text = text.encode("utf-8", "surrogateescape")
        self.quiet()
        if sys.stdout is None:
            raise CmgitError("stdout is closed")
        try:
            sys.stdout.buffer.write(text)
            sys.stdout.buffer.flush()
        except OSError as error:
            devnull = os.open(os.devnull, os.O_WRONLY)
            os.dup2(devnull, sys.stdout.fileno())  # for what is flushed at the end
            if isinstance(error, BrokenPipeError):
                raise SystemExit(BROKEN_PIPE) from None
            raise CmgitError(f"stdout: {error.strerror}") from None

    def stream(self, stream: BinaryIO) -> None:
        """Write all of a stream to stdout."""
        while piece := stream.read(_PIECE):
            self.data(piece)

    def line(self, text: str) -> None:
        """Write one line to stdout."""
        self.data(text + "\n")

    def lines(self, texts: Iterable[str]) -> None:
        """Write lines to stdout."""
        self.data("".join(text + "\n" for text in texts))

    @property
    def on_terminal(self) -> bool:
        """Whether stdout is a person's terminal."""
        return sys.stdout is not None and sys.stdout.isatty()

    @property
    def asked_by_person(self) -> bool:
        """Whether stderr is a person's terminal, on which a question may be asked."""
        return sys.stderr is not None and sys.stderr.isatty()

    @property
    def bold(self) -> tuple[str, str]:
        """What begins and ends bold text on stdout; nothing where it would not be shown."""
        return bold(os.environ, self.on_terminal)

    def json(self, value: Any) -> None:
        """Write one value as JSON on one line."""
        self.data(_encode(value, orjson.OPT_APPEND_NEWLINE))

    def answer(self, value: Mapping[str, Any]) -> None:
        """Write a whole return dict as indented JSON (``--out=json``)."""
        self.data(_encode(value, orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))

    def counts(self, counts: list[dict[str, Any]], json: bool, out_format: str) -> None:
        """Write counts with their names: a line each, an object each, or the return dict."""
        if out_format:
            self.answer({"return": 0, "list": counts})
        elif json:
            self.data(b"".join(_encode(item, orjson.OPT_APPEND_NEWLINE) for item in counts))
        else:
            self.lines(f"{item['count']} {item['name']}" for item in counts)

    def meta(self, value: dict[str, Any], yaml: bool) -> None:
        """Write a meta description: sorted JSON, or YAML."""
        self.data(dump_yaml(value) if yaml else dump_json(value))

    def note(self, text: str) -> None:
        """Say something to the person on stderr."""
        self.quiet()
        with contextlib.suppress(OSError, ValueError):
            print(printable(text), file=sys.stderr)

    def report(self, text: str) -> None:
        """Take a report of the workspace: a warning is printed, progress shown on a terminal."""
        if text.startswith(WARNING):
            self.warn(text[len(WARNING) :])
        elif sys.stderr.isatty():
            self._show(text)

    def warn(self, text: str) -> None:
        """Print a warning, as long as there are not too many."""
        self.warned += 1
        if self.warned <= _WARNINGS_SHOWN:
            self.note(WARNING + text)
        elif self.warned == _WARNINGS_SHOWN + 1:
            self.note(WARNING + "there are more; 'cmgit check' lists all")

    def error(self, error: CmgitError) -> None:
        """Print an error on one line, and its hint on another."""
        self.note(f"cmgit: {error}")
        if error.hint:
            self.note(f"  hint: {error.hint}")

    def _show(self, text: str) -> None:
        from rich.status import Status
        from rich.text import Text

        shown = Text(printable(text))  # it may be what a server says
        if not isinstance(self._status, Status):
            from rich.console import Console

            self.live(Console(stderr=True).status(shown))
        self._status.update(shown)

    def live(self, display: Any) -> None:
        """Show a display of rich on the terminal, until something is written."""
        if self._status is not display:
            self.quiet()
            self._status = display
            display.start()

    def quiet(self) -> None:
        """Take the progress off the terminal."""
        status, self._status = self._status, None
        if status is not None:
            status.stop()


def _encode(value: Any, options: int) -> bytes:
    try:
        return orjson.dumps(
            value, option=options | orjson.OPT_PASSTHROUGH_DATACLASS, default=_plain
        )
    except TypeError:  # names of files that are not UTF-8: escaped, as Python has them
        indent = 2 if options & orjson.OPT_INDENT_2 else None
        return json.dumps(value, indent=indent, default=_plain).encode() + b"\n"


def _plain(value: Any) -> Any:
    if hasattr(value, "to_dict"):
        return value.to_dict()
    raise TypeError


def printable(text: str) -> str:
    """A text without control characters that could play tricks on a terminal, on one line."""
    shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
    return shown.encode(encoding, "backslashreplace").decode(encoding)


out = Output()


def guarded(command: Callable[[], int]) -> int:
    """Run a command; returns its exit code. An error that ends it is printed as one line, and a
    hint, and becomes its code."""
    if not gc.isenabled():
        gc.freeze()  # what was imported stays: to look through it takes as long as a change does
        gc.enable()
    try:
        return command()
    except CmgitError as error:
        out.error(error)
        return error.code
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        out.error(CmgitError(f"{where}{error.strerror or error}"))
        return 1
    except KeyboardInterrupt:
        out.note("cmgit: interrupted")
        return INTERRUPTED
    finally:
        out.quiet()


def open_workspace() -> Workspace:
    """The user's workspace, reporting here."""
    return Workspace(report=out.report, jobs=os.cpu_count() or 1)


def confirm(question: str) -> bool:
    """Ask on a terminal; False where there is none."""
    if not (sys.stdin and sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    out.quiet()
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def shown_size(size: float) -> str:
    """Bytes, for people."""
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"
