"""The registry: which repositories a home knows, in their order.

``registry.json`` in the home is a JSON object with ``format`` (1), ``next`` (the number that the
next repository gets) and ``repositories``, a list of objects with ``number``, ``alias``, ``uid``,
``kind`` (``bare`` or ``working``), ``path`` (relative to the home for bare ones), ``url`` and
``branch`` (empty where there are none). It is replaced by rename, under a lock; ``registry.json~``
is the one before. When both are damaged it is made anew from the bare repositories of the home
and ``local``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace

import orjson

from .errors import AlreadyExists, AmbiguousError, NotFound
from .names import Name, same_word
from .store.locks import process_lock

FORMAT = 1
LOCAL = Name("local", "9a3280b14a4285c9")
BARE, WORKING = "bare", "working"


@dataclass(frozen=True)
class Entry:
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


class Registry:
    """The registered repositories of a home."""

    def __init__(self, home: str) -> None:
        self.home = home
        self.path = os.path.join(home, "registry.json")
        self.warnings: list[str] = []
        self.entries, self._next = self._read()

    def _read(self) -> tuple[list[Entry], int]:
        for path in (self.path, self.path + "~"):
            try:
                with open(path, "rb") as file:
                    value = orjson.loads(file.read())
                entries = [self._entry(item) for item in value["repositories"]]
                next_number = int(value["next"])
            except FileNotFoundError:
                continue
            except (AttributeError, KeyError, TypeError, ValueError):
                self.warnings.append(f"{path} is damaged; using what can be found without it")
                continue
            return entries, next_number
        return self._rebuilt() if self.warnings else ([], 0)

    def _entry(self, item: dict[str, str | int]) -> Entry:
        path = os.path.join(self.home, str(item.pop("path")))
        return Entry(path=os.path.normpath(path), **item)  # type: ignore[arg-type]

    def _rebuilt(self) -> tuple[list[Entry], int]:
        from .repository import read_description

        found = [Entry(0, LOCAL.alias, LOCAL.uid, WORKING, os.path.join(self.home, "local"))]
        directory = os.path.join(self.home, "repos")
        for name in sorted(os.listdir(directory)) if os.path.isdir(directory) else []:
            path = os.path.join(directory, name)
            if name.endswith(".git"):
                description = read_description(path)
                alias = name.removesuffix(".git")
                found.append(Entry(len(found), alias, description.uid, BARE, path, description.url))
        return found, len(found)

    @contextmanager
    def change(self) -> Iterator[Registry]:
        """Read again under the lock, change, and write when the block ends without an error."""
        with process_lock(os.path.join(self.home, "locks", "registry")):
            self.entries, self._next = self._read()
            yield self
            self._write()

    def _write(self) -> None:
        items = []
        for entry in self.entries:
            item = asdict(entry)
            if entry.kind == BARE:
                item["path"] = os.path.relpath(entry.path, self.home)
            items.append(item)
        value = {"format": FORMAT, "next": self._next, "repositories": items}
        data = orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        for path in (self.path, self.path + "~"):
            temporary = f"{path}.{os.getpid()}.tmp"
            with open(temporary, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)

    def add(self, entry: Entry) -> Entry:
        """Register a repository, last in the order; returns it with its number.

        Raises AlreadyExists for an alias (in any case) or a UID that is taken.
        """
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
        entry = replace(entry, number=self._next)
        self._next += 1
        self.entries.append(entry)
        return entry

    def remove(self, entry: Entry) -> None:
        """Forget a repository; its files stay."""
        self.entries = [other for other in self.entries if other.number != entry.number]

    def update(self, entry: Entry) -> None:
        """Replace the entry with the same number."""
        self.entries = [entry if e.number == entry.number else e for e in self.entries]

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
