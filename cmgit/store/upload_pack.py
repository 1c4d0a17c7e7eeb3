"""The server's side of a fetch: what a repository offers, and a pack of what is asked for.

git does it where it is there, as a web server has it do. Without git a whole clone gets a pack that
is there: the only one of the repository, or one that was prepared for the first who asked; dulwich
answers everything else. What is under ``refs/cmgit/`` is cmgit's own and not offered, though git
sends any object to whoever knows its id (protocol version 2 does not look).
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from typing import IO, BinaryIO

from dulwich.errors import GitProtocolError, HangupException
from dulwich.object_store import MissingObjectFinder
from dulwich.pack import generate_unpacked_objects, write_pack_data
from dulwich.protocol import (
    CAPABILITY_FILTER,
    ReceivableProtocol,
    extract_want_line_capabilities,
    pkt_line,
)
from dulwich.repo import Repo
from dulwich.server import DictBackend, UploadPackHandler

from ..errors import GitError
from ..index.record import digest
from . import git_program
from .git import GitRepository
from .prepared import PULSE_SECONDS, prepared
from .refs import OWN

UPLOAD, RECEIVE = "git-upload-pack", "git-receive-pack"
_SETTINGS = {
    "transfer.hideRefs": OWN.rstrip("/"),
    "receive.fsckObjects": "true",
    "uploadpack.allowFilter": "true",
}
_SIDE_BAND = 65_515  # bytes in a packet, after its length and its channel
_CHUNK = 1 << 18

_SENSELESS = (  # what dulwich raises for it
    GitProtocolError, HangupException, ValueError, LookupError, AssertionError,
)  # fmt: skip

Write = Callable[[bytes], object]


def advertise(path: str, service: str, program: str, protocol: str, write: Write) -> None:
    """Write what a bare repository has, for one of the two services. Raises GitError."""
    version = protocol_of(protocol)
    if version != "version=2" or not program:
        write(pkt_line(f"# service={service}\n".encode()) + pkt_line(None))
    if program:
        words = ["--stateless-rpc", "--advertise-refs"]
        _run_git(program, service, words, path, version, subprocess.DEVNULL, write)
    else:
        with closing(_opened(path)) as repo:
            _handler(repo, io.BytesIO(), write, advertise=True).handle()


def answer(
    path: str, service: str, program: str, protocol: str, request: BinaryIO, write: Write
) -> None:
    """Write the answer to a request, which is a file from its beginning. Raises GitError."""
    if program:
        version = protocol_of(protocol)
        _run_git(program, service, ["--stateless-rpc"], path, version, request, write)
        return
    with closing(_opened(path)) as repo:
        try:
            if not _sent_whole(repo, request, write):
                request.seek(0)
                _handler(repo, request, write).handle()
        except _SENSELESS as error:
            raise GitError(f"{path}: the request makes no sense: {error!r}") from None


def protocol_of(text: str) -> str:
    """The version of Git's protocol that a client asks for, or an empty string."""
    found = re.search(r"\bversion=[012]\b", text)
    return found[0] if found else ""


def _run_git(
    program: str,
    service: str,
    words: list[str],
    path: str,
    version: str,
    request: IO[bytes] | int,
    write: Write,
) -> None:
    options = [word for key, value in _SETTINGS.items() for word in ("-c", f"{key}={value}")]
    command = [*options, service.removeprefix("git-"), *words, path]
    extra = {"GIT_PROTOCOL": version} if version else {}
    with git_program.output(program, command, path, request, extra) as pack:
        while data := pack.read1(_CHUNK):
            write(data)


# -- without git ------------------------------------------------------------------------------


class _Offered(Repo):
    """A repository without the refs that are not offered."""

    def get_refs(self) -> dict:  # type: ignore[type-arg]
        own = OWN.encode()
        return {name: oid for name, oid in super().get_refs().items() if not name.startswith(own)}


def _opened(path: str) -> _Offered:
    GitRepository.open(path).close()  # says what is wrong with it
    return _Offered(path)


class _Handler(UploadPackHandler):
    """Promises no filters: what one leaves out could not be asked for later."""

    def capabilities(self) -> list[bytes]:
        return [word for word in super().capabilities() if word != CAPABILITY_FILTER]


def _handler(
    repo: Repo, request: IO[bytes], write: Write, advertise: bool = False
) -> UploadPackHandler:
    proto = ReceivableProtocol(request.read, write)  # type: ignore[arg-type]
    backend = DictBackend({"/": repo})  # type: ignore[arg-type]
    return _Handler(backend, ["/"], proto, stateless_rpc=True, advertise_refs=advertise)


def _sent_whole(repo: Repo, request: BinaryIO, write: Write) -> bool:
    """Answer the request of a clone, which has nothing and wants all; False for any other."""
    wants = _wants_of_clone(request)
    if not wants or not wants <= set(repo.get_refs().values()) or repo.get_shallow():
        return False
    write(pkt_line(b"NAK\n"))
    whole = _only_pack(repo)
    with open(whole, "rb") if whole else _prepared(repo, wants, _Pulse(write)) as pack:
        while data := pack.read(_SIDE_BAND):
            write(pkt_line(b"\1" + data))
        write(pkt_line(None))
    return True


class _Pulse:
    """Sends an empty packet now and then: a client gives up when nothing comes for long."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._last = time.monotonic()

    def __call__(self, _: object = None) -> None:
        if time.monotonic() - self._last > PULSE_SECONDS:
            self._write(pkt_line(b"\1"))
            self._last = time.monotonic()


def _wants_of_clone(request: BinaryIO) -> set[bytes]:
    """What a request wants that is nothing but ``want`` lines and ``done``; else nothing."""
    proto = ReceivableProtocol(request.read, lambda data: None)
    lines = []
    while (line := proto.read_pkt_line()) is not None:
        lines.append(line)
    if not lines or not all(line.startswith(b"want ") for line in lines):
        return set()
    lines[0], capabilities = extract_want_line_capabilities(lines[0])
    if b"side-band-64k" not in capabilities or proto.eof():
        return set()
    done = proto.read_pkt_line()
    return {line.split()[1] for line in lines} if done and done.strip() == b"done" else set()


def _only_pack(repo: Repo) -> str:
    """The pack that has all objects, if there is one, and none that was kept from being lost."""
    objects = os.path.join(repo.commondir(), "objects")
    packs = [name for name in os.listdir(os.path.join(objects, "pack")) if name[-5:] == ".pack"]
    loose = any(len(n) == 2 and os.listdir(os.path.join(objects, n)) for n in os.listdir(objects))
    elsewhere = os.path.exists(os.path.join(objects, "info", "alternates"))
    kept = any(name.startswith(OWN.encode()) for name in repo.refs.allkeys())
    if len(packs) != 1 or loose or elsewhere or kept:
        return ""
    return os.path.join(objects, "pack", packs[0])


def _prepared(repo: Repo, wants: set[bytes], pulse: _Pulse) -> BinaryIO:
    """A pack of all that these objects reach."""
    name = f"{digest(b''.join(sorted(wants)))}.pack"
    return prepared(
        repo.commondir(), name, lambda file: _write_pack(repo, wants, file, pulse), pulse
    )


def _write_pack(repo: Repo, wants: set[bytes], file: BinaryIO, pulse: _Pulse) -> None:
    def write(data: bytes) -> None:
        file.write(data)
        pulse()

    store = repo.object_store
    found = list(MissingObjectFinder(store, [], wants, progress=pulse))  # type: ignore[arg-type]
    records = generate_unpacked_objects(store, found)
    write_pack_data(write, records, num_records=len(found), object_format=store.object_format)
