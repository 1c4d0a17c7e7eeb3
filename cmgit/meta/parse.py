"""Bytes to meta descriptions.

YAML is read as YAML 1.1 by PyYAML's safe C loader, as CM does, with four differences: a UID or an
alias is taken from the raw scalar (``uid: 0123456701234567`` is that text, not an octal number),
a date stays text, the size after expanding aliases and the depth are bounded, and the keys of a
mapping are text. JSON is read by orjson.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import orjson
import yaml

from ..errors import MetaError
from ..names import is_uid
from ..query import split_tags
from .files import chosen_files

Meta = dict[str, Any]

IDENTITY_KEYS = ("alias", "uid", "automation_alias", "automation_uid")
MAX_META_BYTES = 4 << 20
MAX_META_NODES = 500_000
MAX_META_DEPTH = 100
MAX_INT_BITS = 4096


class _Loader(yaml.CSafeLoader):
    """The safe loader without timestamps."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


def reads_as_text(scalar: str) -> bool:
    """Whether YAML 1.1 takes the unquoted scalar for text, not for a number, a boolean or null."""
    resolvers = _Loader.yaml_implicit_resolvers.get(scalar[:1], [])
    return not resolvers or not any(regexp.match(scalar) for _, regexp in resolvers)


def parse_yaml(data: bytes, where: str) -> Meta:
    """Read one YAML document that is a mapping; ``where`` names it in errors (MetaError)."""
    _check_size(data, where)
    try:
        loader = _Loader(data)
        try:
            node = loader.get_single_node()
            if node is None:
                return {}
            _check_bounds(node, where)
            _keep_identity_raw(node)
            value = _plain(loader.construct_document(node))
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise MetaError(f"{where}:{mark.line + 1 if mark else 1}: {error.problem}") from None
    except yaml.reader.ReaderError as error:
        line = data[: error.position].count(b"\n") + 1
        raise MetaError(f"{where}:{line}: {error.reason} #x{error.character:04x}") from None
    except MetaError:
        raise
    except Exception as error:  # PyYAML's constructors raise whatever their input makes them
        raise MetaError(f"{where}:1: {_first_line(error)}") from None
    return {} if value is None else _mapping(value, where)


def key_lines(text: str) -> list[tuple[int, str]]:
    """Where the top-level keys of a YAML mapping stand: ``(line from 0, key)`` in file order."""
    node = yaml.compose(text, Loader=_Loader)
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return [(key.start_mark.line, key.value) for key, _ in pairs]


def parse_json(data: bytes, where: str) -> Meta:
    """Read one JSON document that is an object; ``where`` names it in errors (MetaError)."""
    _check_size(data, where)
    try:
        value = orjson.loads(data.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        raise MetaError(f"{where}:{error.lineno}: {error.msg}") from None
    if data.count(b"[") + data.count(b"{") > MAX_META_DEPTH and _deeper(value, MAX_META_DEPTH):
        raise MetaError(f"{where}:1: nested more than {MAX_META_DEPTH} deep")
    if _LONG_NUMBER.search(data):
        value = _exact(data, where)
    return _mapping(value, where)


_LONG_NUMBER = re.compile(rb"\d{19}")  # orjson reads it as an approximate one, past 64 bits


def _exact(data: bytes, where: str) -> Any:
    try:
        return json.loads(data.decode("utf-8-sig"))
    except ValueError as error:
        raise MetaError(f"{where}:1: {_first_line(error)}") from None


def _deeper(value: Any, levels: int) -> bool:
    """Whether there are lists or mappings more than so many levels inside of one."""
    if not isinstance(value, (dict, list)):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels < 0 or any(_deeper(item, levels - 1) for item in inner)


def parse_file(name: str, data: bytes, where: str) -> Meta:
    """Read a meta file by the ending of its name."""
    return (parse_json if name.endswith(".json") else parse_yaml)(data, where)


def parse_meta(files: Mapping[str, bytes], where: str) -> Meta:
    """The meta of an artifact from its meta files: each key of the JSON replaces that of the YAML,
    because what CM's update writes beside a YAML file is the whole meta.

    ``where`` is the directory for error messages. Raises MetaError.
    """
    result: Meta = {}
    for name in chosen_files(files):
        result.update(parse_file(name, files[name], f"{where}/{name}"))
    return result


class Identity:
    """What finds an artifact: the four identity keys, tags and base of a meta description."""

    __slots__ = ("alias", "automation_alias", "automation_uid", "base", "tags", "uid")

    def __init__(self, meta: Meta, where: str) -> None:
        """Check and take the identity out of a meta; MetaError says what is missing."""
        self.alias, uid, self.automation_alias, automation_uid = (
            _text(meta, key, where) for key in IDENTITY_KEYS
        )
        self.uid, self.automation_uid = uid.lower(), automation_uid.lower()
        if not is_uid(self.uid):
            raise MetaError(f"{where}:1: uid {uid!r} is not 16 hexadecimal digits")
        if self.automation_uid and not is_uid(self.automation_uid):
            raise MetaError(
                f"{where}:1: automation_uid {automation_uid!r} is not 16 hexadecimal digits"
            )
        if not self.automation_alias and not self.automation_uid:
            raise MetaError(f"{where}:1: automation_alias is missing")
        for key, name in (("alias", self.alias), ("automation_alias", self.automation_alias)):
            if _NO_NAME_HOLDS.search(name):
                raise MetaError(f"{where}:1: {key} {name!r} holds a character no name can hold")
        self.base = _text(meta, "_base", where)
        self.tags = _tags(meta, where)


_NO_NAME_HOLDS = re.compile(r"[:,/\\\x00-\x1f\x7f-\x9f]")  # control characters too


def _text(meta: Meta, key: str, where: str) -> str:
    value = meta.get(key)
    if value is None:
        return ""
    if not isinstance(value, (str, int, float)):
        raise MetaError(f"{where}:1: {key} is not text")
    return str(value)


def _tags(meta: Meta, where: str) -> list[str]:
    tags = meta.get("tags")
    if tags is None:
        return []
    if not isinstance(tags, (list, str)):
        raise MetaError(f"{where}:1: tags is neither a list nor text")
    return split_tags(tags if isinstance(tags, str) else [tag for tag in tags if tag is not None])


def _check_size(data: bytes, where: str) -> None:
    if len(data) > MAX_META_BYTES:
        raise MetaError(
            f"{where}:1: meta of {len(data)} bytes; more than {MAX_META_BYTES} are not read",
            "keep data in files beside the meta",
        )


def _mapping(value: Any, where: str) -> Meta:
    if not isinstance(value, dict):
        kind = "a list" if isinstance(value, list) else f"a {type(value).__name__}"
        raise MetaError(f"{where}:1: the meta is {kind}, not a mapping")
    return value


def _plain(value: Any) -> Any:
    """The value with text as keys; ValueError for what JSON does not have."""
    if isinstance(value, dict):
        return {
            key if isinstance(key, str) else orjson.dumps(key, default=str).decode(): _plain(v)
            for key, v in value.items()
        }
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if value is not None and not isinstance(value, (str, int, float)):
        raise ValueError(f"a {type(value).__name__} has no place in a meta")
    if isinstance(value, int) and value.bit_length() > MAX_INT_BITS:
        raise ValueError(f"a number of more than {MAX_INT_BITS} bits has no place in a meta")
    return value


def _keep_identity_raw(root: yaml.Node) -> None:
    if not isinstance(root, yaml.MappingNode):
        return
    for key, value in root.value:
        if key.value not in IDENTITY_KEYS or not isinstance(value, yaml.ScalarNode):
            continue
        if value.tag != _NULL_TAG or value.value not in ("", "~"):
            value.tag = _STR_TAG


_NULL_TAG = "tag:yaml.org,2002:null"
_STR_TAG = "tag:yaml.org,2002:str"


def _check_bounds(root: yaml.Node, where: str) -> None:
    """Refuse what is small as text and huge, endless or too deep once aliases are expanded."""
    known: dict[int, tuple[int, int]] = {}  # values in a node, and levels below it

    def measure(node: yaml.Node, depth: int) -> tuple[int, int]:
        if isinstance(node, yaml.ScalarNode):
            return 1, -1
        size, levels = known.get(id(node), (0, 0))
        if size < 0:
            raise _out_of_bounds(node, where, "an alias refers to what contains it")
        if depth + levels > MAX_META_DEPTH:
            raise _out_of_bounds(node, where, f"nested more than {MAX_META_DEPTH} deep")
        if not size:
            known[id(node)] = (-1, 0)
            inner = [measure(child, depth + 1) for child in _children(node)]
            size = 1 + sum(size for size, _ in inner)
            levels = 1 + max((levels for _, levels in inner), default=-1)
            if size > MAX_META_NODES:
                raise _out_of_bounds(node, where, f"expands to more than {MAX_META_NODES} values")
            known[id(node)] = (size, levels)
        return size, levels

    measure(root, 0)


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [child for pair in node.value for child in pair]
    return node.value  # type: ignore[no-any-return]


def _out_of_bounds(node: yaml.Node, where: str, problem: str) -> MetaError:
    return MetaError(f"{where}:{node.start_mark.line + 1}: {problem}")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
