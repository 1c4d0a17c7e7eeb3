"""Keeping what ``load`` prints, for the short path to print it again."""

from __future__ import annotations

from contextlib import suppress

from ..artifact import Artifact
from ..errors import CmgitError
from ..meta.parse import parse_meta
from ..meta.write import dump_json
from ..registry import WORKING
from ..scan import read_artifact
from ..store.objects import ObjectID
from ..workspace import Workspace
from .short import kept


def keep(workspace: Workspace, artifact: Artifact) -> None:
    """Keep the meta of an artifact as it is now, unless it inherits; nothing happens when it cannot
    be read."""
    with suppress(CmgitError, OSError):
        key, files = _source(workspace, artifact)
        meta = parse_meta(files, artifact.path)
        if files and "_base" not in meta:
            kept.write(workspace.home, key, dump_json(meta))


def _source(workspace: Workspace, artifact: Artifact) -> tuple[str, dict[str, bytes]]:
    """What the meta is made from, and the name of that: what was printed may be older."""
    entry = workspace.entry(artifact)
    if entry.kind == WORKING:
        file = kept.meta_file(entry.path, artifact.path)
        return (kept.key_of_file(*file), dict([file])) if file else ("", {})
    objects = workspace.repository(entry).git.objects
    raw = read_artifact(objects, artifact.path, ObjectID(artifact.tree))
    key = kept.key_of(entry.kind, entry.path, artifact.path, artifact.tree)
    return key, dict(raw.files) if raw and key else {}
