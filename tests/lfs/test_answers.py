"""Servers of Git LFS that answer badly: an error in one line, and nothing lost or given away."""

from __future__ import annotations

import io
import os
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
def full(tmp_path: Path) -> Objects:
    """Those of a home that has the contents."""
    found = Objects(str(tmp_path / "full"))
    for data in DATA:
        found.keep(io.BytesIO(data))
    return found


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
    secrets = {"authorization": "Basic c2VjcmV0", "Private-Token": "secret", "Cookie": "secret"}
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


BASIC = "Basic dG9rZW46czNjcmV0"  # token:s3cret


def test_contents_behind_the_login_of_the_server(
    filled: Misbehaving, objects: Objects, tmp_path: Path
) -> None:
    """Where an answer names no other, it is used for contents of the same server; no other gets
    it, and none before it asks."""
    filled.login = filled.content_login = BASIC
    url = filled.url.replace("://", "://token:s3cret@")
    Server(url).fetch([FIRST], objects)
    asked = [seen.get("Authorization") for method, _, seen in filled.seen if method == "GET"]
    assert asked == [None, BASIC]
    with serving(tmp_path / "other") as other:
        other.lfs_store.write_object([DATA[1]])
        other.content_login = BASIC
        filled.redirect = other.url
        with pytest.raises(RemoteError, match="the server says 401"):
            Server(url).fetch([SECOND], objects)
        assert all("Authorization" not in seen for _, _, seen in other.seen)


def test_headers_of_gits_configuration(
    filled: Misbehaving, objects: Objects, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """``http.URL.extraHeader``, by which CI gives logins, goes to the server that it is for."""
    config = tmp_path / "config"
    config.write_text(f'[http "{filled.url}/"]\n\textraheader = AUTHORIZATION: {BASIC}\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    filled.login = filled.content_login = BASIC
    Server(filled.url).fetch([FIRST], objects)
    with serving(tmp_path / "other") as other:
        other.lfs_store.write_object([DATA[1]])
        filled.redirect = other.url
        Server(filled.url).fetch([SECOND], objects)
        assert all("authorization" not in map(str.lower, seen) for _, _, seen in other.seen)


def test_urls_that_expire(filled: Misbehaving, objects: Objects) -> None:
    """A URL is good for some minutes: the server is asked for another, once."""
    filled.expired = 1
    Server(filled.url).fetch([FIRST], objects)
    assert objects.verify(FIRST) == ""
    assert [method for method, _, _ in filled.seen] == ["POST", "GET", "POST", "GET"]
    filled.expired = 9
    with pytest.raises(RemoteError, match=f"{SECOND.oid}: the server says 403"):
        Server(filled.url).fetch([SECOND], objects)
    assert filled.expired == 7


def test_headers_that_are_not_the_servers(
    server: Misbehaving, full: Objects, objects: Objects
) -> None:
    """How long a content is, is no matter of an answer; its type is."""
    header = {"content-length": "1", "Transfer-Encoding": "chunked", "content-type": "x/y"}
    upload = {"href": f"{server.url}/objects/{FIRST.oid}", "header": header}
    server.answer = orjson.dumps({"objects": [{"oid": FIRST.oid, "actions": {"upload": upload}}]})
    assert Server(server.url).send([FIRST], full) == 1
    (_, _, told) = server.seen[-1]
    assert told["Content-Length"] == str(FIRST.size)
    assert "Transfer-Encoding" not in told
    assert [v for k, v in told.items() if k.lower() == "content-type"] == ["x/y"]
    server.answer = None
    Server(server.url).fetch([FIRST], objects)
