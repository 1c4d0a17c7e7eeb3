"""The set of what a home mirrors: ``mirrors.yaml``, a file that people may edit too.

It holds ``mirrors``, a list of mappings with ``url``, and where they are wanted ``name`` (what the
repository is called here; else what follows from the URL), ``recursive`` (mirror the
repositories that its ``cmr.yaml`` depends on, too), ``signed`` (what of it has to be signed:
``tips``, which ``true`` means too, ``all``, or a commit, after which all have to be),
``signers`` (the file with those who may sign, from the home on; else ``allowed_signers``) and
``lfs`` (``false`` leaves the contents of its large files out). An item may also be the URL alone.
The file is replaced by rename, under a lock; comments stay.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import AlreadyExists, MetaError, NotFound, UsageError
from ..home import stored_path
from ..meta.parse import parse_file
from ..meta.write import dump_yaml, edit_file
from ..names import check_alias, parse_name, same_word
from ..store.locks import process_lock
from ..store.remote import Source, parse_source
from .signatures import check_outside
from .signed import TIPS, Policy, parse_what

FILE = "mirrors.yaml"
SIGNERS = "allowed_signers"  # of the home
_KEYS = {"url", "name", "recursive", "signed", "signers", "lfs"}


@dataclass(frozen=True)
class Mirror:
    """One repository to mirror: where it is (without secrets), what it is called here, what of it
    has to be signed (if anything), whether its large files come along."""

    url: str
    name: str
    recursive: bool = False
    signed: str = ""
    signers: str = ""
    lfs: bool = True
    source: Source = field(repr=False, compare=False, kw_only=True)

    def to_dict(self) -> dict[str, Any]:
        """What stands in the file."""
        return {
            "url": self.url,
            **({"name": self.name} if self.name != self.source.alias else {}),
            **({"recursive": True} if self.recursive else {}),
            **({"signed": self.signed} if self.signed else {}),
            **({"signers": self.signers} if self.signers else {}),
            **({} if self.lfs else {"lfs": False}),
        }

    def policy(self, home: str, places: Iterable[str]) -> Policy | None:
        """What has to be signed, or None; raises UsageError when who may is said in one of the
        places, where what is mirrored is, or nowhere."""
        if not self.signed:
            return None
        path = os.path.join(home, os.path.expanduser(self.signers or SIGNERS))
        return Policy.read(self.signed, check_outside(path, places))


def new_mirror(
    text: str,
    name: str = "",
    recursive: bool = False,
    signed: str = "",
    signers: str = "",
    lfs: bool = True,
) -> Mirror:
    """A mirror of a URL, a path or ``owner@name``; raises UsageError for anything else.

    A password in a URL is refused, as it would have to be kept for the next time.
    """
    source = parse_source(text)
    if source.package:
        raise UsageError(f"{text}: a Python package is pulled, not mirrored", "cmgit pull repo")
    if source.url != source.address:
        raise UsageError(
            f"{source.url}: a mirror's URL holds no password",
            "keep it in a Git credential helper or in CMGIT_TOKEN_HOST",
        )
    name = name or source.alias
    check_alias(name)
    signed = parse_what(signed or TIPS) if signed or signers else ""
    return Mirror(source.url, name, recursive, signed, signers, lfs, source=source)


class Mirrors:
    """The mirrors of a home, in the order of the file."""

    def __init__(self, home: str) -> None:
        self.home = home
        self.path = os.path.join(home, FILE)
        self.items, self._data = self._read()

    def _read(self) -> tuple[list[Mirror], bytes]:
        try:
            with open(self.path, "rb") as file:
                data = file.read()
        except FileNotFoundError:
            return [], b""
        return read_items(parse_file(FILE, data, self.path).get("mirrors"), self.path), data

    @contextmanager
    def change(self) -> Iterator[Mirrors]:
        """Read again under the lock, change, and write when the block ends without an error."""
        with process_lock(os.path.join(self.home, "locks", "mirrors")):
            self.items, self._data = self._read()
            before = list(self.items)
            yield self
            if self.items != before:
                self._write()

    def _write(self) -> None:
        value = {"mirrors": [mirror.to_dict() for mirror in self.items]}
        if self._data:
            value = {**parse_file(FILE, self._data, self.path), **value}
            data = edit_file(FILE, self._data, value, self.path)
        else:
            data = dump_yaml(value)
        replace_file(self.path, data)

    def add(self, mirror: Mirror) -> bool:
        """Add one; returns whether it is new, has to be signed in a new way, or is without large
        files now. What it has to be already, it stays.

        Raises AlreadyExists when its name is taken.
        """
        mirror = replace(mirror, signers=stored_path(self.home, mirror.signers))
        for number, other in enumerate(self.items):
            if other.url == mirror.url and mirror.name in (other.name, mirror.source.alias):
                changed = replace(other, lfs=other.lfs and mirror.lfs)
                if mirror.signed:
                    changed = replace(changed, signed=mirror.signed, signers=mirror.signers)
                if changed == other:
                    return False
                self.items[number] = changed
                return True
            if same_word(other.name) == same_word(mirror.name) or other.url == mirror.url:
                raise AlreadyExists(
                    f"{other.name} mirrors {other.url} already",
                    f"choose another --name, or 'cmgit mirror rm {other.name}'",
                )
        self.items.append(mirror)
        return True

    def remove(self, mirrors: Iterable[Mirror]) -> None:
        """Take some out."""
        gone = {mirror.url for mirror in mirrors}
        self.items = [mirror for mirror in self.items if mirror.url not in gone]

    def find(self, words: Iterable[str]) -> list[Mirror]:
        """Those that names, patterns or URLs fit, in order; all when there are no words.

        Raises NotFound for a word that fits none.
        """
        words = list(words)
        if not words:
            return list(self.items)
        fits = {word: [m for m in self.items if _fits(m, word)] for word in words}
        for word, found in fits.items():
            if not found:
                raise NotFound(f"no mirror {word!r}", "see 'cmgit mirror ls'")
        return [m for m in self.items if any(m in found for found in fits.values())]


def _fits(mirror: Mirror, word: str) -> bool:
    if word in (mirror.name, mirror.url):
        return True
    try:
        return parse_name(word).accepts(mirror.name, "")
    except UsageError:
        return False


def read_items(value: object, where: str) -> list[Mirror]:
    """The mirrors that a list in a YAML file says; raises MetaError for anything else."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise MetaError(f"{where}: 'mirrors' is no list")
    return [_read_item(item, f"{where}: mirror {number}") for number, item in enumerate(value, 1)]


def _read_item(item: object, where: str) -> Mirror:
    if isinstance(item, str):
        item = {"url": item}
    if not isinstance(item, dict) or not isinstance(item.get("url"), str):
        raise MetaError(f"{where} has no url")
    unknown = set(item) - _KEYS
    if unknown:
        raise MetaError(f"{where} has an unknown key {min(unknown)!r}")
    if not isinstance(item.get("lfs", True), bool):
        raise MetaError(f"{where}: lfs is neither true nor false")
    try:
        return new_mirror(
            item["url"], str(item.get("name") or ""), bool(item.get("recursive")),
            _what(item.get("signed")), str(item.get("signers") or ""),
            item.get("lfs", True),
        )  # fmt: skip
    except UsageError as error:
        raise MetaError(f"{where}: {error}", error.hint) from None


def _what(value: object) -> str:
    return TIPS if value is True else str(value or "")


def read_list(path: str) -> list[Mirror]:
    """The mirrors that a file lists: YAML as in the home, or one URL a line, ``#`` for comments."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise NotFound(f"{path}: {error.strerror}") from None
    if path.endswith((".yaml", ".yml", ".json")):
        return read_items(parse_file(path, data, path).get("mirrors"), path)
    lines = [line.split("#")[0].strip() for line in data.decode("utf-8", "replace").splitlines()]
    return [new_mirror(line) for line in lines if line]


def replace_file(path: str, data: bytes) -> None:
    """Put data in place of a file, durably and at once."""
    temporary = f"{path}.{os.getpid()}.tmp"
    with open(temporary, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
