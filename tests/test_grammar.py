"""CM's free-form command line to an input dict: each rule of it."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmgit.errors import MetaError, NotFound, UsageError
from cmgit.grammar import Input, parse_words

keys = st.text("abz", min_size=1, max_size=4)
rest_keys = st.text("abz-_9", min_size=1, max_size=4)
texts = st.text(max_size=8)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", {}),
        ("find", {"action": "find"}),
        ("find script", {"action": "find", "automation": "script"}),
        ("print-input script", {"action": "print_input", "automation": "script"}),
        ("find my-script", {"action": "find", "automation": "my-script"}),
        ("find --x", {"action": "find", "x": True}),
        ("--x find", {"x": True, "action": "find"}),
        ("--x my-find --y s", {"x": True, "y": True, "action": "my_find", "automation": "s"}),
        ("find script a", {"action": "find", "automation": "script", "artifact": "a"}),
        (
            "find script a b c",
            {"action": "find", "automation": "script", "artifact": "a", "artifacts": ["b", "c"]},
        ),
        ("mv script a repo:", {
            "action": "mv", "automation": "script", "artifact": "a", "artifacts": ["repo:"],
        }),
        ("find --x=1 repo", {"action": "find", "x": "1", "automation": "repo"}),
        ("find --x=1 repo --y a", {
            "action": "find", "x": "1", "y": True, "automation": "repo", "artifact": "a",
        }),
        ("find --automation=script a", {
            "action": "find", "automation": "script", "artifact": "a",
        }),
        ("find script --x a --y b", {
            "action": "find", "automation": "script", "x": True, "y": True,
            "artifact": "a", "artifacts": ["b"],
        }),
        ("f a -", {"action": "f", "automation": "a", "artifact": "-"}),
        ("f a @", {"action": "f", "automation": "a", "artifact": "@"}),
    ],
)  # fmt: skip
def test_bare_words(line: str, expected: Input) -> None:
    """Action, automation, artifact, artifacts: in their order, wherever the flags stand."""
    assert parse_words(line.split()) == expected


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("--k", {"k": True}),
        ("-k", {"k": True}),
        ("--k=v", {"k": "v"}),
        ("-k=v", {"k": "v"}),
        ("--k=", {"k": ""}),
        ("--k=a=b", {"k": "a=b"}),
        ("--k=-", {"k": "-"}),
        ("--k=a-", {"k": "a-"}),
        ("--k-", {"k": False}),
        ("--k=1", {"k": "1"}),
        ("--l,=1,2", {"l": ["1", "2"]}),
        ("--l,=1", {"l": ["1"]}),
        ("--l,=", {"l": []}),
        ("--l,", {"l": []}),
        ("--a-b=1", {"a_b": "1"}),
        ("--a-b", {"a_b": True}),
        ("--a-b.c-d=1", {"a_b": {"c-d": "1"}}),
        ("--a.b.c", {"a": {"b": {"c": True}}}),
        ("--a.b-", {"a": {"b": False}}),
        ("--a.b,=1,2", {"a": {"b": ["1", "2"]}}),
        ("--env.CM_PATH=/x.y", {"env": {"CM_PATH": "/x.y"}}),
        ("--tags=a,-b", {"tags": "a,-b"}),
    ],
)
def test_one_flag(word: str, expected: Input) -> None:
    """``=`` splits once, a dash at the end is false, a comma makes a list, dots nest."""
    assert parse_words(["run", "script", word]) == {
        "action": "run", "automation": "script", **expected,
    }  # fmt: skip


@pytest.mark.parametrize("word", ["--=1", "--.a", "--a.=1", "--a..b=1", "--,=1", "---", "--a.,"])
def test_a_flag_without_a_name(word: str) -> None:
    """An empty key, or an empty part of one, is an error."""
    with pytest.raises(UsageError):
        parse_words(["run", "script", word])


def test_flags_of_one_mapping_gather() -> None:
    """Flags with a common first part fill one mapping; a value in the way is replaced."""
    assert parse_words(["--e.a=1", "--e.b.c=2", "--e.b.d=3"]) == {
        "e": {"a": "1", "b": {"c": "2", "d": "3"}}
    }
    assert parse_words(["--e=1", "--e.a=2"]) == {"e": {"a": "2"}}
    assert parse_words(["--e.a=2", "--e=1"]) == {"e": "1"}


def test_two_dashes_end_it() -> None:
    """What follows ``--`` is taken as it is, ``--`` and ``@`` included; nothing is a list too."""
    assert parse_words(["run", "script", "--", "-x", "@y", "--", "z"]) == {
        "action": "run", "automation": "script", "unparsed_cmd": ["-x", "@y", "--", "z"],
    }  # fmt: skip
    assert parse_words(["run", "--"]) == {"action": "run", "unparsed_cmd": []}
    assert parse_words(["--", "run"]) == {"unparsed_cmd": ["run"]}


@pytest.mark.parametrize("name", ["in.yaml", "in.json"])
def test_an_input_file_is_merged_where_it_stands(tmp_path: Path, name: str) -> None:
    """Later words win over earlier ones; mappings merge, lists and scalars are replaced."""
    path = tmp_path / name
    path.write_text(json.dumps({"x": 2, "y": 2, "env": {"a": 2}, "l": ["2"], "action": "load"}))
    words = ["find", "--x=1", "--env.a=1", "--env.b=1", "--l,=0,1", f"@{path}", "--y=3"]
    assert parse_words(words) == {
        "action": "load", "x": 2, "y": "3", "env": {"a": 2, "b": "1"}, "l": ["2"],
    }  # fmt: skip
    assert parse_words([f"@{path}", "script"])["automation"] == "script"


def test_names_in_an_input_file() -> None:
    """An action or automation counts as given; a later artifact wins over an earlier one."""
    content = {"automation": "script", "artifact": "a"}
    read = {"f": content, "g": {"automation": "model"}}.__getitem__
    expected = {"action": "find", **content}
    assert parse_words(["find", "@f"], read) == parse_words(["@f", "find"], read) == expected
    assert parse_words(["find", "@f", "c"], read) == {**expected, "artifact": "c"}
    assert parse_words(["find", "x", "c", "@f"], read) == expected
    assert parse_words(["find", "script", "@g", "c"], read) == {
        "action": "find", "automation": "model", "artifact": "c",
    }  # fmt: skip


@given(st.lists(st.sampled_from(["a", "b", "c"]), max_size=5), st.data())
def test_flags_shift_nothing(names: list[str], data: st.DataObject) -> None:
    """Wherever flags stand between the names, the input is the same."""
    words = list(names)
    for flag in ("--x=1", "-y", "--z-", "--m.k=v"):
        words.insert(data.draw(st.integers(0, len(words))), flag)
    assert parse_words(words) == parse_words([*names, "--x=1", "-y", "--z-", "--m.k=v"])


def test_flags_after_a_file_leave_its_values_alone(tmp_path: Path) -> None:
    """A flag that nests into a mapping of a file adds to it."""
    path = tmp_path / "in.yaml"
    path.write_text("env: {a: 1}\n")
    assert parse_words([f"@{path}", "--env.b=2"]) == {"env": {"a": 1, "b": "2"}}


def test_input_files_that_cannot_be_read(tmp_path: Path) -> None:
    """A missing file and a directory are return 16; bad contents say where."""
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(NotFound) as caught:
            parse_words([f"@{path}"])
        assert caught.value.code == 16
    bad = tmp_path / "bad.yaml"
    bad.write_text("a: 1\nb: [\n")
    with pytest.raises(MetaError, match=r"bad\.yaml:3: "):
        parse_words([f"@{bad}"])
    bad.write_text("- 1\n")
    with pytest.raises(MetaError, match="not a mapping"):
        parse_words([f"@{bad}"])


@given(st.dictionaries(keys, st.one_of(st.booleans(), texts, st.lists(keys)), max_size=5))
def test_every_input_can_be_spelt(values: dict[str, Any]) -> None:
    """Booleans, text and lists of words survive the way through a command line."""
    assert parse_words([_spelt(key, value) for key, value in values.items()]) == values


def _spelt(key: str, value: Any) -> str:
    if isinstance(value, bool):
        return f"--{key}" if value else f"--{key}-"
    return f"--{key},={','.join(value)}" if isinstance(value, list) else f"--{key}={value}"


@given(keys, st.lists(rest_keys, max_size=4), texts)
def test_dots_nest_and_dashes_stay_below(first: str, rest: list[str], value: str) -> None:
    """The first part has ``_`` for ``-``, the others are as they are written."""
    expected: Any = value
    for key in reversed([first, *rest]):
        expected = {key: expected}
    assert parse_words(["--" + ".".join([first, *rest]) + "=" + value]) == expected


@given(st.lists(st.text("-@=.,ab", max_size=6), max_size=6))
def test_any_words_at_all(words: list[str]) -> None:
    """Whatever is typed becomes an input or a UsageError, and the words stay as they are."""
    before = list(words)
    try:
        result = parse_words(words, lambda path: {"read": path})
    except UsageError:
        result = {}
    assert words == before
    assert all(isinstance(key, str) and key for key in result)


flags = st.sampled_from(
    ["-k", "--k", "--k-", "--k=1", "--k=a=b", "--k=", "--l,=1,2", "--l,=", "--a-b=1",
     "--e.b=1", "--e.b-c=2", "--e-f.g.h-i=3", "--e.l,=1,2", "--out=json"]
)  # fmt: skip
bare_words = st.sampled_from(["find", "my-script", "repo:a", "a,863735b7db8c44fc", "*"])


@given(st.lists(bare_words, max_size=4), st.lists(flags, max_size=5), st.booleans())
def test_the_input_is_that_of_cm(names: list[str], options: list[str], rest: bool) -> None:
    """CM itself reads a command line to the same input, but for the dash in an action."""
    from cmind.cli import parse

    words = [*names, *options, *(["--", "-x", "y"] if rest else [])]
    expected = parse(shlex.join(words))["cm_input"]
    del expected["cmd"]
    if "action" in expected:
        expected["action"] = expected["action"].replace("-", "_")
    assert parse_words(words) == expected
