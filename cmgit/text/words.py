"""What ``--text`` asks for: words, ``"words in a row"``, ``begin*``, and ``-words`` not to be there.

Pure, and part of the short path: nothing is imported. Whatever is typed has a meaning, so that
no text is an error but one that asks for nothing.
"""

from __future__ import annotations

from ..errors import UsageError

MAX_WORDS = 100

PLAIN, QUOTED, PREFIX = "plain", "quoted", "prefix"


class Piece:
    """One thing to look for: the tokens of ``text`` in a row; of a PREFIX the last may go on."""

    __slots__ = ("kind", "text")

    def __init__(self, text: str, kind: str = PLAIN) -> None:
        self.text = text
        self.kind = kind

    def __repr__(self) -> str:
        return f"Piece({self.text!r}, {self.kind!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Piece) and (self.text, self.kind) == (other.text, other.kind)

    def __hash__(self) -> int:
        return hash((self.text, self.kind))


def parse_text(text: str) -> tuple[list[Piece], list[Piece]]:
    """The pieces that must be there, and those that must not, each once.

    Raises UsageError when nothing is asked for, or too much.
    """
    wanted: dict[Piece, None] = {}
    unwanted: dict[Piece, None] = {}
    for word, quoted in _split(text):
        excluded = word.startswith("-")
        bare = word.lstrip("-")
        kind = QUOTED if quoted else PREFIX if bare.endswith("*") else PLAIN
        piece = Piece(bare if quoted else bare.rstrip("*"), kind)
        if any(char.isalnum() for char in bare):
            (unwanted if excluded else wanted)[piece] = None
    if not wanted:
        raise UsageError(f"there is no word to look for in {_short(text)!r}", "write --text=WORDS")
    if len(wanted) + len(unwanted) > MAX_WORDS:
        raise UsageError(f"more than {MAX_WORDS} words to look for in {_short(text)!r}")
    return list(wanted), list(unwanted)


def _split(text: str) -> list[tuple[str, bool]]:
    """The words of a text, and what is in quotes as one, with the ``-`` before it; the last of an
    odd number of quotes is a character like others."""
    parts = text.split('"')
    if len(parts) % 2 == 0:
        last = parts.pop()
        parts[-1] += " " + last
    found: list[tuple[str, bool]] = []
    for at, part in enumerate(parts):
        if at % 2 == 0:
            found += [(word, False) for word in part.split()]
        elif parts[at - 1].endswith("-") and found[-1][0] == "-":
            found[-1] = ("-" + part, True)
        else:
            found.append((part.lstrip("-"), True))
    return found


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:40] + "…"


def composed(text: str) -> str:
    """The text as it is searched: composed characters, and nothing that is not Unicode."""
    if text.isascii():
        return text
    from unicodedata import normalize

    return normalize("NFC", text.encode("utf-8", "replace").decode())
