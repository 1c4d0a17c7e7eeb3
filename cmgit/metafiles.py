"""The meta files of an artifact in its repository: reading them, and making them say more."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

from .artifact import Artifact
from .change import Change
from .errors import NotFound
from .meta.files import META_FILES, chosen_files
from .meta.parse import Identity, Meta, parse_file, parse_meta
from .meta.write import edit_file
from .repository import Repository
from .store.objects import ObjectID


class MetaFiles(NamedTuple):
    """The bytes of the meta files of an artifact, by name, and what they say together."""

    files: dict[str, bytes]
    meta: Meta


def read_meta(
    repository: Repository, artifact: Artifact, commit: ObjectID | None = None
) -> MetaFiles:
    """Read the meta of an artifact at the path where it was found, now or in a commit.

    Raises NotFound when it is not there any more, or another artifact is: with the repository
    locked, what is done at that path after this is done to the artifact that was found.
    """
    where, files = f"{artifact.repo}/{artifact.path}", {}
    for name in META_FILES:
        with suppress(NotFound):
            files[name] = repository.read_file(f"{artifact.path}/{name}", commit)
    names = chosen_files(files)
    files = {name: files[name] for name in names}
    meta = parse_meta(files, where)
    if not names or Identity(meta, f"{where}/{names[0]}").uid != artifact.uid:
        raise gone(artifact)
    return MetaFiles(files, meta)


def gone(artifact: Artifact) -> NotFound:
    """The error for an artifact that is not where it was found."""
    automation = artifact.automation_alias or artifact.automation_uid
    return NotFound(
        f"{artifact.name} is gone: somebody else moved or removed it",
        f"'cmgit find {automation} {artifact.uid}' says where it is now",
    )


def write_meta(
    change: Change, path: str, files: Mapping[str, bytes], new: Meta, where: str
) -> None:
    """Make meta files say ``new``. Of two, the YAML loses what is gone, and the JSON that is laid
    over it gets what is different."""
    *below, top = chosen_files(files)
    said: Meta = {}
    for name in below:
        old = parse_file(name, files[name], f"{where}/{name}")
        said = {key: value for key, value in old.items() if key in new}
        if said != old:
            change.write(f"{path}/{name}", edit_file(name, files[name], said, f"{where}/{name}"))
    old = parse_file(top, files[top], f"{where}/{top}")
    rest = {k: v for k, v in new.items() if k in old or k not in said or said[k] != v}
    if rest != old:
        change.write(f"{path}/{top}", edit_file(top, files[top], rest, f"{where}/{top}"))


def set_values(change: Change, path: str, files: Mapping[str, bytes], values: Meta) -> None:
    """Set values in the meta file that is laid over the other, if there are two."""
    name = chosen_files(files)[-1]
    old = parse_file(name, files[name], f"{path}/{name}")
    new = edit_file(name, files[name], {**old, **values}, f"{path}/{name}")
    change.write(f"{path}/{name}", new)
