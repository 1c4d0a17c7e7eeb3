"""The API of Git LFS: its batch requests, and the transfer that it calls basic.

A request names up to a hundred contents; the answer says from which URL each comes, and what to
send along. Limitations: no locks, no other transfers, no ``ssh`` for the login (a server that Git
reaches by ssh is asked by https).
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, TypeGuard

import orjson
from urllib3 import BaseHTTPResponse, HTTPHeaderDict

from ..errors import Damaged, RemoteError
from ..store.address import Source, parse_source
from ..store.git_program import find_git
from ..store.login import Login
from ..store.remote import logged_in
from ..store.transport import Interrupted, login_needed
from .connection import Connection, origin
from .objects import CHUNK, Objects, Opened
from .pointer import Pointer
from .transfers import Absent, Moved, Transfers, nobody

_TYPE = "application/vnd.git-lfs+json"
_MANY = 100
_GONE = (404, 410)
_MOST = 16 << 20  # bytes of an answer
Item = dict[str, Any] | None
"""What an answer says of a content, if anything."""
_OURS = ("connection", "content-length", "host", "range", "transfer-encoding")
_RANGE = re.compile(r"bytes (\d+)-")


class Server:
    """A server that speaks the API of Git LFS; see :class:`.remote.Remote`."""

    def __init__(self, url: str) -> None:
        self._source: Source = parse_source(url)
        self._connection = Connection(self._source)
        self._login: Login | None = None  # what it took
        self.where = self._source.url

    def lacking(self, pointers: Sequence[Pointer]) -> list[Pointer]:
        """See Remote. Of what it refuses to take, ``send`` says why."""
        return [p for p, item in self._batch("upload", pointers) if not _is_there(item)]

    def fetch(self, pointers: Sequence[Pointer], objects: Objects, moved: Moved = nobody) -> None:
        """See Remote."""
        transfers = Transfers(self._source.url, moved)

        def bring(pointer: Pointer, item: Item) -> bool:
            work = partial(self._bring, pointer, objects, transfers)
            return self._twice("download", pointer, item, work)

        transfers.run(bring, self._batch("download", pointers))

    def send(self, pointers: Sequence[Pointer], objects: Objects, moved: Moved = nobody) -> int:
        """See Remote."""
        transfers = Transfers(self._source.url, moved)

        def put(pointer: Pointer, item: Item) -> bool:
            work = partial(self._put, pointer, objects, transfers)
            return self._twice("upload", pointer, item, work)

        return transfers.run(put, self._batch("upload", pointers))

    def _twice(
        self, operation: str, pointer: Pointer, item: Item, work: Callable[[Item], bool]
    ) -> bool:
        """Do what the server says is to be done for a content; when it may have said that too long
        ago, what it says now."""
        try:
            return work(item)
        except _Refused:
            ((_, item),) = self._batch(operation, [pointer])
            return work(item)

    def _bring(self, pointer: Pointer, objects: Objects, transfers: Transfers, item: Item) -> bool:
        actions = self._actions(pointer, item, _GONE)
        if "download" not in actions:
            raise Absent
        action = self._checked(actions["download"])
        objects.receive(pointer, partial(self._open, pointer, action, transfers))
        return True

    def _put(self, pointer: Pointer, objects: Objects, transfers: Transfers, item: Item) -> bool:
        if item is None:
            raise RemoteError(f"{self._source.url}: says nothing of {pointer.oid}")
        actions = self._actions(pointer, item)
        if "upload" in actions:
            problem = objects.verify(pointer)  # not every server looks at what it gets
            if problem:
                raise Damaged(problem)
            with objects.read(pointer) as file:
                action = self._checked(actions["upload"])
                self._upload(pointer, action, transfers.file(file))
        if "verify" in actions:
            self._verify(pointer, self._checked(actions["verify"]))
        return "upload" in actions

    # -- asking ---------------------------------------------------------------------------------

    def _batch(self, operation: str, pointers: Sequence[Pointer]) -> Iterator[tuple[Pointer, Item]]:
        """What the server says of each content, if anything."""
        for at in range(0, len(pointers), _MANY):
            some = pointers[at : at + _MANY]
            body = orjson.dumps({
                "operation": operation, "transfers": ["basic"], "hash_algo": "sha256",
                "objects": [{"oid": pointer.oid, "size": pointer.size} for pointer in some],
            })  # fmt: skip
            answer = logged_in(self._source, find_git(), partial(self._ask, body))
            told = {str(item.get("oid")): item for item in self._items(answer)}
            yield from ((pointer, told.get(pointer.oid)) for pointer in some)

    def _items(self, answer: Any) -> list[dict[str, Any]]:
        items = answer.get("objects") if isinstance(answer, dict) else None
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise self._nonsense()
        for what, ours in (("transfer", "basic"), ("hash_algo", "sha256")):
            theirs = answer.get(what) or ours
            if theirs != ours:
                raise RemoteError(f"{self._source.url}: wants {what} {_line(theirs)}, not {ours}")
        return items

    def _actions(self, pointer: Pointer, item: Item, gone: Sequence[int] = ()) -> dict[str, Any]:
        """What is to be done for a content. Raises RemoteError for an error, which a code of those
        that are ``gone`` is not."""
        error, actions = (item.get("error"), item.get("actions")) if item else (None, None)
        code, said = (error.get("code"), error.get("message")) if _is_dict(error) else (0, error)
        if error and code not in gone:
            raise RemoteError(f"{self._source.url}: {pointer.oid}: {_line(said)}")
        if actions and not _is_dict(actions):
            raise self._nonsense()
        return actions or {}

    def _nonsense(self) -> RemoteError:
        text = f"{self._source.url}: the answer is not that of Git LFS"
        return RemoteError(text, "check the URL")

    def _ask(self, body: bytes, login: Login | None) -> Any:
        headers = {"Accept": _TYPE, "Content-Type": _TYPE}
        headers |= _basic(login)
        url = f"{self._source.url.rstrip('/')}/objects/batch"
        with self._connection.request("POST", url, headers, body) as response:
            if response.status in (401, 403):
                raise login_needed(self._source)
            self._refuse_status(response, "objects/batch")
            data = response.read(_MOST + 1)
            if len(data) > _MOST:
                raise RemoteError(f"{self._source.url}: the answer is too long")
            self._login = login
        try:
            return orjson.loads(data)
        except ValueError:
            raise self._nonsense() from None

    # -- contents -------------------------------------------------------------------------------

    def _open(
        self, pointer: Pointer, action: Mapping[str, Any], transfers: Transfers, start: int
    ) -> Opened:
        headers = {"Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
        with ExitStack() as stack:
            response = stack.enter_context(self._content("GET", action, headers))
            if response.status in _GONE:
                raise Absent
            if response.status != 416 or not start:
                self._refuse_status(response, pointer.oid)
                found = _RANGE.match(response.headers.get("Content-Range", ""))
                begins = int(found[1]) if response.status == 206 and found else 0
                return begins, transfers.counted(_streamed(response, stack.pop_all()))
        return self._open(pointer, action, transfers, 0)  # what is here is of no use there

    def _upload(self, pointer: Pointer, action: Mapping[str, Any], file: Any) -> None:
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(pointer.size)}
        with self._content("PUT", action, headers, file) as response:
            self._refuse_status(response, pointer.oid)

    def _verify(self, pointer: Pointer, action: Mapping[str, Any]) -> None:
        body = orjson.dumps({"oid": pointer.oid, "size": pointer.size})
        headers = {"Accept": _TYPE, "Content-Type": _TYPE}
        with self._content("POST", action, headers, body) as response:
            self._refuse_status(response, pointer.oid)

    @contextmanager
    def _content(
        self, method: str, action: Mapping[str, Any], headers: Mapping[str, str], body: Any = None
    ) -> Iterator[BaseHTTPResponse]:
        """The answer to a request for a content. Where a login is asked for, it gets the one of
        the server, if it is on the same and the server named no other."""
        url, headers = action["href"], HTTPHeaderDict(headers)
        for name, value in action["header"].items():
            headers[name] = value
        with self._connection.request(method, url, headers, body) as response:
            if response.status != 401 or not self._may_log_in(url, headers):
                yield response
                return
        if hasattr(body, "seek"):
            body.seek(0)
        headers = {**headers, **_basic(self._login)}
        with self._connection.request(method, url, headers, body) as response:
            yield response

    def _may_log_in(self, url: str, headers: Mapping[str, str]) -> bool:
        return (
            bool(self._login)
            and "Authorization" not in headers
            and origin(url) == origin(self._source.url)
        )

    def _checked(self, action: Any) -> dict[str, Any]:
        """The URL and headers of an action; raises RemoteError for what cannot be followed."""
        href = str(action.get("href") or "") if isinstance(action, dict) else ""
        header = action.get("header") if href else {}
        if header is not None and not isinstance(header, dict):
            raise self._nonsense()
        return {
            "href": self._connection.checked(href),
            "header": {
                str(name): str(value)
                for name, value in (header or {}).items()
                if str(name).lower() not in _OURS
            },
        }

    def _refuse_status(self, response: BaseHTTPResponse, what: str) -> None:
        if response.status >= 300:
            kind: type[RemoteError] = RemoteError
            if response.status in (401, 403):
                kind = _Refused
            elif response.status >= 500 or response.status == 429:
                kind = Interrupted
            raise kind(f"{self._source.url}: {what}: the server says {response.status}")


class _Refused(RemoteError):
    """Who asks may not have a content, or not any more."""


def _basic(login: Login | None) -> dict[str, str]:
    """The header that says a login."""
    if login is None:
        return {}
    secret = b64encode(f"{login.username}:{login.password}".encode()).decode("ascii")
    return {"Authorization": f"Basic {secret}"}


def _streamed(response: BaseHTTPResponse, stack: ExitStack) -> Iterator[bytes]:
    with stack:
        yield from response.stream(CHUNK, decode_content=False)


def _is_there(item: Item) -> bool:
    """Whether a server that was asked to take a content says that it has it."""
    return item is not None and not item.get("error") and not item.get("actions")


def _is_dict(value: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


def _line(text: object) -> str:
    return (str(text).splitlines() or ["it failed"])[0][:200]
