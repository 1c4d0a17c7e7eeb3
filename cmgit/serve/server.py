"""A home's bare repositories over HTTP, for ``git clone``, ``git fetch`` and other homes.

Git's smart protocol: ``GET /NAME/info/refs?service=git-upload-pack`` and ``POST
/NAME/git-upload-pack``, with ``NAME`` or ``NAME.git``. ``NAME`` is looked up in the registry, and no
part of a request ever becomes a path. ``GET /`` lists what is offered, as JSON; ``GET
/NAME/bundle-list`` names a bundle of all branches and tags, for ``git clone --bundle-uri``. Nothing
can be pushed unless that is allowed. A request holds at most so many bytes, and a client that is
silent for a minute is given up; who serves the world puts a web server with TLS and logins in
front.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from contextlib import closing
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from socketserver import TCPServer
from threading import BoundedSemaphore
from typing import Any, BinaryIO, cast
from urllib.parse import parse_qs, unquote

import orjson

from ..errors import CmgitError, UsageError
from ..registry import BARE, Entry, Registry
from ..store.git import GitRepository
from ..store.mirrored import FORMAT
from ..store.prepared import bundle_name, open_bundle
from ..store.transport import chosen
from ..store.upload_pack import RECEIVE, UPLOAD, advertise, answer
from ..workspace import Workspace
from .wire import Refused, Wire

_MOST_ANSWERS = 32  # at once; others wait
_MOST_CONNECTIONS = 512  # each has a thread; more are closed at once
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
        self._room = BoundedSemaphore(_MOST_CONNECTIONS)
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

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start a thread for a connection, if there is room."""
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve one connection to its end."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

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
        """The repository that is offered by a name. Raises Refused."""
        for entry in self.offered():
            if name in (entry.alias, f"{entry.alias}.git") and os.path.isdir(entry.path):
                return entry
        raise Refused(HTTPStatus.NOT_FOUND, "no such repository; GET / lists those that are here")


class _Handler(Wire):
    """Answers the requests of one connection."""

    server: Server

    def do_GET(self) -> None:  # noqa: N802
        """List the repositories, or what one has."""
        self.close_connection |= self.has_body  # nobody reads it, so it must not be the next one
        self._answered(self._get)

    def do_POST(self) -> None:  # noqa: N802
        """Send a pack, or take one in."""
        self._answered(self._post)

    def _answered(self, work: Callable[[str, str], None]) -> None:
        self.begun = False
        path, _, query = self.path.partition("?")
        try:
            work(path, query)
        except Refused as refused:
            self.say(refused.status, str(refused))
        except (ConnectionError, TimeoutError):
            raise  # it is the client's
        except (CmgitError, OSError) as error:
            if self.server.tell is not None:
                self.server.tell(str(error))
            self.say(HTTPStatus.INTERNAL_SERVER_ERROR, "the repository cannot be read")

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
            raise Refused(HTTPStatus.NOT_FOUND, "there is nothing here but what git clone asks for")

    def _advertise(self, entry: Entry, service: str) -> None:
        self._check(service, entry)
        self.begin(f"application/x-{service}-advertisement")
        advertise(entry.path, service, self.server.program, self._protocol, self.write)
        self.end()

    def _list(self) -> None:
        rows = [
            {"name": entry.alias, "uid": entry.uid, "url": entry.url, "branch": entry.branch}
            for entry in self.server.offered()
        ]
        value = {"format": FORMAT, "version": 1, "repositories": rows}
        self.begin("application/json")
        self.write(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
        self.end()

    def _list_bundle(self, entry: Entry) -> None:
        """Name the one bundle of all branches and tags, in the format of ``git help bundle-uri``."""
        name = bundle_name(entry.path)
        if not name:
            raise Refused(
                HTTPStatus.NOT_FOUND, "there is no bundle of it: it is empty, or not whole"
            )
        uri = f"bundles/{name}"  # relative to the list
        self.begin("text/plain")
        text = f'[bundle]\n\tversion = 1\n\tmode = all\n[bundle "all"]\n\turi = {uri}\n'
        self.write(text.encode())
        self.end()

    def _send_bundle(self, entry: Entry, name: str) -> None:
        with self.server.answers:
            bundle = open_bundle(entry.path, name, self.server.program)
            if bundle is None:
                raise Refused(HTTPStatus.NOT_FOUND, "no such bundle now: see the bundle-list")
            self.begin("application/x-git-bundle")
            with bundle:
                while data := bundle.read(_CHUNK):
                    self.write(data)
            self.end()

    def _post(self, path: str, query: str) -> None:
        name, _, service = path.lstrip("/").partition("/")
        entry = self.server.one(unquote(name))
        self._check(service, entry)
        if self.headers.get("Content-Type") != f"application/x-{service}-request":
            raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "that is no request of Git")
        with self.body(service == UPLOAD) as request, self.server.answers:
            self.begin(f"application/x-{service}-result")
            if service == UPLOAD:
                self._pass(entry, service, request)
            else:
                with Workspace(self.server.home).changing(entry):
                    self._pass(entry, service, request)
            self.end()

    def _pass(self, entry: Entry, service: str, request: BinaryIO) -> None:
        answer(entry.path, service, self.server.program, self._protocol, request, self.write)

    def _check(self, service: str, entry: Entry) -> None:
        """Raise Refused for what is not offered."""
        if service == UPLOAD:
            return
        if service != RECEIVE:
            raise Refused(HTTPStatus.FORBIDDEN, "only Git's smart protocol is spoken here")
        if not self.server.allow_push:
            raise Refused(
                HTTPStatus.FORBIDDEN, "nothing can be pushed here: cmgit serves it to be read"
            )
        with closing(GitRepository.open(entry.path)) as git:
            if git.is_mirror:
                raise Refused(HTTPStatus.FORBIDDEN, "it is a mirror: push to where it comes from")
        if not self.server.program:
            raise Refused(HTTPStatus.FORBIDDEN, "pushing needs the git program on the server")

    @property
    def _protocol(self) -> str:
        return self.headers.get("Git-Protocol", "")

    def log_message(self, format: str, *args: object) -> None:
        """Tell of a request."""
        if self.server.tell is not None:
            self.server.tell(f"{self.client_address[0]} {format % args}")
