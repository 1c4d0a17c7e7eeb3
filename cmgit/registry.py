"""The registry: which repositories a home knows, in their order.

``registry.json`` in the home is a JSON object with ``format`` (1), ``next`` (the number that the
next repository gets) and ``repositories``, a list of objects with ``number``, ``alias``, ``uid``,
``kind`` (``bare`` or ``working``), ``path`` (relative to the home for what is inside), ``url`` and
``branch`` (empty where there are none). ``check`` is a checksum of the other values; who edits the
file by hand takes it out. The file is replaced by rename, under a lock; ``registry.json~`` is a
copy. When both are lost they are made anew from what the index knows, ``local``, and the bare
repositories of the home.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import orjson

from .errors import AlreadyExists, AmbiguousError, NotFound, UsageError
from .home import stored_path
from .index.manifest import DIRECTORY, read_manifest
from .index.pages import DamagedIndex
from .index.record import digest
from .names import Name, is_utf8, same_word
from .store.locks import process_lock

FORMAT = 1
LOCAL = Name("local", "9a3280b14a4285c9")
BARE, WORKING = "bare", "working"


class Entry(NamedTuple):
    """One registered repository; ``path`` is absolute."""

    number: int
    alias: str
    uid: str
    kind: str
    path: str
    url: str = ""
    branch: str = ""

    @property
    def name(self) -> str:
        """``alias,uid``, the words that name it."""
        return f"{self.alias},{self.uid}"


def check_path(path: str) -> None:
    """Raise UsageError for a path that JSON cannot hold."""
    if not is_utf8(path):
        raise UsageError(f"{path} is no UTF-8", "choose another name")


def _check(value: dict[str, object]) -> str:
    return digest(orjson.dumps(value, option=orjson.OPT_SORT_KEYS))


def _next(entries: list[Entry]) -> int:
    return max((entry.number for entry in entries), default=-1) + 1


def _url(path: str) -> str:
    from .repository import read_description

    return read_description(path).url


class Registry:
    """The registered repositories of a home."""

    def __init__(self, home: str) -> None:
        self.home = home
        self._real_home = os.path.realpath(home)
        self.path = os.path.join(home, "registry.json")
        self.warnings: list[str] = []
        self.outdated = False  # whether the file says an absolute path of what is inside the home
        self.entries, self._next = self._read()

    def _read(self) -> tuple[list[Entry], int]:
        for path in (self.path, self.path + "~"):
            try:
                with open(path, "rb") as file:
                    value = orjson.loads(file.read())
                if value.pop("check", None) not in (None, _check(value)):
                    raise ValueError
                entries = [self._entry(item) for item in value["repositories"]]
                next_number = int(value["next"])
            except FileNotFoundError:
                continue
            except (AttributeError, KeyError, TypeError, ValueError):
                if not self.warnings:
                    self.warnings.append(f"{path} is damaged; using what can be found without it")
                continue
            return entries, next_number
        rest = self._of_index() + self._of_repos([])
        return self._rebuilt() if self.warnings or rest else ([], 0)

    def _entry(self, item: dict[str, str | int]) -> Entry:
        stored = str(item.pop("path"))
        path = os.path.normpath(os.path.join(self.home, stored))
        self.outdated |= os.path.isabs(stored) and not os.path.isabs(self._stored(path))
        return Entry(path=path, **item)  # type: ignore[arg-type]

    def _stored(self, path: str) -> str:
        """A path as the file has it; the home may be known by a link, the path be the real one."""
        stored = stored_path(self.home, path)
        return stored if stored != path else stored_path(self._real_home, path)

    def _rebuilt(self) -> tuple[list[Entry], int]:
        found = self._of_index()
        if not any(entry.uid == LOCAL.uid for entry in found):
            path = os.path.join(self.home, "local")
            found.insert(0, Entry(_next(found), LOCAL.alias, LOCAL.uid, WORKING, path))
        found += self._of_repos(found)
        return found, _next(found)

    def _of_index(self) -> list[Entry]:
        """The repositories that the index knows and that are still there."""
        try:
            states = list(read_manifest(os.path.join(self.home, DIRECTORY), self.home).repositories)
        except DamagedIndex:
            return []
        return [
            Entry(s.number, s.alias, s.uid, s.kind, s.path, _url(s.path) if s.kind == BARE else "")
            for s in states
            if os.path.isdir(s.path)
        ]

    def _of_repos(self, known: list[Entry]) -> list[Entry]:
        """The bare repositories of the home that are not known."""
        from .repository import read_description

        found: list[Entry] = []
        directory = os.path.join(self.home, "repos")
        for name in sorted(os.listdir(directory)) if os.path.isdir(directory) else []:
            path = os.path.join(directory, name)
            if name.endswith(".git") and not any(entry.path == path for entry in known):
                alias, uid, url = name.removesuffix(".git"), read_description(path).uid, _url(path)
                uid = uid or digest(url.encode())
                found.append(Entry(_next(known + found), alias, uid, BARE, path, url))
        return found

    @contextmanager
    def change(self, wait_seconds: float = -1) -> Iterator[Registry]:
        """Read again under the lock, change, and write when the block ends without an error.

        Raises Busy when the time is over.
        """
        with process_lock(os.path.join(self.home, "locks", "registry"), wait_seconds):
            self.entries, self._next = self._read()
            yield self
            self._write()

    def _write(self) -> None:
        items = []
        for entry in self.entries:
            items.append({**entry._asdict(), "path": self._stored(entry.path)})
        value = {"format": FORMAT, "next": self._next, "repositories": items}
        value["check"] = _check(value)
        data = orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        for path in (self.path, self.path + "~"):
            temporary = (
                f"{path}.tmp"  # under the lock: the next one replaces what a killed one left
            )
            with open(temporary, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)

    def add(self, entry: Entry) -> Entry:
        """Register a repository, last in the order; returns it with its number.

        Raises AlreadyExists for an alias (in any case) or a UID that is taken, UsageError for a
        path that is no UTF-8.
        """
        check_path(self._stored(entry.path))
        for other in self.entries:
            if same_word(other.alias) == same_word(entry.alias):
                raise AlreadyExists(
                    f"repository {other.alias!r} is registered already ({other.path})",
                    f"'cmgit rm repo {other.alias}' unregisters it, or choose another name",
                )
            if other.uid == entry.uid:
                raise AlreadyExists(
                    f"repository {other.name!r} has the UID of {entry.alias!r} ({other.path})",
                    f"'cmgit rm repo {other.alias}' unregisters it",
                )
        entry = entry._replace(number=self._next)
        self._next += 1
        self.entries.append(entry)
        return entry

    def remove(self, entry: Entry) -> None:
        """Forget a repository; its files stay."""
        self.entries = [other for other in self.entries if other.number != entry.number]

    def update(self, entry: Entry) -> None:
        """Replace the entry with the same number."""
        self.entries = [entry if e.number == entry.number else e for e in self.entries]

    def current(self, entry: Entry) -> Entry:
        """What is registered now where an entry was: its path, kind and branch may be others.

        Raises NotFound when it was unregistered meanwhile.
        """
        for other in self.entries:
            if (other.number, other.uid) == (entry.number, entry.uid):
                return other
        raise NotFound(f"repository {entry.alias!r} was unregistered", "see 'cmgit find repo'")

    def find(self, name: Name) -> list[Entry]:
        """The repositories that go by a name, in their order."""
        return [entry for entry in self.entries if name.accepts(entry.alias, entry.uid)]

    def one(self, name: Name) -> Entry:
        """The one repository that goes by a name; NotFound or AmbiguousError otherwise."""
        found = self.find(name)
        if not found:
            raise NotFound(f"repository {str(name)!r} not found", "see 'cmgit find repo'")
        if len(found) > 1:
            names = ", ".join(entry.alias for entry in found)
            raise AmbiguousError(f"{str(name)!r} names several repositories: {names}")
        return found[0]
