"""Bringing many mirrors in step at once, in processes of their own."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from threading import Thread
from typing import TYPE_CHECKING, Any

from ..errors import AlreadyExists, CmgitError, MetaError, RemoteError
from ..index.lookup import PENDING
from ..meta.parse import parse_file
from ..registry import BARE, Entry
from ..repository import DESCRIPTION_FILES, Repository
from ..store.remote import parse_source
from ..store.transport import chosen
from ..workspace import Workspace
from .sources import Mirror, Mirrors, new_mirror
from .state import key_of, read_state
from .sync import FAILED, NEW, Outcome, registered, sync_one

if TYPE_CHECKING:
    from concurrent.futures import Future

_BATCH = 50  # new repositories that are registered together
Tell = Callable[[str, str], None]
"""Gets the name of a mirror and what is going on with it."""


def sync(
    workspace: Workspace,
    mirrors: list[Mirror],
    jobs: int = 1,
    retries: int = 2,
    tell: Tell = lambda name, line: None,
) -> Iterator[Outcome]:
    """Bring mirrors in step, ``jobs`` at a time; yields how it went with each, as they end.

    One that fails keeps no other from going on. New ones are registered, and what recursive ones
    depend on is added to the set and brought too. The index is brought up to date once, at the
    end. Any number of processes may do this at the same time.
    """
    unregistered: list[Outcome] = []
    try:
        for outcome in _outcomes(workspace, mirrors, jobs, retries, tell):
            if outcome.state == NEW or (outcome.state == FAILED and outcome.path):
                unregistered.append(outcome)
            if len(unregistered) >= _BATCH:
                _register(workspace, unregistered)
                unregistered = []
            yield outcome
    finally:
        _register(workspace, unregistered)
        _refresh(workspace, mirrors)


def sync_entry(workspace: Workspace, entry: Entry) -> None:
    """Bring the mirror of one registered repository in step. Raises RemoteError."""
    known = [mirror for mirror in Mirrors(workspace.home).items if mirror.url == entry.url]
    plain = Mirror(entry.url, entry.alias, source=parse_source(entry.url))
    mirror = replace(known[0], recursive=False) if known else plain
    for outcome in sync(
        workspace, [mirror], retries=0, tell=lambda _, line: workspace.report(line)
    ):
        if outcome.state == FAILED:
            raise RemoteError(outcome.error, outcome.hint)


def _outcomes(
    workspace: Workspace, mirrors: list[Mirror], jobs: int, retries: int, tell: Tell
) -> Iterator[Outcome]:
    """Those of the mirrors, and of what recursive ones turn out to depend on."""
    known = {mirror.url: mirror for mirror in mirrors}
    run = _in_turn if jobs == 1 or (len(mirrors) == 1 and not mirrors[0].recursive) else _at_once
    todo = list(mirrors)
    while todo:
        found: list[Mirror] = []
        for outcome in run(workspace.home, todo, jobs, retries, tell):
            yield outcome
            if known[outcome.url].recursive and outcome.state != FAILED:
                found += _dependencies(workspace, outcome, known[outcome.url])
        todo = [mirror for mirror in {m.url: m for m in found}.values() if mirror.url not in known]
        known |= {mirror.url: mirror for mirror in todo}


def _in_turn(
    home: str, mirrors: list[Mirror], jobs: int, retries: int, tell: Tell
) -> Iterator[Outcome]:
    for mirror in mirrors:
        yield sync_one(home, mirror, retries, lambda line, name=mirror.name: tell(name, line))  # type: ignore[misc]


# -- many at once -----------------------------------------------------------------------------

_lines: Any = None  # where a worker says what is going on


def _start(lines: Any) -> None:
    global _lines
    _lines = lines


def _work(home: str, mirror: Mirror, retries: int) -> Outcome:
    return sync_one(home, mirror, retries, lambda line: _lines.put((mirror.name, line)))


def _at_once(
    home: str, mirrors: list[Mirror], jobs: int, retries: int, tell: Tell
) -> Iterator[Outcome]:
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    quick = all(mirror.source.path and read_state(home, mirror.url).synced for mirror in mirrors)
    if not quick:
        chosen()  # a fork shares what is imported
        if any(mirror.url.startswith("http") for mirror in mirrors):
            import urllib3  # noqa: F401
    # where threads may be about, a fork is not safe
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    lines = context.SimpleQueue()
    listener = Thread(target=_listen, args=(lines, tell), daemon=True)
    waiting = any(not mirror.source.path for mirror in mirrors)  # for a network, not for a disk
    most = jobs if waiting else (os.cpu_count() or 1) * (1 if quick else 2)
    workers = min(jobs, len(mirrors), most)
    with ProcessPoolExecutor(workers, context, _start, (lines,)) as pool:
        running = {pool.submit(_work, home, mirror, retries): mirror for mirror in mirrors}
        listener.start()
        try:
            yield from _as_they_end(running)
        finally:
            pool.shutdown(cancel_futures=True)
            lines.put(None)
            listener.join()


def _as_they_end(running: dict[Future[Outcome], Mirror]) -> Iterator[Outcome]:
    from concurrent.futures import FIRST_COMPLETED, wait
    from concurrent.futures.process import BrokenProcessPool

    while running:
        ended, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in ended:
            mirror = running.pop(future)
            try:
                yield future.result()
            except BrokenProcessPool:
                yield Outcome(
                    mirror.name, mirror.url, FAILED, error="its process was killed",
                    hint="do it again, with fewer --jobs if memory is short",
                )  # fmt: skip


def _listen(lines: Any, tell: Tell) -> None:
    while (item := lines.get()) is not None:
        tell(*item)


# -- what many have in common -----------------------------------------------------------------


def _register(workspace: Workspace, outcomes: list[Outcome]) -> None:
    """Register new repositories, in one write. One whose UID another has goes by a digest of its
    URL: it may be a fork."""
    if not outcomes:
        return
    with workspace.registry.change() as registry:
        known = {entry.url for entry in registry.entries}
        for outcome in outcomes:
            if outcome.url in known:  # another process was faster
                continue
            taken = any(entry.uid == outcome.uid for entry in registry.entries)
            uid = key_of(outcome.url) if taken or not outcome.uid else outcome.uid
            try:
                registry.add(Entry(0, outcome.name, uid, BARE, outcome.path, outcome.url))
            except AlreadyExists as error:
                workspace.report(f"warning: {outcome.path} is not registered: {error}")


def _refresh(workspace: Workspace, mirrors: list[Mirror]) -> None:
    """Bring the index up to date about all that changed, also in a sync that was killed."""
    pending = os.path.join(workspace.home, PENDING)
    entries = []
    for mirror in mirrors:
        with suppress(CmgitError):
            entry = registered(workspace.home, mirror)
            if entry and os.path.exists(os.path.join(pending, str(entry.number))):
                entries.append(entry)
    if entries:
        with workspace.changing_all(entries):
            pass
    workspace.index()


def _dependencies(workspace: Workspace, outcome: Outcome, parent: Mirror) -> list[Mirror]:
    """What the ``cmr.yaml`` of a mirrored repository depends on, added to the set; what is new in
    it has to be signed as the one that names it, and is without large files as that is."""
    found = []
    with Mirrors(workspace.home).change() as mirrors:
        for text in _named(workspace, outcome):
            try:
                mirror = new_mirror(text, "", True, parent.signed, parent.signers, parent.lfs)
                there = [other for other in mirrors.items if other.url == mirror.url]
                if not there:
                    mirrors.add(mirror)
                found += [replace(other, recursive=True) for other in there] or [mirror]
            except CmgitError as error:
                workspace.report(f"warning: {outcome.name} depends on {text}: {error}")
    return found


def _named(workspace: Workspace, outcome: Outcome) -> list[str]:
    """The URLs, or else the aliases, under ``deps`` (not those of a conflict)."""
    path = outcome.path
    try:
        repository = Repository.open(path, outcome.name)
        for file in DESCRIPTION_FILES:
            if repository.exists(file):
                meta = parse_file(file, repository.read_file(file), f"{outcome.name}/{file}")
                deps = meta.get("deps") or []
                named = [d for d in deps if isinstance(d, dict) and not d.get("conflict")]
                return [
                    str(d.get("url") or d.get("alias"))
                    for d in named
                    if d.get("url") or d.get("alias")
                ]
    except MetaError as error:
        workspace.report(f"warning: {error}")
    return []
