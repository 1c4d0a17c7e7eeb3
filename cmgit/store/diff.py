"""Differences between two trees as text, in the format of ``git diff``."""

from __future__ import annotations

import io

from dulwich.patch import write_tree_diff

from .git import GitRepository
from .objects import ObjectID


def tree_diff(git: GitRepository, old: ObjectID | None, new: ObjectID | None) -> bytes:
    """The unified diff between two trees; None stands for the empty tree."""
    out = io.BytesIO()
    write_tree_diff(
        out,
        git.dulwich.object_store,
        old.encode("ascii") if old else None,  # type: ignore[arg-type]
        new.encode("ascii") if new else None,  # type: ignore[arg-type]
    )
    return out.getvalue()
