"""What is known of the other side of each mirror: ``mirrors/KEY.json`` in the home.

``KEY`` is a digest of the URL. The file says when the mirror was last brought in step (``synced``)
and what the other side had then (``refs`` by full name, and ``default``, its default branch, quoted
as in the manifest of an export); when that was last tried (``tried``), and what went wrong then
(``error``, empty when nothing did). Times are in seconds since 1970. Where it has to be signed,
``signed`` is a digest of what had to be signed by whom when the refs were found to be. ``config``
says which file the repository's configuration was then (inode, time in ns, size), which need not be
read again. ``large`` are the large files (SHA-256 and size) that the refs with the digest
``large_of`` name; ``plain`` are packs in which there is no pointer to any.

The file is replaced by rename, after the refs have moved; when it is lost, the next sync makes it
anew.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from ..index.record import digest
from ..store.objects import ObjectID
from .manifest import quoted, unquoted

DIRECTORY = "mirrors"


@dataclass(frozen=True)
class State:
    """The last tries at one mirror; all empty before the first."""

    url: str
    synced: float = 0.0
    tried: float = 0.0
    error: str = ""
    default: str = ""
    signed: str = ""
    config: tuple[int, ...] = ()
    refs: Mapping[str, ObjectID] = field(default_factory=dict)
    large_of: str = ""
    large: Mapping[str, int] = field(default_factory=dict)
    plain: tuple[str, ...] = ()


def key_of(url: str) -> str:
    """The word for a URL in names of files."""
    return digest(url.encode())


def _path(home: str, url: str) -> str:
    return os.path.join(home, DIRECTORY, f"{key_of(url)}.json")


def read_state(home: str, url: str) -> State:
    """The state of a mirror; that of one that was never tried when there is none that reads."""
    try:
        with open(_path(home, url), "rb") as file:
            value: dict[str, Any] = orjson.loads(file.read())
        refs = {unquoted(name): ObjectID(oid) for name, oid in value["refs"].items()}
        default = unquoted(value["default"])
        lists = {name: tuple(value.get(name, ())) for name in ("config", "plain")}
        return State(**{**value, **lists, "url": url, "default": default, "refs": refs})
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return State(url)


def write_state(home: str, state: State) -> None:
    """Keep the state of a mirror."""
    path = _path(home, state.url)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    temporary = f"{path}.{os.getpid()}.tmp"
    value = {**vars(state), "refs": {quoted(name): oid for name, oid in state.refs.items()}}
    value["default"] = quoted(state.default)
    value["error"] = state.error.encode("utf-8", "backslashreplace").decode()
    with open(temporary, "wb") as file:
        file.write(orjson.dumps(value, option=orjson.OPT_INDENT_2))
    os.replace(temporary, path)
