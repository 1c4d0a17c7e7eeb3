"""One Git repository on disk: its format, its head, its commits, and moving a branch."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

from dulwich.config import ConfigFile, StackedConfig
from dulwich.errors import NotGitRepository
from dulwich.object_store import DiskObjectStore
from dulwich.reflog import format_reflog_line
from dulwich.refs import SymrefLoop
from dulwich.repo import Repo, UnsupportedExtension, UnsupportedVersion

from ..errors import Busy, Damaged, GitError, NotFound, Unsupported
from .commits import Commit, Signature, encode_commit, parse_commit, signature, tag_target
from .formats import refuse_unsupported
from .locks import GitLock, release_dead
from .objects import DiskStore, ObjectID, is_id
from .ref_files import read_refs
from .room import check_room

DEFAULT_BRANCH = "main"
_NEW_REPOSITORY = 128 * 1024  # bytes that it takes at most
ZERO = ObjectID("0" * 40)
PRIVATE_DIRECTORY = "cmgit"  # in the Git directory: cmgit's lock, journal and anchors

_OPERATIONS = {
    "MERGE_HEAD": "a merge",
    "rebase-merge": "a rebase",
    "rebase-apply": "a rebase",
    "CHERRY_PICK_HEAD": "a cherry-pick",
    "REVERT_HEAD": "a revert",
}


class Head(NamedTuple):
    """What is checked out: the full ref of the branch (None when detached) and its commit (None
    while the branch is unborn)."""

    ref: str | None
    commit: ObjectID | None


class GitRepository:
    """A Git repository, bare or with a work tree; SHA-1, refs in files."""

    def __init__(self, repo: Repo) -> None:
        self._repo = repo
        store = repo.object_store
        if not isinstance(store, DiskObjectStore):
            raise Unsupported(f"{repo.path}: objects are not kept in files")
        self.objects = DiskStore(store)

    @classmethod
    def open(cls, path: str) -> GitRepository:
        """Open the repository at a path, without looking in the directories above it.

        Raises NotFound when there is none and Unsupported, by name, for a format it cannot read.
        """
        refuse_unsupported(path)
        try:
            return cls(Repo(path))
        except NotGitRepository:
            raise NotFound(
                f"{path} is not a Git repository", "'cmgit init repo' makes it one"
            ) from None
        except UnsupportedExtension as error:
            raise Unsupported(f"{path}: extension {error} is not supported") from None
        except UnsupportedVersion as error:
            raise Unsupported(
                f"{path}: repository format {error.version} is not supported"
            ) from None
        except (OSError, ValueError) as error:
            raise GitError(f"{path} cannot be opened: {error}") from None

    @classmethod
    def without(cls, path: str) -> GitRepository:
        """What a directory without Git would be as a repository: an unborn branch, no objects.
        Nothing is written."""
        return cls(Repo(path, bare=False))

    @classmethod
    def init(cls, path: str, bare: bool = False) -> GitRepository:
        """Make a new repository; the directory may hold files already.

        A ``.git`` is there when it is complete; what a killed process left of one is replaced.
        """
        os.makedirs(path, exist_ok=True)
        check_room(path, lambda: _NEW_REPOSITORY)
        branch = DEFAULT_BRANCH.encode()
        if bare:
            return cls(Repo.init_bare(path, default_branch=branch))
        temporary = os.path.join(path, ".cmgit-init")
        shutil.rmtree(temporary, ignore_errors=True)
        os.mkdir(temporary)
        try:
            Repo.init(temporary, default_branch=branch).close()
            os.rename(os.path.join(temporary, ".git"), os.path.join(path, ".git"))
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return cls(Repo(path))

    @property
    def path(self) -> str:
        """The work tree, or the bare repository itself."""
        return os.fspath(self._repo.path)

    @property
    def bare(self) -> bool:
        """Whether there is no work tree."""
        return bool(self._repo.bare)

    @property
    def dulwich(self) -> Repo:
        """The repository as dulwich knows it; for the other modules of this package."""
        return self._repo

    @property
    def git_directory(self) -> str:
        """The directory with HEAD and the index (of this work tree)."""
        return os.path.normpath(self._repo.controldir())

    @property
    def common_directory(self) -> str:
        """The directory with refs and objects, shared by all work trees."""
        return os.path.normpath(self._repo.commondir())

    @property
    def private_directory(self) -> str:
        """Where cmgit keeps its lock and journal."""
        return os.path.join(self.git_directory, PRIVATE_DIRECTORY)

    @property
    def lock_path(self) -> str:
        """The lock that every change by cmgit holds."""
        return os.path.join(self.private_directory, "lock")

    def close(self) -> None:
        """Close packs and files."""
        self._repo.close()

    # -- refs -------------------------------------------------------------------------------

    def head(self) -> Head:
        """The branch and commit that are checked out."""
        try:
            chain, value = self._repo.refs.follow(b"HEAD")  # type: ignore[arg-type]
        except (KeyError, SymrefLoop, ValueError) as error:
            raise Damaged(f"{self.path}: HEAD cannot be read: {error}") from None
        name = chain[-1].decode("utf-8", "surrogateescape")
        held: bytes | None = value
        if held is None:  # unborn, or an empty file
            held = self._repo.refs.read_loose_ref(chain[-1])
        commit = self._checked(name, held) if held is not None else None
        return Head(name if len(chain) > 1 else None, commit)

    def _ref_path(self, ref: str) -> str:
        base = self.common_directory if ref.startswith("refs/") else self.git_directory
        return os.path.join(base, *ref.split("/"))

    def _checked(self, name: str, value: bytes) -> ObjectID:
        """The id that a ref holds; raises Damaged for anything else, as a crash may leave."""
        oid = value.decode("ascii", "replace")
        if not is_id(oid):
            raise Damaged(
                f"{self.path}: {name} holds no object id: {oid[:60]!r}",
                "see 'git fsck' and 'git reflog'; 'git update-ref' repairs it",
            )
        return ObjectID(oid)

    def ref(self, name: str) -> ObjectID | None:
        """The object a ref points to, or None."""
        ref = name.encode("utf-8", "surrogateescape")
        try:
            value = self._repo.refs[ref]  # type: ignore[index]
        except KeyError:
            return None
        return self._checked(name, value)

    def refs(self) -> dict[str, ObjectID]:
        """Every ref with the object it points to."""
        if (plain := read_refs(self.git_directory)) is not None:
            return plain.refs
        return {
            name.decode("utf-8", "surrogateescape"): ObjectID(value.decode("ascii"))
            for name, value in self._repo.get_refs().items()
        }

    def head_files(self) -> list[str]:
        """The files that decide what ``head`` answers; they change when it does."""
        ref = self.head().ref
        files = [os.path.join(self.git_directory, "HEAD")]
        if ref is not None:
            files.append(os.path.join(self.common_directory, *ref.split("/")))
        return [*files, os.path.join(self.common_directory, "packed-refs")]

    def move_ref(self, ref: str, old: ObjectID | None, new: ObjectID, message: str) -> bool:
        """Compare and swap: point a ref from ``old`` (None: not there yet) to ``new``.

        Returns False, changing nothing, when the ref is not at ``old`` any more. The reflog tells
        the message. Raises Busy when another program keeps the ref's lock.
        """
        path = self._ref_path(ref)
        with GitLock(path, self.private_directory) as lock:
            self._repo.refs._packed_refs = None  # type: ignore[attr-defined]
            if self.ref(ref) != old:
                return False
            _remove_empty(path)
            lock.replace(new.encode("ascii") + b"\n")
        self._log(ref, old or ZERO, new, message)
        return True

    def _log(self, ref: str, old: ObjectID, new: ObjectID, message: str) -> None:
        who = signature(self.config(), "COMMITTER")
        line = format_reflog_line(
            old.encode("ascii"),
            new.encode("ascii"),
            f"{who.name} <{who.email}>".encode(),
            who.time,
            who.zone,
            message.splitlines()[0].encode("utf-8", "surrogateescape"),
        )
        if self.bare and not os.path.exists(os.path.join(self.common_directory, "logs")):
            return  # Git keeps no reflog in a bare repository either
        logs = [os.path.join(self.common_directory, "logs", *ref.split("/"))]
        if self.head().ref == ref:
            logs.append(os.path.join(self.git_directory, "logs", "HEAD"))
        for path in logs:
            with suppress(OSError):  # the branch has moved already, and that is what counts
                os.makedirs(os.path.dirname(path), exist_ok=True)
                _append(path, line + b"\n")

    def set_ref(self, name: str, oid: ObjectID) -> None:
        """Point a ref of cmgit's own to an object, wherever it pointed before."""
        old = self.ref(name)
        if old != oid:
            self.move_ref(name, old, oid, "pull")

    def point_head(self, ref: str, commit: ObjectID) -> None:
        """Make a branch the head, at a commit. Two steps for another branch, the head last."""
        old = self.ref(ref)
        if old != commit and not self.move_ref(ref, old, commit, "pull"):
            raise Busy(f"{self.path}: {ref} moved during the pull", "pull again")
        if self.head().ref != ref:
            with GitLock(os.path.join(self.git_directory, "HEAD"), self.private_directory) as lock:
                lock.replace(f"ref: {ref}\n".encode("utf-8", "surrogateescape"))

    def reaches(self, starts: Iterable[ObjectID], wanted: ObjectID) -> bool:
        """Whether a commit is one of those, or before one of them."""
        heads = {self.peel(start) for start in starts} - {None}
        return any(commit.oid == wanted for commit in self.commits(*heads))  # type: ignore[arg-type]

    def peel(self, oid: ObjectID) -> ObjectID | None:
        """The commit that an object is or a tag names; None for a tag of something else."""
        kind, data = self.objects.read(oid)
        if kind == "tag":
            return self.peel(tag_target(data))
        return oid if kind == "commit" else None

    def resolve_fetched(self, revision: str) -> ObjectID:
        """Resolve a revision, trying the other side's branches too; raises NotFound."""
        for prefix in ("", "refs/remotes/origin/"):
            try:
                return self.resolve(prefix + revision)
            except NotFound:
                continue
        raise NotFound(
            f"no revision {revision!r} in what was pulled",
            "name a branch, a tag or a commit of the other side",
        )

    # -- commits ----------------------------------------------------------------------------

    def read_commit(self, oid: ObjectID | str) -> Commit:
        """The commit with this id, a tag followed to what it names; raises Damaged."""
        kind, data = self.objects.read(ObjectID(oid))
        if kind == "tag":
            return self.read_commit(tag_target(data))
        if kind != "commit":
            raise Damaged(f"object {oid} is a {kind}, not a commit")
        # dulwich knows where a shallow clone ends
        return parse_commit(ObjectID(oid), data, self._repo.get_parents)

    def commit(
        self,
        tree: ObjectID,
        parents: tuple[ObjectID, ...],
        message: str,
        by: Signature | None = None,
    ) -> ObjectID:
        """Put a commit, kept by the next flush; ``by`` instead of who Git would say it is."""
        author = by or signature(self.config(), "AUTHOR")
        committer = by or signature(self.config(), "COMMITTER")
        return self.objects.put("commit", encode_commit(tree, parents, message, author, committer))

    def config(self) -> StackedConfig:
        """Git's configuration: the repository's, the user's, the system's."""
        return self._repo.get_config_stack()

    def local_config(self) -> ConfigFile:
        """The repository's own configuration, to be changed and written."""
        return self._repo.get_config()

    def remote_url(self) -> str:
        """The URL of ``origin``, or an empty string."""
        try:
            return self.local_config().get((b"remote", b"origin"), b"url").decode()
        except KeyError:
            return ""

    @property
    def is_mirror(self) -> bool:
        """Whether its refs are those of ``origin``, as Git's configuration says."""
        origin = (b"remote", b"origin")
        return self.bare and bool(self.local_config().get_boolean(origin, b"mirror", False))

    def resolve(self, revision: str) -> ObjectID:
        """The commit that a revision names, see :mod:`.revisions`; raises NotFound."""
        from .revisions import resolve

        commit = resolve(self, revision)
        if commit is None:
            raise NotFound(f"no revision {revision!r} in {self.path}", "see 'cmgit log'")
        return commit

    def before(self, timestamp: int) -> ObjectID | None:
        """The newest commit of the branch not after a time, as ``git rev-list -1 --before``."""
        commit = self.head().commit
        for found in self.commits(commit) if commit else ():
            if found.time <= timestamp:
                return found.oid
        return None

    def commits(self, *starts: ObjectID | str, children_first: bool = False) -> Iterator[Commit]:
        """Commits and all before them, newest first; ``children_first`` keeps a parent after all
        of its children whatever their dates are, for which all are read before the first is told.
        """
        if not starts:
            return
        from dulwich.walk import ORDER_DATE, ORDER_TOPO

        include = [start.encode("ascii") for start in starts]
        order = ORDER_TOPO if children_first else ORDER_DATE
        for entry in self._repo.get_walker(include=include, order=order):  # type: ignore[arg-type]
            yield self.read_commit(entry.commit.id.decode("ascii"))

    # -- state ------------------------------------------------------------------------------

    def operation(self) -> str:
        """What Git is in the middle of, such as ``a merge``, or an empty string."""
        for name, operation in _OPERATIONS.items():
            if os.path.exists(os.path.join(self.git_directory, name)):
                return operation
        return ""

    def check_idle(self) -> None:
        """Raise Busy in the middle of a merge, a rebase and the like."""
        operation = self.operation()
        if operation:
            verb = operation.split()[-1]
            raise Busy(
                f"{self.path} is in the middle of {operation}",
                f"end it with 'git {verb} --continue' or 'git {verb} --abort'",
            )

    def release_dead_locks(self) -> list[str]:
        """Remove lock files that killed processes of cmgit left; with cmgit's lock held."""
        return release_dead(self.private_directory) + self._release_foreign()

    @property
    def _foreign(self) -> str:
        return os.path.join(self.private_directory, "fetching")

    @contextmanager
    def foreign_locks(self) -> Iterator[None]:
        """Let dulwich change refs and packs in its own way, with locks that have no anchors.

        A file says so meanwhile; who finds it left by a killed process removes lock files that are
        not older.
        """
        os.makedirs(self.private_directory, exist_ok=True)
        with open(self._foreign, "wb"):
            pass
        try:
            yield
        finally:
            os.unlink(self._foreign)

    def _release_foreign(self) -> list[str]:
        try:
            since = os.stat(self._foreign).st_mtime_ns
        except FileNotFoundError:
            return []
        freed = []
        for parent, _, names in os.walk(self.common_directory):
            for path in (os.path.join(parent, name) for name in names if name.endswith(".lock")):
                if os.stat(path).st_mtime_ns >= since:
                    os.unlink(path)
                    freed.append(path)
        os.unlink(self._foreign)
        return freed


def _append(path: str, line: bytes) -> None:
    """Append a line to a file, or nothing at all."""
    with open(path, "ab", buffering=0) as file:
        end = file.tell()
        try:
            whole = file.write(line) == len(line)
        except OSError:
            whole = False
        if not whole:
            file.truncate(end)


def _remove_empty(path: str) -> None:
    """Remove the directories that deleted branches left where a ref shall be."""
    for directory, _, _ in os.walk(path, topdown=False):
        with suppress(OSError):
            os.rmdir(directory)
