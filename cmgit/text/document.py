"""What of an artifact is searched: its alias, tags, name, description and README.

What cannot be read is left out; the index has said so already.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ..errors import MetaError
from ..index.record import Record
from ..meta.files import chosen_files
from ..meta.parse import Meta, parse_file, parse_yaml, reads_as_text
from .terms import filter_terms, key
from .words import composed

MAX_README_BYTES = 64 << 10
MAX_LINE = 4 << 10  # of characters, of each other text
NAMES, DESCRIPTIONS = ("name", "title"), ("desc", "description", "category")
KEYS = NAMES + DESCRIPTIONS

_ALIAS, _TAGS, _NAME, _DESCRIPTION, _README = 6, 4, 3, 2, 1  # how much a word says


class Document(NamedTuple):
    """An artifact as it is searched; ``texts`` with how much each says."""

    key: str
    uid: str
    filters: list[str]
    texts: list[tuple[int, str]]
    body: str


class Sources(NamedTuple):
    """The files of an artifact: the bytes of its meta files by name, and those of its README."""

    metas: Mapping[str, bytes] = {}
    readme: bytes = b""


def document(number: int, record: Record, sources: Sources) -> Document:
    """The document of an artifact in the repository of a number."""
    meta = _described(sources.metas)
    name = _joined(meta, NAMES)
    description = _joined(meta, DESCRIPTIONS)
    readme = clean(sources.readme[:MAX_README_BYTES].decode("utf-8", "replace"))
    texts = [
        (_ALIAS, record["alias"]),
        (_TAGS, " ".join(record["tags"])[:MAX_LINE]),
        (_NAME, name),
        (_DESCRIPTION, description),
        (_README, readme),
    ]
    return Document(
        key(number, record["path"]),
        record["uid"],
        filter_terms(number, record),
        [(weight, composed(text)) for weight, text in texts if text],
        " — ".join(filter(None, (name, description, readme))),
    )


def clean(text: str) -> str:
    """The text on one line, as a reader of the page sees it: without markup and where links lead,
    and without what plays tricks on a terminal."""
    if "[" in text or "<" in text:
        text = _HIDDEN.sub(" ", _LINK.sub(r"\1", text))
    return _BLANK.sub(" ", text).strip()


_LINK = re.compile(r"(?<!!)\[([^\[\]]{1,200})\]\([^()\s]{0,500}\)")
_HIDDEN = re.compile(
    r"<!--.{0,2000}?-->|</?[a-zA-Z][^<>]{0,500}>|!\[[^\]]{0,200}\]\([^)]{0,500}\)", re.DOTALL
)
_BLANK = re.compile(
    r"[\s\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]+"
)


def _joined(meta: Meta, keys: Iterable[str]) -> str:
    values = (meta.get(key) for key in keys)
    return clean(" — ".join(str(v) for v in values if v and isinstance(v, (str, int, float))))[
        :MAX_LINE
    ]


def _described(metas: Mapping[str, bytes]) -> Meta:
    """What the meta files say in their texts for people."""
    meta: Meta = {}
    for name in chosen_files(metas):
        try:
            meta.update(_texts(name, metas[name]))
        except MetaError:
            continue
    return meta


def _texts(name: str, data: bytes) -> Meta:
    """The texts for people of a meta file. Of a YAML file only their lines are looked at, which is
    many times as fast, where it is laid out as usual: with its keys at the beginning of lines."""
    if name.endswith(".json") or not _USUAL.search(data):
        return parse_file(name, data, name)
    texts: Meta = {}
    rest, lines = b"", b"\n" + data
    for text in KEYS:
        at = lines.rfind(b"\n%s:" % text.encode())
        found = _SIMPLE.match(lines, at) if at >= 0 else None
        if found and (found["quoted"] is not None or reads_as_text(found["plain"].decode())):
            texts[text] = (found["quoted"] or found["plain"] or b"").decode("utf-8", "replace")
        elif at >= 0:
            rest += _LINES.match(lines, at)[0]  # type: ignore[index]
    try:
        return texts | parse_yaml(rest, name) if rest else texts
    except MetaError:  # an anchor that stands elsewhere, for example
        return parse_yaml(data, name)


_USUAL = re.compile(rb"^(?:alias|uid|automation_alias|automation_uid)[ \t]*:", re.MULTILINE)
_LINES = re.compile(rb"\n.*(?:\n(?:[ \t].*|(?=\n|\Z)))*")  # a key, and what is indented below it
_SIMPLE = re.compile(  # a key with a value that is what it looks like, and nothing below it
    rb"""\n\w+:\ (?:"(?P<quoted>[^"\\\n]*)"|(?P<plain>[A-Za-z](?:[\w.,/()+-]|\ (?=[\w(]))*))\n(?!\n*[ \t\r])""",
    re.VERBOSE,
)
