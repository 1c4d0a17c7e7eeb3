"""Bytes to meta descriptions: what is read, how, and what is refused."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cmgit.errors import MetaError
from cmgit.meta.parse import (
    MAX_META_BYTES,
    MAX_META_DEPTH,
    Identity,
    chosen_files,
    key_lines,
    parse_file,
    parse_json,
    parse_meta,
    parse_yaml,
    reads_as_text,
)

UID = "863735b7db8c44fc"
GOOD = {
    "alias": "detect-os", "uid": UID, "automation_alias": "script",
    "automation_uid": "5b4e0237da074764",
}  # fmt: skip

texts = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=8)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


def read(text: str | bytes) -> dict[str, Any]:
    """Read YAML, named ``x`` in errors."""
    return parse_yaml(text.encode() if isinstance(text, str) else text, "x")


@pytest.mark.parametrize(
    "scalar",
    ["0123456701234567", "1234567890123456", "123456789012345e", "1e10", "0x12", "1_0", "1:30",
     "2020-01-02", "no", "true", "0.10", ".5", UID, "null", '"~"', "'12'"],
)  # fmt: skip
@pytest.mark.parametrize("key", ["uid", "alias", "automation_uid", "automation_alias"])
def test_identity_is_the_raw_scalar(key: str, scalar: str) -> None:
    """A UID of digits is no number and an alias ``no`` no boolean, quoted or not."""
    assert read(f"{key}: {scalar}\n") == {key: scalar.strip("'\"")}


@pytest.mark.parametrize("text", ["uid:\n", "uid: ~\n", "uid: ''\n", "a: 1\n"])
def test_an_empty_identity_is_none(text: str) -> None:
    """An empty value and a tilde are nothing, and no error until an identity is asked for."""
    assert not read(text).get("uid")
    with pytest.raises(MetaError, match="uid '' is not 16 hexadecimal digits"):
        Identity(read(text), "x")


def test_only_the_top_level_holds_the_identity() -> None:
    """The same keys further down are read as YAML reads them."""
    assert read("d: {uid: 12, alias: no}\n") == {"d": {"uid": 12, "alias": False}}


@pytest.mark.parametrize("scalar", ["2020-01-02", "2020-01-02 03:04:05", "2020-01-02T03:04:05Z"])
def test_dates_stay_text(scalar: str) -> None:
    """What YAML 1.1 would turn into a date is text, also in lists and as a key."""
    assert read(f"a: {scalar}\nb: [{scalar}]\n? {scalar}\n: 1\n") == {
        "a": scalar, "b": [scalar], scalar: 1,
    }  # fmt: skip
    assert reads_as_text(scalar)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: yes", True), ("a: off", False), ("a: 010", 8), ("a: 1:30", 90), ("a: 0x1f", 31),
        ("a: 1_000", 1000), ("a: 1.5", 1.5), ("a: ~", None), ("a: '1'", "1"),
        ("a: *b", None), ("a: [1, [2]]", [1, [2]]),
    ],
)  # fmt: skip
def test_other_scalars_are_yaml_1_1(text: str, value: object) -> None:
    """Everything else is read as CM reads it, with PyYAML's safe loader."""
    if "*" in text:
        with pytest.raises(MetaError, match="undefined alias"):
            read(text)
    else:
        assert read(text) == yaml.safe_load(text) == {"a": value}


def test_keys_are_text() -> None:
    """Numbers, booleans and null as keys become what JSON writes for them."""
    assert read("7: a\ntrue: b\n~: c\n1.5: {2: d}\n") == {
        "7": "a", "true": "b", "null": "c", "1.5": {"2": "d"},
    }  # fmt: skip


@pytest.mark.parametrize("text", ["", "\n", "# a comment\n", "---\n", "---\n...\n", "\ufeff"])
def test_an_empty_document_is_an_empty_meta(text: str) -> None:
    """Nothing but comments is a mapping without keys."""
    assert read(text) == {}


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_byte_order_marks_and_line_ends(mark: bytes, end: bytes) -> None:
    """A BOM and CRLF change nothing, in YAML as in JSON."""
    lines = [b"alias: n\xc3\xa9", b"tags:", b"- a", b"text: |", b"  one", b"  two", b""]
    expected = {"alias": "né", "tags": ["a"], "text": "one\ntwo\n"}
    assert read(mark + end.join(lines)) == expected
    data = json.dumps(expected, indent=1).replace("\n", end.decode()).encode()
    assert parse_json(mark + data, "x") == expected


def test_of_duplicate_keys_the_last_counts() -> None:
    """Real metas have them; the same holds in YAML and JSON."""
    assert read("a: 1\nb: 2\na: 3\n") == {"a": 3, "b": 2}
    assert parse_json(b'{"a": 1, "b": 2, "a": 3}', "x") == {"a": 3, "b": 2}


def test_merge_keys_and_aliases() -> None:
    """YAML's own sharing is read out."""
    text = "base: &b {x: 1, y: 2}\nchild: {<<: *b, y: 3}\nagain: *b\n"
    assert read(text) == {
        "base": {"x": 1, "y": 2}, "child": {"x": 1, "y": 3}, "again": {"x": 1, "y": 2},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: [\n", "x:3: "),
        ("a: 1\n\tb: 2\n", "x:2: "),
        ("a: 1\nb: *c\n", "x:2: "),
        ("a: 1\nb: !!python/object:os.system {}\n", "x:2: "),
        ("a: 1\nb: !local 2\n", "x:2: "),
        ("a: 1\n---\nb: 2\n", "x:2: "),
        ("- 1\n", "x:1: the meta is a list"),
        ("text\n", "x:1: the meta is a str"),
        ("a: !!binary aGk=\n", "x:1: a bytes"),
        ("a: !!set {b}\n", "x:1: a set"),
        ("? [1]\n: 2\n", "x:1: "),
        ("a: !!int abc\n", "x:1: "),
        ("a: !!timestamp never\n", "x:1: "),
        ("a: !!timestamp 2020-01-02\n", "x:1: a date has no place"),
        ("a: !!omap [b: 1]\n", "x:1: a tuple has no place"),
        ("a: !!int ''\n", "x:1: "),
        ("a: !!bool maybe\n", "x:1: "),
        ("a: 0x" + "f" * 5000 + "\n", "x:1: a number of more than"),
        (b"a: \xff\n", "x:1: "),
        (b"a: 1\0\n", "x:1: "),
        ("a: '\\ud800'\nb: \"\\ud800\"\n", "x:"),
    ],
)
def test_errors_name_file_and_line(text: str | bytes, message: str) -> None:
    """Whatever is wrong is a MetaError of one line that says where."""
    with pytest.raises(MetaError) as caught:
        read(text)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
    assert caught.value.code == 4


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'{"a": 1,\n "b": }', "x:2: "),
        (b"", "x:1: "),
        (b"[1]", "x:1: the meta is a list"),
        (b"null", "x:1: the meta is a NoneType"),
        (b'{"a": NaN}', "x:1: "),
        (b'{"a": "\\ud800"}', "x:1: "),
        (b'{"a": "\xff"}', "x:1: "),
        (b'{"a": 1} {}', "x:1: "),
        (b"[" * 100_000, "x:1: "),
        (b'{"a":' * 102 + b"1" + b"}" * 102, "x:1: nested more than"),
    ],
)
def test_json_errors(data: bytes, message: str) -> None:
    """JSON is strict, and bounded as YAML is."""
    with pytest.raises(MetaError) as caught:
        parse_json(data, "x")
    assert str(caught.value).startswith(message)


def laughs(levels: int, width: int = 10) -> str:
    """YAML that doubles and doubles again."""
    lines = [f"a0: &a0 [{','.join(['lol'] * width)}]"]
    for n in range(1, levels):
        lines.append(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * width)}]")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (laughs(9), r"x:\d: expands to more than"),
        (laughs(200, 2), r"x:\d+: expands to more than"),
        ("a: &a [*a]\n", "x:1: an alias refers to what contains it"),
        ("b: 1\na: &a {b: *a}\n", "x:2: an alias refers to what contains it"),
        ("a: " + "[" * 200 + "]" * 200, "x:1: nested more than"),
        ("a: " + "{a: " * 200 + "}" * 200, "x:1: nested more than"),
        ("a: " + "[" * 100_000, "x:1: "),
        ("".join(f"{' ' * n}a:\n" for n in range(MAX_META_DEPTH + 2)), r"x:\d+: nested more than"),
        ("\n".join(f"{' ' * n}-" for n in range(3000)), "x:"),
    ],
    ids=["laughs", "many levels", "list in itself", "mapping in itself", "lists", "mappings",
         "open lists", "indented", "thousands"],
)  # fmt: skip
def test_bombs(text: str, message: str) -> None:
    """What is small as text and huge, endless or deep as values is refused, and soon."""
    start = time.monotonic()
    with pytest.raises(MetaError, match=message):
        read(text)
    assert time.monotonic() - start < 5


def test_what_is_within_the_bounds_is_read() -> None:
    """The deepest, the widest and a useful alias pass."""
    deep = MAX_META_DEPTH
    assert read("a: " + "[" * deep + "]" * deep)
    assert read("a: {b: {c: 1}}\n")
    assert len(read(laughs(4))["a3"]) == 10


def test_deep_chains_of_aliases_count() -> None:
    """Depth is that of the values, not of the text."""
    lines = ["a0: &a0 [x]", *(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 2 * MAX_META_DEPTH))]
    with pytest.raises(MetaError, match="nested more than"):
        read("\n".join(lines))


@pytest.mark.parametrize("name", ["_cm.yaml", "_cm.json"])
def test_a_file_that_is_too_large(name: str) -> None:
    """Size is bounded before anything is read; exactly the bound is fine."""
    with pytest.raises(MetaError, match=r"^x:1: meta of \d+ bytes"):
        parse_file(name, b" " * (MAX_META_BYTES + 1), "x")
    assert parse_file(name, b"{}".ljust(MAX_META_BYTES), "x") == {}


@given(st.dictionaries(texts, json_values, max_size=4))
def test_json_reads_back(meta: dict[str, Any]) -> None:
    """JSON of any value reads as that value, by the ending of the name."""
    assert parse_file("meta.json", json.dumps(meta).encode(), "x") == meta


@given(st.dictionaries(st.text("abc", min_size=1), json_values, max_size=4))
def test_yaml_reads_back(meta: dict[str, Any]) -> None:
    """YAML of any value with text keys reads as that value."""
    text = yaml.safe_dump(meta, allow_unicode=True)
    assert parse_file("meta.yaml", text.encode(), "x") == meta


@given(st.binary(max_size=60))
def test_any_bytes_at_all(data: bytes) -> None:
    """Whatever the bytes, there is a meta that JSON can hold, or a MetaError."""
    for name in ("_cm.yaml", "_cm.json"):
        try:
            meta = parse_file(name, data, "x")
        except MetaError:
            continue
        json.dumps(meta)


@given(st.text("ab:-[]{}&*!?|>'\"%@#, \n\t\\x0u1~<", max_size=40))
def test_any_text_at_all(text: str) -> None:
    """The same for text made of what means something in YAML."""
    try:
        meta = read(text)
    except MetaError:
        return
    json.dumps(meta)


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        ((), ()),
        (("readme.md", "_cm.yml"), ()),
        (("_cm.json", "_cm.yaml", "run.sh"), ("_cm.yaml", "_cm.json")),
        (("_cm.json",), ("_cm.json",)),
        (("meta.json", "meta.yaml"), ("meta.yaml", "meta.json")),
        (("meta.yaml", "_cm.json"), ("_cm.json",)),
    ],
)
def test_which_files_are_the_meta(names: tuple[str, ...], chosen: tuple[str, ...]) -> None:
    """CM's pair before MLC's, YAML before JSON."""
    assert chosen_files(set(names)) == chosen


def test_json_is_laid_over_yaml() -> None:
    """An artifact with both files has the keys of both; one of the JSON replaces the YAML's."""
    files = {
        "_cm.yaml": b"alias: a\nuid: 1234567890123456\nd: {x: 1, y: 1}\n",
        "_cm.json": b'{"alias": "b", "d": {"y": 2}}',
        "meta.json": b'{"alias": "c"}',
        "run.sh": b"",
    }
    assert parse_meta(files, "repo/a") == {
        "alias": "b", "uid": "1234567890123456", "d": {"y": 2},
    }  # fmt: skip
    with pytest.raises(MetaError, match=r"^repo/a/_cm\.json:1: "):
        parse_meta({**files, "_cm.json": b"{"}, "repo/a")


def test_an_identity() -> None:
    """UIDs are lower-cased, tags come once each and stripped, the base is kept."""
    meta = {**GOOD, "uid": UID.upper(), "tags": [" a", "b", "a", "", None, 3], "_base": "x::y"}
    identity = Identity(meta, "x")
    assert (identity.alias, identity.uid, identity.base) == ("detect-os", UID, "x::y")
    assert (identity.automation_alias, identity.automation_uid) == ("script", "5b4e0237da074764")
    assert identity.tags == ["a", "b", "3"]


@pytest.mark.parametrize("tags", [None, [], "", " , "])
def test_no_tags(tags: object) -> None:
    """Empty tags are no tags; a comma list is a list."""
    assert Identity({**GOOD, "tags": tags}, "x").tags == []
    assert Identity({**GOOD, "tags": "a, b"}, "x").tags == ["a", "b"]


def test_a_numeric_uid_of_a_file_finds_its_artifact() -> None:
    """An unquoted UID of octal digits is the UID."""
    text = "alias: a\nuid: 0123456701234567\nautomation_alias: script\nautomation_uid: 0\n"
    assert read(text)["uid"] == "0123456701234567"
    with pytest.raises(MetaError, match="automation_uid '0' is not 16"):
        Identity(read(text), "x")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"uid": None}, "uid"),
        ({"uid": "xyz"}, "uid 'xyz'"),
        ({"uid": [UID]}, "uid is not text"),
        ({"alias": {"a": 1}}, "alias is not text"),
        ({"alias": "a/b"}, "alias"),
        ({"alias": "a:b"}, "alias"),
        ({"alias": "a,b"}, "alias"),
        ({"alias": "a\nb"}, "alias"),
        ({"alias": "a\x7f"}, "alias"),
        ({"automation_uid": "5b4e"}, "automation_uid '5b4e'"),
        ({"automation_uid": None, "automation_alias": None}, "automation_alias is missing"),
        ({"automation_alias": "a\nb"}, "automation_alias"),
        ({"automation_alias": "a:b"}, "automation_alias"),
        ({"tags": {"a": 1}}, "tags is neither"),
        ({"tags": 3}, "tags is neither"),
        ({"_base": ["a"]}, "_base is not text"),
    ],
)
def test_a_bad_identity(change: dict[str, object], message: str) -> None:
    """Each way to have no identity is a MetaError that says which key."""
    with pytest.raises(MetaError, match=f"^x:1: {message}"):
        Identity({**GOOD, **change}, "x")


def test_one_half_of_an_identity_is_enough() -> None:
    """An artifact may have no alias, and name its automation by either word."""
    assert Identity({**GOOD, "alias": None}, "x").alias == ""
    assert Identity({**GOOD, "automation_uid": None}, "x").automation_uid == ""
    assert Identity({**GOOD, "automation_alias": None}, "x").automation_alias == ""


def test_where_the_keys_stand() -> None:
    """Lines count from 0; what is nested, and text that looks like a key, is none."""
    text = "# c\na: 1\nb:\n  c: 2\nd: |\n  e: 3\n? f\n: 4\n"
    assert key_lines(text) == [(1, "a"), (2, "b"), (4, "d"), (6, "f")]
    assert key_lines("- a\n") == []
    assert key_lines("") == []
