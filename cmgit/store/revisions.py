"""Revisions: the commits that words stand for, as ``git rev-parse`` reads them.

A revision is a name and then steps. The name is a ref, in full or as short as Git allows; ``@``
for HEAD; an object id, or the beginning of one that only one commit has; what ``git describe``
prints; or ``REF@{N}``, where a ref was N moves ago. The steps are ``~N``, ``^N``, ``^{}`` and
``^{commit}``.

Limitations: of the refs at the top only HEAD, no search (``:/text``), no ``@{upstream}``, no ``@{-N}``, no ``@{time}``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dulwich.refs import Ref, check_ref_format

from ..errors import Damaged
from .objects import ObjectID

if TYPE_CHECKING:
    from .git import GitRepository

_RULES = ("", "refs/", "refs/tags/", "refs/heads/", "refs/remotes/")
_REVISION = re.compile(r"(?P<name>[^~^]+)(?P<steps>([~^]\d*|\^\{(commit)?\})*)")
_STEP = re.compile(r"(?P<sign>[~^])(?P<number>\d*)(?P<peel>\{(commit)?\})?")
_REFLOG = re.compile(r"(?P<name>.*)@\{(?P<number>\d{1,9})\}")
_ABBREVIATED = re.compile(r"(?:.*-\d+-g)?(?P<digits>[0-9a-f]{4,40})")


def resolve(git: GitRepository, revision: str) -> ObjectID | None:
    """The commit that a revision names, or None."""
    match = _REVISION.fullmatch(revision)
    found = _named(git, match["name"]) if match else None
    commit = git.peel(found) if found and found in git.objects else None
    for step in _STEP.finditer(match["steps"] if match else ""):
        if commit is not None and not step["peel"]:
            commit = _step(git, commit, step["sign"], int(step["number"] or 1))
    return commit


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


def _named(git: GitRepository, name: str) -> ObjectID | None:
    if re.fullmatch("[0-9a-f]{40}", name):
        return ObjectID(name)
    logged = _REFLOG.fullmatch(name)
    if logged:
        return _logged(git, logged["name"], int(logged["number"]))
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


def _logged(git: GitRepository, name: str, number: int) -> ObjectID | None:
    ref = full_ref(git, name) if name not in ("", "@") else git.head().ref or "HEAD"
    log = [entry.new_sha for entry in git.dulwich.read_reflog(ref.encode())]
    return ObjectID(log[-1 - number].decode("ascii")) if number < len(log) else None


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
