"""What a query that finds nothing may have meant."""

from __future__ import annotations

import random

import pytest

from cmgit.query import Query
from cmgit.suggest import closest, patterns, suggest
from cmgit.workspace import Workspace
from tests.cli import bad, good, on_terminal
from tests.conftest import Put

KNOWN = [
    "detect-os",
    "detect-cpu",
    "get-python3",
    "app-image-classification-onnx-py",
    "bert",
    "Größe",
]


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("detect-so", "detect-os"),
        ("detct-os", "detect-os"),
        ("dtect-cpu", "detect-cpu"),
        ("deetect_cpu", "detect-cpu"),
        ("os-detect", "detect-os"),
        ("BERT", "bert"),
        ("brt", "bert"),
        ("grösse", "Größe"),
        ("app-image-clasification-onnx-py", "app-image-classification-onnx-py"),
        ("image-classification", "app-image-classification-onnx-py"),
        ("python3", "get-python3"),
        ("completely-different", ""),
        ("x", ""),
        ("", ""),
    ],
)
def test_closest(word: str, meant: str) -> None:
    """One or two slips, another order, a part; nothing when nothing is alike."""
    assert closest(word, KNOWN) == meant


def test_words_with_slips(workspace: Workspace, put: Put) -> None:
    """Of many, the right one is found for nearly all words with one slip or two."""
    choose = random.Random(3)
    for number, alias in enumerate(KNOWN + [f"script-{n}-{n * n}" for n in range(30)]):
        put(alias, number)
    index = workspace.index()
    right = 0
    for _ in range(100):
        alias = choose.choice(KNOWN[:4])
        word = list(alias)
        for _ in range(choose.choice([1, 1, 2])):
            at = choose.randrange(len(word) - 1)
            slip = choose.choice([[], [word[at], "x"], ["y"], None])
            word[at : at + 1] = slip if slip is not None else []
        found = suggest(index, Query.parse("script", "".join(word)))
        right += found in (f"did you mean {alias!r}?", "")
    assert right >= 98


@pytest.mark.parametrize("word", ["", "a", "ab", "abc", "a-b", "*", "a*?", "-", "é-ü"])
def test_patterns(word: str) -> None:
    """There are few, and none takes everything."""
    found = patterns(word)
    assert len(found) <= 5
    assert all(pattern.strip("*") for pattern in found)


def test_suggest(workspace: Workspace, put: Put) -> None:
    """The alias is asked about within its automation, a tag when nothing has it; what is there is
    not asked about."""
    put("detect-os", 1, tags="[detect, os]")
    put("detect-so", 2, automation="model", tags="[classification]")
    index = workspace.index()

    def ask(*words: str) -> str:
        return suggest(index, Query.parse(*words))

    assert ask("script", "detect-oss") == "did you mean 'detect-os'?"
    assert ask("model", "detect-oss") == "did you mean 'detect-so'?"
    assert ask("script", "detect-os") == ask("", "detect-os") == ""
    assert ask("script", "detct*") == ask("script", "0000000000000009") == ask("script") == ""
    assert ask("", "", "detcet") == "did you mean the tag 'detect'?"
    assert ask("script", "", "os,clasification") == "did you mean the tag 'classification'?"
    assert ask("", "", "detect,classification") == ask("", "", "-detcet") == ""
    assert ask("", "", "quite-different") == ""


def test_errors_ask(workspace: Workspace, put: Put) -> None:
    """A command that needs an artifact asks, about tags too."""
    put("detect-os", 1, tags="[detect, os]")
    assert "did you mean 'detect-os'?" in bad(16, "load", "script", "detect-so")
    assert "did you mean 'detect-os'?" in bad(16, "load", "script", "local:detect-so")
    assert "did you mean the tag 'detect'?" in bad(16, "load", "script", "--tags=detcet")
    assert "did you mean 'detect-os'?" in bad(16, "rm", "script", "os-detect", "-f")
    assert "see 'cmgit find script'" in bad(16, "load", "script", "quite-different")
    assert "see 'cmgit find automation'" in bad(16, "load", "scr*", "quite-different")
    assert good("find", "script", "detect-so").out == ""


def test_find_asks_a_person(workspace: Workspace, put: Put) -> None:
    """``find`` asks on a terminal, when it finds nothing, and succeeds as ever."""
    put("detect-os", 1, tags="[detect, os]")
    good("find", "*")
    question = "did you mean 'detect-os'?\n"
    assert on_terminal("find", "script", "detect-so", "--sort=uid") == question
    assert on_terminal("find", "script", "--tags=detcet", "--sort=uid") == (
        "did you mean the tag 'detect'?\n"
    )
    assert on_terminal("find", "script", "quite-different", "--sort=uid") == ""
    assert good("find", "script", "detect-so", "--sort=uid").out == ""
