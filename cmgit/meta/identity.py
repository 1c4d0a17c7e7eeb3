"""Who an artifact is: the few keys of its meta files that the index needs, read fast.

Reading a YAML file makes an object of every value in it, and takes more than ten times as long as
libyaml takes to check its syntax. So the identity is taken from the text by patterns, and libyaml
goes over the whole file, where the patterns are sure to mean what YAML means. All other files
(anchors, tags, several documents, quotes or brackets that span lines, ...) and all files with a
mistake are read in full, so that the identity and the error are always those of a full read, with
one exception: numbers outside of the identity are not made, and one that cannot be made (``0x_``,
one of more than 4096 bits, a key of more than 64 bits) is found when the artifact is loaded.

Why the patterns are sure:

* There are no tabs, and lines end in line feeds only.
* Outside of flow collections, a quote, bracket, anchor, alias or tag means something only at the
  start of a line or after a space. A line that has one there must be of a form that ends all that
  it opens (``_CLOSED_LINE``). Where YAML takes the line for a part of a longer text, nothing opens
  in it. Either way, no quote and no bracket is open at the end of any line.
* The first line with content has ``key:`` in the first column, so the document is a mapping whose
  longer texts are indented. What starts in the first column is a key of it, an entry of a list or a
  comment (``_ODD_LINE``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import yaml

from .files import chosen_files
from .parse import IDENTITY_KEYS, Identity, Meta, parse_file, reads_as_text

MAX_SURE_BYTES = 256 << 10
"""Larger files are read in full. So few bytes never hold more values than a meta may have."""


def read_identity(files: Mapping[str, bytes], where: str) -> Identity:
    """The identity of an artifact from its meta files: that of the meta that ``parse_meta`` reads.

    ``where`` is the directory for error messages. Raises MetaError.
    """
    names = chosen_files(files)
    meta: Meta = {}
    for name in names:
        data = files[name]
        keys = identity_keys(data) if name.endswith(".yaml") else None
        meta.update(parse_file(name, data, f"{where}/{name}") if keys is None else keys)
    return Identity(meta, f"{where}/{names[0]}")


def identity_keys(data: bytes) -> Meta | None:
    """The keys of the identity that a YAML file has, with the values that ``parse_yaml`` gives
    them; None where the text does not show them for sure, or has a mistake."""
    try:
        text = _sure_text(data)
        keys = {found[1]: _value(text, found) for found in _KEY.finditer(text)}
        yaml.CBaseLoader(data).raw_parse()
    except (_Unsure, UnicodeDecodeError, yaml.YAMLError):
        return None
    return keys


class _Unsure(Exception):
    """The patterns do not say for sure what the text means."""


def _sure_text(data: bytes) -> str:
    """The text, between two line ends, where what looks like a key of the top level is one."""
    if len(data) > MAX_SURE_BYTES:
        raise _Unsure
    text = "\n" + data.decode().replace("\r\n", "\n").removeprefix("---\n") + "\n"
    if any(char in text for char in "\t\r\x85\u2028\u2029"):
        raise _Unsure
    if _ODD_LINE.search(text) or not _FIRST_KEY.match(text):
        raise _Unsure
    end = 0
    while opening := _OPENING.search(text, end):
        line = _CLOSED_LINE.match(text, text.rfind("\n", 0, opening.start()) + 1)
        if line is None:
            raise _Unsure
        end = line.end()
    return text


def _value(text: str, key: re.Match[str]) -> str | int | list[str | int] | None:
    found = _VALUE.match(text, key.end())
    if found is None:
        raise _Unsure
    form = found.lastgroup
    if form is None:
        return None
    if form == "word":
        return _scalar(found["word"], raw=key[1] in IDENTITY_KEYS)
    return [_scalar(word) for word in _ENTRIES[form].findall(found[form])]


def _scalar(word: str, raw: bool = False) -> str | int:
    if word[0] in "\"'":
        return word[1:-1]
    if raw or reads_as_text(word):
        return word
    if _DECIMAL.fullmatch(word):
        return int(word)
    raise _Unsure


# -- lines -------------------------------------------------------------------------------------

_ODD_LINE = re.compile(r"\n(?:[ ?:-]{40}|(?![ \n#]|-[ \n]|[\w-]+:[ \n]|\Z))")  # 40: too deep
_FIRST_KEY = re.compile(r"(?:\n *(?:#.*)?)*\n[\w-]+:[ \n]")
_OPENING = re.compile(r""" (?:["'[{&*!]|[?=][ \n]|<<[ :\n])""")

_QUOTED = r"""(?:"[^"\\\n]*"|'[^'\n]*')"""
_FLOW_CHAR = r"""[^][{}"'#,&*!=<:\n\ ]"""
_FLOW_PLAIN = rf"{_FLOW_CHAR}(?:{_FLOW_CHAR}|\ |:(?!\ ))*"
_FLOW_VALUE = rf"(?:{_FLOW_PLAIN}|{_QUOTED}\ *)"
_FLOW_ITEM = rf"\ *(?:{_FLOW_VALUE}(?::\ +{_FLOW_VALUE})?)?"
_FLOW = rf"[\[{{]{_FLOW_ITEM}(?:,{_FLOW_ITEM})*[]}}]"
_CLOSED_LINE = re.compile(
    rf"""
    \ *(?:-\ +)*                                        # indentation and entries of lists
    (?:(?:\w[^\s:]*|{_QUOTED}\ *):(?:\ +|$))?           # a key
    (?: (?:{_QUOTED}|{_FLOW})(?:\ +\#.*|\ *)            # a value that ends here, or
      | (?:[\w./~$(]|-(?=\w))(?:[^:\n]|:(?!\ ))*        # plain text, in which nothing opens, or
      | \#.*                                            # a comment
    )?$""",
    re.MULTILINE | re.VERBOSE,
)

# -- values ------------------------------------------------------------------------------------

_KEY = re.compile(r"\n(alias|uid|automation_alias|automation_uid|tags|_base):")
_WORD = rf"(?:{_QUOTED}|\w(?:[\w.,+/-]|:(?=[\w:])|\ (?=\w))*)"
_FLOW_WORD = rf"(?:{_QUOTED}|\w[\w.+/-]*)"
_FILLER = r"(?:\ +\#.*|\ *)(?:\n\ *(?:\#.*)?)*"  # the rest of a line, and lines that say nothing
_VALUE = re.compile(
    rf"""
    (?: \ +(?P<word>{_WORD})
      | (?P<list>{_FILLER}\n(?P<indent>\ *)-\ +{_WORD}(?:{_FILLER}\n(?P=indent)-\ +{_WORD})*)
      | \ +\[(?P<flow>\ *{_FLOW_WORD}\ *(?:,\ *{_FLOW_WORD}\ *)*|\ *)\]
    )?
    {_FILLER}(?=\n[^\ \#\n-]|\Z)                        # and then comes the next key or the end
    """,
    re.VERBOSE,
)
_ENTRIES = {"list": re.compile(rf"\n *- +({_WORD})"), "flow": re.compile(_FLOW_WORD)}
_DECIMAL = re.compile(r"[1-9][0-9]{,17}")
