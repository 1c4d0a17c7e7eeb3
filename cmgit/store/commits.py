"""Commits: what they say, and who makes them when."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple

from dulwich.config import StackedConfig
from dulwich.objects import Commit as DulwichCommit
from dulwich.repo import DefaultIdentityNotFound, InvalidUserIdentity, get_user_identity

from ..errors import GitError
from .dates import parse_iso
from .objects import ObjectID

_RAW_DATE = re.compile(r"@?(?P<seconds>\d+) (?P<sign>[+-])(?P<hours>\d\d)(?P<minutes>\d\d)")


class Commit(NamedTuple):
    """A commit; ``time`` is the committer's in seconds since 1970, ``zone`` in seconds east."""

    oid: ObjectID
    tree: ObjectID
    parents: tuple[ObjectID, ...]
    author: str
    time: int
    zone: int
    message: str


class Signature(NamedTuple):
    """Who commits, and when: seconds since 1970, and seconds east of Greenwich."""

    name: str
    email: str
    time: int
    zone: int = 0

    def __str__(self) -> str:
        """As it stands in a commit."""
        sign, seconds = ("-", -self.zone) if self.zone < 0 else ("+", self.zone)
        minutes = seconds // 60
        zone = f"{sign}{minutes // 60:02}{minutes % 60:02}"
        return f"{self.name} <{self.email}> {self.time} {zone}"


def parse_commit(oid: ObjectID, data: bytes, parents: Callable[..., Any]) -> Commit:
    """The commit with an id and these bytes; ``parents`` is dulwich's way to ask for them."""
    commit = DulwichCommit.from_string(data)
    return Commit(
        oid,
        ObjectID(commit.tree.decode("ascii")),
        tuple(ObjectID(p.decode("ascii")) for p in parents(oid.encode("ascii"), commit)),
        commit.author.decode("utf-8", "replace"),
        commit.commit_time,
        commit.commit_timezone,
        commit.message.decode("utf-8", "replace"),
    )


def encode_commit(
    tree: ObjectID,
    parents: tuple[ObjectID, ...],
    message: str,
    author: Signature,
    committer: Signature,
) -> bytes:
    """The bytes of a commit."""
    lines = [
        f"tree {tree}",
        *(f"parent {parent}" for parent in parents),
        f"author {author}",
        f"committer {committer}",
        "",
        message if message.endswith("\n") else message + "\n",
    ]
    return "\n".join(lines).encode("utf-8", "surrogateescape")


def tag_target(data: bytes) -> ObjectID:
    """The object that an annotated tag names."""
    return ObjectID(data.split(b"\n", 1)[0].split(b" ")[1].decode("ascii"))


def signature(config: StackedConfig, role: str) -> Signature:
    """Who Git would say is the AUTHOR or COMMITTER now, from the environment, its configuration
    or the system. Raises GitError when that is nobody."""
    name, email = _identity(config, role)
    given = os.environ.get(f"GIT_{role}_DATE", "").strip()
    seconds, zone = _parse_date(given) if given else _now()
    clean = str.maketrans("", "", "<>\n\0")
    return Signature(
        name.translate(clean).strip() or "unknown", email.translate(clean).strip(), seconds, zone
    )


def _identity(config: StackedConfig, role: str) -> tuple[str, str]:
    nobody = GitError(
        "Git does not know who you are",
        "git config --global user.name NAME; git config --global user.email EMAIL",
    )
    if config.get_boolean((b"user",), b"useConfigOnly", False):
        for key in ("name", "email"):
            if f"GIT_{role}_{key.upper()}" not in os.environ and not _has(config, key):
                raise nobody
    try:
        identity = get_user_identity(config, role).decode("utf-8", "replace")
    except (DefaultIdentityNotFound, InvalidUserIdentity, KeyError):
        raise nobody from None
    name, _, email = identity.rpartition(" <")
    return name, email


def _has(config: StackedConfig, key: str) -> bool:
    try:
        return bool(config.get((b"user",), key.encode()))
    except KeyError:
        return False


def _now() -> tuple[int, int]:
    now = int(time.time())
    return now, _east(datetime.fromtimestamp(now).astimezone())


def _parse_date(text: str) -> tuple[int, int]:
    """Seconds and zone of a date as Git's environment has it: raw, ISO 8601 or RFC 2822."""
    raw = _RAW_DATE.fullmatch(text)
    if raw:
        east = timedelta(hours=int(raw["hours"]), minutes=int(raw["minutes"]))
        zone = timezone(-east if raw["sign"] == "-" else east)
        when = datetime.fromtimestamp(int(raw["seconds"]), zone)
    else:
        when = _parse_calendar_date(text)
    when = when if when.tzinfo else when.astimezone()
    return int(when.timestamp()), _east(when)


def _parse_calendar_date(text: str) -> datetime:
    from email.utils import parsedate_to_datetime

    for parse in (parse_iso, parsedate_to_datetime):
        try:
            return parse(text)
        except (ValueError, TypeError):
            continue
    raise GitError(
        f"the date {text!r} in the environment is none that Git writes",
        "GIT_AUTHOR_DATE='2026-01-31T12:00:00+00:00'",
    )


def _east(when: datetime) -> int:
    offset = when.utcoffset()
    return int(offset.total_seconds()) if offset else 0
