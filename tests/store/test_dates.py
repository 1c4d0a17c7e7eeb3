"""Dates in figures and in words, the same in every version of Python."""

from __future__ import annotations

import pytest

from cmgit.errors import UsageError
from cmgit.store.dates import parse_date


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01", 86399),
        ("1970-01-01 00:00:10", 10),
        ("1970-01-01T00:10", 600),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1970-01-01T01:00:00+0100", 0),
        ("1970-01-01 01:00:00 +0100", 0),
        ("1969-12-31 19:00:00 -0500", 0),
        ("1970-01-01T00:00:00Z", 0),
    ],
)
def test_figures(text: str, seconds: int) -> None:
    """A day means its end; the zone may stand apart, with or without a colon."""
    assert parse_date(text) == seconds


def test_words() -> None:
    """As Git has them, with dots too."""
    assert parse_date("2 weeks ago") < parse_date("yesterday") < parse_date("now")
    assert abs(parse_date("2.weeks.ago") - parse_date("2 weeks ago")) < 60


@pytest.mark.parametrize("text", ["2026-13-45", "", "never", "12:00", "2020-01-01 12:00 +5", "Z"])
def test_what_is_none(text: str) -> None:
    """Anything else is an error."""
    with pytest.raises(UsageError, match="neither a revision nor a date"):
        parse_date(text)


def test_a_day_that_is_none_is_told_as_it_was_given() -> None:
    """Not with the time of its end."""
    with pytest.raises(UsageError, match=r"^'2001-13-45' is neither"):
        parse_date("2001-13-45")
