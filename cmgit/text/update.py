"""Bringing the text index up to what the index knows and what READMEs say.

A text index is a numbered directory that never changes. The next one is made of links to the
files of the last, with what is new beside them, under a name of its own; at the end it gets its
number. So a process that is killed leaves a directory to be swept and nothing else, and nobody
sees half of a change. One process at a time does this; those that search do not wait for it.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from itertools import chain

import orjson

from ..errors import Busy
from ..index.lookup import Index
from ..index.pages import DamagedIndex
from ..index.record import sealed
from ..index.watch import UNSURE, Signature, read_watch, signature
from ..index.writer import write_watch
from ..names import Name
from ..query import Query
from ..store.locks import process_lock
from .changes import Changes, Numbered, keep, kept
from .engine import VERSION, DamagedText
from .lookup import (
    DIRECTORY,
    ENGINE,
    FORMAT,
    STATE,
    Matches,
    TextIndex,
    generation,
    generations,
    identity,
    open_text,
    read_state,
)
from .reader import Reader, place_of
from .terms import key
from .writer import Writer

Report = Callable[[str], None]
Link = Callable[[str, str], None]

SNAPSHOT = "index"  # links to the index that it was made from
_NOT_HERE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT)
_MANY = 5_000  # so many documents are worth several threads
_PROGRESS = 1_000
_TRIES = 20


def search(
    home: str,
    index: Callable[[], Index],
    query: Query,
    text: str,
    limit: int | None,
    report: Report,
) -> Matches:
    """What :meth:`TextIndex.find` finds in a text index that is up to date; one that turns out to
    be damaged is built anew."""
    try:
        return fresh_text(home, index, report).find(query, text, limit)
    except DamagedText as error:
        report(f"warning: the text index was damaged and is built anew ({error})")
        with process_lock(_lock(home)):
            shutil.rmtree(os.path.join(home, DIRECTORY), ignore_errors=True)
        return fresh_text(home, index, report).find(query, text, limit)


def _lock(home: str) -> str:
    return os.path.join(home, "locks", "text")


def fresh_text(home: str, index: Callable[[], Index], report: Report) -> TextIndex:
    """The text index of a home, brought up to date; in a temporary directory where nothing can be
    written. ``index`` gives the index as of now."""
    for _ in range(_TRIES):
        now = index()
        found = open_text(home, now)
        if found is not None:
            return found
        if not os.path.isdir(now.directory):
            return _elsewhere(home, now, report)  # the index is in memory only
        try:
            with process_lock(_lock(home)):
                now = index()  # others may have gone on meanwhile
                return open_text(home, now) or _next(home, now, report)
        except FileNotFoundError:
            continue  # the index was replaced
        except OSError as error:
            if error.errno not in _NOT_HERE:
                raise
            return _elsewhere(home, index(), report)
    raise Busy("the index kept changing", "try it again")


def _next(home: str, index: Index, report: Report) -> TextIndex:
    """Make the next generation, with the lock held."""
    _sweep(home)
    target = os.path.join(home, DIRECTORY, f"tmp-{os.getpid()}")
    os.makedirs(target)
    try:
        keep(index, os.path.join(target, SNAPSHOT))
        number = _build(home, target, index, report, os.link) + 1
        place = generation(home, number)
        os.rename(target, place)
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise
    text = TextIndex(place, index)
    _sweep(home)
    return text


def _elsewhere(home: str, index: Index, report: Report) -> TextIndex:
    """The same in a temporary directory, for a home that cannot be written."""
    target = tempfile.mkdtemp(prefix="cmgit-")
    try:
        _build(home, target, index, report, os.symlink)
        return TextIndex(target, index)
    finally:
        shutil.rmtree(target, ignore_errors=True)


def _sweep(home: str) -> None:
    """Remove all but the newest generation, and what killed processes left."""
    keep = [str(number) for number in generations(home)[:1]]
    directory = os.path.join(home, DIRECTORY)
    for name in os.listdir(directory) if os.path.isdir(directory) else ():
        if name not in keep:
            shutil.rmtree(os.path.join(directory, name), ignore_errors=True)


def _build(home: str, target: str, index: Index, report: Report, link: Link) -> int:
    """Fill a directory, from the newest generation if it can be read; returns its number, or 0."""
    number = max(generations(home), default=0)
    if number:
        try:
            _fill(target, index, _Last(generation(home, number), link), report)
        except (DamagedText, DamagedIndex) as error:
            report(f"warning: the text index is built anew ({error})")
            shutil.rmtree(os.path.join(target, ENGINE), ignore_errors=True)
        else:
            return number
    _fill(target, index, None, report)
    return number


class _Last:
    """The generation before: what it was made from, and its files."""

    def __init__(self, directory: str, link: Link) -> None:
        """Read it; raises DamagedText or DamagedIndex."""
        watch = read_state(directory)["watch"]
        self.watched = read_watch(os.path.join(directory, watch)) if watch else {}
        self.index = kept(os.path.join(directory, SNAPSHOT))
        self._directory = os.path.join(directory, ENGINE)
        self._link = link

    def link_to(self, target: str) -> None:
        """Put links to the files of tantivy into a directory; it replaces files, never changes
        them."""
        for name in os.listdir(self._directory):
            if not name.endswith(".lock"):
                self._link(os.path.join(self._directory, name), os.path.join(target, name))


def _fill(target: str, index: Index, last: _Last | None, report: Report) -> None:
    """Write tantivy's files and the state of a generation."""
    engine = os.path.join(target, ENGINE)
    os.mkdir(engine)
    if last is not None:
        last.link_to(engine)
    changes = Changes(last.index if last else None, index)
    again = _edited(last, index, changes) if last else []
    gone = [*changes.gone(), *again]
    reader, places = Reader(index.manifest.repositories), _Places(last, index)
    for number, record in gone:
        places.forget(number, record["path"])
    if last is None or gone or any(True for _ in changes.fresh()):
        with Writer(engine, many=changes.size > _MANY) as writer:
            for number, record in gone:
                writer.remove(key(number, record["path"]))
            for done, document in enumerate(reader.documents(chain(changes.fresh(), again))):
                if last is not None:
                    writer.remove(document.key)
                writer.add(document)
                if done and done % _PROGRESS == 0:
                    report(f"reading texts: {done}")
    _write_state(target, index, {**places.left(), **reader.watched})


def _write_state(target: str, index: Index, watched: Mapping[str, Signature]) -> None:
    state = {
        "format": FORMAT,
        "engine": VERSION,
        "index": identity(index.manifest),
        "watch": write_watch(target, watched) if watched else "",
    }
    with open(os.path.join(target, STATE), "xb") as file:
        file.write(sealed(orjson.dumps(state)))


class _Places:
    """What was watched, without what is read again or gone."""

    def __init__(self, last: _Last | None, index: Index) -> None:
        states = [*(last.index.manifest.repositories if last else ()), *index.manifest.repositories]
        self._roots: dict[int, set[str]] = {}
        for state in states:
            self._roots.setdefault(state.number, set()).add(state.path)
        self._watched: Mapping[str, Signature] = last.watched if last else {}
        self._gone: set[str] = set()

    def forget(self, number: int, path: str) -> None:
        """Do not watch an artifact."""
        if self._watched:
            self._gone.update(place_of(root, path) for root in self._roots[number])

    def left(self) -> dict[str, Signature]:
        """What is still watched."""
        gone = self._gone
        return {
            path: found
            for path, found in self._watched.items()
            if os.path.dirname(path) not in gone
        }


def _edited(last: _Last, index: Index, changes: Changes) -> list[Numbered]:
    """The artifacts of working repositories whose files are not as they were, and that are not
    read again anyway."""
    edited = {path for path, found in last.watched.items() if signature(path) != found}
    edited |= _seen_by_index(last.index, index)
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


def _seen_by_index(old: Index, new: Index) -> set[str]:
    """The paths that the index watches, and that are not as they were in another state of it. It
    knows less of an artifact than is searched, so that its record may be the same."""
    before = {state.number: state.watch for state in old.manifest.repositories if state.watch}
    found: set[str] = set()
    for state in new.manifest.repositories:
        if not state.watch or before.get(state.number) == state.watch:
            continue
        watched = _watched(new, state.watch)
        seen = _watched(old, before.get(state.number, ""))
        found |= {p for p, now in watched.items() if now == UNSURE or seen.get(p) != now}
        found |= seen.keys() - watched.keys()
    return found


def _watched(index: Index, name: str) -> dict[str, Signature]:
    """What a state of the index watches; nothing for one that is in memory only."""
    path = os.path.join(index.directory, name)
    return read_watch(path) if os.path.isfile(path) else {}
