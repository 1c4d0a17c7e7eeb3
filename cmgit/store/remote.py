"""Where repositories come from: URLs, paths and installed Python packages."""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from urllib.parse import urlsplit, urlunsplit

from dulwich.client import HTTPUnauthorized, get_transport_and_path
from dulwich.errors import GitProtocolError, NotGitRepository
from dulwich.refs import check_ref_format

from ..errors import NotFound, RemoteError, Unsupported, UsageError
from .commits import Signature
from .formats import refuse_unsupported
from .git import GitRepository
from .objects import EXECUTABLE, FILE, ObjectID, TreeEntry
from .trees import edit

PACKAGE_SCHEME = "package:"
REMOTE_REFS = "refs/remotes/origin/"
_SCHEMES = ("https", "http", "ssh", "git", "file")
_SCP_LIKE = re.compile(r"^(?:[\w.-]+@)?[\w.-]+:(?!//)(?P<path>[^:]+)$")
_GITHUB_SHORTHAND = re.compile(r"^(?P<owner>[\w.-]+)@(?P<name>[\w.-]+)$")
_SNAPSHOT = Signature("cmgit", "cmgit@localhost", 315532800)  # the content alone decides the id
_LEFT_OUT = ("__pycache__", ".git")

Progress = Callable[[str], None]


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


@dataclass(frozen=True)
class Fetched:
    """What the other side has: its branches and tags by full ref, and its default branch."""

    refs: Mapping[str, ObjectID]
    default: str


def fetch(
    git: GitRepository,
    source: Source,
    depth: int | None = None,
    progress: Progress | None = None,
) -> Fetched:
    """Bring every branch and tag of the source into a repository, as ``refs/remotes/origin/*``.

    Objects are hashed as they arrive. Raises RemoteError, without any secret in the message.
    """
    if os.path.isdir(source.address):
        refuse_unsupported(source.address)
    with git.foreign_locks():
        return _fetch(git, source, depth, progress)


def _fetch(
    git: GitRepository, source: Source, depth: int | None, progress: Progress | None
) -> Fetched:
    def report(line: bytes) -> None:
        if progress is not None:
            progress(line.decode("utf-8", "replace").strip())

    try:
        client, path = get_transport_and_path(
            source.address, config=git.config(), operation="pull", quiet=progress is None
        )
        with closing(client):
            result = client.fetch(path, git.dulwich, progress=report, depth=depth)
    except (NotGitRepository, HTTPUnauthorized, GitProtocolError, OSError, ValueError) as error:
        raise _remote_error(source, error) from None
    except (KeyError, AssertionError) as error:
        raise RemoteError(f"{source.url}: the answer makes no sense: {error!r}") from None
    except Exception as error:
        if type(error).__module__.split(".")[0] in ("urllib3", "dulwich", "zlib"):
            raise _remote_error(source, error) from None
        raise
    refs = {
        name.decode("utf-8", "replace"): ObjectID(oid.decode("ascii"))
        for name, oid in result.refs.items()
        if oid is not None and (name == b"HEAD" or check_ref_format(name))
    }
    _keep_refs(git, refs)
    symbolic = (result.symrefs or {}).get(b"HEAD", b"")  # type: ignore[call-overload]
    default = symbolic.decode("utf-8", "replace")
    return Fetched(refs, default if default in refs else _branch_at(refs, refs.get("HEAD")))


def _keep_refs(git: GitRepository, refs: Mapping[str, ObjectID]) -> None:
    container = git.dulwich.refs
    for name, oid in refs.items():
        if oid not in git.objects:
            raise RemoteError(f"the other side did not send {name} ({oid})", "pull again")
    for name in git.refs():  # first, since a branch x may have become x/y
        if name.startswith(REMOTE_REFS) and f"refs/heads/{name[len(REMOTE_REFS) :]}" not in refs:
            container.remove_if_equals(name.encode(), None)  # type: ignore[arg-type]
    for name, oid in refs.items():
        if name.startswith("refs/heads/"):
            container[(REMOTE_REFS + name[11:]).encode()] = oid.encode()  # type: ignore[index,assignment]
        elif name.startswith("refs/tags/"):
            container[name.encode()] = oid.encode()  # type: ignore[index,assignment]


def _branch_at(refs: Mapping[str, ObjectID], commit: ObjectID | None) -> str:
    branches = [name for name in refs if name.startswith("refs/heads/")]
    preferred = [n for n in ("refs/heads/main", "refs/heads/master") if n in branches]
    for name in preferred + branches:
        if commit is None or refs[name] == commit:
            return name
    return ""


def _remote_error(source: Source, error: Exception) -> RemoteError:
    if isinstance(error, HTTPUnauthorized):
        return RemoteError(
            f"{source.url} asks for a login",
            "keep one in a Git credential helper, or use ssh; check that the name is right",
        )
    if isinstance(error, NotGitRepository):
        return RemoteError(f"{source.url} is not a Git repository", "check the URL")
    if isinstance(error, UnicodeError):
        return RemoteError(f"{source.url}: the answer is not that of a Git server")
    text = (str(error).splitlines() or [type(error).__name__])[0]
    secret = urlsplit(source.address).password if "://" in source.address else None
    if secret:
        text = text.replace(secret, "***")
    return RemoteError(f"{source.url}: {text}", "check the URL and the network")


# -- installed packages ------------------------------------------------------------------------


def package_directory(name: str) -> str:
    """The directory of an installed package that carries a ``cmr.yaml``, at its top or in
    ``repo``, where CM looks too; nothing is imported.

    Raises NotFound when there is no such package or it is no repository.
    """
    if not re.fullmatch(r"\w[\w-]*", name):
        raise UsageError(f"{name!r} is not the name of a Python package")
    spec = importlib.util.find_spec(name.replace("-", "_"))
    for top in (spec.submodule_search_locations or []) if spec else []:
        for directory in (top, os.path.join(top, "repo")):
            if any(os.path.isfile(os.path.join(directory, f)) for f in ("cmr.yaml", "cmr.json")):
                return directory
    what = "carries no cmr.yaml" if spec else "is not installed beside cmgit"
    raise NotFound(f"the Python package {name!r} {what}", f"pip install {name}")


def snapshot(git: GitRepository, directory: str, message: str) -> ObjectID:
    """Put and flush a directory as a commit without parents, whose id depends on the content
    and the message only. Compiled Python files are left out."""
    edits: dict[str, TreeEntry | None] = {}
    for parent, directories, files in os.walk(directory):
        directories[:] = sorted(d for d in directories if d not in _LEFT_OUT)
        below = os.path.relpath(parent, directory)
        for name in sorted(files):
            path = os.path.join(parent, name)
            if name.endswith(".pyc") or os.path.islink(path):
                continue
            with open(path, "rb") as file:
                oid = git.objects.put("blob", file.read())
            place = name if below == "." else "/".join([*below.split(os.sep), name])
            mode = EXECUTABLE if os.stat(path).st_mode & 0o100 else FILE
            edits[place] = TreeEntry(mode, oid)
    if not edits:
        raise Unsupported(f"{directory} holds no files")
    commit = git.commit(edit(git.objects, "", edits), (), message, by=_SNAPSHOT)
    git.objects.flush()
    return commit
