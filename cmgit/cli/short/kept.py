"""What ``load`` prints, kept: reading YAML takes longer than all the rest.

A file in ``metas/`` of the home is what is printed of a meta, sealed by its digest. It is named by
a hash of what it was made from: the tree of the artifact in a bare repository, its one meta file in
a working one. Only metas that do not inherit are kept. Everything here may be deleted at any time.
"""

from __future__ import annotations

import os

from ... import __version__
from ...index.record import sealed, unsealed
from ...meta.files import META_FILES

DIRECTORY = "metas"
LARGEST = 1 << 18
MOST = 10_000  # files; the older half goes when there are more
_WORKING = "working"


def key_of(kind: str, root: str, path: str, tree: str) -> str:
    """The name under which the meta of an artifact is kept; empty when it is not kept.

    ``kind`` and ``root`` are those of its repository, ``path`` its directory there.
    """
    if kind != _WORKING:
        return _hash(tree.encode()) if tree and os.path.isdir(root) else ""
    found = meta_file(root, path)
    return key_of_file(*found) if found else ""


def meta_file(root: str, path: str) -> tuple[str, bytes] | None:
    """The name and the bytes of the one meta file of an artifact in a work tree.

    None when there are several, of which Git may ignore some, or where a sparse check-out may
    have left out one.
    """
    git = os.path.join(root, ".git")
    if not os.path.isdir(git) or os.path.exists(os.path.join(git, "info", "sparse-checkout")):
        return None
    place = os.path.join(root, *path.split("/"))
    names = [name for name in META_FILES if os.path.lexists(os.path.join(place, name))]
    try:
        with open(os.path.join(place, *names), "rb") as file:
            return (names[0], file.read()) if len(names) == 1 else None
    except OSError:
        return None


def key_of_file(name: str, data: bytes) -> str:
    """The name under which what a meta file says is kept."""
    return _hash(name.encode() + b"\0" + data)


def _hash(data: bytes) -> str:
    """Another version of cmgit may read the same differently."""
    try:
        from _blake2 import blake2b
    except ImportError:
        from hashlib import blake2b
    return blake2b(__version__.encode() + b"\0" + data, digest_size=20).hexdigest()


def read(home: str, key: str) -> bytes | None:
    """What was kept under a key; None when there is nothing, or it is damaged."""
    try:
        with open(os.path.join(home, DIRECTORY, key), "rb") as file:
            return unsealed(file.read())
    except (OSError, ValueError):
        return None


def write(home: str, key: str, text: bytes) -> None:
    """Keep what is printed, unless it is large or the home cannot be written."""
    directory = os.path.join(home, DIRECTORY)
    temporary = os.path.join(directory, f"tmp-{os.getpid()}")
    if len(text) > LARGEST:
        return
    try:
        os.makedirs(directory, exist_ok=True)
        with open(temporary, "wb") as file:
            file.write(sealed(text))
        os.replace(temporary, os.path.join(directory, key))
        _sweep(directory)
    except OSError:
        pass


def _sweep(directory: str) -> None:
    names = os.listdir(directory)
    if len(names) > MOST:
        paths = [os.path.join(directory, name) for name in names]
        for path in sorted(paths, key=os.path.getmtime)[: MOST // 2]:
            os.unlink(path)
