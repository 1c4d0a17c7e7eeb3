"""The manifest: which segments hold which state of which repositories.

Manifests are numbered. A new one is put in place by linking a finished file to the next number,
which fails when somebody else was faster: no lock, no lost update. Readers take the highest number.
"""

from __future__ import annotations

import os

from ..home import stored_path
from ..names import same_word
from .pages import Column, DamagedIndex, Pages, Texts
from .record import decode, unsealed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from ..names import Name

FORMAT = 3
DIRECTORY = f"index-v{FORMAT}"
TABLE_MAGIC, TABLE_VERSION, TABLE_SUFFIX = b"CMGITREP", 2, ".repositories"
NUMBERS, STATES, STATE_TEXT, NAMES, NAME_TEXT = range(5)  # the sections of a table
INLINE = 64  # so many states of a table are overridden before it is written anew
_PREFIX = "manifest-"


class RepositoryState:
    """What the index holds of one repository: the state it was in, and how to tell that it moved.

    ``number`` is the registry's; ``path`` the work tree or bare repository, absolute here, and in
    the file relative to the home that it is inside of, if it is; ``commit``
    and ``tree`` are hexadecimal ids of the branch's head and its root tree, empty while unborn;
    ``watch`` names the file of signatures of a working repository, ``warnings`` the artifacts that
    could not be read, ``problem`` why the whole repository could not (its records are those of
    the last time that it could).
    """

    _VALUES = (
        "alias", "commit", "kind", "number", "path", "prefix", "problem", "tree", "uid",
        "warnings", "watch",
    )  # fmt: skip
    __slots__ = (*_VALUES, "home")

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
    home: str  # that it is a state of

    def __init__(self, home: str, **values: Any) -> None:
        self.home = home
        for key in self._VALUES:
            setattr(self, key, values.get(key, [] if key == "warnings" else ""))
        self.path = os.path.join(home, self.path)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RepositoryState) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]

    @property
    def special(self) -> bool:
        """Whether every lookup has to look at it: to watch the disk, or to warn."""
        return bool(self.watch or self.warnings or self.problem)

    def to_dict(self) -> dict[str, Any]:
        """The values by name, for JSON."""
        values = {key: getattr(self, key) for key in self._VALUES}
        return {**values, "path": stored_path(self.home, self.path)}


class Repositories:
    """The states of all repositories, in the order of results.

    Most are in a file of their own, the *table*, which is read only where it is asked: ``inline``
    holds, by number, those that every lookup needs and those that changed since the table was
    written; the numbers in ``gone`` count no longer. ``order`` has all numbers where they are
    not ascending.
    """

    def __init__(
        self,
        inline: Iterable[RepositoryState] = (),
        table: Table | None = None,
        gone: Iterable[int] = (),
        order: Iterable[int] = (),
    ) -> None:
        self.inline = {state.number: state for state in inline}
        self.table = table
        self.gone = set(gone)
        self.order = list(order)
        self._positions: dict[int, int] = {}
        self._read: dict[int, RepositoryState] = {}

    @classmethod
    def of(cls, states: Iterable[RepositoryState]) -> Repositories:
        """All states, in the order of results."""
        states = list(states)
        numbers = [state.number for state in states]
        return cls(states, order=() if numbers == sorted(numbers) else numbers)

    def numbers(self) -> list[int]:
        """The numbers of all, in order."""
        if self.order:
            return self.order
        stored = set(self.table.numbers) if self.table else set()
        return sorted((stored - self.gone) | self.inline.keys())

    def __len__(self) -> int:
        return len(self.numbers())

    def __iter__(self) -> Iterator[RepositoryState]:
        return map(self.state, self.numbers())

    def state(self, number: int) -> RepositoryState:
        """The state of the repository with a number, which is one of them."""
        found = self.inline.get(number) or self._read.get(number)
        if found is None:
            assert self.table is not None
            found = self._read[number] = self.table.state(number)
        return found

    def named(self, name: Name) -> set[int]:
        """The numbers of the repositories that go by a name."""
        found = {n for n, state in self.inline.items() if name.accepts(state.alias, state.uid)}
        if self.table is not None:
            found |= self.table.named(name) - self.gone - self.inline.keys()
        return found

    def position(self, number: int) -> int:
        """What to sort the repository with a number by."""
        if self.order and not self._positions:
            self._positions = {number: at for at, number in enumerate(self.order)}
        return self._positions[number] if self.order else number

    def updated(self, changed: Iterable[RepositoryState], numbers: Iterable[int]) -> Repositories:
        """The same with some states replaced or new, and with all numbers in order."""
        numbers = list(numbers)
        keep = set(numbers)
        inline = {**self.inline, **{state.number: state for state in changed}}
        stored = set(self.table.numbers) if self.table else set()
        return Repositories(
            [state for number, state in inline.items() if number in keep],
            self.table,
            stored - keep,
            () if numbers == sorted(numbers) else numbers,
        )

    @property
    def special(self) -> Iterator[RepositoryState]:
        """Those that every lookup has to look at."""
        return (state for state in self.inline.values() if state.special)

    def to_dict(self) -> dict[str, Any]:
        """What a manifest says of them."""
        return {
            "table": self.table.name if self.table else "",
            "inline": [state.to_dict() for state in self.inline.values()],
            "gone": sorted(self.gone),
            "order": self.order,
        }


class Table:
    """A file of the states of many repositories, by ascending number: JSON, one object each."""

    def __init__(self, directory: str, name: str, home: str) -> None:
        """Map a file; raises DamagedIndex."""
        self.name = name
        self._home = home
        pages = Pages(os.path.join(directory, name), TABLE_MAGIC, TABLE_VERSION, 5)
        self.numbers = Column(pages, NUMBERS).all()
        self._states = Texts(pages, STATES, STATE_TEXT)
        self._names = Texts(pages, NAMES, NAME_TEXT)

    def state(self, number: int) -> RepositoryState:
        """The state of the repository with a number."""
        from _bisect import bisect_left

        text = self._states.text(bisect_left(self.numbers, number))
        return RepositoryState(self._home, **decode(text))

    def named(self, name: Name) -> set[int]:
        """The numbers of the repositories that go by a name."""
        from itertools import pairwise

        data, offsets = self._names.data(0, len(self._names)), self._names.offsets()
        names = [data[start:end] for start, end in pairwise(offsets)]
        if name.uid:
            at = [n for n, found in enumerate(names) if found.endswith(name.uid.encode())]
        elif name.is_pattern:
            pairs = (found.decode("utf-8", "surrogatepass").split("\0") for found in names)
            at = [n for n, (alias, uid) in enumerate(pairs) if name.accepts(alias, uid)]
        else:
            begin = repository_name(name.alias, "")
            at = [n for n, found in enumerate(names) if found.startswith(begin)]
        return {self.numbers[n] for n in at}


def repository_name(alias: str, uid: str) -> bytes:
    """What a table says of the name of a repository: folded alias, NUL, UID."""
    return f"{same_word(alias)}\0{uid}".encode("utf-8", "surrogatepass")


class SegmentState:
    """A segment of the index, how many records it has, how many of them count, and which do not:
    ``dead`` is the hexadecimal form of a set as in :mod:`.bitmap`, empty for none."""

    __slots__ = ("count", "dead", "live", "name")

    def __init__(self, name: str, count: int, live: int, dead: str = "") -> None:
        self.name = name
        self.count = count
        self.live = live
        self.dead = dead

    def to_dict(self) -> dict[str, Any]:
        """The values by name, for JSON."""
        return {key: getattr(self, key) for key in self.__slots__}


class Manifest:
    """One state of the whole index."""

    def __init__(
        self,
        number: int = 0,
        registry: str = "",
        repositories: Repositories | None = None,
        segments: list[SegmentState] | None = None,
    ) -> None:
        self.number = number
        self.registry = registry  # digest of the registry file it was made from
        self.repositories = repositories or Repositories()
        self.segments = segments or []

    def to_dict(self) -> dict[str, Any]:
        """What the file says."""
        return {
            "format": FORMAT,
            "registry": self.registry,
            **self.repositories.to_dict(),
            "segments": [segment.to_dict() for segment in self.segments],
        }

    def files(self) -> set[str]:
        """The names of the files that this state needs."""
        names = {segment.name for segment in self.segments}
        names |= {state.watch for state in self.repositories.inline.values() if state.watch}
        if self.repositories.table:
            names.add(self.repositories.table.name)
        return names


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


def read_manifest(directory: str, home: str = "") -> Manifest:
    """The newest manifest; an empty one, number 0, where there is none.

    ``home`` is the one that it tells of, if that is not where its directory is. Raises DamagedIndex when the newest is cut or changed, or the table that it names.
    """
    while True:
        numbers = manifest_numbers(directory)
        if not numbers:
            return Manifest()
        try:
            with open(manifest_path(directory, numbers[0]), "rb") as file:
                data = file.read()
            return _parse(directory, data, numbers[0], home or os.path.dirname(directory))
        except FileNotFoundError:
            continue  # replaced and swept since the listing
        except OSError as error:
            raise DamagedIndex(str(error)) from None
        except DamagedIndex:
            if manifest_numbers(directory)[:1] == numbers[:1]:
                raise


def _parse(directory: str, data: bytes, number: int, home: str) -> Manifest:
    try:
        value = decode(unsealed(data).decode())
    except ValueError as error:
        raise DamagedIndex(f"manifest {number}: {error}") from None
    if value["format"] != FORMAT:
        raise DamagedIndex(f"manifest {number} has format {value['format']}")
    repositories = Repositories(
        [RepositoryState(home, **state) for state in value["inline"]],
        Table(directory, value["table"], home) if value["table"] else None,
        value["gone"],
        value["order"],
    )
    segments = [SegmentState(**item) for item in value["segments"]]
    return Manifest(number, value["registry"], repositories, segments)
