"""Dates in words, as Git reads them."""

from __future__ import annotations

from dulwich.approxidate import parse_approxidate


def approximate_date(text: str) -> int:
    """Seconds since 1970 of words such as ``2 weeks ago``; raises ValueError for others."""
    return int(parse_approxidate(text))
