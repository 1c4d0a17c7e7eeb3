"""Servers of Git LFS that answer badly: an error in one line, and nothing lost or given away."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import orjson
import pytest

from cmgit.errors import NotFound, RemoteError
from cmgit.lfs.batch import Server
from cmgit.lfs.objects import Objects
from cmgit.lfs.pointer import Pointer
from cmgit.store.transport import Interrupted

from .server import Misbehaving, serving

DATA = [os.urandom(300_000), os.urandom(200_000)]
FIRST, SECOND = (Pointer(sha256(data).hexdigest(), len(data)) for data in DATA)


@pytest.fixture
def objects(tmp_path: Path) -> Objects:
    """Those of a home, empty."""
    return Objects(str(tmp_path / "lfs"))


@pytest.fixture
def full(tmp_path: Path) -> Objects:
    """Those of a home that has the contents."""
    found = Objects(str(tmp_path / "full"))
    for data in DATA:
        found.keep(io.BytesIO(data))
    return found


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Misbehaving]:
    """A server, empty."""
    with serving(tmp_path / "server") as server:
        yield server


@pytest.fixture
def filled(server: Misbehaving, full: Objects) -> Misbehaving:
    """A server that has the contents."""
    Server(server.url).send([FIRST, SECOND], full)
    server.seen.clear()
    return server


def test_an_answer_that_breaks_off(server: Misbehaving, objects: Objects) -> None:
    """May be whole the next time."""
    server.answer, server.answer_bytes = b'{"objects": [', 1000
    with pytest.raises(Interrupted, match=f"^{server.url}: "):
        Server(server.url).fetch([FIRST], objects)


def action(**values: object) -> dict[str, object]:
    """An answer that names one place of the first content."""
    download = {"href": "http://127.0.0.1:9/x", **values}
    return {"objects": [{"oid": FIRST.oid, "actions": {"download": download}}]}


@pytest.mark.parametrize(
    "answer",
    [
        {"objects": [{"oid": []}]},
        {"objects": [{"oid": {}, "actions": []}]},
        action(header="abc"),
        action(header=[1]),
        action(header={"X": "a\r\nInjected: b"}),
        action(header={"Ü": "ä€"}),
        action(href="http://[::1"),
        action(href="http://127.0.0.1:99999/"),
        action(href=[1]),
        action(href="http:///x"),
        [],
        {"objects": 1},
        {"objects": [{"oid": FIRST.oid, "error": [1]}]},
    ],
)
def test_answers_that_make_no_sense(server: Misbehaving, objects: Objects, answer: object) -> None:
    """Whatever they say."""
    server.answer = orjson.dumps(answer)
    with pytest.raises((RemoteError, NotFound)) as raised:
        Server(server.url).fetch([FIRST], objects)
    assert server.url in str(raised.value)
    assert "\n" not in str(raised.value)


def test_redirects_to_others(filled: Misbehaving, objects: Objects, tmp_path: Path) -> None:
    """They are followed, and what is meant for one server is not told to the other."""
    secrets = {"Authorization": "Basic c2VjcmV0", "Private-Token": "secret", "Cookie": "secret"}
    filled.answer = orjson.dumps(action(href=f"{filled.url}/objects/{FIRST.oid}", header=secrets))
    with serving(tmp_path / "other") as other:
        other.lfs_store.write_object([DATA[0]])
        filled.redirect = other.url
        Server(filled.url).fetch([FIRST], objects)
        (_, _, told) = other.seen[0]
    assert objects.verify(FIRST) == ""
    assert not set(secrets) & set(told)
    (_, _, asked) = next(seen for seen in filled.seen if seen[0] == "GET")
    assert secrets.items() <= asked.items()


@pytest.mark.parametrize("place", ["file:///etc", "ftp://127.0.0.1", "http://[::1"])
def test_redirects_that_are_not_followed(filled: Misbehaving, objects: Objects, place: str) -> None:
    """No more than URLs that an answer names."""
    filled.redirect = place
    with pytest.raises(RemoteError, match=f"^{filled.url}: "):
        Server(filled.url).fetch([FIRST], objects)


def test_redirects_without_end(filled: Misbehaving, objects: Objects) -> None:
    """Are given up."""
    filled.redirect = filled.url
    with pytest.raises(RemoteError, match="redirects more than 5 times"):
        Server(filled.url).fetch([FIRST], objects)


@pytest.mark.parametrize(
    "answer",
    [
        {"objects": []},
        {"objects": [{"oid": FIRST.oid, "error": {"code": 404, "message": "no"}}]},
        {"objects": [{"oid": FIRST.oid, "error": {"code": 410, "message": "no"}}]},
        {"objects": [{"oid": FIRST.oid, "error": "no"}]},
        {"objects": [{"oid": FIRST.oid, "actions": [1]}]},
        {"objects": [{"oid": FIRST.oid, "actions": {"verify": {"href": "http://127.0.0.1:9"}}}]},
        {"transfer": "tus", "objects": [{"oid": FIRST.oid, "actions": {"upload": {"href": "x"}}}]},
        {"hash_algo": "sha512", "objects": [{"oid": FIRST.oid}]},
    ],
)
def test_nothing_counts_as_sent_that_was_not_taken(
    server: Misbehaving, full: Objects, answer: object
) -> None:
    """A server that does not say what to do with a content does not have it."""
    server.answer = orjson.dumps(answer)
    with pytest.raises(RemoteError, match=f"^{server.url}: "):
        Server(server.url).send([FIRST], full)


def test_what_a_server_has_already(server: Misbehaving, full: Objects) -> None:
    """It says so by an answer without actions."""
    server.answer = orjson.dumps({"transfer": "basic", "objects": [{"oid": FIRST.oid, "size": 1}]})
    assert Server(server.url).send([FIRST], full) == 0
