"""The identity read fast: always that of a full read, or its error."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cmgit.errors import MetaError
from cmgit.meta.identity import MAX_SURE_BYTES, identity_keys, read_identity
from cmgit.meta.merge import same
from cmgit.meta.parse import (
    IDENTITY_KEYS,
    MAX_META_NODES,
    Identity,
    chosen_files,
    parse_meta,
    parse_yaml,
)

from .real import REAL

WANTED = (*IDENTITY_KEYS, "tags", "_base")
EXAMPLES = 30_000 if os.environ.get("CMGIT_FULL") else 1_000
NO_NUMBER = re.compile("invalid literal for int|number of more than|64-bit")


def keys_of(data: bytes) -> dict[str, Any] | None:
    """The identity keys read fast, or None; they must be those of a full read."""
    fast = identity_keys(data)
    if fast is None:
        return None
    try:
        meta = parse_yaml(data, "x")
    except MetaError as error:
        if NO_NUMBER.search(str(error)):  # of what is no part of the identity
            return fast
        raise
    full = {key: meta[key] for key in WANTED if key in meta}
    assert same(fast, full), (data, fast, full)
    return fast


def outcome(files: dict[str, bytes], fast: bool) -> object:
    """An identity as a tuple, or the error."""
    try:
        if fast:
            identity = read_identity(files, "repo/a")
        else:
            identity = Identity(parse_meta(files, "repo/a"), f"repo/a/{chosen_files(files)[0]}")
    except MetaError as error:
        return str(error), error.hint
    return tuple(getattr(identity, name) for name in Identity.__slots__)


@pytest.mark.parametrize("path", REAL, ids=lambda path: "/".join(path.parts[-3:]))
def test_real_metas(path: Path) -> None:
    """Whatever is installed has the identity of a full read."""
    files = {path.name: path.read_bytes()}
    assert outcome(files, fast=True) == outcome(files, fast=False)
    if path.suffix == ".yaml":
        keys_of(files[path.name])


def test_nearly_all_real_metas_are_read_fast() -> None:
    """What makes indexing fast holds for 98 of 100 files."""
    yaml = [path for path in REAL if path.suffix == ".yaml"]
    fast = [path for path in yaml if identity_keys(path.read_bytes()) is not None]
    assert len(fast) > 0.98 * len(yaml) > 300


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("alias: a-b.c\nuid: 0123456701234567\n", {"alias": "a-b.c", "uid": "0123456701234567"}),
        ("uid: 1234567890123456", {"uid": "1234567890123456"}),
        ("uid: 12e4567890123456\nalias: no\n", {"uid": "12e4567890123456", "alias": "no"}),
        ("uid: '12'  # text\nalias: \"é: [\"\n", {"uid": "12", "alias": "é: ["}),
        ("uid:\nalias: null\n", {"uid": None, "alias": "null"}),
        ("---\nuid: a\n", {"uid": "a"}),
        ("uid: a\r\ntags:\r\n- b\r\n", {"uid": "a", "tags": ["b"]}),
        ("# c\n\n  # c\nuid: a\n# c\n\nalias: b\n# c", {"uid": "a", "alias": "b"}),
        ("uid: a\nuid: b\n", {"uid": "b"}),
        ("d: {uid: a}\ne:\n  uid: b\n", {}),
        ("_base: script,12::repo:x,13\n", {"_base": "script,12::repo:x,13"}),
        ("tags:\n- a\n- b c\n- 'd'\n- 2024\n", {"tags": ["a", "b c", "d", 2024]}),
        ("tags: # c\n\n  - a # c\n # c\n\n  - _b\n", {"tags": ["a", "_b"]}),
        ("tags:\n", {"tags": None}),
        ("tags: []\n", {"tags": []}),
        ("tags: [a, 'b, c', \"d\",1]\n", {"tags": ["a", "b, c", "d", 1]}),
        ("tags: a,b\n", {"tags": "a,b"}),
        ("tags: 'a, b'\n", {"tags": "a, b"}),
        ("uid: a\nt: |\n  uid: b\n\n  - x\nv: >-\n  it's\n  (no\n", {"uid": "a"}),
        ("uid: a\nx: it's \"b\"\ny: don't [\nz: b # it's\n", {"uid": "a"}),
        ("uid: a\nx:\n- y: [1, 'a']\n  'z': {a: \"b\"}\n-   \"k\" : v\n", {"uid": "a"}),
        ("uid: a\nx: <<<Y>>>\ny: a & b *.py = ? !\nz: -O2 \"x\"\n", {"uid": "a"}),
    ],
)  # fmt: skip
def test_what_is_read_fast(text: str, keys: dict[str, Any]) -> None:
    """The forms that people and tools write need no full read."""
    fast = keys_of(text.encode())
    assert fast is not None
    assert same(fast, keys)


@pytest.mark.parametrize(
    "text",
    [
        # text of other lines that looks like a key
        'x: "a\nuid: b\ny: c"\n', "x: 'a\nuid: b\ny: c'\n", 'x:\n- "a\nuid: b\ny: c"\n',
        "x: [a,\nuid: b,\ny: c]\n", "x: {a: 1,\nuid: b,\ny: c}\n", "x:\n  {a: 1,\nuid: b,\nz: c}\n",
        "x: [a, #b]\nuid: c,\ny: d]\n", "x: [a #b, c]\nuid: c,\nk: d]\n", "x: [a, 'b]\nuid: c']\n",
        'x: ["a\\"]\nuid: c\ny: "]\n', 'x: "a\\"\nuid: c\ny: "\n', 'x: y "a: "b\nuid: c\nz: d"\n',
        "x: [a', 'b]\nuid: c\nz: ', ']\n", "x: [[a]\nuid: b\n]\n", 'x: ["a", "b\nuid: c\nz: "]\n',
        "x: [a, 'b]\nuid: c,\ny: x']\n", 'x: [a, "b]\nuid: c,\ny: x"]\n',
        "x: [[a]\n , b,\nuid: c,\ny: d]\n", "x: [{a}\n , b,\nuid: c,\ny: d]\n",
        "'a: b': 'c\nuid: d\ny: e'\n", "x: &a 'c\nuid: d\ny: e'\n", "? 'a\nuid: b\nc'\n: d\n",
        # other line ends and spaces
        "x: y\ruid: b\n", "x: y\x85uid: b\n", "x: y\u2028uid: b\n", "x: y\u2029uid: b\n",
        'x:\n  y:\t"a\nuid: b\nz: c"\n', 'x:\n -\t"a\nuid: b\nz: c"\n', "uid:\ta\n", "uid: a\t# b\n",
        "uid: a\t\n", "\ufeffuid: a\n", "uid: a\ufeff\n", "uid: a\xa0\n", "\xa0uid: a\n",
        # other ways to write a key
        "x: 1\nuid : a\n", "x: 1\n'uid': a\n", 'x: 1\n"u\\x69d": a\n', "x: 1\n? uid\n: a\n",
        "x: 1\n!!str uid: a\n", "x: 1\n&a uid: b\n", "{uid: a}\n", "  uid: a\n", "- uid: a\n",
        "x: &a {uid: b}\n<<: *a\n", "x: 1\n<<: {uid: b}\n", "x: 1\n<<:\n  uid: b\n", "x: 1\n? uid\n", "x: &uid uid\n*uid : a\n",
        # values that go on, or are no words
        "uid: a\n b\n", "uid: a\n\n\n b\n", "uid: a\n\n # c\n", "uid:\n  a\n", "uid:\n- a\n",
        "uid: |\n  a\n", "uid: a#b\n", "uid: a: b\n", "uid: a:\n", "uid: 'a''b'\n", 'uid: "a\\n"\n',
        "uid: ~\n", "uid: 'a'b\n", "uid: a\nuid: &x b\n", "uid: {a: b}\n", "uid: [a, b]\n",
        "_base: no\n", "_base: 010\n", "_base: 1:30\n", "_base: 2020-01-01\n", "_base: 1.5\n",
        "tags: no\n", "tags: 12\n", "tags: ~\n", "tags: [a b, c]\n", "tags: [a,]\n", "tags: [a: b]\n",
        "tags: [a:]\n", "tags: [,]\n", "tags: {a, b}\n", "tags: [010, no, ~, 1.5, 0x1f, 12]\n",
        "tags:\n- a:\n- b\n", "tags:\n- a: b\n", "tags:\n- a\n  b\n", "tags:\n- a\n\n  b\n",
        "tags:\n- - a\n", "tags:\n-\n  a\n", "tags:\n-\n- a\n", "tags:\n  - a\n    - b\n",
        "tags:\n  - a\n - b\n", "tags:\n- 010\n- no\n- ~\n- 1.5\n- 0x1f\n- 1_0\n- 0\n- -1\n",
        "tags:\n- a\n# c\n- b\n", "tags:\n- a\n# c\n- [b]\n","tags:\n- a # c\n\n- b\nx: 1\n", "tags:\n  - a\n # c\n  - b\n",
        "tags:\n- a\n- [b]\n", "tags:\n- *a\n", "tags:\n- a\n-b: c\n", "tags:\n- a\n- |\n  b\n",
        # documents
        "%YAML 1.1\n---\nuid: a\n", "--- {uid: a}\n", "uid: a\n---\nuid: b\n", "uid: a\n...\n",
        "uid: a\n...\nb\n", "uid: a\nx: 1\n---\nx: 2\n",
        "uid: a\nx: 1\n...\nx: 2\n", "---\n---\nuid: a\n", "", "# c\n", "---\n", "a\n", "- a\n", "a\nuid: b\n",
        # what only making the values finds
        "uid: a\nx: *b\n", "uid: a\nx: [*b]\n", "uid: a\nx: &b 1\ny: &b 2\n", "uid: a\nx: &b [*b]\n",
        "uid: a\nx: !y z\n", "uid: a\nx: [!y z]\n", "uid: a\nx: !!binary aGk=\n", "uid: a\nx: =\n",
        "uid: a\nx: [=]\n", "uid: a\nx: {<<: b}\n", "uid: a\nx:\n  <<: b\n", "uid: a\nx: <<",
        "uid: a\nx: <<\n", "uid: a\nx: << # c\n", "uid: a\nx: = # c\n", "uid: a\nx:\n  =: b\n",
        "uid: a\nx: [&b 1, &b 2]\n", "uid: a\nx: [<<]\n", "uid: a\nx: [? [b]]\n",
        "uid: a\nx:\n  = : b\n", "uid: a\nx:\n  ? [a]\n  : b\n",
        "uid: a\nx:\n  [a]: b\n", "uid: a\nx:\n  {a: b}: c\n", "uid: a\nx: [[a]: b]\n",
        "uid: a\nx: {? [a]}\n", "uid: a\nx:\n  ?\n    - a\n  : b\n",
        "uid: a\nx: " + "[" * 101 + "]" * 101 + "\n", "uid: a\nx: " + "{a: " * 101 + "}" * 101 + "\n",
        "uid: a\nx:\n" + "".join(f"{' ' * n}a:\n" for n in range(1, 103)),
        "uid: a\nx:\n" + "- " * 101 + "a\n", "uid: a\nx:\n  " + "? " * 101 + "a\n",
        "uid: a\nx:\n" + "".join(f"{' ' * n}a:\n{' ' * n}- \n" for n in range(1, 3)),
        "uid: a\nx:\n" + "".join(f"{' ' * n}a:\n{' ' * n}-\n" for n in range(1, 59)),
        "uid: a\nx: \0\n", "uid: a\nx: \x07\n", "uid: a\nx: '\\ud800'\ny: \"\\ud800\"\n",
        # mistakes
        "uid: a\nx: [\n", "uid: a\n\tx: 1\n", "uid: a\nx: @b\n", "uid: a\nx: 'b' c\n", "uid: a\n  x: b\n",
        "uid: a\nx\n", "uid: a\n]\n", "uid: a\nx: ]\n", "uid: a\n- b\n", "uid: a\n# c\n  d\n",
    ],
)  # fmt: skip
def test_what_is_hard_to_tell(text: str) -> None:
    """The patterns are not fooled, and errors are those of a full read."""
    keys_of(text.encode())
    files = {"_cm.yaml": text.encode()}
    assert outcome(files, fast=True) == outcome(files, fast=False)


@pytest.mark.parametrize(
    "data", [b"uid: \xff\n", b"\xff\xfeu\0i\0d\0", b"uid: a\nx: \xed\xa0\x80\n"]
)
def test_what_is_no_utf_8(data: bytes) -> None:
    """It is left to the full read."""
    assert identity_keys(data) is None
    files = {"meta.yaml": data}
    assert outcome(files, fast=True) == outcome(files, fast=False)


def test_large_files() -> None:
    """They are read in full, which counts their values; no value takes less than a byte."""
    assert keys_of(b"uid: a\n" + b"#" * (MAX_SURE_BYTES - 7)) == {"uid": "a"}
    assert keys_of(b"uid: a\n" + b"#" * (MAX_SURE_BYTES - 6)) is None
    assert MAX_SURE_BYTES < MAX_META_NODES


def test_numbers_that_cannot_be_made() -> None:
    """Those outside of the identity are the only mistakes that are found at loading."""
    for number in ("0x_", "0b_", "1" * 1300):
        data = f"uid: a\nx: {number}\n".encode()
        assert keys_of(data) == {"uid": "a"}
        with pytest.raises(MetaError):
            parse_yaml(data, "x")
        files = {"_cm.yaml": f"uid: {number}\ntags: {number}\n".encode()}
        assert outcome(files, fast=True) == outcome(files, fast=False)


@pytest.mark.parametrize(
    "files",
    [
        {"_cm.yaml": b"alias: a\nuid: 12\ntags: [x]\n", "_cm.json": b'{"alias": "b", "tags": []}'},
        {"_cm.yaml": b"uid: &a 12\n", "_cm.json": b'{"uid": "863735b7db8c44fc"}'},
        {"_cm.yaml": b"uid: [", "_cm.json": b"{"},
        {"_cm.yaml": b"uid: a", "_cm.json": b"{", "meta.yaml": b"uid: b"},
        {"meta.yaml": b"uid: 863735b7db8c44fc\nautomation_alias: a\n", "meta.json": b'{"_base": "b"}'},
        {"_cm.json": b'{"uid": 12}', "meta.yaml": b"uid: b"},
        {"_cm.json": b"uid: 863735b7db8c44fc\nautomation_alias: a\n"},
    ],
)  # fmt: skip
def test_two_files(files: dict[str, bytes]) -> None:
    """The JSON is laid over the YAML, also where the YAML is read fast."""
    assert outcome(files, fast=True) == outcome(files, fast=False)


# -- generated documents -----------------------------------------------------------------------

risky = st.sampled_from(
    [*WANTED, "a", "b c", "k", ": ", ":", "\n", "\n", "\n ", "\n  ", "\n- ", "\n  - ", "- ", " ", '"',
     "'", "[", "]", "{", "}", ", ", ",", "#", " #", "\n# c", "&a ", "*a", "!", "!!str ", " |\n  ",
     " >-\n   ", "\n? ", "\n: ", "%", "\n---\n", "\n...\n", "<<", "<<: ", " =", "~", "null", "yes",
     "010", "1:30", "0x1f", "1.5", "12", "\\", '""', "'x'", "é", "\t", "\r", "\r\n", "\x85", "\u2028",
     "\ufeff", "\xa0", '\n"uid": z', "\nuid : z", "\nuid: z", "\ntags:\n- p\n- q", "\ntags: [p, 'q']",
     "\nx: [a, ", "\nx: 'a", '\nx: "a', "\ny: d]", "\ny: '", '\ny: "']
)  # fmt: skip
words = st.sampled_from(["a", "b-c", "d e", "12", "010", "no", "'q'", '"r: s"', "http://x/y"])
values = words | st.sampled_from(
    ["", "~", "[a, 'b']", "{a: b}", "{'a': \"b\", c}", "[a b]", "[a, [b]]", "[]", "a\n    b", "it's",
     "'a\n  b'", '"a\nuid: b"', "[a,\nuid: b]", "[a, #b]\nuid: c,\nx: d]", "a # b", "'a' # b", "a #b",
     "|\n  a: 'b\n  c", ">\n\n  - [b", "-O2 'x'", "*.py", "&a b", "<<<X>>>", "=", "a: b", "a:", "'a'b",
     "[a: 'b']", "[a', 'b]", "a\n\n# c", "a 'b': c", "a \"b: 'c"]
)  # fmt: skip
ends = st.sampled_from(["", "", "", " ", " # c", "\n", "\n# it's", "\n  # c"])


@st.composite
def blocks(draw: st.DrawFn, depth: int = 0) -> str:
    """Lines of a mapping, with other mappings and lists inside, indented anyhow."""
    lines = []
    names = st.sampled_from(
        [*WANTED, "k", "l", "'m'", '"n"', "o p"] if depth else [*WANTED, "k", "l"]
    )
    for key in draw(st.lists(names, min_size=1, max_size=4)):
        form = draw(st.integers(0, 5))
        if form == 0 and depth < 3:
            inner = draw(blocks(depth + 1))
            indent = draw(st.sampled_from([" ", "  ", "- ", "  - "]))
            rest = "\n".join(f"{' ' * len(indent)}{line}" for line in inner.split("\n"))
            lines += [f"{key}:", indent + rest[len(indent) :]]
        elif form <= 2:
            indent = draw(st.sampled_from(["", "", "  "]))
            entries = draw(st.lists(st.tuples(words | values, ends), max_size=3))
            lines += [f"{key}:", *(f"{indent}- {value}{end}" for value, end in entries)]
        else:
            lines.append(f"{key}: {draw(words | values)}{draw(ends)}")
    return "\n".join(lines)


@st.composite
def changed(draw: st.DrawFn) -> str:
    """A real meta, with some places overwritten by something risky."""
    text = draw(st.sampled_from(SHORT))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.sampled_from([start, start, start + 1, start + 9]))
        text = text[:start] + draw(risky | values) + text[end:]
    return text


SHORT = [
    path.read_text(encoding="utf-8")
    for path in REAL
    if path.suffix == ".yaml" and path.stat().st_size < 1000
]


@given(blocks())
@settings(max_examples=EXAMPLES // 2)
def test_generated_documents(text: str) -> None:
    """Documents made of all that is usual and some that is not."""
    keys_of(text.encode())


@given(changed())
@settings(max_examples=EXAMPLES)
def test_changed_real_metas(text: str) -> None:
    """Real documents with mistakes."""
    keys_of(text.encode())


@given(st.lists(risky | values, max_size=12).map("".join))
@settings(max_examples=EXAMPLES)
def test_risky_text(text: str) -> None:
    """Text of what means something in YAML."""
    keys_of(f"a: 1{text}".encode())
    keys_of(text.encode())
