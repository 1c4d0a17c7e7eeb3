"""Writing metas: a changed file reads as the new value and keeps all else byte for byte."""

from __future__ import annotations

import difflib
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cmgit.errors import MetaError
from cmgit.meta.files import META_FILES
from cmgit.meta.parse import MAX_META_BYTES, parse_file, parse_yaml
from cmgit.meta.write import dump_file, dump_json, dump_yaml, edit_file

from .real import REAL

COMMENTED = """\
# An artifact

alias: detect-os   # the name
uid: 0123456701234567
automation_alias: script

tags:   # for people
  - detect
  - "os"
# about the rest
env: &e
  CM_A: 'yes'   # a word
  CM_B: 010
other: {<<: *e, CM_C: 1}
text: |
  # no comment
  key: no key

end: [1,   2]
# the end
"""

texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=8) | st.sampled_from(
    ["yes", "no", "010", "1e3", "1:30", "2020-01-02", "~", "null", "", " x ", "a: b", "- a", "# c",
     "0x1f", "=", "<<", "é", "\u2028", "a\nb\n", "\ttab", "'", '"', "*a", "&a", "!t", "%", "@", "`",
     "1_0", ".5", "+1", "-", "...", "---", "\ufeff", "\x85"]
)  # fmt: skip
scalars = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False)
values = st.recursive(
    scalars | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
BREAKS = set("\x85\u2028\u2029")  # of lines, by YAML 1.1, beside those of all texts
keys = texts.filter(lambda key: not BREAKS & set(key))
metas = st.dictionaries(st.sampled_from("abcdef") | keys, values, max_size=5)


json_metas = metas.filter(lambda meta: "Infinity" not in json.dumps(meta))


def edit(text: str, new: dict[str, Any]) -> str:
    """The YAML with some top-level values changed, or removed where None is given."""
    meta = {**parse_yaml(text.encode(), "x"), **new}
    meta = {key: value for key, value in meta.items() if value is not None}
    return edit_file("_cm.yaml", text.encode(), meta, "x").decode()


def changed_lines(old: str, new: str) -> tuple[list[str], list[str]]:
    """The lines that went and the lines that came."""
    lines = list(difflib.ndiff(old.splitlines(True), new.splitlines(True)))
    return ([x[2:] for x in lines if x[0] == "-"], [x[2:] for x in lines if x[0] == "+"])


def test_there_are_real_metas() -> None:
    """The tests below see hundreds of files, in both formats."""
    assert len(REAL) > 300
    assert {path.suffix for path in REAL} == {".json", ".yaml"}


@pytest.mark.parametrize("path", REAL, ids=lambda path: "/".join(path.parts[-3:]))
def test_real_metas(path: Path) -> None:
    """Nothing to change changes no byte; a new tag and a new key touch only their own lines."""
    data = path.read_bytes()
    old = parse_file(path.name, data, "x")
    assert edit_file(path.name, data, old, "x") == data
    new = {**old, "tags": [*old.get("tags", []), "new-tag"], "zz_new": {"k": ["010", 10]}}
    edited = edit_file(path.name, data, new, "x")
    assert parse_file(path.name, edited, "x") == new
    assert list(parse_file(path.name, edited, "x")) == list(new)
    if path.suffix == ".yaml":
        assert_only_added(data.decode(), edited.decode(), "tags" in old)


def assert_only_added(old: str, new: str, had_tags: bool) -> None:
    """At most the tag and the key came, and at most one line (a flow list of tags) went."""
    went, came = changed_lines(old, new)
    if not old.endswith("\n") or not had_tags:
        went, came = went[:-1], came[:-1]
    assert len(went) <= 1, went
    assert len(came) <= 6 + len(went), came


@pytest.mark.parametrize(
    ("new", "went", "came"),
    [
        ({"alias": "detect-os2"}, ["alias: detect-os   # the name\n"],
         ["alias: detect-os2  # the name\n"]),
        ({"tags": ["detect", "os", "more"]}, [], ["  - more\n"]),
        ({"tags": ["detect", "os", "010"]}, [], ['  - "010"\n']),
        ({"uid": "1111111111111111"}, ["uid: 0123456701234567\n"], ['uid: "1111111111111111"\n']),
        ({"new": {"a": ["no", False]}}, [], ["new:\n", "  a:\n", '  - "no"\n', "  - false\n"]),
        ({"end": None}, ["end: [1,   2]\n"], []),
        ({"text": "short"}, ["text: |\n", "  # no comment\n", "  key: no key\n"],
         ["text: |-\n", "  short\n"]),
        ({"automation_alias": "x", "end": [1, 2, 3]},
         ["automation_alias: script\n", "end: [1,   2]\n"],
         ["automation_alias: x\n", "end: [1, 2, 3]\n"]),
    ],
)  # fmt: skip
def test_what_changes_in_a_commented_file(
    new: dict[str, Any], went: list[str], came: list[str]
) -> None:
    """Only the lines of what changed; comments, order and layout of all others stay."""
    assert changed_lines(COMMENTED, edit(COMMENTED, new)) == (went, came)


def test_an_anchor_that_others_need() -> None:
    """What cannot change without comments being lost is an error; without comments it can."""
    with pytest.raises(MetaError, match="without loss") as caught:
        edit(COMMENTED, {"env": {"CM_A": "no"}})
    assert caught.value.hint
    assert edit("a: &x [1]\nb: *x\n", {"a": [2]}) == "a:\n- 2\nb: [1]\n"


@pytest.mark.parametrize(("old", "new"), [("true", 1), ("1", True), ("1", 1.0), ("[0]", [False])])
def test_equal_values_of_other_types(old: str, new: object) -> None:
    """Python takes true for 1; a meta does not."""
    changed = parse_yaml(edit(f"a: {old} # c\n", {"a": new}).encode(), "x")["a"]
    assert json.dumps(changed) == json.dumps(new)


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_line_ends_and_byte_order_mark_stay(mark: str, end: str) -> None:
    """A file of another system remains one."""
    text = mark + COMMENTED.replace("\n", end)
    edited = edit(text, {"tags": ["detect", "os", "new"], "more": "x", "alias": "y"})
    assert edited.startswith(mark + "# An artifact" + end)
    assert edited.count(end) == edited.count("\n") == COMMENTED.count("\n") + 2
    assert edited.endswith(f"# the end{end}more: x{end}")


@pytest.mark.parametrize(
    "text",
    ["", "# only a comment\n", "---\n", "{}\n", "{a: 1, b: 2}\n", '{"a": 1,\n "b": [2]}\n', "a: 1",
     "--- # start\na: 1\n...\n", "%YAML 1.1\n---\na: 1\n", "a: 1\na: 2\nb: 3\n", "? a\n: 1\n",
     "a: &x [1]\nb: *x\n", "a: >-\n  folded\n  text\nb: 1\n", "a:\n- 1\n- 2\n\n\n", "'a': 1\n\"b\": 2\n",
     "  a: 1\n  b: 2\n", "1: x\na: 2\n", "a: 'it''s'\nb: \"\\x41\"\n", "a: 1\n# c\n\n# d\n", "a:\nb:\n",
     "a:\n    b:\n        c: 1\n", "a: {x: 1, # c\n  y: 2}\n", "a: 2020-01-02\n", "a: -.inf\n",
     "a: >+\n  kept\n\nb: 1\n", "a: |\n  x\n # indented less\nb: 1\n"],
)  # fmt: skip
@pytest.mark.parametrize(
    "change",
    [{"a": "new"}, {"a": [1, {"x": "y"}]}, {"b": {"a": {"b": "c"}}}, {"z": "yes"}, {"a": None}],
    ids=str,
)
def test_odd_files(text: str, change: dict[str, Any]) -> None:
    """Whatever the layout of a file, it reads as the new value afterwards."""
    old = parse_yaml(text.encode(), "x")
    new = {key: value for key, value in {**old, **change}.items() if key not in change or value}
    assert parse_yaml(edit_file("meta.yaml", text.encode(), new, "x"), "x") == new
    assert edit_file("meta.yaml", text.encode(), old, "x") == text.encode()


@given(metas, metas, st.booleans())
def test_any_change_of_any_yaml(old: dict[str, Any], new: dict[str, Any], flow: bool) -> None:
    """What PyYAML writes, in block or flow style, becomes whatever is wanted."""
    data = yaml.safe_dump(
        old, allow_unicode=True, default_flow_style=flow, sort_keys=False
    ).encode()
    edited = edit_file("_cm.yaml", data, new, "x")
    assert parse_yaml(edited, "x") == new


def test_a_break_of_lines_in_a_key() -> None:
    """A file that cannot be changed without loss is refused."""
    value = [{"": 0, "0": ""}, {"": 0, "0": ""}, 9.352827979079657e-181]
    data = yaml.safe_dump(
        {"\u2028": value, "#": None}, allow_unicode=True, sort_keys=False
    ).encode()
    with pytest.raises(MetaError, match="cannot be changed without loss"):
        edit_file("_cm.yaml", data, {"\u2028": value}, "x")


@given(json_metas, json_metas)
def test_any_change_of_any_json(old: dict[str, Any], new: dict[str, Any]) -> None:
    """JSON becomes whatever is wanted and keeps the order of its keys."""
    edited = edit_file("_cm.json", json.dumps(old).encode(), new, "x")
    assert parse_file("_cm.json", edited, "x") == new
    if list(old) != sorted(old):
        assert list(json.loads(edited)) == [
            *(k for k in old if k in new),
            *(k for k in new if k not in old),
        ]


@pytest.mark.parametrize("name", META_FILES)
@given(meta=json_metas)
def test_a_new_file_reads_back(name: str, meta: dict[str, Any]) -> None:
    """Any value is written so that cmgit and PyYAML or json read that value."""
    data = dump_file(name, meta)
    assert parse_file(name, data, "x") == meta
    if name.endswith(".json"):
        assert json.loads(data) == meta
    elif not {"alias", "uid"} & meta.keys():
        assert yaml.safe_load(data) == meta


def test_what_json_does_not_have() -> None:
    """It is refused, not written as null."""
    with pytest.raises(MetaError, match="JSON has no number like nan"):
        dump_json({"a": [{"b": float("nan")}]})


def test_new_files_look_as_cm_writes_them() -> None:
    """JSON with sorted keys, indented by two; YAML in the order given, text unescaped."""
    assert dump_json({"b": [1], "a": "é"}) == '{\n  "a": "é",\n  "b": [\n    1\n  ]\n}\n'.encode()
    assert dump_yaml({"b": ["x"], "a": "é"}) == "b:\n- x\na: é\n".encode()


def test_sorted_json_stays_sorted() -> None:
    """A file with sorted keys gets a new key in its place."""
    assert edit_file("_cm.json", b'{"a": 1, "c": 2}', {"a": 1, "b": 3, "c": 2}, "x") == (
        b'{\n  "a": 1,\n  "b": 3,\n  "c": 2\n}\n'
    )


@pytest.mark.parametrize("name", ["_cm.yaml", "_cm.json"])
@pytest.mark.parametrize("data", [b"[", b"- 1\n", b"a: \xff\n", b" " * (MAX_META_BYTES + 1)])
def test_what_cannot_be_read_is_not_changed(name: str, data: bytes) -> None:
    """A damaged file is an error that says where, and never overwritten with a guess."""
    with pytest.raises(MetaError, match=r"^x:\d"):
        edit_file(name, data, {"a": 1}, "x")
