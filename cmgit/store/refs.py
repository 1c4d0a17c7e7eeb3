"""Making the refs of a repository those of another, so that nothing that was there is lost."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from ..errors import Busy, Damaged, GitError
from .bundle import HEAD
from .git import GitRepository
from .git_program import run
from .objects import ObjectID

OWN = "refs/cmgit/"
KEPT = f"{OWN}kept/"  # then a date, then the name without refs/


def check_together(refs: Collection[str]) -> None:
    """Raise Damaged for refs that one repository cannot have, such as ``a`` and ``a/b``."""
    for name in refs:
        above = name.rpartition("/")[0]
        while above:
            if above in refs:
                raise Damaged(f"{above} and {name} cannot be there together")
            above = above.rpartition("/")[0]


def replace_refs(
    git: GitRepository,
    wanted: Mapping[str, ObjectID],
    date: str,
    prune: bool = True,
    reached: Collection[ObjectID] = (),
    program: str = "",
    by_name: bool = False,
) -> list[str]:
    """Move the refs to where they are wanted; with the repository's lock held.

    What is not wanted is removed with ``prune``, but for cmgit's own refs. An object that no ref
    would reach any more is kept under a name with the date; the names are returned. Those in
    ``reached`` are known to be before one that is wanted. With ``by_name`` every ref that is
    removed, or forced, is kept so, though another may still reach what it named. Each ref moves at once, not all of them.
    Raises Busy when somebody else moves them.
    """
    now = {name: oid for name, oid in git.refs().items() if name != HEAD}
    gone = {n: oid for n, oid in now.items() if prune and n not in wanted and not n.startswith(OWN)}
    old = {n: oid for n, oid in now.items() if wanted.get(n, oid) != oid} | gone
    safe = set() if by_name else {*wanted.values(), *reached}
    lost = {n: oid for n, oid in old.items() if oid not in safe}
    heirs = {n: [wanted[n]] if n in wanted else [] for n in lost} if by_name else {}
    lost = {
        n: oid
        for n, oid in lost.items()
        if not _reaches(git, heirs.get(n, wanted.values()), oid, program)
    }
    kept = {f"{KEPT}{date}/{name.removeprefix('refs/')}": oid for name, oid in lost.items()}
    for name, oid in kept.items():
        git.set_ref(name, oid)
    _remove(git, gone)
    for name, oid in wanted.items():
        if now.get(name) != oid and not git.move_ref(name, now.get(name), oid, "import"):
            raise Busy(f"{git.path}: {name} moved meanwhile", "do it again")
    return list(kept)


def _remove(git: GitRepository, refs: Mapping[str, ObjectID]) -> None:
    if not refs:
        return
    with git.foreign_locks():
        for name, oid in refs.items():
            raw = name.encode("utf-8", "surrogateescape")
            if not git.dulwich.refs.remove_if_equals(raw, oid.encode("ascii")):  # type: ignore[arg-type]
                raise Busy(f"{git.path}: {name} moved meanwhile", "do it again")


def _reaches(git: GitRepository, starts: Iterable[ObjectID], oid: ObjectID, program: str) -> bool:
    """Whether an object is a commit that is before one of those that refs name."""
    if git.objects.read(oid)[0] != "commit":
        return False
    if not program:
        return git.reaches(starts, oid)
    given = "".join(f"^{start}\n" for start in starts)
    done = run(program, ["rev-list", "--max-count=1", oid, "--stdin"], git.git_directory, given)
    if done.code:
        raise GitError(f"{git.path}: git rev-list: {done.complaint}")
    return not done.out.strip()
