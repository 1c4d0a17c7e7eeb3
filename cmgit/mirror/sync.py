"""Bringing one mirror in step with its source.

A new one is made beside its place and renamed; of one that is there, the objects come first and
are made durable, then the refs move, each at once. A ref that disappears or is forced is kept under
``refs/cmgit/kept/DATE/``. A killed process leaves what the next one sweeps or finishes.
"""

from __future__ import annotations

import os
import random
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple, TypeVar

from ..errors import AlreadyExists, CmgitError, MetaError, NotFound, UsageError
from ..index.lookup import PENDING
from ..registry import BARE, Entry, Registry
from ..repository import Repository, read_description
from ..store import git_program
from ..store.git import GitRepository
from ..store.locks import process_lock
from ..store.objects import ObjectID
from ..store.quarantine import Quarantine, set_origin
from ..store.ref_files import read_refs
from ..store.refs import OWN, check_together, replace_refs
from ..store.remote import Fetched, advertised, clone, receive
from ..store.transport import Interrupted, chosen
from .large import bring, known_none
from .signed import Policy, check_signed
from .sources import Mirror
from .state import State, key_of, read_state, write_state

NEW, CHANGED, SAME, FAILED = "new", "changed", "same", "failed"
_PAUSE = 2.0  # seconds before the second try; each later one waits four times as long
_MANY_PACKS = 50

Report = Callable[[str], None]
T = TypeVar("T")


class Outcome(NamedTuple):
    """How it went with one mirror. ``kept`` are the refs that would have been lost. One that failed
    has a path when only some of its large files did not come."""

    name: str
    url: str
    state: str
    path: str = ""
    uid: str = ""
    refs: int = 0
    bytes: int = 0
    seconds: float = 0.0
    kept: tuple[str, ...] = ()
    error: str = ""
    hint: str = ""

    def to_dict(self) -> dict[str, object]:
        """For JSON."""
        return self._asdict()


def sync_one(home: str, mirror: Mirror, retries: int, report: Report) -> Outcome:
    """Bring one mirror in step, trying again when the network fails; tells what goes wrong in
    what it returns. It is not registered, and the index is not brought up to date."""
    begun = time.time()
    try:
        outcome, all_here = _tried(lambda: _synced(home, mirror, report), retries, report)
        if not all_here:
            outcome = _with_large(home, mirror, outcome, retries, report)
        return outcome._replace(seconds=time.time() - begun)
    except (CmgitError, OSError) as error:
        hint = getattr(error, "hint", "")
        state = read_state(home, mirror.url)
        write_state(home, replace(state, tried=begun, error=str(error)))
        seconds = time.time() - begun
        return Outcome(
            mirror.name, mirror.url, FAILED, seconds=seconds, error=str(error), hint=hint
        )


def _with_large(
    home: str, mirror: Mirror, outcome: Outcome, retries: int, report: Report
) -> Outcome:
    """The outcome when the large files came, too; a failed one, of a repository that is there,
    when some did not."""
    try:
        size = _tried(lambda: bring(home, mirror, outcome.path, report), retries, report)
    except CmgitError as error:
        write_state(home, replace(read_state(home, mirror.url), error=str(error)))
        return outcome._replace(state=FAILED, error=str(error), hint=error.hint)
    state = CHANGED if size and outcome.state == SAME else outcome.state
    return outcome._replace(state=state, bytes=outcome.bytes + size)


def _tried(call: Callable[[], T], retries: int, report: Report) -> T:
    pause = _PAUSE
    for _ in range(retries):
        try:
            return call()
        except Interrupted as error:
            report(f"{error}; trying again in {pause:.0f} s")
            time.sleep(pause * random.uniform(0.75, 1.25))
            pause *= 4
    return call()


def _synced(home: str, mirror: Mirror, report: Report) -> tuple[Outcome, bool]:
    """How it went, and whether it is known that no large file is lacking."""
    key = key_of(mirror.url)
    with process_lock(os.path.join(home, "locks", f"pull-{key}")):
        entry = registered(home, mirror)
        path = entry.path if entry else os.path.join(home, "repos", f"{mirror.name}.git")
        state = read_state(home, mirror.url)
        trust = Trust(home, mirror, state)
        if entry and (same := _unchanged(home, mirror, path, trust, state)):
            return same
        if os.path.lexists(path):
            return _update(home, mirror, path, entry, trust, report), False
        place = os.path.join(home, "repos", f"tmp-{key}")
        return _make(home, mirror, path, place, trust, report), False


class Trust:
    """What has to be signed of a mirror, and what of it was found to be.

    Raises UsageError when nobody says who may sign, or who is mirrored does.
    """

    def __init__(self, home: str, mirror: Mirror, state: State) -> None:
        self._policy = policy_of(home, mirror)
        self._known = state.refs if state.signed == self.stamp else {}

    @property
    def stamp(self) -> str:
        """Another one whenever something else has to be signed, or by others."""
        return self._policy.stamp if self._policy else ""

    def check_at(self, path: str, refs: Mapping[str, ObjectID]) -> None:
        """The same for the repository at a path, which is not opened in vain."""
        if self._policy:
            with closing(GitRepository.open(path)) as git:
                self.check(git, refs)

    def check(self, git: GitRepository, refs: Mapping[str, ObjectID]) -> None:
        """Raise Untrusted when refs name what is not signed, and has to be."""
        if self._policy:
            check_signed(git, refs, self._policy, self._known)


def policy_of(home: str, mirror: Mirror) -> Policy | None:
    """What has to be signed of a mirror, or None; raises UsageError as Mirror.policy does."""
    return mirror.policy(home, [os.path.join(home, "repos"), *_registered(home).paths])


class _Registered:
    """The registry as it was when it was last replaced, to look up in."""

    def __init__(self, home: str) -> None:
        entries = Registry(home).entries
        self.paths = [entry.path for entry in entries]
        self.by_alias = {entry.alias: entry for entry in entries}
        self.by_url = {entry.url: entry for entry in reversed(entries) if entry.url}


def _registered(home: str) -> _Registered:
    return _registered_at(home, _stamp(os.path.join(home, "registry.json")))


@lru_cache(maxsize=1)
def _registered_at(home: str, stamp: tuple[int, ...]) -> _Registered:
    return _Registered(home)


def _stamp(path: str) -> tuple[int, ...]:
    """What is different when a file was replaced; nothing when it is not there."""
    try:
        found = os.stat(path)
    except OSError:
        return ()
    return found.st_ino, found.st_mtime_ns, found.st_size


def registered(home: str, mirror: Mirror) -> Entry | None:
    """The repository of a mirror in the registry; None when it is not there yet.

    Raises UsageError when it is a working one, and AlreadyExists when the name is another's.
    """
    known = _registered(home)
    entry = known.by_url.get(mirror.url)
    if entry and entry.kind != BARE:
        raise UsageError(f"{entry.alias} is a working repository", f"use git in {entry.path}")
    if not entry and (other := known.by_alias.get(mirror.name)):
        raise AlreadyExists(
            f"{mirror.name} is another repository ({other.url or other.path})",
            "give the mirror another --name",
        )
    return entry


def _unchanged(
    home: str, mirror: Mirror, path: str, trust: Trust, state: State
) -> tuple[Outcome, bool] | None:
    """What to say of a mirror that is in step already, as most are; None when it is not."""
    here = read_refs(path)
    if here is None or state.config != _stamp(os.path.join(path, "config")):
        return None
    got = advertised(mirror.source)
    wanted = wanted_refs(got)
    if not wanted or not in_step(here.refs, here.head, got):
        return None
    trust.check_at(path, wanted)
    _keep(home, mirror, path, got, trust)
    outcome = Outcome(mirror.name, mirror.url, SAME, path, refs=len(wanted))
    return outcome, known_none(state, here.refs)


def _make(
    home: str, mirror: Mirror, path: str, temporary: str, trust: Trust, report: Report
) -> Outcome:
    uid = ""

    def complete(quarantine: Quarantine, got: Fetched) -> None:
        nonlocal uid
        wanted = _not_empty(mirror, got)
        trust.check(quarantine.git, wanted)
        quarantine.make_repository(wanted, got.default, mirror.url, mirror=True)
        with suppress(NotFound, MetaError):
            uid = Repository(quarantine.git, mirror.name).description().uid

    shutil.rmtree(temporary, ignore_errors=True)  # of a killed process: the lock is ours
    os.makedirs(os.path.dirname(path), exist_ok=True)
    try:
        got = clone(mirror.source, temporary, complete, report)
        os.rename(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    _keep(home, mirror, path, got, trust)
    return Outcome(mirror.name, mirror.url, NEW, path, uid, len(wanted_refs(got)), pack_bytes(path))


def _update(
    home: str, mirror: Mirror, path: str, entry: Entry | None, trust: Trust, report: Report
) -> Outcome:
    repository = Repository.open(path, mirror.name)
    git = repository.git
    with closing(git):
        if git.remote_url() != mirror.url:
            raise AlreadyExists(
                f"{path} is there, from {git.remote_url() or 'elsewhere'}",
                "move it away, or give the mirror another --name",
            )
        with repository.locked():
            before = pack_bytes(path)
            _configure(git, mirror.url)
            got = receive(git, mirror.source, progress=report)
            wanted = _not_empty(mirror, got)
            trust.check(git, wanted)
            state, kept = SAME, []
            if not in_step(git.refs(), git.head().ref, got):
                state = CHANGED
                _mark(home, entry)
                kept = _move(git, got, wanted)
            _repack(git, report)
    _keep(home, mirror, path, got, trust)
    size = max(0, pack_bytes(path) - before)
    outcome = Outcome(mirror.name, mirror.url, state, path, "", len(wanted), size, 0.0, tuple(kept))
    return outcome if entry else outcome._replace(state=NEW, uid=read_description(path).uid)


def _mark(home: str, entry: Entry | None) -> None:
    """Tell readers not to trust the index about it, until it was refreshed."""
    if entry is not None:
        with open(os.path.join(home, PENDING, str(entry.number)), "wb"):
            pass


def _not_empty(mirror: Mirror, got: Fetched) -> dict[str, ObjectID]:
    wanted = wanted_refs(got)
    if not wanted:
        raise NotFound(f"{mirror.url} is empty: it has no refs", "is it still the right place?")
    check_together(wanted)
    return wanted


def wanted_refs(got: Fetched) -> dict[str, ObjectID]:
    """What a mirror takes of the other side's refs: all but what cmgit keeps for itself there."""
    return own_refs(got.refs)


def own_refs(refs: Mapping[str, ObjectID]) -> dict[str, ObjectID]:
    """The refs of a mirror that are to be those of its source."""
    return {n: o for n, o in refs.items() if n.startswith("refs/") and not n.startswith(OWN)}


def in_step(refs: Mapping[str, ObjectID], head: str | None, got: Fetched) -> bool:
    """Whether the refs of a mirror and its default branch are those of the other side."""
    return own_refs(refs) == wanted_refs(got) and head == (got.default or head)


def _move(git: GitRepository, got: Fetched, wanted: Mapping[str, ObjectID]) -> list[str]:
    date = time.strftime("%Y-%m-%dT%H%M%SZ", time.gmtime())
    kept = replace_refs(git, wanted, date, program=chosen()[1], by_name=True)
    if got.default:
        git.point_head(got.default, wanted[got.default])
    return kept


def _configure(git: GitRepository, url: str) -> None:
    if not git.is_mirror:
        config = git.local_config()
        set_origin(config, url, mirror=True)
        config.write_to_path()


def pack_bytes(path: str) -> int:
    """The bytes of all packs of a bare repository."""
    directory = os.path.join(path, "objects", "pack")
    if not os.path.isdir(directory):
        return 0
    return sum(
        entry.stat().st_size for entry in os.scandir(directory) if entry.name[-5:] == ".pack"
    )


def _repack(git: GitRepository, report: Report) -> None:
    """Make one pack of many, where git is there. Nothing is ever dropped."""
    directory = os.path.join(git.common_directory, "objects", "pack")
    packs = [name for name in os.listdir(directory) if name.endswith(".pack")]
    program = chosen()[1]
    if len(packs) < _MANY_PACKS or not program:
        return
    report(f"{git.path}: {len(packs)} packs become one")
    git.close()
    done = git_program.run(program, ["repack", "-a", "-d", "-k", "-q"], git.git_directory)
    if done.code:
        report(f"warning: {git.path}: git repack: {done.complaint}")


def _keep(home: str, mirror: Mirror, path: str, got: Fetched, trust: Trust) -> None:
    now = time.time()
    state = replace(
        read_state(home, mirror.url), synced=now, tried=now, error="", default=got.default,
        refs=dict(got.refs), signed=trust.stamp, config=_stamp(os.path.join(path, "config")),
    )  # fmt: skip
    write_state(home, state)
