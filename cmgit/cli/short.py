"""``find`` from a fresh index, in little more than the time that Python takes to start.

It answers what it can answer fully and leaves everything else (another action, an unknown flag, a
stale index, a warning to be printed, any error) to the full command line by returning None.
"""

from __future__ import annotations

import os

from ..errors import CmgitError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..index.lookup import Hit, Index
    from ..query import Query

_ACTIONS = ("find", "search", "ls", "list")
_WITH_VALUE = ("tags", "repo", "limit")
_SWITCHES = ("json", "count")
BROKEN_PIPE = 141
STDOUT, STDERR = 1, 2


def run(words: Sequence[str]) -> int | None:
    """Answer the command line; returns the exit code, or None when this is not its job."""
    if len(words) < 2 or words[0] not in _ACTIONS:
        return None
    parsed = _parse(words[1:])
    if parsed is None:
        return None
    names, flags = parsed
    if names[0] in ("repo", "repo,55c3e27e8a140e48", "55c3e27e8a140e48") or _here(names, flags):
        return None
    from ..home import default_home
    from ..index.lookup import open_fresh
    from ..index.pages import DamagedIndex

    index = open_fresh(default_home(os.environ))
    if index is None or any(r.problem or r.warnings for r in index.manifest.repositories.special):
        return None
    try:
        return _answer(index, names, flags)
    except (CmgitError, DamagedIndex, ValueError):
        return None


def _here(names: list[str], flags: dict[str, str]) -> bool:
    """Whether a word is of the current directory, which only the full command line knows."""
    return any(word.split(":")[0] == "." for word in (*names, flags.get("repo", "")))


def _parse(words: Sequence[str]) -> tuple[list[str], dict[str, str]] | None:
    names, flags = [], {}
    for word in words:
        if word.startswith("@"):
            return None
        if not word.startswith("-"):
            names.append(word)
            continue
        key, equals, value = word.lstrip("-").partition("=")
        if key not in (_WITH_VALUE if equals else _SWITCHES):
            return None
        if key == "limit" and not value.isdecimal():
            return None
        flags[key] = value
    return (names, flags) if names and len(names) <= 2 else None


def _answer(index: Index, names: list[str], flags: dict[str, str]) -> int | None:
    from ..index.lookup import check_automation
    from ..query import Query

    query = Query.parse(
        names[0], names[1] if len(names) > 1 else "", flags.get("tags", ""), flags.get("repo", "")
    )
    if query.automation_repo or not index.repository_numbers(query.repo):
        return None
    check_automation(index, query.automation)
    return write(lines(index, query, flags))


def lines(index: Index, query: Query, flags: dict[str, str]) -> bytes:
    """What ``find`` prints: a count, a JSON object for each hit, or its name."""
    from itertools import islice

    found = index.find(query)
    limit = int(flags["limit"]) if "limit" in flags else len(found)
    if "count" in flags:
        return b"%d\n" % min(limit, len(found))
    hits = islice(found, limit)
    if "json" in flags:
        return b"".join(json_line(hit) for hit in hits)
    return "".join(f"{hit.name()}\n" for hit in hits).encode("utf-8", "surrogateescape")


def json_line(hit: Hit) -> bytes:
    """The record, without what only inheritance needs, and the values of its repository: what
    ``Artifact.to_dict`` says."""
    from _json import encode_basestring as quoted

    record, repository = hit.record, hit.repository
    values = {key: quoted(value) for key, value in record.items() if isinstance(value, str)}
    values.pop("base", None)
    values["tags"] = f"[{','.join(map(quoted, record['tags']))}]"
    values["repo"], values["repo_uid"] = quoted(repository.alias), quoted(repository.uid)
    values["commit"] = quoted(repository.commit if record["tree"] else "")
    line = ",".join(f'"{key}":{values[key]}' for key in _JSON_KEYS)
    return f"{{{line}}}\n".encode()


_JSON_KEYS = (
    "uid", "alias", "automation_alias", "automation_uid", "path", "tags", "tree", "repo",
    "repo_uid", "commit",
)  # fmt: skip


def write(data: bytes) -> int:
    """Write to stdout in one piece; returns the exit code, that of a broken pipe included."""
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(STDOUT, view) :]
    except BrokenPipeError:
        return BROKEN_PIPE
    except OSError as error:
        os.write(STDERR, f"cmgit: stdout: {error.strerror}\n".encode())
        return 1
    return 0
