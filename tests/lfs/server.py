"""A server of Git LFS on loopback: dulwich's, which can be told to misbehave."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

from dulwich.lfs import LFSStore
from dulwich.lfs_server import LFSRequestHandler, LFSServer


class Misbehaving(LFSServer):
    """What it shall do; what it was asked."""

    def __init__(self, directory: Path) -> None:
        super().__init__(("127.0.0.1", 0), LFSStore.create(str(directory)))
        self.RequestHandlerClass = _Handler
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.login = ""  # the header that it wants
        self.breaks_after = -1  # bytes of a content
        self.ranges = True
        self.content: bytes | None = None  # instead of the right one
        self.href = ""  # instead of its own
        self.status = 200
        self.answer: bytes | None = None  # to a batch request, instead of its own
        self.answer_bytes = 0  # how many it says that come
        self.content_login = ""  # the same, for contents
        self.expired = 0  # so many requests for contents come too late
        self.redirect = ""  # where contents are
        self.asked: list[str] = []
        self.seen: list[tuple[str, str, dict[str, str]]] = []


class _Handler(LFSRequestHandler):
    server: Misbehaving

    def parse_request(self) -> bool:
        read = super().parse_request()
        if read:
            self.server.seen.append((self.command, self.path, dict(self.headers)))
        return read

    def handle_batch(self) -> None:
        if self.server.answer is not None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            length = self.server.answer_bytes or len(self.server.answer)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(self.server.answer)
            self.close_connection = True
        elif self.server.login and self.headers.get("Authorization") != self.server.login:
            self.close_connection = True
            self.send_error(401)
        elif self.server.status != 200:
            self.close_connection = True
            self.send_error(self.server.status)
        elif self.server.href:
            oid = "0" * 64
            objects = [{"oid": oid, "size": 1, "actions": {"download": {"href": self.server.href}}}]
            self.send_json_response(200, {"objects": objects})
        else:
            super().handle_batch()

    def handle_download(self) -> None:
        oid, asked = self.path.split("/")[-1], self.headers.get("Range", "")
        self.server.asked.append(asked)
        if self.server.expired:
            self.server.expired -= 1
            self.send_error(403)
            return
        wanted = self.server.content_login
        if wanted and self.headers.get("Authorization") != wanted:
            self.send_error(401)
            return
        if self.server.redirect:
            self.send_response(307)
            self.send_header("Location", f"{self.server.redirect}/objects/{oid}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        with self.server.lfs_store.open_object(oid) as file:
            data = self.server.content or file.read()
        start = int(asked[len("bytes=") : -1]) if asked and self.server.ranges else 0
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        end = len(data) if self.server.breaks_after < 0 else start + self.server.breaks_after
        self.wfile.write(data[start:end])
        self.close_connection = end < len(data)


@contextmanager
def serving(directory: Path) -> Iterator[Misbehaving]:
    """One that runs while the block does."""
    directory.mkdir()
    with Misbehaving(directory) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
