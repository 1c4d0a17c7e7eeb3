"""Requests to a server of Git LFS, and to where it sends for contents.

What belongs to one server goes to no other: a redirect that leads elsewhere loses all headers but
those that say what is wanted, and from ``https:`` none leads to anything else. What goes wrong is
told without the URL that was asked, as that may hold a secret.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urljoin, urlsplit

from urllib3 import BaseHTTPResponse, HTTPHeaderDict, Retry
from urllib3.exceptions import (
    HTTPError,
    NewConnectionError,
    ProtocolError,
    SSLError,
)
from urllib3.exceptions import (
    TimeoutError as TimedOut,
)

from ..errors import RemoteError
from ..store.address import Source
from ..store.git_program import STALLED_SECONDS
from ..store.large import http_pool
from ..store.transport import Interrupted
from .transfers import JOBS

_RETRIES = Retry(
    total=3, redirect=False, status=0, backoff_factor=0.5, respect_retry_after_header=False
)
_REDIRECTS = 5
_FOR_ANYBODY = {"accept", "accept-encoding", "content-length", "content-type", "range"}
_WORDS = {
    TimedOut: f"nothing came for {STALLED_SECONDS} seconds",
    NewConnectionError: "there is no connection",
    SSLError: "the connection is not secure",
    ProtocolError: "the connection broke off",
}


class Connection:
    """The way to a server, by Git's settings for proxies, certificates and headers."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._pool = http_pool(source.url)
        self._pool.connection_pool_kw["maxsize"] = JOBS

    @contextmanager
    def request(
        self, method: str, url: str, headers: Mapping[str, str], body: Any = None
    ) -> Iterator[BaseHTTPResponse]:
        """The answer to a request, to be read while the block runs; redirects are followed.

        Raises Interrupted for what may be over the next time, and RemoteError.
        """
        with self._failing():
            response = self._followed(method, url, HTTPHeaderDict(headers), body)
            try:
                yield response
            finally:  # what was not read to its end is closed, and the connection with it
                response.close()

    def _followed(
        self, method: str, url: str, headers: HTTPHeaderDict, body: Any
    ) -> BaseHTTPResponse:
        for _ in range(_REDIRECTS + 1):
            response: BaseHTTPResponse = self._pool.request(
                method, url, headers=self._with_own(url, headers), body=body,
                preload_content=False, redirect=False, retries=_RETRIES,
            )  # fmt: skip
            place = response.get_redirect_location()
            if not place:
                return response
            response.close()
            url, before = self.checked(urljoin(url, place)), url
            if origin(url) != origin(before):
                kept = {k: v for k, v in headers.items() if k.lower() in _FOR_ANYBODY}
                headers = HTTPHeaderDict(kept)
            if hasattr(body, "seek"):
                body.seek(0)
        raise RemoteError(f"{self._source.url}: redirects more than {_REDIRECTS} times")

    def _with_own(self, url: str, headers: HTTPHeaderDict) -> HTTPHeaderDict:
        """The headers, with those of Git's configuration where they are for this server."""
        if origin(url) != origin(self._source.url):
            return headers
        found = HTTPHeaderDict(self._pool.headers)
        for name, value in headers.items():
            found[name] = value
        return found

    def checked(self, url: str) -> str:
        """A URL that the server named; raises RemoteError for one that is not followed."""
        with self._failing():
            scheme, mine = urlsplit(url).scheme, urlsplit(self._source.url).scheme
        if scheme not in ("https", mine):
            raise RemoteError(f"{self._source.url}: names a URL that is not followed ({scheme}:)")
        return url

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Tell what the connection raises in the words of cmgit: URLs may hold secrets."""
        try:
            yield
        except ValueError:  # a URL or a header that is none
            text = f"{self._source.url}: the answer is not that of Git LFS"
            raise RemoteError(text, "check the URL") from None
        except HTTPError as error:
            reason = getattr(error, "reason", None) or error
            words = (text for kind, text in _WORDS.items() if isinstance(reason, kind))
            raise Interrupted(
                f"{self._source.url}: {next(words, type(reason).__name__)}",
                "check the URL and the network; what came is kept",
            ) from None


def origin(url: str) -> tuple[str, str, int]:
    """To whom a URL leads: scheme, host and port."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return parts.scheme, parts.hostname or "", port
