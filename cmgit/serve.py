"""A home's bare repositories over HTTP, for ``git clone``, ``git fetch`` and other homes.

Git's smart protocol: ``GET /NAME/info/refs?service=git-upload-pack`` and ``POST
/NAME/git-upload-pack``, with ``NAME`` or ``NAME.git``. ``NAME`` is looked up in the registry, and no
part of a request ever becomes a path. ``GET /`` lists what is offered, as JSON; ``GET
/NAME/bundle-list`` names a bundle of all branches and tags, for ``git clone --bundle-uri``. Nothing can be
pushed unless that is allowed. A request holds at most so many bytes, and a client that is silent
for a minute is given up; who serves the world puts a web server with TLS and logins in front.
"""

from __future__ import annotations

import os
import socket
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from threading import BoundedSemaphore
from typing import BinaryIO, cast
from urllib.parse import parse_qs, unquote

import orjson

from . import __version__
from .errors import CmgitError, UsageError
from .registry import BARE, Entry, Registry
from .store import git_program
from .store.git import GitRepository
from .store.mirrored import FORMAT
from .store.prepared import bundle_name, open_bundle
from .store.transport import chosen
from .store.upload_pack import RECEIVE, UPLOAD, advertise, answer
from .workspace import Workspace

_MOST_BYTES = 64 << 20  # of a request that asks for something: a million wants and haves
_MOST_ANSWERS = 32  # at once; others wait
_CHUNK = 1 << 16

Tell = Callable[[str], None]


class Server(ThreadingHTTPServer):
    """Serves a home until it is closed. ``tell`` gets a line for each request.

    Raises UsageError when the address cannot be listened on.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self, home: str, host: str, port: int, allow_push: bool = False, tell: Tell | None = None
    ) -> None:
        self.home = home
        self.allow_push = allow_push
        self.tell = tell
        self.program = chosen()[1]
        self.answers = BoundedSemaphore(_MOST_ANSWERS)
        self._known: tuple[object, list[Entry]] = None, []
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            self.address_family = found[0][0]
            super().__init__((host, port), _Handler)
        except (OSError, OverflowError) as error:
            said = getattr(error, "strerror", None) or str(error)
            raise UsageError(f"{host}:{port}: {said}", "choose another --host or --port") from None

    @property
    def url(self) -> str:
        """Where it listens."""
        host, port = self.server_address[:2]
        shown = f"[{host!s}]" if ":" in str(host) else str(host)
        return f"http://{shown}:{port}"

    def server_bind(self) -> None:
        """Bind, without asking the network who the host is, which may take seconds."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = cast("tuple[str, int]", self.server_address[:2])

    def handle_error(self, request: object, client_address: object) -> None:
        """Tell what broke a connection: mostly a client that went away."""
        if self.tell is not None:
            self.tell(f"{client_address}: {sys.exc_info()[1]!r}")

    def offered(self) -> list[Entry]:
        """The bare repositories of the home, as they are registered now."""
        found = os.stat(os.path.join(self.home, "registry.json"))
        stamp = found.st_ino, found.st_mtime_ns, found.st_size
        if self._known[0] != stamp:
            entries = [entry for entry in Registry(self.home).entries if entry.kind == BARE]
            self._known = stamp, entries
        return self._known[1]

    def one(self, name: str) -> Entry:
        """The repository that is offered by a name. Raises _Refused."""
        for entry in self.offered():
            if name in (entry.alias, f"{entry.alias}.git") and os.path.isdir(entry.path):
                return entry
        raise _Refused(HTTPStatus.NOT_FOUND, "no such repository; GET / lists those that are here")


class _Refused(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status = status


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server_version = f"cmgit/{__version__}"
    sys_version = ""
    timeout = git_program.STALLED_SECONDS
    disable_nagle_algorithm = True  # small pieces would wait for the client's word
    server: Server

    def do_GET(self) -> None:
        """List the repositories, or what one has."""
        self._answered(self._get)

    def do_POST(self) -> None:
        """Send a pack, or take one in."""
        self._answered(self._post)

    def _answered(self, work: Callable[[str, str], None]) -> None:
        self._begun = False
        path, _, query = self.path.partition("?")
        try:
            work(path, query)
        except _Refused as refused:
            self._say(refused.status, str(refused))
        except (ConnectionError, TimeoutError):
            raise  # it is the client's
        except (CmgitError, OSError) as error:
            if self.server.tell is not None:
                self.server.tell(str(error))
            self._say(HTTPStatus.INTERNAL_SERVER_ERROR, "the repository cannot be read")

    def _get(self, path: str, query: str) -> None:
        if path == "/":
            self._list()
            return
        name, _, rest = path.lstrip("/").partition("/")
        entry = self.server.one(unquote(name))
        if rest == "info/refs":
            self._advertise(entry, parse_qs(query).get("service", [""])[0])
        elif rest == "bundle-list":
            self._list_bundle(entry)
        elif rest.startswith("bundles/"):
            self._send_bundle(entry, rest.removeprefix("bundles/"))
        else:
            raise _Refused(
                HTTPStatus.NOT_FOUND, "there is nothing here but what git clone asks for"
            )

    def _advertise(self, entry: Entry, service: str) -> None:
        self._check(service, entry)
        self._begin(f"application/x-{service}-advertisement")
        advertise(entry.path, service, self.server.program, self._protocol, self._write)
        self._end()

    def _list(self) -> None:
        rows = [
            {"name": entry.alias, "uid": entry.uid, "url": entry.url, "branch": entry.branch}
            for entry in self.server.offered()
        ]
        value = {"format": FORMAT, "version": 1, "repositories": rows}
        self._begin("application/json")
        self._write(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
        self._end()

    def _list_bundle(self, entry: Entry) -> None:
        """Name the one bundle of all branches and tags, in the format of ``git help bundle-uri``."""
        name = bundle_name(entry.path)
        uri = f"bundles/{name}"  # relative to the list
        self._begin("text/plain")
        text = f'[bundle]\n\tversion = 1\n\tmode = all\n[bundle "all"]\n\turi = {uri}\n'
        self._write(text.encode())
        self._end()

    def _send_bundle(self, entry: Entry, name: str) -> None:
        bundle = open_bundle(entry.path, name, self.server.program)
        if bundle is None:
            raise _Refused(HTTPStatus.NOT_FOUND, "no such bundle now: see the bundle-list")
        self._begin("application/x-git-bundle")
        with bundle, self.server.answers:
            while data := bundle.read(_CHUNK):
                self._write(data)
        self._end()

    def _post(self, path: str, query: str) -> None:
        name, _, service = path.lstrip("/").partition("/")
        entry = self.server.one(unquote(name))
        self._check(service, entry)
        if self.headers.get("Content-Type") != f"application/x-{service}-request":
            raise _Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "that is no request of Git")
        with self._body(service == UPLOAD) as request, self.server.answers:
            self._begin(f"application/x-{service}-result")
            if service == UPLOAD:
                self._pass(entry, service, request)
            else:
                with Workspace(self.server.home).changing(entry):
                    self._pass(entry, service, request)
            self._end()

    def _pass(self, entry: Entry, service: str, request: BinaryIO) -> None:
        answer(entry.path, service, self.server.program, self._protocol, request, self._write)

    def _check(self, service: str, entry: Entry) -> None:
        """Raise _Refused for what is not offered."""
        if service == UPLOAD:
            return
        if service != RECEIVE:
            raise _Refused(HTTPStatus.FORBIDDEN, "only Git's smart protocol is spoken here")
        if not self.server.allow_push:
            raise _Refused(
                HTTPStatus.FORBIDDEN, "nothing can be pushed here: cmgit serves it to be read"
            )
        with closing(GitRepository.open(entry.path)) as git:
            if git.is_mirror:
                raise _Refused(HTTPStatus.FORBIDDEN, "it is a mirror: push to where it comes from")
        if not self.server.program:
            raise _Refused(HTTPStatus.FORBIDDEN, "pushing needs the git program on the server")

    @property
    def _protocol(self) -> str:
        return self.headers.get("Git-Protocol", "")

    # -- what comes ---------------------------------------------------------------------------

    def _body(self, bounded: bool) -> BinaryIO:
        """The body of the request, decoded, in a file."""
        size = 0
        file = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115
        try:
            for part in self._decoded():
                size += len(part)
                if bounded and size > _MOST_BYTES:
                    raise _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the request is too long")
                file.write(part)
        except BaseException:
            file.close()
            raise
        file.seek(0)
        return file

    def _decoded(self) -> Iterator[bytes]:
        encoding = self.headers.get("Content-Encoding", "identity")
        if encoding == "identity":
            yield from self._parts()
            return
        if encoding not in ("gzip", "x-gzip"):
            raise _Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"no {encoding} here, but gzip")
        decoder = zlib.decompressobj(31)
        try:
            for part in self._parts():
                while part:
                    yield decoder.decompress(part, _CHUNK)
                    part = decoder.unconsumed_tail
            yield decoder.flush()
        except zlib.error as error:
            raise _Refused(HTTPStatus.BAD_REQUEST, f"the body is damaged: {error}") from None
        if not decoder.eof:
            raise _Refused(HTTPStatus.BAD_REQUEST, "the body is cut off")

    def _parts(self) -> Iterator[bytes]:
        """The body as it comes, in one piece or in chunks."""
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            yield from self._read(self._number(self.headers.get("Content-Length", "0"), 10))
            return
        while size := self._number(self._line().partition(";")[0], 16):
            yield from self._read(size)
            self._line()
        while self._line():
            pass  # trailers

    def _read(self, size: int) -> Iterator[bytes]:
        while size:
            data = self.rfile.read(min(size, _CHUNK))
            if not data:
                raise _Refused(HTTPStatus.BAD_REQUEST, "the body is cut off")
            size -= len(data)
            yield data

    def _line(self) -> str:
        line = self.rfile.readline(_CHUNK)
        if not line.endswith(b"\n"):
            raise _Refused(HTTPStatus.BAD_REQUEST, "the body is cut off")
        return line.decode("latin-1").strip()

    def _number(self, text: str, base: int) -> int:
        digits = "0123456789abcdefABCDEF"[: 10 if base == 10 else None]
        if not text or len(text) > 16 or text.strip(digits):
            raise _Refused(HTTPStatus.BAD_REQUEST, "the length of the body makes no sense")
        return int(text, base)

    # -- what is sent -------------------------------------------------------------------------

    def _begin(self, kind: str) -> None:
        self._kind = kind
        self._chunked = self.request_version != "HTTP/1.0"

    def _write(self, data: bytes) -> int:
        """Send a piece of the answer; the first one brings the headers."""
        if not self._begun:
            self._begun = True
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", self._kind)
            self.send_header("Cache-Control", "no-cache, max-age=0, must-revalidate")
            self.send_header(*self._framing())
            self.end_headers()
        if data and self._chunked:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
        elif data:
            self.wfile.write(data)
        return len(data)

    def _framing(self) -> tuple[str, str]:
        return ("Transfer-Encoding", "chunked") if self._chunked else ("Connection", "close")

    def _end(self) -> None:
        self._write(b"")
        if self._chunked:
            self.wfile.write(b"0\r\n\r\n")

    def _say(self, status: HTTPStatus, text: str) -> None:
        """Answer with an error; where something was sent already, by breaking off."""
        self.close_connection = True
        if self._begun:
            return
        data = f"{text}\n".encode()
        self.send_response(status)
        for name, value in (
            ("Content-Type", "text/plain"), ("Content-Length", str(len(data))), ("Connection", "close"),
        ):  # fmt: skip
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Tell of a request."""
        if self.server.tell is not None:
            self.server.tell(f"{self.client_address[0]} {format % args}")
