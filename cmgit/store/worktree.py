"""The work tree of a person: reading it, and changing files, Git index and branch as one.

A change is a list of *operations* on the disk and a commit that says the same. It is made so:

1. the new objects are flushed, and there is room on the disk for the rest;
2. a *journal* with the operations is put into the Git directory;
3. Git's index is locked, as any Git program would, which keeps those out until the end;
4. the branch is moved by compare-and-swap: this is the moment when the change has happened;
5. the operations are carried out on the disk, the index is replaced, the journal removed.

A process that is killed before 4 leaves a journal that the next one drops; after 4, one that the
next one carries out again, each operation being harmless when repeated. Only the paths of the
operations are touched: other edits and what a person staged stay as they are.

The journal (``cmgit/journal`` in the Git directory) is JSON: ``ref``, ``new`` (the commit), and
``operations``, a list of ``["write", path, blob, mode]``, ``["move", from, to]``,
``["remove", path]``, and for the index alone ``["stage", path, blob, mode]`` and
``["unstage", path]``.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import suppress

from dulwich.ignore import (
    IgnoreFilter,
    IgnoreFilterManager,
    default_user_ignore_filter_path,
)
from dulwich.index import (
    ConflictedIndexEntry,
    IndexEntry,
    index_entry_from_stat,
    read_submodule_head,
)

from ..errors import CmgitError, GitError
from .checkout import check_tree_path, contained_link, verify_object, write_blob
from .convert import Converter
from .git import GitRepository, Head
from .gitindex import ASSUME_VALID, GitIndex, Index, encode_index, nanoseconds, same_stat
from .locks import GitLock
from .objects import (
    EXECUTABLE,
    FILE,
    LINK,
    SUBMODULE,
    ObjectID,
    TreeEntry,
    read_blob,
)
from .room import blocks, check_room
from .trees import walk

Operation = list[str | int]

_SECOND = 1_000_000_000  # in ns
_ATTRIBUTES = ".gitattributes"  # these are written first: they decide how the others are


class WorkTree:
    """The files around a Git repository. Paths are relative to its root, with ``/``."""

    def __init__(self, git: GitRepository) -> None:
        self.git = git
        self.root = git.path
        self.index = GitIndex(git.git_directory)
        self._conversions: Converter | None = None
        self._read: dict[str, tuple[os.stat_result, ObjectID]] = {}  # just before, what was read
        self._file_mode = bool(git.config().get_boolean((b"core",), b"filemode", True))

    def absolute(self, path: str) -> str:
        """Where a path is on the disk."""
        return os.path.join(self.root, *path.split("/"))

    @property
    def journal_path(self) -> str:
        """The file that is there while a change is being made."""
        return os.path.join(self.git.private_directory, "journal")

    # -- reading ----------------------------------------------------------------------------

    def put_file(self, path: str, data: bytes, mode: int = FILE) -> TreeEntry:
        """Put the blob that Git would store for a file with this content (line ends, filters)."""
        if mode in (FILE, EXECUTABLE):
            data = self._clean(data, path)
        return TreeEntry(mode, self.git.objects.put("blob", data))

    def put_path(self, path: str) -> TreeEntry | None:
        """Put the blob of a file or link on the disk; None when it is neither."""
        target = self.absolute(path)
        try:
            found = os.lstat(target)
        except OSError:
            return None
        if stat.S_ISLNK(found.st_mode):
            entry = self.put_file(path, os.fsencode(os.readlink(target)), LINK)
        elif stat.S_ISREG(found.st_mode):
            executable = self._file_mode and found.st_mode & 0o100
            with open(target, "rb") as file:
                entry = self.put_file(path, file.read(), EXECUTABLE if executable else FILE)
        else:
            return None
        self._read[path] = found, entry.oid
        return entry

    def read(self, path: str) -> bytes:
        """The content of a file, or the target of a link; raises FileNotFoundError for others."""
        target = self.absolute(path)
        mode = os.lstat(target).st_mode
        if stat.S_ISLNK(mode):
            return os.fsencode(os.readlink(target))
        if not stat.S_ISREG(mode):
            raise FileNotFoundError(errno.ENOENT, "not a file", target)
        with open(target, "rb") as file:
            return file.read()

    def files(self, directory: str = "") -> Iterator[str]:
        """The files and links below a directory that Git would not ignore, sorted."""
        yield from self._files(directory, self._ignored())

    def all_files(self, directory: str) -> Iterator[str]:
        """Everything on the disk below a directory that is no directory, relative to it."""
        top = self.absolute(directory)
        for parent, directories, names in os.walk(top):
            links = [d for d in directories if os.path.islink(os.path.join(parent, d))]
            for name in [*names, *links]:
                yield os.path.relpath(os.path.join(parent, name), top).replace(os.sep, "/")

    def _ignored(self) -> IgnoreFilterManager:
        """What Git ignores; ``info/exclude`` goes before the user's own file."""
        config, filters = self.git.config(), []
        exclude = os.path.join(self.git.common_directory, "info", "exclude")
        for path in (os.path.expanduser(default_user_ignore_filter_path(config)), exclude):
            with suppress(OSError):
                filters.append(IgnoreFilter.from_path(path))
        folded = config.get_boolean((b"core",), b"ignorecase", False)
        return IgnoreFilterManager(self.root, filters, bool(folded))

    def _files(self, directory: str, ignored: IgnoreFilterManager) -> Iterator[str]:
        with os.scandir(self.absolute(directory) if directory else self.root) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        for entry in entries:
            path = f"{directory}/{entry.name}" if directory else entry.name
            is_directory = entry.is_dir(follow_symlinks=False)
            if entry.name == ".git":
                continue
            if ignored.may_prune_directory(path) if is_directory else ignored.is_ignored(path):
                continue
            if not is_directory:
                yield path
            elif not os.path.lexists(os.path.join(entry.path, ".git")):
                yield from self._files(path, ignored)

    def _clean(self, data: bytes, path: str) -> bytes:
        return self._converter().clean(path, data)

    def _converter(self) -> Converter:
        if self._conversions is None:
            self._conversions = Converter(self.git, self._indexed)
        return self._conversions

    def _indexed(self, path: str) -> ObjectID | None:
        with suppress(CmgitError):
            entry = self.index.read()[0].get(path)
            return ObjectID(entry.sha.decode("ascii")) if entry else None
        return None

    def _staged(self, path: str, oid: ObjectID, mode: int) -> IndexEntry:
        """The index entry of a file on the disk that had a content when it was read: with what the
        file looked like then, so that an edit since is one."""
        if mode == SUBMODULE:
            return _entry(os.lstat(self.absolute(path)), oid, mode)
        if self._read.get(path, (None, ""))[1] != oid:
            self.put_path(path)
        found, content = self._read.get(path) or (os.lstat(self.absolute(path)), "")
        entry = _entry(found, oid, mode)
        if content != oid:
            entry.size = 0
        return entry

    # -- changing ---------------------------------------------------------------------------

    def change(
        self,
        ref: str,
        old: ObjectID | None,
        new: ObjectID | None,
        message: str,
        operations: list[Operation],
    ) -> bool:
        """Make a change as the head of this module says; with cmgit's lock held.

        ``new`` is None when nothing changes in Git, as for files that were never committed.
        Returns False, with nothing changed, when the head is not the branch at ``old`` any more.
        """
        self._refuse_links(operations)
        self.git.objects.flush()
        check_room(self.git.private_directory, lambda: self._size(operations))
        made = False
        try:
            self._write_journal({"ref": ref, "new": new or old, "operations": operations})
            with GitLock(self.index.path, self.git.private_directory) as lock:
                self.git.check_idle()
                entries, version = self.index.read()
                if self.git.head() != Head(ref, old):
                    return False
                if new is not None and not self.git.move_ref(ref, old, new, message):
                    return False
                made = True
                self._finish(operations, entries, version, lock)
        finally:
            if not made:
                self._drop_journal()
        self._drop_journal()
        return True

    def _refuse_links(self, operations: list[Operation]) -> None:
        """Raise GitError for a path that a link leads elsewhere: nothing is changed through it."""
        seen = {""}
        for kind, *paths in operations:
            for path in paths if kind in ("move", "remove") else paths[:1]:
                parent = str(path).rpartition("/")[0]
                while parent not in seen and kind not in ("stage", "unstage"):
                    seen.add(parent)
                    if os.path.islink(self.absolute(parent)):
                        raise GitError(
                            f"{self.absolute(parent)} is a link, which is not followed",
                            "put a directory in its place",
                        )
                    parent = parent.rpartition("/")[0]

    def _size(self, operations: list[Operation]) -> int:
        """The bytes on the disk that the operations may take."""
        written = [str(operation[2]) for operation in operations if operation[0] == "write"]
        sizes = (len(read_blob(self.git.objects, oid)) for oid in written)
        return sum(map(blocks, sizes)) + blocks(_size_of(self.index.path))

    def _finish(
        self, operations: list[Operation], entries: Index, version: int, lock: GitLock
    ) -> None:
        self._carry_out(operations, entries)
        self._smudge_racy(entries, {str(o[1]) for o in operations if o[0] in ("write", "stage")})
        lock.replace(encode_index(entries, version))

    def _smudge_racy(self, entries: Index, fresh: set[str]) -> None:
        """Take the size from entries that a younger index would make look clean though their file
        was edited: Git compares whole seconds, and trusts what is older than its index. It does
        the same. ``fresh`` are the paths whose entries are of this change."""
        written = _mtime_ns(self.index.path)
        for path, entry in entries.items():
            if nanoseconds(entry.mtime) // _SECOND < written // _SECOND or entry.mode == SUBMODULE:
                continue
            try:
                found = os.lstat(self.absolute(path))
            except OSError:
                continue
            if not same_stat(entry, found):
                entry.size = 0
            elif found.st_mtime_ns >= written and path not in fresh:
                now = self.put_path(path)
                if now is None or now.oid != entry.sha.decode("ascii"):
                    entry.size = 0

    def populate(self) -> None:
        """Write the files of the head into a work tree that is empty, and Git's index with them."""
        head, entries = self.git.head().commit, Index()
        found = dict(walk(self.git.objects, self.git.read_commit(head).tree if head else ""))
        for path in sorted(found, key=lambda path: not path.endswith(_ATTRIBUTES)):
            check_tree_path(path)
            if found[path].mode == SUBMODULE:
                os.makedirs(self.absolute(path), exist_ok=True)
                entries[path] = self._staged(path, found[path].oid, SUBMODULE)
            else:
                verify_object(self.git.objects, found[path].oid)
                entries[path] = self._write(path, found[path].oid, found[path].mode)
        with GitLock(self.index.path, self.git.private_directory) as lock:
            lock.replace(encode_index(entries))

    def _write_journal(self, journal: dict[str, object]) -> None:
        temporary = self.journal_path + ".tmp"
        with open(temporary, "wb") as file:
            file.write(json.dumps(journal).encode())  # ASCII: names need not be UTF-8
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, self.journal_path)

    def _drop_journal(self) -> None:
        if os.path.exists(self.journal_path):
            os.unlink(self.journal_path)

    def recover(self) -> bool:
        """Finish what a killed process began; with cmgit's lock held. True when there was any."""
        self.git.release_dead_locks()
        try:
            with open(self.journal_path, "rb") as file:
                journal = json.loads(file.read())
        except FileNotFoundError:
            return False
        except ValueError:  # not what was written here: nothing can be made of it
            self._drop_journal()
            return True
        if self.git.ref(journal["ref"]) == journal["new"]:
            with GitLock(self.index.path, self.git.private_directory) as lock:
                entries, version = self.index.read()
                self._finish(journal["operations"], entries, version, lock)
        self._drop_journal()
        return True

    def _carry_out(self, operations: list[Operation], entries: Index) -> None:
        below = sorted(entries)
        for operation in operations:
            match operation:
                case ["write", str(path), str(oid), int(mode)]:
                    entries[path] = self._write(path, ObjectID(oid), mode)
                case ["move", str(source), str(target)]:
                    self._move(source, target)
                    for path in [p for p in below if p == source or p.startswith(source + "/")]:
                        if path in entries:
                            entries[target + path[len(source) :]] = entries.pop(path)
                case ["stage", str(path), str(oid), int(mode)]:
                    if os.path.lexists(self.absolute(path)):
                        entries[path] = self._staged(path, ObjectID(oid), mode)
                case ["unstage", str(path)]:
                    entries.pop(path, None)
                case ["remove", str(path)]:
                    self._remove(path)
                    for name in [p for p in below if p == path or p.startswith(path + "/")]:
                        entries.pop(name, None)

    def _write(self, path: str, oid: ObjectID, mode: int) -> IndexEntry:
        """Write one file, and return its index entry."""
        target = self.absolute(path)
        data = read_blob(self.git.objects, oid)
        if mode != LINK:
            data = self._converter().smudge(path, data)
        directory, name = os.path.split(target)
        os.makedirs(directory, exist_ok=True)
        # always of this name: who repeats a killed write cleans up
        temporary = os.path.join(directory, f".cmgit-{name[:100]}")
        if os.path.lexists(temporary):
            os.unlink(temporary)
        try:
            write_blob(temporary, data, mode, mode != LINK or contained_link(path, data))
            written = os.lstat(temporary)
            os.replace(temporary, target)
        except BaseException:
            if os.path.lexists(temporary):
                os.unlink(temporary)
            raise
        if name == _ATTRIBUTES:
            self._conversions = None
        entry = _entry(os.lstat(target), oid, mode)
        if mode == LINK and not stat.S_ISLNK(written.st_mode):
            entry.flags |= ASSUME_VALID  # leads out, so it is a file here: that is no edit
        elif nanoseconds(entry.mtime) != written.st_mtime_ns or entry.ino != written.st_ino:
            entry.size = 0  # edited since
        return entry

    def _move(self, source: str, target: str) -> None:
        start, end = self.absolute(source), self.absolute(target)
        if os.path.lexists(start) and not os.path.lexists(end):
            os.makedirs(os.path.dirname(end), exist_ok=True)
            os.rename(start, end)
        self._remove_empty(os.path.dirname(start))

    def _remove(self, path: str) -> None:
        target = self.absolute(path)
        if os.path.lexists(target):
            # out of sight first, so that nobody sees it half removed
            trash = os.path.join(self.git.private_directory, f"trash-{time.monotonic_ns()}")
            os.makedirs(self.git.private_directory, exist_ok=True)
            try:
                os.rename(target, trash)
            except OSError as error:
                if error.errno != errno.EXDEV:  # a Git directory on another file system
                    raise
                _delete(target)
        for name in os.listdir(self.git.private_directory):
            if name.startswith("trash-"):
                _delete(os.path.join(self.git.private_directory, name))
        self._remove_empty(os.path.dirname(target))

    def _remove_empty(self, directory: str) -> None:
        """Remove directories that became empty, up to the root, as Git does."""
        while directory != self.root and directory.startswith(self.root):
            try:
                os.rmdir(directory)
            except OSError:
                return
            directory = os.path.dirname(directory)

    # -- everything that is pending ---------------------------------------------------------

    def pending(self) -> tuple[dict[str, TreeEntry | None], list[Operation]]:
        """What ``git add --all`` would stage.

        Returns the edits of the head's tree, and the operations that bring the index up to date.
        """
        head = self.git.head().commit
        committed = dict(walk(self.git.objects, self.git.read_commit(head).tree if head else ""))
        entries, _ = self.index.read()
        wanted = self._wanted(entries)
        edits: dict[str, TreeEntry | None] = {p: None for p in committed if p not in wanted}
        edits.update((p, entry) for p, entry in wanted.items() if committed.get(p) != entry)
        operations: list[Operation] = [["unstage", p] for p in entries if p not in wanted]
        for path, entry in wanted.items():
            old = entries.get(path)
            if old is None or (old.sha.decode("ascii"), old.mode) != (entry.oid, entry.mode):
                operations.append(index_operation(path, entry))
        return edits, operations

    def uncommitted(self) -> Iterator[str]:
        """The files on the disk that are not in the head as they are: edited, new, ignored."""
        head = self.git.head().commit
        committed = dict(walk(self.git.objects, self.git.read_commit(head).tree if head else ""))
        entries, _ = self.index.read()
        written = _mtime_ns(self.index.path)

        def now(path: str) -> TreeEntry | None:
            entry = entries.get(path)
            return self._tracked(path, entry, written) if entry else self.put_path(path)

        for path in self.all_files(""):
            if ".git" not in path.split("/"):
                known = committed.get(path)
                if known is None or known != now(path):
                    yield path

    def left_out(self) -> dict[str, TreeEntry]:
        """The files that a sparse check-out keeps off the disk."""
        if not os.path.exists(os.path.join(self.git.git_directory, "info", "sparse-checkout")):
            return {}
        found: dict[str, TreeEntry] = {}
        for path, entry in self.index.parse()[0].items():
            if isinstance(entry, ConflictedIndexEntry) or not entry.skip_worktree:
                continue
            known = TreeEntry(entry.mode, ObjectID(entry.sha.decode("ascii")))
            if known.is_tree:  # of a sparse index
                found.update(walk(self.git.objects, known.oid, path))
            else:
                found[path] = known
        return {p: e for p, e in found.items() if not os.path.lexists(self.absolute(p))}

    def _wanted(self, entries: Index) -> dict[str, TreeEntry]:
        written = _mtime_ns(self.index.path)
        wanted: dict[str, TreeEntry] = {}
        for path, entry in entries.items():
            found = self._tracked(path, entry, written)
            if found is not None:
                wanted[path] = found
        for path in self.files():
            if path not in entries:
                new = self.put_path(path)
                if new is not None:
                    wanted[path] = new
        return wanted

    def _tracked(self, path: str, entry: IndexEntry, written: int) -> TreeEntry | None:
        known = TreeEntry(entry.mode, ObjectID(entry.sha.decode("ascii")))
        if entry.skip_worktree or entry.flags & ASSUME_VALID:
            return known
        if entry.mode == SUBMODULE:
            head = read_submodule_head(self.absolute(path))
            return TreeEntry(SUBMODULE, ObjectID(head.decode("ascii"))) if head else known
        try:
            found = os.lstat(self.absolute(path))
        except OSError:
            return None
        if same_stat(entry, found) and found.st_mtime_ns < written:
            return known
        now = self.put_path(path)
        if now is not None and not self._file_mode and {now.mode, entry.mode} == {FILE, EXECUTABLE}:
            return now._replace(mode=entry.mode)
        return now


def index_operation(path: str, entry: TreeEntry | None) -> Operation:
    """The operation that makes the index say what a path is, or that it is gone."""
    return ["unstage", path] if entry is None else ["stage", path, entry.oid, entry.mode]


def _entry(found: os.stat_result, oid: ObjectID, mode: int) -> IndexEntry:
    return index_entry_from_stat(found, oid.encode("ascii"), mode=mode)


def _size_of(path: str) -> int:
    try:
        return os.lstat(path).st_size
    except OSError:
        return 0


def _mtime_ns(path: str) -> int:
    try:
        return os.lstat(path).st_mtime_ns
    except OSError:
        return 0


def _delete(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        os.unlink(path)
