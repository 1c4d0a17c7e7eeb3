"""A change of a repository in the making: edits of paths that become one commit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from .errors import Busy, GitError, RefMoved
from .lfs.pointer import ATTRIBUTES, Pointer
from .store import journal
from .store.journal import RefUpdate
from .store.objects import FILE, ObjectStore, TreeEntry
from .store.operations import Operation
from .store.trees import edit, lookup

if TYPE_CHECKING:
    from .repository import Repository

_REPLAYS = 20


class File(NamedTuple):
    """The content of a file and its mode in Git; of a large one the content is its pointer."""

    data: bytes
    mode: int = FILE
    large: Pointer | None = None


class Change:
    """A change in the making: operations on paths. Only these paths are touched."""

    def __init__(self, repository: Repository, message: str) -> None:
        head = repository.git.head()
        if head.ref is None:
            raise GitError(
                f"{repository.git.path} has a detached HEAD: a commit there would be lost",
                "switch to a branch with 'git switch BRANCH' (or 'git switch -c NEW')",
            )
        self.repository = repository
        self.message = message
        self._ref, self._base = head.ref, head.commit
        self._edits: dict[str, TreeEntry | None] = {}
        self._operations: list[Operation] = []
        self._touched: set[str] = set()

    def write(self, path: str, data: bytes, mode: int = FILE) -> None:
        """Create or replace one file."""
        worktree, objects = self.repository.worktree, self.repository.git.objects
        if worktree is None:
            entry = TreeEntry(mode, objects.put("blob", data))
        else:
            entry = worktree.put_file(path, data, mode)
        self._put(path, entry)

    def put(self, path: str, files: Mapping[str, File], last: tuple[str, ...] = ()) -> None:
        """Create a directory with files; those named in ``last`` appear when all others are."""
        for name in sorted(files, key=lambda name: (name in last, name != ATTRIBUTES, name)):
            self.write(f"{path}/{name}", files[name].data, files[name].mode)

    def graft(
        self, path: str, content: Mapping[str, TreeEntry], store: ObjectStore, last: tuple[str, ...]
    ) -> None:
        """Create a directory out of blobs that a store (maybe another's) has."""
        objects = self.repository.git.objects
        for name in sorted(content, key=lambda name: (name in last, name != ATTRIBUTES, name)):
            entry = content[name]
            if entry.oid not in objects:
                objects.put(*store.read(entry.oid))
            self._put(f"{path}/{name}", entry)

    def _put(self, path: str, entry: TreeEntry) -> None:
        self._edits[path] = entry
        self._operations.append(["write", path, entry.oid, entry.mode])
        self._touched.add(path)

    def remove(self, path: str) -> None:
        """Remove a file or a directory, with everything in it."""
        self._edits = {p: e for p, e in self._edits.items() if not p.startswith(path + "/")}
        self._edits[path] = None
        self._operations.append(["remove", path])
        self._touched.add(path)

    def move(self, source: str, target: str) -> None:
        """Move a directory; edits in it that are not committed move along uncommitted, except
        where nothing of it is committed yet: then all of it is."""
        objects = self.repository.git.objects
        entry = lookup(objects, self.repository.tree(self._base) if self._base else "", source)
        self._edits[source] = None
        self._operations.append(["move", source, target])
        self._touched.update((source, target))
        if entry is not None:
            self._edits[target] = entry
            return
        for name, blob in self.repository.content(source).items():
            self._edits[f"{target}/{name}"] = blob
            self._operations.append(["stage", f"{target}/{name}", blob.oid, blob.mode])

    def stage(self, edits: Mapping[str, TreeEntry | None], operations: list[Operation]) -> None:
        """Take over what is on the disk already."""
        self._edits.update(edits)
        self._operations += operations
        self._touched.update(edits)

    def tree(self, path: str) -> str:
        """The id of the tree that this creates at a path."""
        start = len(path) + 1
        below = {p[start:]: e for p, e in self._edits.items() if p.startswith(path + "/")}
        return edit(self.repository.git.objects, "", below)

    @property
    def empty(self) -> bool:
        """Whether nothing was done."""
        return not self._operations and not self._edits

    def commit(self) -> None:
        """Write the tree and the commit, and move the branch; see :meth:`.Repository.change`."""
        if self.empty:
            return
        for _ in range(_REPLAYS):
            if self._try():
                return
            self._rebase()
        raise RefMoved(
            f"{self.repository.git.path} kept changing; nothing was done", "try it again"
        )

    def _try(self) -> bool:
        git = self.repository.git
        old_tree = git.read_commit(self._base).tree if self._base else ""
        tree = edit(git.objects, old_tree, self._edits)
        new = None
        if tree != (old_tree or edit(git.objects, "", {})):
            parents = (self._base,) if self._base else ()
            new = git.commit(tree, parents, self.message)
        update = RefUpdate(self._ref, self._base, new, f"cmgit: {self.message}")
        if self.repository.worktree is not None:
            return journal.change(self.repository.worktree, update, self._operations)
        git.objects.flush()
        return new is None or git.move_ref(self._ref, self._base, new, update.message)

    def _rebase(self) -> None:
        """Go on from the new head, if nothing that this change touches is different there."""
        git, head = self.repository.git, self.repository.git.head()
        old = self.repository.tree(self._base) if self._base else ""
        new = self.repository.tree(head.commit) if head.commit else ""
        for path in self._touched:
            if lookup(git.objects, old, path) != lookup(git.objects, new, path):
                raise RefMoved(f"somebody else changed {path} at the same time", "try it again")
        if head.ref != self._ref:
            raise Busy(f"{git.path} was switched to another branch", "try it again")
        self._base = head.commit
