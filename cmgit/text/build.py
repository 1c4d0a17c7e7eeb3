"""Making a generation of the text index: from the one before and what changed since, or anew."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from itertools import chain

import orjson

from ..index.lookup import Index
from ..index.record import sealed
from ..index.watch import UNSURE, Signature, read_watch, signature
from ..index.writer import write_watch
from ..jobs import spread
from ..names import Name
from ..query import Query
from .changes import Changes, Numbered, kept
from .engine import VERSION
from .reader import Texts, jobs_of, place_of, read
from .state import ENGINE, FORMAT, SNAPSHOT, STATE, identity, read_state
from .terms import key
from .writer import Writer

Link = Callable[[str, str], None]

MANY = 5_000  # so many documents are worth several threads and processes
_MANY_JOBS = 50


class Last:
    """The generation before: what it was made from, and its files."""

    def __init__(self, directory: str, home: str) -> None:
        """Read it; raises DamagedText or DamagedIndex."""
        watch = read_state(directory, VERSION)["watch"]
        self.watched = read_watch(os.path.join(directory, watch), home) if watch else {}
        self.index = kept(os.path.join(directory, SNAPSHOT), home)
        self._directory = os.path.join(directory, ENGINE)

    def link_to(self, target: str, link: Link) -> None:
        """Put links to the files of tantivy into a directory; it replaces files, never changes
        them."""
        for name in os.listdir(self._directory):
            if not name.endswith(".lock"):
                link(os.path.join(self._directory, name), os.path.join(target, name))


class Generation:
    """A generation in the making, in a directory of its own.

    ``jobs`` processes read texts at once; ``link`` makes a link to a file of the generation before.
    """

    def __init__(
        self,
        home: str,
        directory: str,
        index: Index,
        report: Callable[[str], None],
        jobs: int = 1,
        link: Link = os.link,
    ) -> None:
        self._home = home
        self._directory = directory
        self._index = index
        self._report = report
        self._jobs = jobs
        self._link = link

    def make(self, last: Last | None) -> None:
        """Write tantivy's files and the state. Raises OSError when there is no room, DamagedText
        or DamagedIndex when the generation before cannot be built on."""
        engine = os.path.join(self._directory, ENGINE)
        os.mkdir(engine)
        if last is not None:
            last.link_to(engine, self._link)
        changes = Changes(last.index if last else None, self._index)
        again = _edited(self._home, last, self._index, changes) if last else []
        gone = [*changes.gone(), *again]
        watched = _still_watched(last, self._index, gone) if last else {}
        if last is None or gone or any(True for _ in changes.fresh()):
            with Writer(engine, many=changes.size > MANY) as writer:
                for number, record in gone:
                    writer.remove(key(number, record["path"]))
                for texts in self._texts(chain(changes.fresh(), again)):
                    for document in texts.documents:
                        if last is not None:
                            writer.remove(document.key)
                        writer.add(document)
                    watched.update(texts.watched)
        self._write_state(watched)

    def _texts(self, records: Iterator[Numbered]) -> Iterator[Texts]:
        done, work = 0, jobs_of(self._index.manifest.repositories, records)
        for texts in spread(self._jobs, read, work, _MANY_JOBS):
            yield texts
            done += len(texts.documents)
            self._report(f"reading texts: {done}")

    def _write_state(self, watched: Mapping[str, Signature]) -> None:
        state = {
            "format": FORMAT,
            "engine": VERSION,
            "index": identity(self._index.manifest),
            "watch": write_watch(self._directory, self._home, watched) if watched else "",
        }
        with open(os.path.join(self._directory, STATE), "xb") as file:
            file.write(sealed(orjson.dumps(state)))


def _still_watched(last: Last, index: Index, gone: list[Numbered]) -> dict[str, Signature]:
    """What was watched, without the READMEs of what is gone or read again."""
    roots: dict[int, set[str]] = {}
    for state in chain(last.index.manifest.repositories, index.manifest.repositories):
        roots.setdefault(state.number, set()).add(state.path)
    places = {place_of(root, r["path"]) for number, r in gone for root in roots[number]}
    return {p: found for p, found in last.watched.items() if os.path.dirname(p) not in places}


def _edited(home: str, last: Last, index: Index, changes: Changes) -> list[Numbered]:
    """The artifacts of working repositories whose files are not as they were, and that are not
    read again anyway."""
    edited = {path for path, found in last.watched.items() if signature(path) != found}
    edited |= _seen_by_index(home, last.index, index)
    if not edited:
        return []
    edited |= {os.path.dirname(path) for path in edited}
    fresh = {key(number, record["path"]) for number, record in changes.fresh()}
    return [
        (state.number, hit.record)
        for state in index.manifest.repositories
        if any(path.startswith(os.path.join(state.path, "")) for path in edited)
        for hit in index.find(Query(repo=Name("", state.uid)))
        if place_of(state.path, hit.record["path"]) in edited
        and key(state.number, hit.record["path"]) not in fresh
    ]


def _seen_by_index(home: str, old: Index, new: Index) -> set[str]:
    """The paths that the index watches, and that are not as they were in another state of it. It
    knows less of an artifact than is searched, so that its record may be the same."""
    before = {state.number: state.watch for state in old.manifest.repositories.special}
    found: set[str] = set()
    for state in new.manifest.repositories.special:
        if not state.watch or before.get(state.number) == state.watch:
            continue
        watched = _watched(home, new, state.watch)
        seen = _watched(home, old, before.get(state.number, ""))
        found |= {p for p, now in watched.items() if now == UNSURE or seen.get(p) != now}
        found |= seen.keys() - watched.keys()
    return found


def _watched(home: str, index: Index, name: str) -> dict[str, Signature]:
    """What a state of the index watches; nothing for one that is in memory only."""
    path = os.path.join(index.directory, name)
    return read_watch(path, home) if os.path.isfile(path) else {}
