"""Where a mirror has what comes from a source. A mirror is named by a path or a URL.

A path is a directory of bare repositories (``PATH/*``), or a home of cmgit (``PATH/repos/*``): the
one whose ``remote.origin.url`` is that of the source is taken; or one that is called as cmgit calls
the source (``owner@name.git``) and has no such URL.

A URL is that of ``cmgit serve --git``, which lists what it has with its sources. Any other server is
asked for ``URL/owner@name.git``.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import quote

import orjson
from dulwich.config import ConfigFile

from ..errors import NotFound, RemoteError, UsageError
from ..names import is_temporary
from .address import Source, parse_source
from .git_program import STALLED_SECONDS
from .login import given_login
from .transport import check_online

FORMAT = "cmgit-repositories"  # of the list that a server has at its top
_LONGEST_LIST = 64 << 20


def default_mirror() -> str:
    """The mirror that every pull asks first, or an empty string."""
    return os.environ.get("CMGIT_MIRROR", "").strip()


def find_in(mirror: str, source: Source) -> Source:
    """Where a mirror has what comes from a source.

    Raises NotFound when it has not, RemoteError when it cannot be asked, UsageError for what is no
    mirror.
    """
    top = parse_source(mirror)
    if top.package:
        raise UsageError(f"{mirror} is no mirror", "name a directory or a URL")
    if top.path:
        return parse_source(_path_in(top.path, source))
    name = _listed_name(top, source) if top.host else f"{source.alias}.git"
    return parse_source(f"{top.address.rstrip('/')}/{quote(name, safe='@')}")


def _same(url: str, source: Source) -> bool:
    """Whether a URL is that of the source, however its end is written."""
    with suppress(UsageError):
        other = parse_source(url)
        return _plain(other.path or other.url) == _plain(source.path or source.url)
    return False


def _plain(url: str) -> str:
    return url.rstrip("/").removesuffix("/.git").removesuffix(".git")


def _path_in(top: str, source: Source) -> str:
    if not os.path.isdir(top):
        raise NotFound(f"the mirror {top} is not there", "is a disk missing?")
    names = (f"{source.alias}.git", source.alias)
    places = list(_repositories(top))
    places.sort(key=lambda place: os.path.basename(place) not in names)
    for place in places:
        url = _origin(place)
        if _same(url, source) if url else os.path.basename(place) in names:
            return place
    raise NotFound(f"the mirror {top} has no {source.url}")


def _repositories(top: str) -> Iterator[str]:
    for directory in (os.path.join(top, "repos"), top):
        for name in sorted(os.listdir(directory)) if os.path.isdir(directory) else []:
            place = os.path.join(directory, name)
            if os.path.isfile(os.path.join(place, "HEAD")) and not is_temporary(name):
                yield place


def _origin(place: str) -> str:
    try:
        config = ConfigFile.from_path(os.path.join(place, "config"))
        return config.get((b"remote", b"origin"), b"url").decode()
    except (OSError, KeyError, ValueError):
        return ""


def _listed_name(top: Source, source: Source) -> str:
    listed = _listed(top)
    if listed is None:
        return f"{source.alias}.git"
    for name, url in listed:
        if url and _same(url, source):
            return name
    raise NotFound(f"the mirror {top.url} has no {source.url}")


def _listed(top: Source) -> list[tuple[str, str]] | None:
    """Name and source of each repository that a server lists; None when it lists none."""
    import urllib.error
    import urllib.request
    from http.client import HTTPException

    check_online(top)
    request = urllib.request.Request(f"{top.url.rstrip('/')}/")
    login = given_login(top)
    if login is not None:
        pair = base64.b64encode(f"{login.username}:{login.password}".encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {pair}")
    try:
        with urllib.request.urlopen(request, timeout=STALLED_SECONDS) as answer:
            data = answer.read(_LONGEST_LIST)
    except urllib.error.HTTPError as error:
        error.close()
        return None
    except (OSError, ValueError, HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise RemoteError(f"the mirror {top.url} does not answer: {str(reason)[:200]}") from None
    try:
        value = orjson.loads(data)
        if value["format"] != FORMAT:
            return None
        return [(str(row["name"]), str(row["url"])) for row in value["repositories"]]
    except (ValueError, KeyError, TypeError):
        return None
