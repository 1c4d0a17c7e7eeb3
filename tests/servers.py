"""Servers on the loopback: the real ``git http-backend``, and what one that fails says."""

from __future__ import annotations

import gc
import http.server
import os
import socket
import struct
import subprocess
import threading
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest


class Backend(http.server.BaseHTTPRequestHandler):
    """The real ``git http-backend``, with or without a login; ``answer`` replaces it, and
    ``forged`` replaces some bytes in what it says."""

    root = ""
    login = ""
    answer: tuple[int, str, bytes] | None = None
    forged = (b"", b"")
    cut = 0  # so many bytes of a pack are not sent
    location = ""  # where to redirect to
    silent: threading.Event | None = None  # until when nothing is said
    reset = False  # the connection, in the middle of a pack

    def do_GET(self) -> None:
        """Pass the request on to Git, or answer as told."""
        if self.silent is not None:
            self.silent.wait(60)
        if self.location:
            self._send(302, [("Location", self.location + self.path)], b"")
        elif self.answer is not None:
            status, kind, data = self.answer
            self._send(status, [("Content-Type", kind)], data)
        elif self.login and self.headers.get("Authorization") != self.login:
            self._send(401, [("WWW-Authenticate", 'Basic realm="x"')], b"")
        else:
            self._git()

    do_POST = do_GET  # noqa: N815

    def _git(self) -> None:
        path, _, query = self.path.partition("?")
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        environ = {
            **os.environ,
            "GIT_PROJECT_ROOT": self.root,
            "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REMOTE_ADDR": "127.0.0.1",
        }
        done = subprocess.run(
            ["git", "http-backend"], input=data, env=environ, capture_output=True, check=False
        )
        said = done.stdout.replace(*self.forged) if self.forged[0] else done.stdout
        head, _, body = said.partition(b"\r\n\r\n")
        if self.cut and b"PACK" in body:
            body = body[: -self.cut]
        if self.reset and b"PACK" in body:
            self._reset(body)
            return
        lines = [line.decode().partition(": ") for line in head.split(b"\r\n") if line]
        headers = [(name, value) for name, _, value in lines]
        status = next((int(v.split()[0]) for n, v in headers if n == "Status"), 200)
        self._send(status, [(n, v) for n, v in headers if n != "Status"], body)

    def _send(self, status: int, headers: list[tuple[str, str]], data: bytes) -> None:
        self.send_response(status)
        for name, value in [*headers, ("Content-Length", str(len(data)))]:
            self.send_header(name, value)
        with suppress(BrokenPipeError):  # the client gave up
            self.end_headers()
            self.wfile.write(data)

    def _reset(self, body: bytes) -> None:
        """Send half of an answer, and then a reset instead of an end."""
        self.send_response(200)
        self.send_header("Content-Type", "application/x-git-upload-pack-result")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2])
        self.wfile.flush()
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.connection.close()
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[type[Backend]]:
    """A class of requests that tests set up; it knows its ``url``."""
    handler = type("Handler", (Backend,), {"root": str(tmp_path)})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    handler.url = f"http://127.0.0.1:{server.server_port}"  # type: ignore[attr-defined]
    yield handler
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def collect() -> Iterator[None]:
    """Collect what dulwich leaves open when the other side fails, for the tests that import this,
    and not in a test that knows nothing of it."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()
