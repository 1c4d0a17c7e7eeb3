"""What is said over one connection: bodies of requests as they come, answers as they are made."""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from math import inf
from typing import BinaryIO, cast

from .. import __version__
from ..store import git_program

_MOST_BYTES = 64 << 20  # of a request that asks for something: a million wants and haves
_MOST_TRAILERS = 100  # lines after a body in chunks
_CHUNK = 1 << 16


class Refused(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status = status


class Wire(BaseHTTPRequestHandler):
    """One connection, which lasts for several requests."""

    protocol_version = "HTTP/1.1"
    server_version = f"cmgit/{__version__}"
    sys_version = ""
    timeout = git_program.STALLED_SECONDS
    disable_nagle_algorithm = True  # small pieces would wait for the client's word
    begun = False  # whether something of the answer was sent

    # -- what comes ---------------------------------------------------------------------------

    def body(self, bounded: bool) -> BinaryIO:
        """The body of the request, decoded, in a file."""
        most = _MOST_BYTES if bounded else inf
        file = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115
        try:
            for part in _at_most(most, self._decoded(_at_most(most, self._parts()))):
                file.write(part)
        except BaseException:
            file.close()
            raise
        file.seek(0)
        return file

    def _decoded(self, parts: Iterator[bytes]) -> Iterator[bytes]:
        encoding = self.headers.get("Content-Encoding", "identity")
        if encoding == "identity":
            yield from parts
            return
        if encoding not in ("gzip", "x-gzip"):
            raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"no {encoding} here, but gzip")
        decoder = zlib.decompressobj(31)
        try:
            for part in parts:
                while part and not decoder.unused_data:
                    yield decoder.decompress(part, _CHUNK)
                    part = decoder.unconsumed_tail
                if decoder.unused_data:
                    raise Refused(HTTPStatus.BAD_REQUEST, "the body goes on after its end")
            yield decoder.flush()
        except zlib.error as error:
            raise Refused(HTTPStatus.BAD_REQUEST, f"the body is damaged: {error}") from None
        if not decoder.eof:
            raise Refused(HTTPStatus.BAD_REQUEST, "the body is cut off")

    @property
    def has_body(self) -> bool:
        """Whether the request comes with more than its headers."""
        return "Transfer-Encoding" in self.headers or "Content-Length" in self.headers

    def _parts(self) -> Iterator[bytes]:
        """The body as it comes, in one piece or in chunks."""
        lengths = self.headers.get_all("Content-Length", [])
        transfer = self.headers.get("Transfer-Encoding", "").lower()
        if len(lengths) + bool(transfer) > 1:  # who is in front of us may believe the other
            raise Refused(HTTPStatus.BAD_REQUEST, "the body has two lengths")
        if transfer not in ("", "chunked"):
            raise Refused(HTTPStatus.NOT_IMPLEMENTED, f"no transfer by {transfer} here")
        if not transfer:
            yield from self._read(self._number(lengths[0] if lengths else "0", 10))
            return
        while size := self._number(self._line().partition(";")[0].rstrip(), 16):
            yield from self._read(size)
            self._end_line()
        for _ in range(_MOST_TRAILERS):
            if not self._line():
                return
        raise Refused(HTTPStatus.BAD_REQUEST, "the body does not end")

    def _read(self, size: int) -> Iterator[bytes]:
        while size:
            data = self.rfile.read(min(size, _CHUNK))
            if not data:
                raise Refused(HTTPStatus.BAD_REQUEST, "the body is cut off")
            size -= len(data)
            yield data

    def _line(self) -> str:
        line = self.rfile.readline(_CHUNK)
        if not line.endswith(b"\n"):
            raise Refused(HTTPStatus.BAD_REQUEST, "the body is cut off")
        return line.decode("latin-1").strip()

    def _end_line(self) -> None:
        if self._line():
            raise Refused(HTTPStatus.BAD_REQUEST, "a piece of the body is longer than it says")

    def _number(self, text: str, base: int) -> int:
        digits = "0123456789abcdefABCDEF"[: 10 if base == 10 else None]
        if not text or len(text) > 16 or text.strip(digits):
            raise Refused(HTTPStatus.BAD_REQUEST, "the length of the body makes no sense")
        return int(text, base)

    # -- what is sent -------------------------------------------------------------------------

    def begin(self, kind: str) -> None:
        """Say of what kind the answer will be; nothing is sent yet."""
        self._kind = kind
        self._chunked = self.request_version != "HTTP/1.0"

    def write(self, data: bytes) -> int:
        """Send a piece of the answer; the first one brings the headers."""
        if not self.begun:
            self.begun = True
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

    def end(self) -> None:
        """Send what ends the answer."""
        self.write(b"")
        if self._chunked:
            self.wfile.write(b"0\r\n\r\n")

    def say(self, status: HTTPStatus, text: str) -> None:
        """Answer with an error; where something was sent already, by breaking off."""
        self.close_connection = True
        if self.begun:
            return
        data = f"{text}\n".encode()
        self.send_response(status)
        for name, value in (
            ("Content-Type", "text/plain"), ("Content-Length", str(len(data))), ("Connection", "close"),
        ):  # fmt: skip
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


def _at_most(most: float, parts: Iterator[bytes]) -> Iterator[bytes]:
    """The parts; raises Refused when they are longer together."""
    size = 0
    for part in parts:
        size += len(part)
        if size > most:
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the request is too long")
        yield part
