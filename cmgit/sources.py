"""Taking files in from anywhere on the disk."""

from __future__ import annotations

import os

from .change import File
from .errors import NotFound, UsageError
from .lfs.objects import Objects
from .lfs.pointer import ATTRIBUTES
from .meta.files import META_FILES
from .store.checkout import contained_link
from .store.objects import EXECUTABLE, FILE, LINK

_NEVER_LARGE = (*META_FILES, ATTRIBUTES)  # they are read


def read_source(
    path: str, limit: int | None = None, large: Objects | None = None
) -> dict[str, File]:
    """The content of a file, or of a directory with what is below it.

    Files of more than ``limit`` bytes go to ``large`` as they are read, and are pointers here.

    Git directories, and files that stand for them, are left out. A link that leads out of the
    directory is refused (UsageError), as is anything that is neither file, directory nor link.
    """
    path = os.path.abspath(os.path.expanduser(path))
    if os.path.isfile(path):  # a link that is named itself means what it names
        name = os.path.basename(path)
        return {name: _read(os.path.realpath(path), name, limit, large)}
    if not os.path.isdir(path):
        raise NotFound(f"{path} is neither a file nor a directory")
    files = {}
    for parent, directories, names in os.walk(path):
        directories[:] = sorted(d for d in directories if d.casefold() != ".git")
        links = [d for d in directories if os.path.islink(os.path.join(parent, d))]
        for name in sorted(n for n in (*names, *links) if n.casefold() != ".git"):
            full = os.path.join(parent, name)
            relative = os.path.relpath(full, path).replace(os.sep, "/")
            files[relative] = _read(full, relative, limit, large)
    return files


def _read(path: str, relative: str, limit: int | None, large: Objects | None) -> File:
    if os.path.islink(path):
        link = os.fsencode(os.readlink(path))
        if not contained_link(relative, link):
            raise UsageError(f"the link {path} leads out of what is added", "copy what it names")
        return File(link, LINK)
    if not os.path.isfile(path):
        raise UsageError(f"{path} is neither a file nor a directory")
    with open(path, "rb") as file:
        found = os.fstat(file.fileno())
        mode = EXECUTABLE if found.st_mode & 0o100 else FILE
        if large is None or limit is None or found.st_size <= limit or relative in _NEVER_LARGE:
            return File(file.read(), mode)
        pointer = large.keep(file)
        return File(pointer.encode(), mode, pointer)
