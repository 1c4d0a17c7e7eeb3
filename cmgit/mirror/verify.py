"""Whether mirrors are what they should be: there, whole, as their source was, and not too old."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime, timezone
from itertools import islice
from typing import NamedTuple

from ..ages import shown_age
from ..errors import CmgitError, NotFound, UsageError
from ..names import parse_name
from ..registry import BARE, Entry
from ..store import git_program
from ..store.git import GitRepository
from ..store.objects import ObjectID, verify
from ..store.quarantine import links
from ..store.remote import Fetched, advertised, parse_source
from ..store.transport import chosen
from ..workspace import Workspace
from . import large
from .incoming import read_record, recorded_lfs, recorded_refs, recorded_uid
from .manifest import Stamp, age_of
from .signed import SHOWN, TIPS, Policy, parse_what
from .signed import problems as unsigned
from .sources import Mirror, Mirrors
from .state import read_state
from .sync import in_step, own_refs, policy_of, registered, wanted_refs


class Verdict(NamedTuple):
    """What was found out about one mirror; all is well when there are no problems.

    ``export`` is the last one that it was imported from, if it was. Without ``lfs`` it is without
    the contents of large files, on purpose.
    """

    name: str
    url: str
    synced: float
    age: float | None  # seconds since it was in step, or exported; None when it never was
    refs: int = 0
    objects: int = 0
    problems: tuple[str, ...] = ()
    export: str = ""
    lfs: bool = True

    def to_dict(self) -> dict[str, object]:
        """For JSON."""
        return self._asdict()


def verify_mirror(
    home: str,
    mirror: Mirror,
    max_age: float | None = None,
    remote: bool = False,
) -> Verdict:
    """Look at one mirror: every object hashed and all that refs reach there, the refs those that
    the source had at the last sync, or with ``remote`` those that it has now, and signed, what has
    to be. Raises nothing."""
    state = read_state(home, mirror.url)
    age = time.time() - state.synced if state.synced else None
    refs, objects, problems = 0, 0, []
    try:
        entry = registered(home, mirror)
        if entry is None:
            problems.append("it is not there yet: 'cmgit mirror sync' brings it")
        else:
            known = advertised(mirror.source) if remote else Fetched(state.refs, state.default)
            refs, objects, problems = _look(
                home, entry, known, policy_of(home, mirror), "at the source", mirror.lfs
            )
    except (CmgitError, OSError) as error:
        problems.append(str(error))
    problems += _staleness(age, max_age)
    return Verdict(
        mirror.name, mirror.url, state.synced, age, refs, objects, tuple(problems), lfs=mirror.lfs
    )


def verify_imported(
    home: str, entry: Entry, max_age: float | None = None, signed: str = "", signers: str = ""
) -> Verdict:
    """The same of a repository that was imported: its refs are to be those of the last export.

    What is ``signed`` by whom is looked at where one of them is given. Raises nothing.
    """
    problems: list[str] = []
    refs, objects, last, lfs = 0, 0, Stamp("", ""), True
    try:
        with closing(GitRepository.open(entry.path)) as git:
            last = max(read_record(git), key=lambda stamp: stamp.created, default=last)
            known = Fetched(*recorded_refs(git))
            lfs = recorded_lfs(git)
        source = parse_source(entry.url or entry.path)
        what = parse_what(signed or TIPS) if signed or signers else ""
        mirror = Mirror(entry.url, entry.alias, False, what, signers, source=source)
        policy = policy_of(home, mirror)
        refs, objects, problems = _look(home, entry, known, policy, "in the manifest", lfs)
    except (CmgitError, OSError) as error:
        problems.append(str(error))
    now = datetime.now(timezone.utc)
    age = age_of(last, now) if last.id else None
    problems += _staleness(age, max_age)
    made = now.timestamp() - age if age is not None else 0.0
    return Verdict(
        entry.alias, entry.url, made, age, refs, objects, tuple(problems), export=last.id, lfs=lfs
    )


def to_verify(workspace: Workspace, words: Sequence[str]) -> tuple[list[Mirror], list[Entry]]:
    """The mirrors, and the repositories that were imported and are none, that words fit; without
    words all mirrors, be they imported or not. Raises NotFound for a word that fits nothing."""
    mirrors = Mirrors(workspace.home)
    known = {mirror.url for mirror in mirrors.items}
    others = [e for e in workspace.registry.entries if e.kind == BARE and e.url not in known]
    found: list[Mirror] = [] if words else mirrors.items
    for word in words:
        try:
            found += mirrors.find([word])
        except NotFound:
            if not any(_is_chosen(entry, [word]) for entry in others):
                raise
    imported = [entry for entry in others if _is_chosen(entry, words)]
    return [mirror for mirror in mirrors.items if mirror in found], imported


def _is_chosen(entry: Entry, words: Sequence[str]) -> bool:
    if words and not any(_fits(entry, word) for word in words):
        return False
    try:
        with closing(GitRepository.open(entry.path)) as git:
            return bool(recorded_uid(git)) and (bool(words) or git.is_mirror)
    except CmgitError:
        return False


def _fits(entry: Entry, word: str) -> bool:
    try:
        return word == entry.url or parse_name(word).accepts(entry.alias, entry.uid)
    except UsageError:
        return False


def _staleness(age: float | None, max_age: float | None) -> Iterator[str]:
    if max_age is not None and age is not None and age > max_age:
        yield f"it is stale: in step {shown_age(age)} ago, allowed are {shown_age(max_age)}"
    if max_age is not None and age is not None and age < -60:
        yield "it was in step in the future: a clock is wrong"


def _look(
    home: str, entry: Entry, known: Fetched, policy: Policy | None, where: str, lfs: bool
) -> tuple[int, int, list[str]]:
    git = GitRepository.open(entry.path)
    with closing(git):
        refs = own_refs(git.refs())
        problems = [] if refs else ["it is empty: there are no refs"]
        if known.refs:
            problems += _differences(git, refs, known, where)
        else:
            problems.append("what its source has is not known: 'cmgit mirror sync' asks")
        objects, damage = check_objects(git)
        if policy and not damage:
            problems += islice(unsigned(git, refs, policy), SHOWN)
        lost = [] if damage or not lfs else list(large.problems(home, git))
        rest = [f"and {len(lost) - SHOWN} more large files"] if len(lost) > SHOWN else []
        return len(refs), objects, problems + damage + lost[:SHOWN] + rest


def _differences(
    git: GitRepository, refs: dict[str, ObjectID], known: Fetched, where: str
) -> list[str]:
    wanted = wanted_refs(known)
    if in_step(git.refs(), git.head().ref, known):
        return []
    missing = [f"ref {name} is missing" for name in sorted(wanted.keys() - refs.keys())]
    extra = [f"ref {name} is not {where}" for name in sorted(refs.keys() - wanted.keys())]
    moved = [
        f"ref {name} is {refs[name][:12]}, {where} {wanted[name][:12]}"
        for name in sorted(refs.keys() & wanted.keys())
        if refs[name] != wanted[name]
    ]
    found = missing + moved + extra
    if not found:
        return [f"HEAD is {git.head().ref}, {where} {known.default}"]
    rest = len(found) - SHOWN
    return found[:SHOWN] + ([f"and {rest} more refs differ"] if rest > 0 else [])


def check_objects(git: GitRepository) -> tuple[int, list[str]]:
    """How many objects there are, and what is wrong with them: each is hashed, and all that refs
    reach has to be there. git does it where it is there."""
    program = chosen()[1]
    if not program:
        return _check_in_python(git)
    words = ["fsck", "--full", "--no-dangling", "--no-progress", "--no-reflogs"]
    done = git_program.run(program, words, git.git_directory)
    counted = git_program.run(program, ["count-objects", "-v"], git.git_directory)
    numbers = dict(line.split(": ", 1) for line in counted.out.splitlines() if ": " in line)
    count = int(numbers.get("count", 0)) + int(numbers.get("in-pack", 0))
    if not done.code:
        return count, []
    lines = [line for line in (done.out + done.said).splitlines() if _is_damage(line)]
    return count, lines[:SHOWN] or [f"git fsck: {done.complaint}"]


def _is_damage(line: str) -> bool:
    return bool(line.strip()) and not line.startswith(("warning", "notice", "Checking"))


def _check_in_python(git: GitRepository) -> tuple[int, list[str]]:
    todo = list(git.refs().values())
    seen: set[ObjectID] = set()
    problems: list[str] = []
    while todo and len(problems) < SHOWN:
        oid = todo.pop()
        if oid in seen:
            continue
        seen.add(oid)
        wrong = list(verify(git.objects, [oid]))
        problems += wrong
        todo += [] if wrong else links(git, oid)
    return len(seen), problems
