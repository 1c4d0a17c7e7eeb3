"""The manifest: which segments hold which state of which repositories.

Manifests are numbered. A new one is put in place by linking a finished file to the next number,
which fails when somebody else was faster: no lock, no lost update. Readers take the highest number.
"""

from __future__ import annotations

import os

from .record import decode, digest
from .segment import SUFFIX, DamagedIndex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FORMAT = 1
DIRECTORY = f"index-v{FORMAT}"
_PREFIX = "manifest-"


class RepositoryState:
    """What the index holds of one repository: the state it was in, and how to tell that it moved.

    ``number`` is the registry's; ``path`` the absolute work tree or bare repository; ``commit``
    and ``tree`` are hexadecimal ids of the branch's head and its root tree, empty while unborn;
    ``watch`` names the file of signatures of a working repository, ``warnings`` the artifacts that
    could not be read, ``problem`` why the whole repository could not (its records are those of
    the last time that it could).
    """

    __slots__ = (
        "alias", "commit", "kind", "number", "path", "prefix", "problem", "tree", "uid",
        "warnings", "watch",
    )  # fmt: skip

    alias: str
    commit: str
    kind: str
    number: int
    path: str
    prefix: str
    problem: str
    tree: str
    uid: str
    warnings: list[list[str]]
    watch: str

    def __init__(self, **values: Any) -> None:
        for key in self.__slots__:
            setattr(self, key, values.get(key, [] if key == "warnings" else ""))

    def to_dict(self) -> dict[str, Any]:
        """The values by name, for JSON."""
        return {key: getattr(self, key) for key in self.__slots__}


class SegmentState:
    """A segment of the index and which of its records are no longer true."""

    __slots__ = ("count", "dead", "name")

    def __init__(self, name: str, count: int, dead: set[int]) -> None:
        self.name = name
        self.count = count
        self.dead = dead

    @property
    def live(self) -> int:
        """How many of its records count."""
        return self.count - len(self.dead)


class Manifest:
    """One state of the whole index."""

    def __init__(
        self,
        number: int = 0,
        registry: str = "",
        repositories: list[RepositoryState] | None = None,
        segments: list[SegmentState] | None = None,
    ) -> None:
        self.number = number
        self.registry = registry  # digest of the registry file it was made from
        self.repositories = repositories or []
        self.segments = segments or []

    def files(self) -> set[str]:
        """The names of the files that this state needs."""
        watches = {repo.watch for repo in self.repositories if repo.watch}
        return watches | {segment.name for segment in self.segments}

    def to_dict(self) -> dict[str, Any]:
        """The whole state as JSON values."""
        return {
            "format": FORMAT,
            "registry": self.registry,
            "repositories": [repo.to_dict() for repo in self.repositories],
            "segments": [
                {"name": segment.name, "count": segment.count, "dead": sorted(segment.dead)}
                for segment in self.segments
            ],
        }


def manifest_numbers(directory: str) -> list[int]:
    """The numbers of the manifests that are there, highest first."""
    try:
        names = os.listdir(directory)
    except OSError:
        return []
    numbers = (name[len(_PREFIX) :] for name in names if name.startswith(_PREFIX))
    return sorted((int(number) for number in numbers if number.isdigit()), reverse=True)


def manifest_path(directory: str, number: int) -> str:
    """Where the manifest of a number is."""
    return os.path.join(directory, f"{_PREFIX}{number}")


def read_manifest(directory: str) -> Manifest:
    """The newest manifest; an empty one, number 0, where there is none.

    Raises DamagedIndex when the newest is cut or changed.
    """
    while True:
        numbers = manifest_numbers(directory)
        if not numbers:
            return Manifest()
        try:
            with open(manifest_path(directory, numbers[0]), "rb") as file:
                data = file.read()
        except FileNotFoundError:
            continue  # replaced and swept since the listing
        except OSError as error:
            raise DamagedIndex(str(error)) from None
        return _parse(data, numbers[0])


def _parse(data: bytes, number: int) -> Manifest:
    body, _, check = data.rstrip(b"\n").rpartition(b"\n")
    if digest(body) != check.decode("ascii", "replace"):
        raise DamagedIndex(f"manifest {number} does not match its digest")
    value = decode(body.decode())
    if value["format"] != FORMAT:
        raise DamagedIndex(f"manifest {number} has format {value['format']}")
    return Manifest(
        number,
        value["registry"],
        [RepositoryState(**repo) for repo in value["repositories"]],
        [SegmentState(s["name"], s["count"], set(s["dead"])) for s in value["segments"]],
    )


def encode_manifest(body: bytes) -> bytes:
    """The file of a manifest: its JSON and, on a line of its own, the digest of it."""
    return body + b"\n" + digest(body).encode() + b"\n"


def is_index_file(name: str) -> bool:
    """Whether a name in the index's directory is a segment or a file of signatures."""
    return name.endswith((SUFFIX, ".watch"))
