"""Revisions: the commits that words stand for, as ``git rev-parse`` reads them.

A revision is a name and then steps. The name is a ref, in full or as short as Git allows; ``@``
for HEAD; an object id, or the beginning of one that only one commit has; what ``git describe``
prints; ``REF@{N}`` and ``REF@{TIME}``, where a ref was N moves ago or at a time;
``BRANCH@{upstream}``; ``@{-N}``, the branch that was checked out before. The steps are ``~N``,
``^N``, ``^{}``, ``^{commit}`` and ``^{/TEXT}``: the newest commit from there whose message has a
text. ``:/TEXT`` is the newest that any ref reaches.

Limitations: what names several commits (``A..B``, ``^@``, ``^!``, ``^-``), no commit
(``REV:PATH``, ``^{tree}``) or where a push would go (``@{push}``) is refused by name. Of the refs
at the top only HEAD is known. A text is a regular expression of Python, not POSIX.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dulwich.config import Config
from dulwich.reflog import Entry
from dulwich.refs import Ref, check_ref_format

from ..errors import Damaged, UsageError
from .commits import Commit
from .dates import parse_date
from .objects import ObjectID

if TYPE_CHECKING:
    from .git import GitRepository

_RULES = ("", "refs/", "refs/tags/", "refs/heads/", "refs/remotes/")
_STEP = r"(?P<sign>[~^])(?P<number>\d*)(?!\{)|\^\{(?:commit)?\}|\^\{/(?P<text>.*?)\}(?=[~^]|$)"
_STEPS = re.sub(r"\?P<\w+>", "?:", _STEP)
_REVISION = re.compile(rf"(?P<name>[^~^]+)(?P<steps>(?:{_STEPS})*)", re.DOTALL)
_BRACED = re.compile(r"(?P<name>.*)@\{(?P<what>.+)\}", re.DOTALL)
_ABBREVIATED = re.compile(r"(?:.*-\d+-g)?(?P<digits>[0-9a-f]{4,40})")
_REFUSED = {
    r".*\.\..*|\^.+|.*\^[@!-].*": "names several commits; name one",
    r".*\^\{\w+\}.*": "names what need not be a commit; leave out the part in braces",
    r".*@\{push\}.*": "is where a push would go, which cmgit does not know; name the branch",
    r".*:.*": "names a file or a directory; name the commit only",
}


def resolve(git: GitRepository, revision: str) -> ObjectID | None:
    """The commit that a revision names, or None. Raises UsageError for what names no commit."""
    if revision.startswith(":/"):
        return _newest(git, list(git.refs().values()), revision[2:]) if revision[2:] else None
    match = _REVISION.fullmatch(revision)
    found = _named(git, match["name"]) if match else None
    commit = git.peel(found) if found and found in git.objects else None
    if match is None or found is None:
        _refuse(revision)
    for step in re.finditer(_STEP, match["steps"] if match else "", re.DOTALL):
        if commit is not None and step["text"] is not None:
            commit = _newest(git, [commit], step["text"])
        elif commit is not None and step["sign"]:
            commit = _step(git, commit, step["sign"], int(step["number"] or 1))
    return commit


def _refuse(revision: str) -> None:
    for pattern, reason in _REFUSED.items():
        if re.fullmatch(pattern, revision, re.DOTALL | re.IGNORECASE):
            raise UsageError(f"{revision!r} {reason}")


def _step(git: GitRepository, commit: ObjectID, sign: str, number: int) -> ObjectID | None:
    if sign == "^":
        choices = [commit, *git.read_commit(commit).parents]
        return choices[number] if number < len(choices) else None
    for _ in range(number):
        parents = git.read_commit(commit).parents
        if not parents:
            return None
        commit = parents[0]
    return commit


def _newest(git: GitRepository, starts: list[ObjectID], text: str) -> ObjectID | None:
    """The newest commit whose message has a text; ``!-TEXT``: has not, ``!!TEXT``: ``!TEXT``."""
    wanted = True
    if text.startswith("!"):
        wanted, text = not text.startswith("!-"), text[1:]
        if not text.startswith(("-", "!")):
            raise UsageError(f"a search for {'!' + text!r} means nothing", "write '!!' for '!'")
    try:
        pattern = re.compile(text if wanted else text[1:], re.DOTALL)
    except re.error as error:
        raise UsageError(f"{text!r} is no regular expression: {error}") from None
    for commit in _commits(git, starts):
        if bool(pattern.search(commit.message)) == wanted:
            return commit.oid
    return None


def _commits(git: GitRepository, starts: list[ObjectID]) -> Iterator[Commit]:
    peeled = {git.peel(oid) for oid in starts if oid in git.objects}
    yield from git.commits(*sorted(oid for oid in peeled if oid))


# -- names ----------------------------------------------------------------------------------------


def _named(git: GitRepository, name: str) -> ObjectID | None:
    if re.fullmatch("[0-9a-f]{40}", name):
        return ObjectID(name)
    braced = _BRACED.fullmatch(name)
    if braced:
        return _braced(git, braced["name"], braced["what"])
    ref = full_ref(git, "HEAD" if name == "@" else name)
    return git.ref(ref) if ref else _abbreviated(git, name)


def full_ref(git: GitRepository, name: str) -> str:
    """The ref that a short name stands for, in Git's order; empty when there is none."""
    for rule in _RULES:
        for ref in (rule + name, f"{rule}{name}/HEAD"):
            valid = check_ref_format(Ref(ref.encode("utf-8", "surrogateescape")))
            allowed = (valid and ref.startswith("refs/")) or ref == "HEAD"
            if allowed and git.ref(ref) is not None:
                return ref
    return ""


def _braced(git: GitRepository, name: str, what: str) -> ObjectID | None:
    """What ``NAME@{WHAT}`` names; without a name it is about the branch that is checked out."""
    if what.lower() == "push":
        return None
    if what.lower() in ("u", "upstream"):
        return _upstream(git, name)
    if re.fullmatch(r"-\d{1,9}", what):
        return _branch_before(git, int(what[1:])) if not name else None
    log = _log(git, name)
    if re.fullmatch(r"\d{1,9}", what):
        return _oid(log[-1 - int(what)].new_sha) if int(what) < len(log) else None
    return _at_time(log, parse_date(what)) if log else None


def _log(git: GitRepository, name: str) -> list[Entry]:
    """The moves of a ref, oldest first."""
    ref = full_ref(git, "HEAD" if name == "@" else name) if name else git.head().ref or "HEAD"
    return list(git.dulwich.read_reflog(ref.encode("utf-8", "surrogateescape"))) if ref else []


def _at_time(log: list[Entry], time: int) -> ObjectID:
    for entry in reversed(log):
        if entry.timestamp <= time:
            return _oid(entry.new_sha)
    first = log[0]
    return _oid(first.old_sha if first.old_sha.strip(b"0") else first.new_sha)


def _oid(sha: bytes) -> ObjectID:
    return ObjectID(sha.decode("ascii"))


def _branch_before(git: GitRepository, number: int) -> ObjectID | None:
    """The branch or commit that was left by the N-th checkout from last."""
    moves = (re.match(rb"checkout: moving from (\S+) to ", e.message) for e in _log(git, "HEAD"))
    left = [move[1].decode("utf-8", "surrogateescape") for move in moves if move]
    return _named(git, left[-number]) if 0 < number <= len(left) else None


def _upstream(git: GitRepository, name: str) -> ObjectID | None:
    """The commit of the branch that a branch follows, as of the last fetch."""
    ref = git.head().ref or "" if name in ("", "@", "HEAD") else f"refs/heads/{name}"
    branch = ref.removeprefix("refs/heads/").encode("utf-8", "surrogateescape")
    config = git.config()
    try:
        remote = config.get((b"branch", branch), b"remote")
        merge = config.get((b"branch", branch), b"merge")
    except KeyError:
        return None
    tracking = merge if remote == b"." else _tracking(config, remote, merge)
    return git.ref(tracking.decode("utf-8", "surrogateescape")) if tracking else None


def _tracking(config: Config, remote: bytes, ref: bytes) -> bytes:
    """The ref that a fetch writes for one of the other side's; empty when it writes none."""
    for spec in config.get_multivar((b"remote", remote), b"fetch"):
        source, _, target = spec.removeprefix(b"+").partition(b":")
        begin, star, end = source.partition(b"*")
        inner = len(ref) - len(end)
        if (ref == source) if not star else (ref.startswith(begin) and ref.endswith(end)):
            return target.replace(b"*", ref[len(begin) : inner])
    return b""


def _abbreviated(git: GitRepository, name: str) -> ObjectID | None:
    match = _ABBREVIATED.fullmatch(name)
    if match is None:
        return None
    commits = set()
    for oid in git.dulwich.object_store.iter_prefix(match["digits"].encode()):
        try:
            commits.add(git.peel(ObjectID(oid.decode("ascii"))))
        except Damaged:
            continue
    commits.discard(None)
    return commits.pop() if len(commits) == 1 else None
