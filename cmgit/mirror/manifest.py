"""What an export holds: its manifest, and the checksums for ``sha256sum -c``. See FORMATS.md."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from typing import Any, NamedTuple

import orjson

from ..errors import Damaged, NotFound, Unsupported
from ..names import alias_problem, is_uid
from ..store.bundle import HEAD, is_ref
from ..store.objects import ObjectID, is_id

FORMAT, VERSION, VERSION_WITH_LARGE = "cmgit-mirror-export", 1, 2
MANIFEST, SIGNATURE, SUMS = "manifest.json", "manifest.json.sig", "SHA256SUMS"
BUNDLES, LARGE = "bundles", "large"
_TIME = "%Y-%m-%dT%H:%M:%SZ"


class Part(NamedTuple):
    """A file with a bundle or a large file, or with a part of one: its path in the export, size,
    SHA-256."""

    file: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Held:
    """One repository as it was exported.

    ``refs`` are all that it had, ``mirror`` whether they are those of its source; ``objects`` how
    many the bundle has; ``prerequisites`` the commits that must be there already. An increment in
    which nothing is new has no parts. ``large`` are the large files that the refs name, by SHA-256,
    with their sizes; empty, too, when ``lfs`` is not so, as that leaves them out on purpose.
    """

    alias: str
    uid: str
    url: str
    branch: str
    head: str
    refs: dict[str, ObjectID]
    mirror: bool = False
    objects: int = 0
    prerequisites: tuple[ObjectID, ...] = ()
    parts: tuple[Part, ...] = ()
    large: dict[str, int] = field(default_factory=dict)
    lfs: bool = True

    @property
    def size(self) -> int:
        """The bytes of all parts."""
        return sum(part.size for part in self.parts)


class Stamp(NamedTuple):
    """Which export: an id, and when it was made."""

    id: str
    created: str

    def __str__(self) -> str:
        return f"{self.id} of {self.created}"


class Failed(NamedTuple):
    """A repository that should be in an export and is not, and why."""

    alias: str
    uid: str
    problem: str


class Large(NamedTuple):
    """The content of a large file; without parts in an increment to an export that had it."""

    oid: str
    size: int
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True)
class Manifest:
    """A whole export; ``since`` is the one that it is an increment to."""

    stamp: Stamp
    since: Stamp | None
    repositories: tuple[Held, ...]
    failed: tuple[Failed, ...] = ()
    generator: str = field(default="", compare=False)
    large: tuple[Large, ...] = ()

    def find(self, uid: str) -> Held | None:
        """The repository with a UID, or None."""
        return next((held for held in self.repositories if held.uid == uid), None)

    def encode(self) -> bytes:
        """The bytes of the file."""
        version = VERSION_WITH_LARGE if self.large else VERSION
        value: dict[str, Any] = {"format": FORMAT, "version": version, "generator": self.generator}
        value |= {"id": self.stamp.id, "created": self.stamp.created}
        value["since"] = self.since._asdict() if self.since else None
        value["repositories"] = [_plain(held) for held in self.repositories]
        value["failed"] = [failed._asdict() for failed in self.failed]
        if self.large:
            value["large"] = [
                {**large._asdict(), "parts": _plain_parts(large.parts)} for large in self.large
            ]
        return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _plain(held: Held) -> dict[str, Any]:
    refs = {quoted(name): held.refs[name] for name in sorted(held.refs)}
    value = {
        **asdict(held),
        "refs": refs,
        "head": quoted(held.head),
        "parts": _plain_parts(held.parts),
    }
    if not held.large:
        del value["large"]
    if held.lfs:
        del value["lfs"]
    return value


def _plain_parts(parts: Iterable[Part]) -> list[dict[str, Any]]:
    return [part._asdict() for part in parts]


def quoted(name: str) -> str:
    """A ref as JSON can hold it: bytes that are no UTF-8, and ``%``, become ``%XX``."""
    if name.isascii() and "%" not in name:
        return name
    text = name.replace("%", "%25")
    return "".join(f"%{ord(c) - 0xDC00:02X}" if "\udc80" <= c <= "\udcff" else c for c in text)


def unquoted(text: str) -> str:
    """The ref that :func:`quoted` made this text of; raises ValueError for what it never makes."""
    if text.isascii() and "%" not in text:
        return text
    head, *rest = text.encode("utf-8").split(b"%")
    data = head + b"".join(bytes.fromhex(part[:2].decode()) + part[2:] for part in rest)
    name = data.decode("utf-8", "surrogateescape")
    if quoted(name) != text:
        raise ValueError(f"ref {text!r}")
    return name


def new_stamp(now: datetime) -> Stamp:
    """A fresh stamp."""
    return Stamp(os.urandom(4).hex(), now.astimezone(timezone.utc).strftime(_TIME))


def age_of(stamp: Stamp, now: datetime) -> float:
    """How many seconds ago an export was made."""
    return (now - _time(stamp.created)).total_seconds()


def _time(text: str) -> datetime:
    return datetime.strptime(text, _TIME).replace(tzinfo=timezone.utc)


# -- reading ----------------------------------------------------------------------------------


def decode(data: bytes, where: str) -> Manifest:
    """The manifest that bytes hold; raises Damaged, or Unsupported for a later version."""
    try:
        value = orjson.loads(data)
        if value["format"] != FORMAT:
            raise ValueError(f"it is a {value['format']!r}")
        if value["version"] not in (VERSION, VERSION_WITH_LARGE):
            raise Unsupported(
                f"{where} has version {value['version']!r}, made by {value['generator']!r}",
                "import it with a later cmgit",
            )
        manifest = _manifest(value)
        _check_distinct(manifest)
        return manifest
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Damaged(f"{where} is no manifest of an export: {error}") from None


def _manifest(value: dict[str, Any]) -> Manifest:
    return Manifest(
        _stamp(value),
        _stamp(value["since"]) if value["since"] is not None else None,
        tuple(_held(item) for item in value["repositories"]),
        tuple(Failed(str(f["alias"]), str(f["uid"]), str(f["problem"])) for f in value["failed"]),
        str(value["generator"]),
        tuple(_large(item) for item in value.get("large", [])),
    )


def _large(item: dict[str, Any]) -> Large:
    parts = tuple(_part(part, LARGE) for part in item["parts"])
    return Large(_sha256(item["oid"]), int(item["size"]), parts)


def _sha256(value: str) -> str:
    if len(bytes.fromhex(value)) != 32 or value != value.lower() or len(value) != 64:
        raise ValueError(f"sha256 {value!r}")
    return value


def _stamp(value: dict[str, Any]) -> Stamp:
    _time(value["created"])
    if not isinstance(value["id"], str) or not value["id"].isalnum():
        raise ValueError(f"id {value['id']!r}")
    return Stamp(value["id"], value["created"])


def _held(item: dict[str, Any]) -> Held:
    problem = alias_problem(item["alias"])
    if problem:
        raise ValueError(f"alias {item['alias']!r}: {problem}")
    if not is_uid(item["uid"]):
        raise ValueError(f"uid {item['uid']!r}")
    refs = {unquoted(name): _oid(oid) for name, oid in item["refs"].items()}
    head = unquoted(item["head"])
    for name in [*refs, *filter(None, [head])]:
        if not is_ref(name) or name == HEAD:
            raise ValueError(f"ref {name!r}")
    if head and not head.startswith("refs/heads/"):  # elsewhere nothing has to be signed
        raise ValueError(f"head {head!r} is no branch")
    return Held(
        item["alias"], item["uid"], str(item["url"]), str(item["branch"]), head, refs,
        bool(item["mirror"]), int(item["objects"]), tuple(_oid(oid) for oid in item["prerequisites"]),
        tuple(_part(part, BUNDLES) for part in item["parts"]),
        {_sha256(oid): int(size) for oid, size in item.get("large", {}).items()},
        bool(item.get("lfs", True)),
    )  # fmt: skip


def _oid(value: str) -> ObjectID:
    if not is_id(value):
        raise ValueError(f"object id {value!r}")
    return ObjectID(value)


def _part(item: dict[str, Any], place: str) -> Part:
    directory, _, name = str(item["file"]).partition("/")
    if directory != place or alias_problem(name):
        raise ValueError(f"file {item['file']!r}")
    return Part(item["file"], int(item["size"]), _sha256(item["sha256"]))


def _check_distinct(manifest: Manifest) -> None:
    for values in (
        [held.uid for held in manifest.repositories],
        [held.alias.casefold() for held in manifest.repositories],
        [part.file for part in _parts(manifest)],
        [large.oid for large in manifest.large],
    ):
        twice = [value for value, count in Counter(values).items() if count > 1]
        if twice:
            raise ValueError(f"{twice[0]!r} is there twice")
    known = {(large.oid, large.size) for large in manifest.large}
    for held in manifest.repositories:
        for item in held.large.items():
            if item not in known:
                raise ValueError(f"the large file {item[0]} of {held.alias} is not in it")


def _parts(manifest: Manifest) -> Iterator[Part]:
    for held in manifest.repositories:
        yield from held.parts
    for large in manifest.large:
        yield from large.parts


# -- the files --------------------------------------------------------------------------------


def sums(manifest: Manifest, data: bytes, signature: bytes | None) -> bytes:
    """The bytes of SHA256SUMS: every other file of the export, as ``sha256sum`` writes it."""
    lines = [(part.file, part.sha256) for part in _parts(manifest)]
    lines.append((MANIFEST, hashlib.sha256(data).hexdigest()))
    if signature is not None:
        lines.append((SIGNATURE, hashlib.sha256(signature).hexdigest()))
    return "".join(f"{sha256}  {file}\n" for file, sha256 in sorted(lines)).encode()


@dataclass(frozen=True)
class Export:
    """An export on a disk: its directory, its manifest, and the bytes that were signed."""

    directory: str
    manifest: Manifest
    data: bytes = field(repr=False)
    signature: bytes | None = field(repr=False)


def read_export(directory: str) -> Export:
    """The export in a directory, its manifest checked against SHA256SUMS, its parts not yet.

    Raises NotFound and Damaged.
    """
    where = os.path.join(directory, MANIFEST)
    data = _read(where)
    if data is None:
        raise NotFound(f"{where} is missing: {directory} is no export, or not all of one")
    signature = _read(os.path.join(directory, SIGNATURE))
    listed = _read(os.path.join(directory, SUMS))
    if listed is None:
        raise NotFound(f"{os.path.join(directory, SUMS)} is missing")
    own = f"{hashlib.sha256(data).hexdigest()}  {MANIFEST}\n".encode()
    if own not in listed:
        raise Damaged(f"{where} or {SUMS} is not as it was written: its SHA-256 differs")
    manifest = decode(data, where)
    if listed != sums(manifest, data, signature):
        raise Damaged(_difference(directory, listed, sums(manifest, data, signature), signature))
    return Export(directory, manifest, data, signature)


def _difference(directory: str, listed: bytes, wanted: bytes, signature: bytes | None) -> str:
    where = os.path.join(directory, SIGNATURE)
    if SIGNATURE.encode() in listed and signature is None:
        return f"{where} is missing"
    lines = set(listed.splitlines()) ^ set(wanted.splitlines())
    if all(line.endswith(SIGNATURE.encode()) for line in lines):
        return f"{where} is not as it was written: its SHA-256 differs"
    return f"{os.path.join(directory, SUMS)} does not say what the manifest says"


def _read(path: str) -> bytes | None:
    if os.path.exists(path) and not os.path.isfile(path):
        raise Damaged(f"{path} is no file")
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def find_exports(path: str) -> list[str]:
    """The directories of exports at a path: itself, or those in it. Raises NotFound."""
    if not os.path.isdir(path):
        raise NotFound(f"{path} is no directory")
    if os.path.exists(os.path.join(path, MANIFEST)) or os.path.exists(os.path.join(path, SUMS)):
        return [path]
    found = [
        os.path.join(path, name) for name in sorted(os.listdir(path)) if _is_export(path, name)
    ]
    if not found:
        raise NotFound(f"no export in {path}", "'cmgit mirror export --to=DIR' writes one")
    return found


def _is_export(path: str, name: str) -> bool:
    place = os.path.join(path, name)
    inside = set(os.listdir(place)) if os.path.isdir(place) and name[:1] != "." else set()
    return bool(inside & {MANIFEST, SUMS, BUNDLES})


def in_order(exports: Iterable[Export]) -> list[Export]:
    """Exports so that an increment comes after what it is an increment to, else by time."""
    todo = sorted(exports, key=lambda e: (e.manifest.stamp.created, e.manifest.stamp.id))
    return list(_chained(todo))


def _chained(todo: list[Export]) -> Iterator[Export]:
    while todo:
        waiting = {export.manifest.stamp.id for export in todo}
        ready = next(
            (e for e in todo if e.manifest.since is None or e.manifest.since.id not in waiting),
            todo[0],
        )
        todo.remove(ready)
        yield ready
