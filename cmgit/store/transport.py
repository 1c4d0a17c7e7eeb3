"""How objects come from the other side: one interface, by dulwich or by the git program.

A transport asks what the other side has, and brings what is missing here into a *quarantine*
(:mod:`.quarantine`), where no one sees it. It moves no ref. dulwich is the one that is always
there. When git is there too, dulwich still speaks with servers, but git takes in big packs as they
come, and hands out those of directories of this machine, both several times faster. For a new
repository the packs of a directory are copied (:mod:`.local_packs`).
``CMGIT_TRANSPORT=git`` leaves the network to git as well, whose configuration knows ways that
dulwich does not; ``CMGIT_TRANSPORT=dulwich`` does without git.

``CMGIT_OFFLINE=1`` keeps everything from the network: who is about to use it calls
:func:`check_online` first.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple, Protocol

from ..errors import RemoteError, UsageError
from .address import Source
from .bundle import is_ref
from .git import GitRepository
from .git_program import find_git
from .login import Login
from .objects import ObjectID, is_id
from .quarantine import Quarantine

Progress = Callable[[str], None]


class Received(str):
    """A line of progress that says how many bytes have come: ``size``, of ``total`` if that is
    known."""

    size: int
    total: int

    def __new__(cls, size: int, total: int = 0) -> Received:
        """The line for so many bytes."""
        of = f" of {total / (1 << 20):.1f}" if total else ""
        line = super().__new__(cls, f"received {size / (1 << 20):.1f}{of} MiB")
        line.size, line.total = size, total
        return line

    def __getnewargs__(self) -> tuple[int, int]:  # type: ignore[override]
        return self.size, self.total


class Fetched(NamedTuple):
    """What the other side has: its refs by full name (``HEAD`` too), and its default branch."""

    refs: Mapping[str, ObjectID]
    default: str


class LoginNeeded(RemoteError):
    """The other side asks for a login, or does not take the one that it got."""


class Interrupted(RemoteError):
    """The connection or the other side failed in a way that may be over the next time."""


class Incoming:
    """What a transport brings objects for: a repository, and a quarantine for it; or without one,
    what becomes a repository of its own."""

    def __init__(self, git: GitRepository | None, place: str, depth: int | None = None) -> None:
        self.git = git
        self.depth = depth
        self._place = place
        self._quarantine: Quarantine | None = None

    @property
    def quarantine(self) -> Quarantine:
        """The quarantine, made when it is first asked for."""
        if self._quarantine is None:
            self._quarantine = Quarantine(self._place, self.git)
            if self.git is not None and self.shallow:
                copy_shallow(self.git.common_directory, self._place)
        return self._quarantine

    @property
    def begun(self) -> bool:
        """Whether there is a quarantine."""
        return self._quarantine is not None

    @property
    def shallow(self) -> bool:
        """Whether history is cut off, or may be now."""
        if self.depth is not None:
            return True
        return self.git is not None and os.path.exists(
            os.path.join(self.git.common_directory, "shallow")
        )

    def wanted(self, oids: Iterable[ObjectID]) -> list[ObjectID]:
        """Those that have to be asked for."""
        return sorted(
            {o for o in oids if self.shallow or not self.git or o not in self.git.objects}
        )

    def restart(self) -> None:
        """Do away with the quarantine."""
        self.close()
        self._quarantine = None
        shutil.rmtree(self._place)

    def close(self) -> None:
        """Let go of files."""
        if self._quarantine is not None:
            self._quarantine.close()


class Transport(Protocol):
    """The interface. Both methods raise RemoteError, without any secret in it, and LoginNeeded."""

    def advertised(self, source: Source, login: Login | None) -> Fetched:
        """What the other side has."""
        ...

    def fetch(
        self, source: Source, incoming: Incoming, login: Login | None, progress: Progress | None
    ) -> Fetched:
        """What the other side has, once all objects that are not here are in the quarantine."""
        ...


def chosen() -> tuple[Transport, str]:
    """The transport to use, and the git program to help it, if any."""
    wish = os.environ.get("CMGIT_TRANSPORT", "")
    if wish not in ("", "git", "dulwich"):
        raise UsageError(f"CMGIT_TRANSPORT is {wish!r}", "it may be git or dulwich, or not set")
    program = "" if wish == "dulwich" else find_git()
    if asked_for_git():
        from .git_transport import GitTransport

        if not program:
            raise UsageError("CMGIT_TRANSPORT is git, which is not there", "install it")
        return GitTransport(program), program
    from .dulwich_transport import DulwichTransport

    return DulwichTransport(program), program


def asked_for_git() -> bool:
    """Whether all is left to the git program."""
    return os.environ.get("CMGIT_TRANSPORT") == "git"


def offline() -> bool:
    """Whether the network must not be used."""
    return os.environ.get("CMGIT_OFFLINE", "") not in ("", "0")


@contextmanager
def network(forbidden: bool) -> Iterator[None]:
    """While the block runs, the network must not be used, by processes that it starts neither."""
    before = os.environ.get("CMGIT_OFFLINE")
    if forbidden:
        os.environ["CMGIT_OFFLINE"] = "1"
    try:
        yield
    finally:
        if before is not None:
            os.environ["CMGIT_OFFLINE"] = before
        elif forbidden:
            del os.environ["CMGIT_OFFLINE"]


def check_online(source: Source) -> None:
    """Raise RemoteError, naming it, for a source that is not on this machine, when offline."""
    if offline() and not source.path:
        raise RemoteError(
            f"{source.url} is elsewhere, and cmgit is offline",
            "go online, or name a mirror on a disk: --from=PATH",
        )


def fetched(refs: Iterable[tuple[str, str]], symbolic: str) -> Fetched:
    """What an answer says, without names and ids that are none."""
    good = {
        name: ObjectID(oid) for name, oid in refs if is_id(oid) and (name == "HEAD" or is_ref(name))
    }
    is_branch = symbolic in good and symbolic.startswith("refs/heads/")
    return Fetched(good, symbolic if is_branch else _branch_at(good, good.get("HEAD")))


def _branch_at(refs: Mapping[str, ObjectID], commit: ObjectID | None) -> str:
    branches = [name for name in refs if name.startswith("refs/heads/")]
    preferred = [n for n in ("refs/heads/main", "refs/heads/master") if n in branches]
    for name in preferred + branches:
        if commit is None or refs[name] == commit:
            return name
    return ""


def copy_shallow(old: str, new: str) -> None:
    """Where history is cut off in one Git directory, it is in another."""
    try:
        with open(os.path.join(old, "shallow"), "rb") as file:
            data = file.read()
    except FileNotFoundError:
        data = b""
    path = os.path.join(new, "shallow")
    if data:
        with open(f"{path}.new", "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(f"{path}.new", path)
    elif os.path.exists(path):
        os.unlink(path)


# -- what goes wrong --------------------------------------------------------------------------


def login_needed(source: Source) -> LoginNeeded:
    """The other side asks for a login."""
    return LoginNeeded(
        f"{source.url} asks for a login",
        "keep one in a Git credential helper, or use ssh; check that the name is right",
    )


def no_repository(source: Source) -> RemoteError:
    """There is nothing to fetch from."""
    return RemoteError(f"{source.url} is not a Git repository", "check the URL")


def failed(source: Source, text: str, login: Login | None) -> Interrupted:
    """Whatever else was said, in one line, without the password."""
    line = (text.splitlines() or ["it failed"])[0]
    if login and login.password:
        line = line.replace(login.password, "***")
    return Interrupted(f"{source.url}: {line}", "check the URL and the network")
