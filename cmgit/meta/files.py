"""Which files hold a meta description. Pure, and part of the short path."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

META_FILES = ("_cm.yaml", "_cm.json", "meta.yaml", "meta.json")
"""The files that make a directory an artifact: CM's pair, or else MLC's."""


def chosen_files(names: Mapping[str, Any] | set[str]) -> tuple[str, ...]:
    """Which of a directory's files are its meta: CM's, laid over each other in this order, or else
    MLC's; empty when the directory is no artifact."""
    for pair in (META_FILES[:2], META_FILES[2:]):
        found = tuple(name for name in pair if name in names)
        if found:
            return found
    return ()
