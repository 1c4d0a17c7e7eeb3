"""Where text indexes are, and what each says of itself. Part of the short path of ``find``.

A text index is a numbered directory, a *generation*, that never changes; the highest number
counts. README.md describes what is in it.
"""

from __future__ import annotations

import os

from ..index.record import decode, digest, unsealed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..index.manifest import Manifest

FORMAT = 2
DIRECTORY = f"text-v{FORMAT}"
STATE, ENGINE, SNAPSHOT = "state", "tantivy", "index"  # what is in a generation


class DamagedText(Exception):
    """The text index is missing, cut, changed or of another version; it has to be built anew."""


def generations(home: str) -> list[int]:
    """The numbers of the text indexes of a home, newest first."""
    try:
        names = os.listdir(os.path.join(home, DIRECTORY))
    except OSError:
        return []
    return sorted((int(name) for name in names if name.isdecimal()), reverse=True)


def generation(home: str, number: int) -> str:
    """Where the text index of a number is."""
    return os.path.join(home, DIRECTORY, str(number))


def identity(manifest: Manifest) -> str:
    """What tells one state of the index from another."""
    segments = [f"{state.name} {state.live}" for state in manifest.segments]
    return f"{manifest.number} {digest(' '.join([manifest.registry, *segments]).encode())}"


def read_state(directory: str, engine: str) -> dict[str, Any]:
    """What a generation was made from; raises DamagedText, also when it was not by this version
    of the engine."""
    try:
        with open(os.path.join(directory, STATE), "rb") as file:
            state: dict[str, Any] = decode(unsealed(file.read()).decode())
    except (OSError, ValueError) as error:
        raise DamagedText(f"{directory}/{STATE}: {error}") from None
    if state["engine"] != engine:
        raise DamagedText(f"{directory} has {state['engine']} of tantivy")
    return state
