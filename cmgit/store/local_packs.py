"""A new repository out of one in a directory of this machine: its packs are copied, as ``git clone``
does, with what no ref reaches any more. Every object of them is hashed on the way.
"""

from __future__ import annotations

import os
import re

from ..errors import Damaged
from .address import Source
from .ref_files import git_directory, read_refs
from .transport import Fetched, Incoming, fetched

_PACK = re.compile(r"pack-[0-9a-f]+\.pack")


def copy_packs(source: Source, incoming: Incoming, program: str) -> Fetched | None:
    """What a source has, once its packs are in quarantine; None, and nothing, when they are not all
    that is needed, not whole, or some of it is here already: it is to be fetched then."""
    if not os.path.isdir(source.path) or incoming.git is not None or incoming.depth is not None:
        return None
    directory = git_directory(source.path)
    here = read_refs(directory)  # before the packs, which have what these refs name
    packs = _packs(directory)
    if here is None or not here.refs or not packs:
        return None
    try:
        incoming.quarantine.take_packs(packs, program)
    except (Damaged, FileNotFoundError):  # repacked meanwhile, or what no ref reaches is not whole
        incoming.restart()
        return None
    return fetched(here.refs.items(), here.head)


def _packs(directory: str) -> list[str]:
    """The packs of a Git directory, none when other objects belong to it."""
    objects = os.path.join(directory, "objects")
    names = ("objects/info/alternates", "shallow", "commondir")
    if any(os.path.exists(os.path.join(directory, *name.split("/"))) for name in names):
        return []
    try:
        loose = set(os.listdir(objects)) - {"pack", "info"}
        if any(os.listdir(os.path.join(objects, name)) for name in loose):
            return []
        packs = os.path.join(objects, "pack")
        found = set(os.listdir(packs))
        return [
            os.path.join(packs, name)
            for name in sorted(found)
            if _PACK.fullmatch(name) and f"{name[:-5]}.idx" in found  # git sees no other
        ]
    except OSError:  # no directory, or none to be read
        return []
