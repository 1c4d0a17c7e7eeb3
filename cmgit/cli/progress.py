"""What is shown while many repositories are worked on: on a terminal a line for each, elsewhere
nothing."""

from __future__ import annotations

import sys
from threading import Lock
from typing import Any

from .output import out, printable


class Rows:
    """A line for each repository that is under way: bytes, rate, time left where the end is known,
    and words; and one for all. Any thread may call."""

    def __init__(self) -> None:
        self._shown = sys.stderr is not None and sys.stderr.isatty()
        self._lock = Lock()
        self._display: Any = None
        self._rows: dict[str, Any] = {}

    def show(self, name: str, done: int = 0, total: int = 0, text: str = "") -> None:
        """Say how far one is; an empty name is for all."""
        if not self._shown:
            return
        with self._lock:
            display = self._open()
            if name not in self._rows:
                self._rows[name] = display.add_task(printable(name or "all"), total=None, text="")
            values: dict[str, Any] = {"text": printable(text)} if text or not name else {}
            if done:
                values |= {"completed": done, "total": total if total >= done else None}
            display.update(self._rows[name], **values)
            out.live(display)

    def end(self, name: str) -> None:
        """Take the line of one away."""
        with self._lock:
            if name in self._rows:
                self._display.remove_task(self._rows.pop(name))

    def line(self, text: str) -> None:
        """Write a line to stdout, above all that is under way."""
        with self._lock:
            out.line(text)

    def note(self, text: str) -> None:
        """Write a line to stderr, the same way."""
        with self._lock:
            out.note(text)

    def data(self, value: Any) -> None:
        """Write a value as JSON to stdout, the same way."""
        with self._lock:
            out.json(value)

    def _open(self) -> Any:
        if self._display is None:
            from rich import progress
            from rich.console import Console

            self._display = progress.Progress(
                progress.TextColumn("{task.description}", markup=False),
                progress.DownloadColumn(binary_units=True),
                progress.TransferSpeedColumn(),
                progress.TimeRemainingColumn(),
                progress.TextColumn("{task.fields[text]}", markup=False),
                console=Console(stderr=True),
                transient=True,
            )
        return self._display
