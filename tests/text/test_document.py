"""What of an artifact is searched."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cmgit.text.document import KEYS, MAX_README_BYTES, Document, Sources, _texts, clean, document

RECORD = {
    "uid": "0123456789abcdef", "alias": "detect-os", "automation_alias": "script",
    "automation_uid": "5b4e0237da074764", "path": "script/detect-os", "tags": ["detect", "os"],
    "tree": "",
}  # fmt: skip


def made(readme: bytes | str = b"", **metas: str) -> Document:
    """The document of an artifact with these files; ``_`` in their names stands for a dot."""
    files = {name.replace("_yaml", ".yaml").replace("_json", ".json"): text.encode()
             for name, text in metas.items()}  # fmt: skip
    data = readme if isinstance(readme, bytes) else readme.encode()
    return document(7, RECORD, Sources(files, data))


def test_document() -> None:
    """The key, the terms that select, and the texts by what they say; the body is for people."""
    found = made("# Title\nText", _cm_yaml="name: My name\ndesc: My description\nother: no\n")
    assert found.key == "7/script/detect-os"
    assert found.uid == RECORD["uid"]
    assert found.filters == ["r7", "ascript", "A5b4e0237da074764", "tdetect", "tos"]
    texts = [text for _, text in sorted(found.texts, reverse=True)]
    assert texts == ["detect-os", "detect os", "My name", "My description", "# Title Text"]
    assert found.body == "My name — My description — # Title Text"


def test_nothing_but_the_record() -> None:
    """What cannot be read is left out."""
    assert [text for _, text in made().texts] == ["detect-os", "detect os"]
    assert made(_cm_yaml="a: [").texts == made().texts
    assert made(_cm_json="{").texts == made().texts


def test_json_over_yaml() -> None:
    """Of two files the JSON's values count, as in the meta."""
    found = made(_cm_yaml="name: one\ndesc: below\n", _cm_json='{"name": "two", "title": 5}')
    assert found.body == "two — 5 — below"


def test_readme_is_bounded_and_may_be_anything() -> None:
    """A README is cut, and bytes that are not UTF-8 do no harm."""
    assert len(made(b"x" * (2 * MAX_README_BYTES)).body) == MAX_README_BYTES
    assert made(b"\xff\xfe\0caf\xc3\xa9\x1b[31m\xe2\x80\xae").body == "\ufffd\ufffd café [31m"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\n\n  b\tc", "a b c"),
        ("see [the docs](https://example.org/x?y) now", "see the docs now"),
        ("![badge](https://example.org/b.svg) text", "text"),
        ("[![badge](https://a.b/c)](https://d.e) text", "[ ](https://d.e) text"),
        ("<!-- hidden\n --><h1 align='center'>Shown</h1><br/>", "Shown"),
        ("a < b and c > d", "a < b and c > d"),
        ("<!--" * 10_000, "<!--" * 10_000),
        ("![" * 10_000, "![" * 10_000),
    ],
)
def test_clean(text: str, shown: str) -> None:
    """A text is on one line, as a reader of the page sees it."""
    assert clean(text) == shown


VALUES = st.one_of(
    st.text(alphabet="ab: #'\"\n-|>&*!{}[],é\\", max_size=20),
    st.lists(st.text(max_size=5), max_size=2),
    st.dictionaries(st.sampled_from(KEYS), st.text(max_size=5), max_size=2),
    st.integers(),
    st.none(),
)


@given(
    st.dictionaries(st.sampled_from([*KEYS, "uid", "tags", "zz"]), VALUES, max_size=6),
    st.sampled_from([None, True, False]),
    st.sampled_from([20, 80]),
    st.booleans(),
)
def test_only_some_lines_are_parsed(
    meta: dict[str, object], style: bool | None, width: int, sort: bool
) -> None:
    """What is read of a YAML file are the texts of the whole, however it is written."""
    text = yaml.safe_dump(
        {"alias": "x", **meta}, default_flow_style=style, width=width, sort_keys=sort,
        allow_unicode=True,
    )  # fmt: skip
    whole = yaml.safe_load(text)
    found = _texts("_cm.yaml", text.encode())
    for key in KEYS:
        if not isinstance(whole.get(key), (list, dict)):
            assert found.get(key) == whole.get(key), text


def test_an_anchor_elsewhere() -> None:
    """What refers to other lines is read too."""
    text = "alias: &a detect-os\nname: *a\nuid: x\n"
    assert _texts("_cm.yaml", text.encode())["name"] == "detect-os"
