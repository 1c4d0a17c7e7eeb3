"""Meta descriptions to bytes: new files, and files that change but keep all else."""

from __future__ import annotations

import json
from math import isfinite
from typing import Any

import orjson

from ..errors import MetaError
from .merge import same
from .parse import Meta, parse_file


def dump_json(meta: Meta) -> bytes:
    """JSON as CM writes it: indented by two, keys sorted, a line end at the end.

    Raises MetaError for a number that JSON does not have.
    """
    return _json(meta, sort=True)


def _json(meta: Meta, sort: bool) -> bytes:
    if not _finite(meta):  # orjson makes null of it
        raise MetaError("JSON has no number like nan or inf", "write it as text")
    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    try:
        return orjson.dumps(meta, option=options | (orjson.OPT_SORT_KEYS if sort else 0))
    except orjson.JSONEncodeError:  # it has no numbers of more than 64 bits
        return (json.dumps(meta, indent=2, sort_keys=sort, ensure_ascii=False) + "\n").encode()


def _finite(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_finite, value.values()))
    if isinstance(value, list):
        return all(map(_finite, value))
    return not isinstance(value, float) or isfinite(value)


def dump_yaml(meta: Meta) -> bytes:
    """A new YAML document, keys in the order they have."""
    from .roundtrip import write_yaml

    return write_yaml(meta)


def dump_file(name: str, meta: Meta) -> bytes:
    """A new meta file, in the format its name asks for."""
    return dump_json(meta) if name.endswith(".json") else dump_yaml(meta)


def edit_file(name: str, data: bytes, new: Meta, where: str) -> bytes:
    """Return the file with ``new`` as its whole value, in the format it has; in YAML, comments,
    order, quotes and line ends stay.

    Raises MetaError when the file cannot be read, or not be changed without losing something.
    """
    old = parse_file(name, data, where)
    if same(old, new):
        return data
    if name.endswith(".json"):
        return _json_like(old, new)
    from .roundtrip import edit_yaml

    edited = edit_yaml(data, old, new, where)
    if edited is None:
        raise MetaError(f"{where}:1: cannot be changed without loss", "edit the file by hand")
    return edited


def _json_like(old: Meta, new: Meta) -> bytes:
    """Indented JSON in the key order of the file; sorted when the file was."""
    ordered = {key: new[key] for key in old if key in new}
    return _json({**ordered, **new}, sort=list(old) == sorted(old))
