"""Differences between two trees: which files, and how, in the format of ``git diff``.

Limitations: a file that was renamed and edited has no ``similarity index``; what similar means is
not computed as in Git, so that it may tell a renaming from a deletion and an addition in another
place. Hunks do not say in which function they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from dulwich.diff_tree import RenameDetector
from dulwich.objects import TreeEntry as RawEntry

from ..errors import Damaged
from .git import GitRepository
from .objects import SUBMODULE, ObjectID, TreeEntry, read_blob

_SIMILAR = 50  # percent, as in Git
_NOWHERE = "/dev/null"
_ESCAPES = {"\a": "a", "\b": "b", "\t": "t", "\n": "n", "\v": "v", "\f": "f", "\r": "r"}


class FileChange(NamedTuple):
    """A file that differs. ``old`` and ``old_path`` are what and where it was, None and empty when
    it was added; ``new`` and ``new_path`` what and where it is, when it was not deleted."""

    old_path: str
    old: TreeEntry | None
    new_path: str
    new: TreeEntry | None

    @property
    def status(self) -> str:
        """``added``, ``deleted``, ``renamed`` or ``modified``."""
        if self.old is None or self.new is None:
            return "added" if self.old is None else "deleted"
        return "modified" if self.old_path == self.new_path else "renamed"

    @property
    def path(self) -> str:
        """Where it is, or was when it was deleted."""
        return self.new_path or self.old_path


def tree_changes(
    git: GitRepository, old: ObjectID | None, new: ObjectID | None
) -> list[FileChange]:
    """The files that differ between two trees, by path; None stands for the empty tree.

    Raises Damaged.
    """
    store = git.dulwich.object_store
    detector = RenameDetector(store, rename_threshold=_SIMILAR)
    ids = [oid.encode("ascii") if oid else None for oid in (old, new)]
    try:
        found = detector.changes_with_renames(*ids)  # type: ignore[arg-type]
    except KeyError as error:
        oid = error.args[0]
        oid = oid.decode("ascii") if isinstance(oid, bytes) else oid
        raise Damaged(f"object {oid} is missing in {git.path}", "run 'cmgit check'") from None
    changes = [FileChange(*_place(change.old), *_place(change.new)) for change in found]
    return sorted(changes, key=lambda c: (c.path.encode("utf-8", "surrogateescape"), c.old is None))


def _place(entry: RawEntry | None) -> tuple[str, TreeEntry | None]:
    path, mode, oid = entry or (None, None, None)
    if path is None or mode is None or oid is None:
        return "", None
    return path.decode("utf-8", "surrogateescape"), TreeEntry(mode, ObjectID(oid.decode("ascii")))


def diff_text(git: GitRepository, change: FileChange) -> bytes:
    """How a file differs, as ``git diff`` prints it. Raises Damaged."""
    return b"".join([*_header(change), *_content(git, change)])


def _header(change: FileChange) -> Iterator[bytes]:
    old, new = change.old, change.new
    a, b = change.old_path or change.new_path, change.path
    lines = [f"diff --git {_quoted(f'a/{a}')} {_quoted(f'b/{b}')}"]
    if old is None or new is None:
        entry, verb = (new, "new") if old is None else (old, "deleted")
        assert entry is not None
        lines.append(f"{verb} file mode {entry.mode:06o}")
    elif old.mode != new.mode:
        lines += [f"old mode {old.mode:06o}", f"new mode {new.mode:06o}"]
    if change.status == "renamed":
        lines += ["similarity index 100%"] if old and new and old.oid == new.oid else []
        lines += [f"rename from {_quoted(a)}", f"rename to {_quoted(b)}"]
    ids = [entry.oid[:7] if entry else "0" * 7 for entry in (old, new)]
    if ids[0] != ids[1]:
        same = f" {old.mode:06o}" if old and new and old.mode == new.mode else ""
        lines.append(f"index {ids[0]}..{ids[1]}{same}")
    yield "".join(f"{line}\n" for line in lines).encode()


def _content(git: GitRepository, change: FileChange) -> Iterator[bytes]:
    from dulwich.patch import is_binary, unified_diff

    old, new = _read(git, change.old), _read(git, change.new)
    a = f"a/{change.old_path}" if change.old else _NOWHERE
    b = f"b/{change.new_path}" if change.new else _NOWHERE
    if old == new:
        return
    if is_binary(old) or is_binary(new):
        yield f"Binary files {_quoted(a)} and {_quoted(b)} differ\n".encode()
        return
    a, b = (_quoted(name) + ("\t" if " " in name else "") for name in (a, b))
    yield from unified_diff(_lines(old), _lines(new), a.encode(), b.encode())


def _read(git: GitRepository, entry: TreeEntry | None) -> bytes:
    if entry is None:
        return b""
    if entry.mode == SUBMODULE:
        return f"Subproject commit {entry.oid}\n".encode()
    return read_blob(git.objects, entry.oid)


def _lines(data: bytes) -> list[bytes]:
    *lines, last = data.split(b"\n")
    return [line + b"\n" for line in lines] + ([last] if last else [])


def _quoted(name: str) -> str:
    """A name as Git prints it: in quotes when it holds what could be mistaken."""
    shown = "".join(map(_escaped, name))
    return f'"{shown}"' if shown != name else name


def _escaped(char: str) -> str:
    if char in '"\\':
        return f"\\{char}"
    if char in _ESCAPES:
        return f"\\{_ESCAPES[char]}"
    if " " <= char <= "~":
        return char
    return "".join(f"\\{byte:03o}" for byte in char.encode("utf-8", "surrogateescape"))
