"""What a person may name as the other side of a pull: URLs, paths, ``owner@name``, packages."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit, urlunsplit

from ..errors import UsageError

PACKAGE_SCHEME = "package:"
_SCHEMES = ("https", "http", "ssh", "git", "file")
_SCP_LIKE = re.compile(r"^(?:[\w.-]+@)?[\w.-]+:(?!//)(?P<path>[^:]+)$")
_GITHUB_SHORTHAND = re.compile(r"^(?P<owner>[\w.-]+)@(?P<name>[\w.-]+)$")


@dataclass(frozen=True)
class Source:
    """Where to pull from: the address to keep, without secrets; the address to use; an alias."""

    url: str
    address: str = field(repr=False)
    alias: str

    @property
    def package(self) -> str:
        """The name of the Python package, when it is one."""
        return self.url[len(PACKAGE_SCHEME) :] if self.url.startswith(PACKAGE_SCHEME) else ""

    @property
    def path(self) -> str:
        """The directory on this machine, when it is one."""
        if self.address.startswith("file:"):
            return unquote(urlsplit(self.address).path)
        return self.address if os.path.isabs(self.address) else ""

    @property
    def host(self) -> str:
        """The host (and port) of a server that may ask for a login; empty for all else."""
        parts = urlsplit(self.url)
        return parts.netloc if parts.scheme in ("http", "https") else ""


def parse_source(text: str) -> Source:
    """Read what ``--url`` or the name of a pull says.

    ``owner@name`` is GitHub's repository; ``package:NAME`` an installed package; else a URL or a
    path. A password in a URL is used and not kept. Raises UsageError for other kinds of URL.
    """
    if text.startswith(PACKAGE_SCHEME):
        return Source(text, text, text[len(PACKAGE_SCHEME) :])
    shorthand = _GITHUB_SHORTHAND.match(text)
    if shorthand and not os.path.exists(text):
        url = f"https://github.com/{shorthand['owner']}/{shorthand['name']}"
        return Source(url, url, text)
    if text.startswith("-") or "::" in text.split("/")[0]:
        raise UsageError(f"{text!r} is no URL that cmgit pulls from")
    if "://" in text:
        return _parse_url(text)
    scp_like = _SCP_LIKE.match(text)
    if scp_like and not os.path.exists(text):
        return Source(text, text, _alias_of(scp_like["path"]))
    path = os.path.abspath(os.path.expanduser(text))
    return Source(path, path, _name_of(path))


def _parse_url(text: str) -> Source:
    parts = urlsplit(text)
    if parts.scheme not in _SCHEMES:
        raise UsageError(
            f"{parts.scheme}: is no kind of URL that cmgit pulls from",
            f"use one of {', '.join(_SCHEMES)}",
        )
    host = parts.netloc.rpartition("@")[2]
    user = parts.username if parts.scheme == "ssh" else ""
    clean = urlunsplit(parts._replace(netloc=f"{user}@{host}" if user else host))
    alias = _name_of(parts.path) if parts.scheme == "file" else _alias_of(parts.path)
    return Source(clean, text, alias)


def _alias_of(path: str) -> str:
    """``owner@name`` for a path on a server."""
    owner = PurePosixPath(path.removesuffix("/.git")).parent.name
    return "@".join(filter(None, (owner, _name_of(path))))


def _name_of(path: str) -> str:
    """The name of a repository at a path, without ``.git``."""
    return PurePosixPath(path.replace(os.sep, "/").removesuffix("/.git")).name.removesuffix(".git")
