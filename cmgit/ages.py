"""Spans of time as people write and read them."""

from __future__ import annotations

import re

from .errors import UsageError

_UNITS = {"m": 60, "h": 3600, "d": 86400, "w": 604800}


def parse_age(text: str) -> float:
    """Seconds that ``90m``, ``12h``, ``7d`` or ``2w`` are; raises UsageError."""
    found = re.fullmatch(r"(\d+)([mhdw])", text.strip())
    if not found:
        raise UsageError(f"{text!r} is no age", "write 90m, 12h, 7d or 2w")
    return int(found[1]) * _UNITS[found[2]]


def shown_age(seconds: float | None) -> str:
    """An age in one unit, for people."""
    if seconds is None:
        return "never"
    unit = next((u for u in "wdhm" if seconds >= 2 * _UNITS[u]), "")
    return f"{int(seconds // _UNITS[unit])}{unit}" if unit else f"{int(max(0, seconds))}s"
