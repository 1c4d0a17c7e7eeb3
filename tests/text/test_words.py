"""What ``--text`` asks for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmgit.errors import UsageError
from cmgit.text.words import MAX_WORDS, PREFIX, QUOTED, Piece, composed, parse_text


def quoted(text: str) -> Piece:
    """Words in a row."""
    return Piece(text, QUOTED)


def prefix(text: str) -> Piece:
    """A word that may go on."""
    return Piece(text, PREFIX)


@pytest.mark.parametrize(
    ("text", "wanted", "unwanted"),
    [
        ("image onnx", [Piece("image"), Piece("onnx")], []),
        ("  image\timage\n", [Piece("image")], []),
        ("detect-os", [Piece("detect-os")], []),
        ('"image classification" onnx', [quoted("image classification"), Piece("onnx")], []),
        ("onnx -tensorrt", [Piece("onnx")], [Piece("tensorrt")]),
        ('onnx -"image classification"', [Piece("onnx")], [quoted("image classification")]),
        ('onnx - "image classification"', [Piece("onnx"), quoted("image classification")], []),
        ("class* -res*", [prefix("class")], [prefix("res")]),
        ('"class*"', [quoted("class*")], []),
        ('a "b', [Piece("a"), Piece("b")], []),
        ('a"b', [Piece("a"), Piece("b")], []),
        ('a "a" a', [Piece("a"), quoted("a")], []),
        ("--a -- - * !", [], [Piece("a")]),
        ("AND OR NOT (a) [b TO c] d:e f^2 g~", [
            Piece("AND"), Piece("OR"), Piece("NOT"), Piece("(a)"), Piece("[b"), Piece("TO"),
            Piece("c]"), Piece("d:e"), Piece("f^2"), Piece("g~"),
        ], []),
    ],
)  # fmt: skip
def test_parse(text: str, wanted: list[Piece], unwanted: list[Piece]) -> None:
    """Words, words in a row, beginnings, and what must not be there; the rest is text."""
    if wanted:
        assert parse_text(text) == (wanted, unwanted)
    else:
        with pytest.raises(UsageError, match="no word to look for"):
            parse_text(text)


@pytest.mark.parametrize(
    "text", ["", " ", "!?", '""', '"', "-", "*", "-*", "-onnx", "\0", "…" * 99]
)
def test_nothing_asked_for(text: str) -> None:
    """A text without words is an error in one short line."""
    with pytest.raises(UsageError) as error:
        parse_text(text)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 100


def test_too_much_asked_for() -> None:
    """More words than a person means are refused, repetitions not counted."""
    parse_text(" ".join(f"w{n}" for n in range(MAX_WORDS)))
    parse_text("word " * 5000)
    with pytest.raises(UsageError, match="more than 100 words"):
        parse_text(" ".join(f"w{n}" for n in range(MAX_WORDS + 1)))


@given(st.text(max_size=60))
def test_any_text_is_words_or_an_error(text: str) -> None:
    """Nothing else is raised, and nothing empty is looked for."""
    try:
        wanted, unwanted = parse_text(text)
    except UsageError:
        return
    assert wanted
    assert all(any(c.isalnum() for c in piece.text) for piece in wanted + unwanted)


def test_composed() -> None:
    """The same letter has one form; what is no Unicode becomes a question mark."""
    assert composed("de\u0301tect") == composed("d\u00e9tect") == "d\u00e9tect"
    assert composed("a\udc80") == "a?"
