"""Whether mirrors are what they should be: there, whole, as their source was, and not too old."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, field
from itertools import islice

from ..errors import CmgitError, UsageError
from ..registry import Entry
from ..store import git_program
from ..store.git import GitRepository
from ..store.objects import ObjectID, verify
from ..store.quarantine import links
from ..store.remote import Fetched, advertised
from ..store.transport import chosen
from .signed import SHOWN, Policy
from .signed import problems as unsigned
from .sources import Mirror
from .state import State, read_state
from .sync import in_step, own_refs, policy_of, registered, wanted_refs

_UNITS = {"m": 60, "h": 3600, "d": 86400, "w": 604800}


@dataclass(frozen=True)
class Verdict:
    """What was found out about one mirror; all is well when there are no problems."""

    name: str
    url: str
    synced: float
    age: float | None  # seconds since it was in step; None when it never was
    refs: int = 0
    objects: int = 0
    problems: tuple[str, ...] = field(default=())

    def to_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


def parse_age(text: str) -> float:
    """Seconds that ``90m``, ``12h``, ``7d`` or ``2w`` are; raises UsageError."""
    found = re.fullmatch(r"(\d+)([mhdw])", text.strip())
    if not found:
        raise UsageError(f"{text!r} is no age", "write 90m, 12h, 7d or 2w")
    return int(found[1]) * _UNITS[found[2]]


def shown_age(seconds: float | None) -> str:
    """An age in one unit, for people."""
    if seconds is None:
        return "never"
    unit = next((u for u in "wdhm" if seconds >= 2 * _UNITS[u]), "")
    return f"{int(seconds // _UNITS[unit])}{unit}" if unit else f"{int(max(0, seconds))}s"


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
            refs, objects, problems = _look(entry, known, policy_of(home, mirror))
    except (CmgitError, OSError) as error:
        problems.append(str(error))
    problems += _staleness(state, age, max_age)
    return Verdict(mirror.name, mirror.url, state.synced, age, refs, objects, tuple(problems))


def _staleness(state: State, age: float | None, max_age: float | None) -> Iterator[str]:
    if max_age is not None and age is not None and age > max_age:
        yield f"it is stale: in step {shown_age(age)} ago, allowed are {shown_age(max_age)}"
    if max_age is not None and age is not None and age < -60:
        yield "it was in step in the future: a clock is wrong"


def _look(entry: Entry, known: Fetched, policy: Policy | None) -> tuple[int, int, list[str]]:
    git = GitRepository.open(entry.path)
    with closing(git):
        refs = own_refs(git)
        problems = [] if refs else ["it is empty: there are no refs"]
        if known.refs:
            problems += _differences(git, refs, known)
        else:
            problems.append("what its source has is not known: 'cmgit mirror sync' asks")
        objects, damage = check_objects(git)
        if policy and not damage:
            problems += islice(unsigned(git, refs, policy), SHOWN)
        return len(refs), objects, problems + damage


def _differences(git: GitRepository, refs: dict[str, ObjectID], known: Fetched) -> list[str]:
    wanted = wanted_refs(known)
    if in_step(git, known):
        return []
    missing = [f"ref {name} is missing" for name in sorted(wanted.keys() - refs.keys())]
    extra = [f"ref {name} is not at the source" for name in sorted(refs.keys() - wanted.keys())]
    moved = [
        f"ref {name} is {refs[name][:12]}, at the source {wanted[name][:12]}"
        for name in sorted(refs.keys() & wanted.keys())
        if refs[name] != wanted[name]
    ]
    found = missing + moved + extra
    if not found:
        return [f"HEAD is {git.head().ref}, at the source {known.default}"]
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
