"""The transport of dulwich; git, where it is there, takes in big packs, reads directories."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from threading import Thread
from typing import IO, TYPE_CHECKING, Any, BinaryIO
from urllib.parse import urlsplit

from dulwich.client import (
    GitClient,
    HTTPUnauthorized,
    LocalGitClient,
    SubprocessGitClient,
    SubprocessWrapper,
    default_urllib3_manager,
    get_transport_and_path,
)
from dulwich.config import StackedConfig
from dulwich.errors import GitProtocolError, NotGitRepository
from dulwich.object_store import GraphWalker, ObjectStoreGraphWalker
from dulwich.protocol import Protocol

from ..errors import CmgitError, RemoteError
from . import git_program
from .address import Source
from .login import Login
from .objects import ObjectID
from .quarantine import Quarantine
from .transport import (
    Fetched,
    Incoming,
    Progress,
    Received,
    failed,
    fetched,
    login_needed,
    no_repository,
)

if TYPE_CHECKING:
    from urllib3 import PoolManager

_MATTERS = re.compile(r"_proxy$|SSL|CURL", re.IGNORECASE)  # in an environment, to connections
_IDLE_SECONDS = 2.0  # then a server may be about to close a connection
_MOST_KEPT = 8  # servers, or settings
_TOLD_SECONDS = 0.25  # between two words on what has come
_REDIRECTS = 3
_STATUS = re.compile(r"unexpected http resp (\d+)")
_ERRNO = re.compile(r"(?:\[Errno -?\d+\] |Error\(\d+, ')([^'\")]+)")
_VERSION = 0  # of the protocol: refs come with its first answer; 2 has to ask for them


class DulwichTransport:
    """Speaks Git's protocols in Python. ``program`` is the git program that may help, if any."""

    def __init__(self, program: str = "") -> None:
        self._program = program

    def advertised(self, source: Source, login: Login | None) -> Fetched:
        """See Transport."""
        with _failing(source, login), _client(source, login, None) as (client, path):
            result = client.get_refs(os.fsencode(path), protocol_version=_VERSION)
            return _read(result.refs, result.symrefs)

    def fetch(
        self, source: Source, incoming: Incoming, login: Login | None, progress: Progress | None
    ) -> Fetched:
        """See Transport."""
        with _failing(source, login):
            if self._program and os.path.isdir(source.path):
                if incoming.git is not None:
                    known = self.advertised(source, login)
                    if not incoming.wanted(known.refs.values()):
                        return known  # without starting anything
                client: GitClient = _UploadPack(self._program)
                with closing(client):
                    return self._fetch(client, source.path, incoming, progress)
            with _client(source, login, incoming) as (client, path):
                return self._fetch(client, path, incoming, progress)

    def _fetch(
        self, client: GitClient, path: str, incoming: Incoming, progress: Progress | None
    ) -> Fetched:
        def wants(refs: Mapping[Any, bytes], depth: int | None = None) -> list[Any]:
            tips = [ObjectID(o.decode("ascii")) for n, o in refs.items() if not n.endswith(b"^{}")]
            return [oid.encode("ascii") for oid in incoming.wanted(tips)]

        told = time.monotonic()

        def report(line: bytes) -> None:
            nonlocal told
            if progress is not None and time.monotonic() - told > _TOLD_SECONDS:
                told = time.monotonic()
                for text in line.decode("utf-8", "replace").strip().splitlines()[-1:]:
                    progress(text)

        inlet = (_Spool if incoming.shallow else _Inlet)(incoming, self._program, progress)
        with inlet:
            result = client.fetch_pack(
                path,
                wants,
                _haves(incoming),
                inlet.write,
                progress=report,
                depth=incoming.depth,
                protocol_version=_VERSION,
            )
            if result.new_shallow or result.new_unshallow:
                repo = incoming.quarantine.git.dulwich
                repo.update_shallow(result.new_shallow, result.new_unshallow)
                incoming.quarantine.close()
        return _read(result.refs, result.symrefs)


def _haves(incoming: Incoming) -> GraphWalker:
    """What need not come: all that the refs reach."""
    if incoming.git is None:
        return ObjectStoreGraphWalker([], lambda oid: [])
    return incoming.git.dulwich.get_graph_walker()


def _read(refs: Mapping[Any, bytes | None], symrefs: Mapping[Any, bytes] | None) -> Fetched:
    pairs = [
        (name.decode("utf-8", "surrogateescape"), oid.decode("ascii", "replace"))
        for name, oid in refs.items()
        if oid is not None
    ]
    symbolic = (symrefs or {}).get(b"HEAD", b"")
    return fetched(pairs, symbolic.decode("utf-8", "surrogateescape"))


# -- connections ------------------------------------------------------------------------------


@contextmanager
def _client(
    source: Source, login: Login | None, incoming: Incoming | None
) -> Iterator[tuple[GitClient, str]]:
    """A connection to be, which gives up when nothing comes for a while."""
    if os.path.isdir(source.path):
        yield LocalGitClient(quiet=True), source.path
        return
    config = incoming.git.config() if incoming and incoming.git else StackedConfig.default()
    ssh = os.environ.get("GIT_SSH_COMMAND")
    username, password = login or (None, None)
    client, path = get_transport_and_path(
        source.path or source.url,
        config=config,
        operation="pull",
        quiet=True,
        username=username,
        password=password,
        ssh_command=ssh or (None if _has_ssh(config) else git_program.SSH),
        pool_manager=_connections(source.url, config),
    )
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(git_program.STALLED_SECONDS)
    try:
        with closing(client):
            yield client, path
    finally:
        socket.setdefaulttimeout(before)


_kept: dict[tuple[object, ...], tuple[Any, float]] = {}  # and when they were last used


def _connections(url: str, config: StackedConfig) -> PoolManager | None:
    """What keeps connections to a server for the next repository of it, as long as the process and
    the settings are the same; None for what is not HTTP."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        return None
    sections = [
        (section, *file.items(section))
        for file in config.backends
        for section in file.sections()
        if section[0] == b"http"
    ]
    of_some = any(len(section) > 1 for section, *_ in sections)  # those of some URLs
    environment = [(k, v) for k, v in os.environ.items() if _MATTERS.search(k)]
    key = (os.getpid(), url if of_some else parts[:2], *sections, *environment)
    pool, used = _kept.pop(key, (None, 0.0))
    if pool is None:
        from urllib3 import Retry

        pool = default_urllib3_manager(config, base_url=url)
        # else it waits for a silent server four times
        pool.connection_pool_kw["retries"] = Retry(_REDIRECTS, connect=0, read=0)
    elif time.monotonic() - used > _IDLE_SECONDS:
        pool.clear()
    _kept[key] = pool, time.monotonic()
    while len(_kept) > _MOST_KEPT:
        _kept.pop(next(iter(_kept)))[0].clear()
    return pool  # type: ignore[no-any-return]


def _has_ssh(config: StackedConfig) -> bool:
    try:
        return bool(config.get((b"core",), b"sshCommand"))
    except KeyError:
        return False


class _UploadPack(SubprocessGitClient):
    """The server's side of git, for a directory of this machine."""

    def __init__(self, program: str) -> None:
        super().__init__(quiet=True)
        self._fetch_capabilities.add(b"no-progress")  # a line for each percent of a small pack
        self._words = [program, *git_program.settings()]

    def _connect(
        self, cmd: bytes, path: bytes | str, protocol_version: int | None = None
    ) -> tuple[Protocol, Callable[[], bool], IO[bytes] | None]:
        process = subprocess.Popen(
            [*self._words, cmd.decode("ascii"), os.fsdecode(path)],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=git_program.environment(),
        )
        pipes = SubprocessWrapper(process)
        return Protocol(pipes.read, pipes.write, pipes.close), pipes.can_read, process.stderr


@contextmanager
def _failing(source: Source, login: Login | None) -> Iterator[None]:
    """Tell what dulwich and its connections raise in the words of cmgit."""
    try:
        yield
    except CmgitError:
        raise
    except HTTPUnauthorized:
        raise login_needed(source) from None
    except NotGitRepository:
        raise no_repository(source) from None
    except UnicodeError:
        raise RemoteError(f"{source.url}: the answer is not that of a Git server") from None
    except TimeoutError:
        raise failed(source, _said("timed out"), login) from None
    except (GitProtocolError, OSError, ValueError) as error:
        raise failed(source, _said(str(error) or type(error).__name__), login) from None
    except (KeyError, AssertionError, IndexError, BufferError) as error:
        raise RemoteError(f"{source.url}: the answer makes no sense: {error!r}") from None
    except Exception as error:
        if type(error).__module__.split(".")[0] in ("urllib3", "dulwich", "zlib"):
            raise failed(source, _said(str(error) or type(error).__name__), login) from None
        raise


def _said(text: str) -> str:
    """An error of dulwich or urllib3 in words for people."""
    if "timed out" in text:
        return f"nothing came for {git_program.STALLED_SECONDS} seconds"
    if found := _STATUS.search(text):
        return f"the server answers with HTTP status {found[1]}"
    if "No host specified" in text or "URL scheme" in text:
        return "it redirects to what is no server"
    found = _ERRNO.search(text)
    return found[1] if found else text


# -- what comes -------------------------------------------------------------------------------


class _Inlet:
    """Takes a pack while it comes: a thread reads what is written, and indexes it."""

    def __init__(self, incoming: Incoming, program: str, progress: Progress | None) -> None:
        self._incoming = incoming
        self._program = program
        self._progress = progress
        self._received = 0
        self._told = time.monotonic()
        self._file: BinaryIO | None = None
        self._thread: Thread | None = None
        self._error: BaseException | None = None

    def write(self, data: bytes) -> int:
        """Pass on a piece of the pack."""
        self._tell(len(data))
        if self._file is None:
            reading, writing = os.pipe()
            self._file = os.fdopen(writing, "wb")
            take = (self._incoming.quarantine, os.fdopen(reading, "rb"))
            self._thread = Thread(target=self._take, args=take, daemon=True)
            self._thread.start()
        return self._file.write(data)

    def _tell(self, size: int) -> None:
        self._received += size
        if self._progress is not None and time.monotonic() - self._told > _TOLD_SECONDS:
            self._told = time.monotonic()
            self._progress(Received(self._received))

    def _take(self, quarantine: Quarantine, stream: BinaryIO) -> None:
        try:
            with stream:
                quarantine.take(b"", stream, self._program)
        except BaseException as error:
            self._error = error

    def __enter__(self) -> _Inlet:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if self._file is None or self._thread is None:
            return
        with suppress(OSError):
            self._file.close()
        self._thread.join()
        broken = error is None or isinstance(error, BrokenPipeError)
        if self._error is not None and broken:
            raise self._error from None


class _Spool(_Inlet):
    """Takes a pack when all of it is here, and with it where history is cut off."""

    def write(self, data: bytes) -> int:
        """Keep a piece of the pack."""
        self._tell(len(data))
        if self._file is None:
            self._file = tempfile.TemporaryFile(dir=self._incoming.quarantine.path)  # noqa: SIM115
        return self._file.write(data)

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if self._file is None:
            return
        with self._file as file:
            if error is None:
                file.seek(0)
                self._incoming.quarantine.take(b"", file, self._program)
