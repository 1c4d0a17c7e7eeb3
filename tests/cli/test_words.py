"""CM's spelling of a command line in Typer's."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmgit.cli.words import translate
from cmgit.errors import NotFound
from cmgit.grammar import parse_words, read_input_file


def nothing(path: str) -> dict[str, Any]:
    """A reader for command lines without input files."""
    raise AssertionError(path)


@pytest.mark.parametrize(
    ("words", "translated"),
    [
        ([], []),
        (["find"], ["find"]),
        (["print_input", "my_script", "an_artifact"], ["print-input", "my_script", "an_artifact"]),
        (["find", "script", "--tags=a_b,-c"], ["find", "script", "--tags=a_b,-c"]),
        (["find", "-tags=a"], ["find", "--tags=a"]),
        (["add", "--new_tags=x_y"], ["add", "--new-tags=x_y"]),
        (["add", "--replace_lists"], ["add", "--replace-lists"]),
        (["add", "--meta.a_b.c-d=1=2"], ["add", "--meta.a_b.c-d=1=2"]),
        (["add", "--meta.k"], ["add", "--meta.k"]),
        (["add", "--meta.k-"], ["add", "--meta.k-"]),
        (["add", "--meta.l,=1,2"], ["add", "--meta.l,=1,2"]),
        (["add", "--tags,=1,2"], ["add", "--tags=1,2"]),
        (["rm", "script", "--force-"], ["rm", "script"]),
        (["rm", "script", "-f"], ["rm", "script", "-f"]),
        (["cat", "-"], ["cat", "-"]),
        (["--limit=1", "-json", "my_find", "a_b"], ["my-find", "--limit=1", "--json", "a_b"]),
        (["--version"], ["--version"]),
        (["--help", "find"], ["--help", "find"]),
        (["--limit=1", "--", "find"], ["--limit=1", "--", "find"]),
        (["add", "@"], ["add", "@"]),
        (["run", "a_b", "--", "-x_y", "@z", "--a_b"], ["run", "a_b", "--", "-x_y", "@z", "--a_b"]),
    ],
)
def test_translate(words: list[str], translated: list[str]) -> None:
    """Dashes, underscores, commas and false; what follows ``--`` stays as it is."""
    assert translate(words, nothing) == translated


def test_an_input_file_becomes_flags_where_it_stands() -> None:
    """Nested values by dotted flags, lists by commas, false below the top with a dash."""
    content = {
        "new_tags": ["a", "b"],
        "repo": "x",
        "yaml": True,
        "strict": False,
        "desc": None,
        "meta": {"n": 5, "d": {"k_v": "w"}, "l": [1, 2], "none": [], "yes": True, "no": False},
    }
    assert translate(["add", "@in.yaml", "--repo=y"], lambda path: content) == [
        "add", "--new-tags=a,b", "--repo=x", "--yaml", "--meta.n=5", "--meta.d.k_v=w",
        "--meta.l,=1,2", "--meta.none,=", "--meta.yes", "--meta.no-", "--repo=y",
    ]  # fmt: skip


def test_a_missing_input_file() -> None:
    """Return 16, as everywhere."""
    with pytest.raises(NotFound):
        translate(["find", "@none.yaml"], read_input_file)


keys = st.text("abz", min_size=2, max_size=4)
texts = st.text("abz-_=,. é", max_size=6)
values = st.recursive(
    st.just(True) | texts | st.lists(st.text("abz-_", min_size=1), max_size=3),
    lambda inner: st.dictionaries(st.text("abz_", min_size=1), inner | st.just(False), min_size=1, max_size=3),
    max_leaves=5,
)  # fmt: skip


@given(st.dictionaries(keys, values, max_size=3))
def test_an_input_file_means_the_same_as_its_flags(content: dict[str, Any]) -> None:
    """CM's grammar reads the flags of a file as what is in the file; lists on top as CM's commas."""
    words = translate(["add", "script", "@x"], lambda path: content)
    expected = {key: ",".join(v) if isinstance(v, list) else v for key, v in content.items()}
    assert parse_words(words) == {"action": "add", "automation": "script", **expected}


flags = st.sampled_from(
    ["--kk=v", "-kk=v", "--kk", "--a_b=1", "--a-b=1", "--meta.x=1", "--meta.l,=1,2", "--meta.f-",
     "-meta.y_z", "--kk=", "-f"]
)  # fmt: skip


@given(st.lists(st.sampled_from(["find", "a_b", "x:y", "*"]) | flags, max_size=6))
def test_the_translation_means_the_same(words: list[str]) -> None:
    """CM's grammar reads both spellings alike, and a second translation changes nothing."""
    once = translate(words, nothing)
    assert parse_words(once) == parse_words(words)
    assert translate(once, nothing) == once


def test_an_input_file_may_hold_the_bare_words():
    """Action, automation and artifacts in a file stand where the file stands."""
    values = {"action": "find", "automation": "script", "artifact": "a", "artifacts": ["b"], "x": 1}
    assert translate(["@f"], lambda _: values) == ["find", "script", "a", "b", "--x=1"]
    assert translate(["ls", "@f"], lambda _: values) == ["ls", "script", "a", "b", "--x=1"]
