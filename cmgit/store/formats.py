"""Formats of repositories that cmgit does not read, and refuses by name."""

from __future__ import annotations

import os

from dulwich.config import ConfigFile

from ..errors import GitError, Unsupported


def refuse_unsupported(path: str, partial: bool = False) -> None:
    """Raise Unsupported for SHA-256 and reftable repositories, which would be misread; with
    ``partial`` also for one that left out objects when it was cloned."""
    for directory in (os.path.join(path, ".git"), path):
        config = os.path.join(directory, "config")
        if not os.path.isfile(config):
            continue
        try:
            if _is_plain(config):
                return
            found = ConfigFile.from_path(config)
        except (ValueError, OSError) as error:
            raise GitError(f"{config}: {error}") from None
        hint = "convert it with git, or clone it into a new repository"
        if _extension(found, b"objectformat") not in (b"", b"sha1"):
            raise Unsupported(f"{path} uses SHA-256 object ids, which cmgit does not read", hint)
        if _extension(found, b"refstorage") not in (b"", b"files"):
            raise Unsupported(
                f"{path} keeps its refs in a reftable, which cmgit does not read", hint
            )
        if partial and is_partial(found):
            raise Unsupported(
                f"{path} is a partial clone: some of its objects are elsewhere",
                "pull from where it was cloned from",
            )
        return


def _is_plain(config: str) -> bool:
    """Whether none of the words that matter here is there: parsing takes longer than all else that
    is done to open a repository."""
    with open(config, "rb") as file:
        text = file.read().lower()
    return not any(word in text for word in (b"extensions", b"promisor", b"partialclone"))


def is_partial(config: ConfigFile) -> bool:
    """Whether a configuration is that of a partial clone."""
    return bool(_extension(config, b"partialclone")) or _has_promisor(config)


def _has_promisor(config: ConfigFile) -> bool:
    remotes = [section for section in config.sections() if section[0] == b"remote"]
    return any(config.get_boolean(section, b"promisor", False) for section in remotes)


def _extension(config: ConfigFile, name: bytes) -> bytes:
    try:
        return config.get((b"extensions",), name).lower()
    except KeyError:
        return b""
