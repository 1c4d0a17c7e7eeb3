"""Spans of time: read as they are written."""

from __future__ import annotations

import pytest

from cmgit.ages import parse_age, shown_age
from cmgit.errors import UsageError


@pytest.mark.parametrize(
    ("text", "seconds"), [("90m", 5400), ("12h", 43200), ("7d", 604800), ("2w", 1209600)]
)
def test_ages(text: str, seconds: float) -> None:
    """In one unit each."""
    assert parse_age(text) == seconds
    assert parse_age(shown_age(seconds)) == seconds


def test_what_is_no_age() -> None:
    """A number needs its unit."""
    for text in ("", "7", "d", "-1d", "1y"):
        with pytest.raises(UsageError):
            parse_age(text)
