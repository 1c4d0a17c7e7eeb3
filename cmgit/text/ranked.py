"""What a text search returns: artifacts, with how well they answer."""

from __future__ import annotations

from typing import Any

from ..artifact import Artifact
from .lookup import Match
from .snippet import Snippet


class Ranked(Artifact):
    """An artifact that has the words of a text search.

    ``score`` is what it is ranked by (BM25, to be compared within one answer only); ``snippet``
    the part of its text that has most of the words, ``found`` the same with their places.
    """

    _match: Match

    @classmethod
    def from_match(cls, match: Match) -> Ranked:
        """Make one out of what the text index found."""
        ranked = cls.from_hit(match.hit)
        object.__setattr__(ranked, "_match", match)
        return ranked  # type: ignore[return-value]

    @property
    def score(self) -> float:
        """How well it answers; more is better."""
        return self._match.score

    @property
    def found(self) -> Snippet:
        """The part of its text that has most of the words, and where they are in it."""
        return self._match.snippet()

    @property
    def snippet(self) -> str:
        """The part of its text that has most of the words."""
        return self.found.text

    def to_dict(self) -> dict[str, Any]:
        """What ``find --text --json`` prints."""
        return {**super().to_dict(), "score": self.score, "snippet": self.snippet}
