"""``find``: what there is, in the order and the form that was asked for."""

from __future__ import annotations

import os
from itertools import islice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ...index.lookup import Hit, Hits, Index
    from ...query import Query
    from .words import Asked

NOT_FOUND = 16
STDERR = 2
SORT_KEYS: dict[str, Callable[[Hit], str]] = {
    "": lambda hit: "",  # as they are
    "alias": lambda hit: hit.segment.alias(hit.number),
    "uid": lambda hit: hit.segment.uid(hit.number),
    "automation_alias": lambda hit: hit.segment.automation(hit.number)[0],
    "repo": lambda hit: hit.repository.alias,
    "path": lambda hit: hit.path,
}


def answer(index: Index, query: Query, asked: Asked) -> tuple[bytes, int] | None:
    """What ``find`` prints: a count, a JSON object for each hit, its directory or its name."""
    found, limit = index.find(query), asked.limit
    number = len(found) if limit is None else min(limit, len(found))
    if not number and asks():
        return None
    code = NOT_FOUND if asked.has("strict") and not number else 0
    if asked.sort not in SORT_KEYS:
        return None
    if asked.has("count"):
        return b"%d\n" % number, code
    hits = sorted(found, key=SORT_KEYS[asked.sort]) if asked.sort else found
    data = _printed(islice(hits, limit), asked)
    return None if data is None else (data, code)


def asks() -> bool:
    """Whether a person is there, who is asked what was meant by what finds nothing."""
    return os.isatty(STDERR)


def _printed(hits: Iterable[Hit] | Hits, asked: Asked) -> bytes | None:
    if asked.has("json"):
        return b"".join(f"{{{json_values(hit)}}}\n".encode() for hit in hits)
    if asked.has("path"):
        from .places import directories

        return directories(hits, asked.home)
    return lines(hit.name() for hit in hits)


def lines(texts: Iterable[str]) -> bytes:
    """The bytes of lines."""
    return "".join([f"{text}\n" for text in texts]).encode("utf-8", "surrogateescape")


def json_values(hit: Hit) -> str:
    """What is between the braces of a JSON line: the record, without what only inheritance needs,
    and the values of its repository: what ``Artifact.to_dict`` says."""
    from _json import encode_basestring as quoted

    record, repository = hit.record, hit.repository
    values = {key: quoted(value) for key, value in record.items() if isinstance(value, str)}
    values.pop("base", None)
    values["tags"] = f"[{','.join(map(quoted, record['tags']))}]"
    values["repo"], values["repo_uid"] = quoted(repository.alias), quoted(repository.uid)
    values["commit"] = quoted(repository.commit if record["tree"] else "")
    return ",".join(f'"{key}":{values[key]}' for key in _JSON_KEYS)


_JSON_KEYS = (
    "uid", "alias", "automation_alias", "automation_uid", "path", "tags", "tree", "repo",
    "repo_uid", "commit",
)  # fmt: skip
