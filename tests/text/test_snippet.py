"""Snippets: the part of a text that is shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmgit.text.engine import analyzer
from cmgit.text.snippet import WIDTH, Snippet, snippet

tokenize = analyzer(stems=True).analyze
FILLER = "filler words that say nothing " * 20


def cut(body: str, words: str) -> Snippet:
    """The snippet for words."""
    return snippet(body, tokenize(words), tokenize)


def test_marks() -> None:
    """Every form of a word is marked, whatever its case, and nothing that only begins like it."""
    shown = cut("Classification of images, IMAGE imagery, Imaging", "image classification")
    assert shown.marked("[", "]") == "[Classification] of [images], [IMAGE] imagery, [Imaging]"
    assert cut("图像分类", "图分").marked("[", "]") == "[图]像[分]类"
    assert cut("oscar, OS, os-es", "os").marked("<", ">") == "oscar, <OS>, <os>-es"
    assert cut("ResNet50 resnet-50 resnets", "resnet50").marked("[", "]") == (
        "[ResNet50] [resnet]-[50] [resnets]"
    )
    assert cut("Library, libraries", "library").marked("[", "]") == "[Library], [libraries]"


def test_the_best_part() -> None:
    """It is the part that has most of the words, with dots where more is left out."""
    body = f"{FILLER}onnx {FILLER}image classification with onnx {FILLER}image"
    shown = cut(body, "image classification onnx")
    assert "[image] [classification] with [onnx]" in shown.marked("[", "]")
    assert shown.text.startswith("… ")
    assert shown.text.endswith(" …")
    assert len(shown.text) <= WIDTH + 4


def test_nothing_marked() -> None:
    """A body without any of the words is shown from its beginning; none is shown as nothing."""
    assert cut(FILLER, "onnx").text.startswith("filler words")
    assert cut("", "onnx").text == ""


def test_a_long_word() -> None:
    """A word that is longer than a snippet is cut, and what is marked in it is shown."""
    shown = cut("x" * 500 + "-onnx-" + "y" * 500, "onnx")
    assert "[onnx]" in shown.marked("[", "]")
    assert len(shown.text) <= WIDTH + 4


@given(st.text(alphabet="aA é图1-İß \n", max_size=400), st.sampled_from(["a", "é", "图", "aé 1"]))
def test_marks_are_tokens(body: str, words: str) -> None:
    """Marks are in order, inside of the text, and each is one of the words."""
    shown, wanted, last = cut(body, words), set(tokenize(words)), 0
    for start, end in shown.marks:
        assert last <= start < end <= len(shown.text)
        assert wanted.intersection(tokenize(shown.text[start:end]))
        last = end
    assert shown.marked("", "") == shown.text


@pytest.mark.parametrize("size", [WIDTH - 1, WIDTH, WIDTH + 1, 2 * WIDTH])
def test_all_of_a_short_text(size: int) -> None:
    """What fits is shown whole."""
    body = ("word " * WIDTH)[: size - 1] + "."
    assert (cut(body, "word").text == body) == (size <= WIDTH)
