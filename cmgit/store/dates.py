"""Dates, in figures and in words as Git reads them."""

from __future__ import annotations

import re
from datetime import datetime

from dulwich.approxidate import parse_approxidate

from ..errors import UsageError

_ZONE = re.compile(r"(?<=\d) ?(?:Z|([+-]\d\d):?(\d\d))$")


def parse_iso(text: str) -> datetime:
    """An ISO 8601 date, its zone in any form that Git writes; raises ValueError for others."""
    zoned = _ZONE.sub(lambda zone: f"{zone[1]}:{zone[2]}" if zone[1] else "+00:00", text)
    return datetime.fromisoformat(zoned)  # which knows one form only in Python 3.10


def parse_date(text: str) -> int:
    """Seconds since 1970 of an ISO date (a day means its end) or of words such as ``2 weeks ago``.

    Raises UsageError for others.
    """
    try:
        is_day = re.fullmatch(r"\d{4}-\d\d-\d\d", text)
        return int(parse_iso(f"{text} 23:59:59" if is_day else text).timestamp())
    except ValueError:
        pass
    try:
        return int(parse_approxidate(text))
    except ValueError:
        raise UsageError(
            f"{text!r} is neither a revision nor a date", "write 2026-01-31 or '2 weeks ago'"
        ) from None
