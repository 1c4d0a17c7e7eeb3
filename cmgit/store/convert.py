"""What Git does to a file's content between the work tree and the object store.

Git's attributes ``text``, ``eol``, ``crlf``, ``ident`` and ``filter`` and its settings
``core.autocrlf`` and ``core.eol`` decide; the rules are those of Git's ``convert.c``.

Limitations: quoted patterns in ``.gitattributes`` are not read, and ``working-tree-encoding`` is
refused.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from dulwich.attrs import (
    AttributeValue,
    Pattern,
    compile_gitattributes_patterns,
    match_path,
    parse_git_attributes,
)
from dulwich.config import get_xdg_config_home_path

from ..errors import GitError, Unsupported
from ..lfs.objects import Objects
from .git import GitRepository
from .large import large_directory
from .objects import ObjectID, object_id, read_blob

if TYPE_CHECKING:
    from dulwich.filters import FilterDriver, FilterRegistry

Attributes = Mapping[bytes, AttributeValue]
Rules = list[tuple[Pattern, Attributes]]

_LFS = b"lfs"
_MACRO = b"[attr]"
_BINARY: Attributes = {b"binary": True, b"diff": False, b"merge": False, b"text": False}
_ID = re.compile(rb"\$Id(?::([^$\n]*))?\$")
_PRINTABLE_CONTROLS = b"\b\t\x1b\x0c"
_CR, _LF, _EOF = 0x0D, 0x0A, 0x1A
_UNPRINTABLE = bytes(c for c in [*range(0x20), 0x7F] if c not in (_CR, _LF, *_PRINTABLE_CONTROLS))


class Converter:
    """The conversions of one work tree; ``indexed`` says which blob Git's index has for a path."""

    def __init__(self, git: GitRepository, indexed: Callable[[str], ObjectID | None]) -> None:
        self._git = git
        self._large = Objects(large_directory(git))
        self._indexed = indexed
        self._config = git.config()
        self._macros: dict[bytes, Attributes] = {b"binary": _BINARY}
        self._rules: dict[str, Rules] = {}
        self._user = self._load(self._user_file())
        self._info = self._load(os.path.join(git.common_directory, "info", "attributes"))
        self._autocrlf = self._setting("autocrlf")
        self._crlf = self._autocrlf == "true" or (
            self._autocrlf != "input"
            and self._setting("eol", "native" if os.name != "nt" else "crlf") == "crlf"
        )

    def clean(self, path: str, data: bytes) -> bytes:
        """The blob that Git stores for a file with this content."""
        found = self.attributes(path)
        driver = self._driver(found)
        if driver is not None:
            data = self._run(driver.clean, path, data)
        elif found.get(b"filter") == _LFS:
            data = self._large.clean_bytes(data)
        data = self._lf(path, data, self._action(found))
        return _ID.sub(b"$Id$", data) if found.get(b"ident") is True else data

    def smudge(self, path: str, data: bytes) -> bytes:
        """The content that Git writes into a file for a blob."""
        found = self.attributes(path)
        if found.get(b"ident") is True:
            data = _with_ids(data)
        data = self._with_crlf(data, self._action(found))
        driver = self._driver(found)
        if driver is not None:
            name = path.encode("utf-8", "surrogateescape")
            data = self._run(lambda d: driver.smudge(d, name), path, data)
        return data

    def is_large(self, path: str) -> bool:
        """Whether Git LFS keeps the content of a path: cmgit does what its filter would do."""
        return self.attributes(path).get(b"filter") == _LFS

    def is_filtered(self, path: str) -> bool:
        """Whether a filter of the user's is applied to a path: a program, which may fail."""
        return self._driver(self.attributes(path)) is not None

    # -- attributes ---------------------------------------------------------------------------

    def attributes(self, path: str) -> Attributes:
        """The attributes of a path, macros expanded."""
        rules, parts = list(self._user), path.split("/")
        for depth in range(len(parts)):
            rules += self._in_directory("/".join(parts[:depth]))
        return match_path([*rules, *self._info], path.encode("utf-8", "surrogateescape"))

    def _in_directory(self, directory: str) -> Rules:
        if directory not in self._rules:
            place = os.path.join(self._git.path, *filter(None, directory.split("/")))
            file = os.path.join(place, ".gitattributes")
            self._rules[directory] = [] if os.path.islink(file) else self._load(file, directory)
        return self._rules[directory]

    def _load(self, file: str, base: str = "") -> Rules:
        try:
            with open(file, "rb") as stream:
                lines = list(parse_git_attributes(stream))
        except OSError:
            return []
        plain = []
        for pattern, values in lines:
            expanded = self._expanded(values)
            if pattern.startswith(_MACRO):
                self._macros[pattern[len(_MACRO) :]] = expanded
            else:
                plain.append((pattern, expanded))
        return compile_gitattributes_patterns(plain, file, base.encode("utf-8", "surrogateescape"))

    def _expanded(self, values: Attributes) -> Attributes:
        result: dict[bytes, AttributeValue] = {}
        for name, value in values.items():
            result[name] = value
            if value is True and name in self._macros:
                result.update(self._macros[name])
        return result

    def _user_file(self) -> str:
        try:
            return os.path.expanduser(self._config.get((b"core",), b"attributesFile").decode())
        except KeyError:
            return get_xdg_config_home_path("git", "attributes")

    def _setting(self, name: str, default: str = "") -> str:
        try:
            value = self._config.get((b"core",), name.encode()).decode().lower()
        except KeyError:
            return default
        return {"1": "true", "yes": "true", "on": "true"}.get(value, value)

    # -- line ends ----------------------------------------------------------------------------

    def _action(self, found: Attributes) -> str:
        """What Git calls the action: ``binary``, or ``text`` or ``auto`` with ``-crlf``, ``-lf``."""
        if found.get(b"working-tree-encoding"):
            raise Unsupported(
                f"{self._git.path} uses working-tree-encoding, which cmgit does not convert",
                "commit these files with git",
            )
        text = found.get(b"text", found.get(b"crlf"))
        eol = found.get(b"eol")
        if text is False:
            return "binary"
        kind = {True: "text", b"input": "text", b"auto": "auto"}.get(text)
        if eol in (b"lf", b"crlf"):
            return f"{'auto' if kind == 'auto' else 'text'}-{eol.decode()}"
        if text == b"input":
            return "text-lf"
        if kind is None and self._autocrlf not in ("true", "input"):
            return "binary"
        return f"{kind or 'auto'}-{'crlf' if self._crlf else 'lf'}"

    def _lf(self, path: str, data: bytes, action: str) -> bytes:
        if action == "binary" or b"\r\n" not in data:
            return data
        if action.startswith("auto") and (is_binary(data) or self._has_crlf(path)):
            return data
        return data.replace(b"\r\n", b"\n")

    def _has_crlf(self, path: str) -> bool:
        """Whether the index has a text with CRLF for a path; then it was meant so."""
        oid = self._indexed(path)
        data = read_blob(self._git.objects, oid) if oid in self._git.objects and oid else b""
        return b"\r\n" in data and not is_binary(data)

    @staticmethod
    def _with_crlf(data: bytes, action: str) -> bytes:
        if not action.endswith("-crlf") or b"\n" not in data:
            return data
        if action.startswith("auto") and (b"\r" in data or is_binary(data)):
            return data
        return re.sub(rb"(?<!\r)\n", b"\r\n", data)

    # -- filters ------------------------------------------------------------------------------

    def _driver(self, found: Attributes) -> FilterDriver | None:
        name = found.get(b"filter")
        if not isinstance(name, bytes) or name == _LFS:
            return None
        if (b"filter", name) not in self._config.sections():
            return None
        return self._filters.get_driver(name.decode("utf-8", "replace"))

    @cached_property
    def _filters(self) -> FilterRegistry:
        from dulwich.filters import FilterRegistry

        return FilterRegistry(self._config, self._git.dulwich)

    def _run(self, function: Callable[[bytes], bytes], path: str, data: bytes) -> bytes:
        from dulwich.filters import FilterError

        try:
            return function(data)
        except (FilterError, OSError) as error:
            raise GitError(f"the filter of {self._git.path}/{path} failed: {error}") from None


def _with_ids(data: bytes) -> bytes:
    """A content with the id of its blob in each ``$Id$``; one with more spaces in it is that of
    another system, and stays."""
    full = f"$Id: {object_id('blob', data)} $".encode()
    return _ID.sub(lambda found: found[0] if b" " in (found[1] or b"")[1:-1] else full, data)


def is_binary(data: bytes) -> bool:
    """Whether Git takes a content for binary: NUL, lone CR, or much that cannot be printed."""
    if b"\0" in data or data.count(b"\r") > data.count(b"\r\n"):
        return True
    unprintable = len(data) - len(data.translate(None, _UNPRINTABLE))
    printable = len(data) - unprintable - data.count(b"\r") - data.count(b"\n")
    if data and data[-1] == _EOF:
        unprintable -= 1
    return (printable >> 7) < unprintable
