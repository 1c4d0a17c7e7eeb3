"""Serving a home over HTTP: the client is the real Git, and requests that Git would not make."""

from __future__ import annotations

import gzip
import http.client
import json
import os
import shutil
import socket
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest

from cmgit.errors import UsageError
from cmgit.registry import BARE, Entry
from cmgit.repositories import init
from cmgit.serve import Server, wire
from cmgit.serve import server as server_module
from cmgit.store import prepared, upload_pack
from cmgit.workspace import Workspace
from tests.mirror.origins import Origins, bare, mirror, synced

from .conftest import MakeRepo, meta_of, run_git, uid_of, write_files


@pytest.fixture
def origins(tmp_path: Path) -> Origins:
    """Where repositories come from."""
    return Origins(tmp_path / "origins")


@pytest.fixture(params=["git", "dulwich"])
def program(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What makes the packs."""
    if request.param == "dulwich":
        monkeypatch.setenv("CMGIT_TRANSPORT", "dulwich")
    return str(request.param)


def serving(workspace: Workspace, allow_push: bool = False) -> Iterator[Server]:
    """A server in this process."""
    with Server(workspace.home, "127.0.0.1", 0, allow_push) as server:
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def server(workspace: Workspace, origins: Origins, program: str) -> Iterator[Server]:
    """Serves a home that mirrors ``demo``."""
    mirror(workspace, origins.make("demo"))
    synced(workspace)
    yield from serving(workspace)


@pytest.fixture
def writable(workspace: Workspace, origins: Origins) -> Iterator[Server]:
    """Serves a home that mirrors ``demo`` and pulled ``mine``, and lets clients push."""
    mirror(workspace, origins.make("demo"))
    synced(workspace)
    workspace.pull(url=str(origins.make("mine", 2)))
    yield from serving(workspace, allow_push=True)


def head(path: Path, revision: str = "HEAD") -> str:
    """The commit of a revision."""
    return run_git(path, "rev-parse", revision).strip()


def refused(directory: Path, *words: str) -> str:
    """Run git, which fails; returns what it said."""
    done = subprocess.run(["git", *words], cwd=directory, capture_output=True, text=True)
    assert done.returncode != 0
    return done.stderr


def asked(server: Server, path: str, method: str = "GET", body: bytes = b"", **headers: str) -> int:
    """The status of a request that is sent as it stands."""
    place = urlsplit(server.url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.putrequest(method, path, skip_accept_encoding=True)
    for name, value in names.items():
        connection.putheader(name, value)
    connection.endheaders(body)
    status = connection.getresponse().status
    connection.close()
    return status


# -- reading ----------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["0", "1", "2"])
def test_clone_and_fetch(server: Server, origins: Origins, tmp_path: Path, version: str) -> None:
    """All that the source has, by every version of the protocol, and later what is new there."""
    git = ["-c", f"protocol.version={version}"]
    run_git(tmp_path, *git, "clone", "-q", "--mirror", f"{server.url}/demo", "all")
    run_git(tmp_path, *git, "clone", "-q", f"{server.url}/demo.git", "work")
    names = run_git(tmp_path / "all", "for-each-ref", "--format=%(refname)").split()
    assert names == ["refs/heads/main", "refs/heads/side", "refs/tags/v1"]
    new = origins.commit("demo", {"new.txt": "new"})
    synced(Workspace(server.home))
    run_git(tmp_path / "work", *git, "pull", "-q")
    assert head(tmp_path / "work") == new
    run_git(tmp_path / "all", *git, "remote", "update")
    assert head(tmp_path / "all") == new
    run_git(tmp_path / "all", "fsck", "--strict")


@pytest.mark.parametrize("words", [["--depth=1"], ["--single-branch"], ["--filter=blob:none"]])
def test_a_part(server: Server, origins: Origins, tmp_path: Path, words: list[str]) -> None:
    """Not all of it, when the client says so."""
    new = origins.commit("demo", {"new.txt": "new"})
    synced(Workspace(server.home))
    run_git(tmp_path, "clone", "-q", *words, f"{server.url}/demo", "part")
    assert head(tmp_path / "part") == new
    assert (tmp_path / "part" / "new.txt").read_text() == "new"
    shown = run_git(tmp_path / "part", "rev-list", "--count", "HEAD")
    assert shown == ("1\n" if "--depth=1" in words else "2\n")


def test_several_packs(server: Server, origins: Origins, tmp_path: Path) -> None:
    """Without git a pack of all is prepared once, and again when the refs have moved."""
    for number in (1, 2):
        origins.commit("demo", {f"{number}.txt": "new"})
        synced(Workspace(server.home))
        for name in ("a", "b"):
            run_git(tmp_path, "clone", "-q", f"{server.url}/demo", f"{name}{number}")
            assert head(tmp_path / f"{name}{number}") == head(origins.top / "demo")
        made = list(bare(Workspace(server.home), "demo").glob("cmgit/served/*"))
        assert len(made) == (0 if server.program else 1)


def test_a_pack_that_takes_long(
    server: Server, origins: Origins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clients that wait for it are told that something is done."""
    monkeypatch.setattr(upload_pack, "PULSE_SECONDS", 0.0)
    monkeypatch.setattr(prepared, "PULSE_SECONDS", 0.0)
    origins.commit("demo", {"new.txt": "new"})
    synced(Workspace(server.home))
    clones = [
        subprocess.Popen(["git", "clone", "-q", f"{server.url}/demo", str(tmp_path / f"c{number}")])
        for number in range(3)
    ]
    assert [clone.wait() for clone in clones] == [0] * 3
    assert head(tmp_path / "c2") == head(origins.top / "demo")
    monkeypatch.setattr(os, "access", lambda *_: False)  # a home that cannot be written
    other = Workspace(str(tmp_path / "other"))
    shutil.rmtree(bare(Workspace(server.home), "demo") / "cmgit" / "served", ignore_errors=True)
    assert other.pull(url=f"{server.url}/demo").alias == "demo"
    assert not (bare(Workspace(server.home), "demo") / "cmgit" / "served").exists()


def test_what_was_kept_is_not_offered(server: Server, origins: Origins, tmp_path: Path) -> None:
    """What was forced away at the source does not leave the home."""
    lost = origins.commit("demo", {"secret.txt": "do not tell"})
    synced(Workspace(server.home))
    run_git(origins.top / "demo", "reset", "-q", "--hard", "HEAD~1")
    synced(Workspace(server.home))
    run_git(tmp_path, "clone", "-q", "--mirror", f"{server.url}/demo", "all")
    assert "cmgit" not in run_git(tmp_path / "all", "for-each-ref")
    refused(tmp_path / "all", "cat-file", "-e", lost)
    refused(tmp_path / "all", "-c", "protocol.version=0", "fetch", "-q", "origin", lost)


def test_eight_clones_at_once(server: Server, tmp_path: Path) -> None:
    """Each gets all of it."""
    clones = [
        subprocess.Popen(["git", "clone", "-q", f"{server.url}/demo", str(tmp_path / f"c{number}")])
        for number in range(8)
    ]
    assert [clone.wait() for clone in clones] == [0] * 8
    assert len({head(tmp_path / f"c{number}") for number in range(8)}) == 1


def got(server: Server, path: str) -> bytes:
    """What a path answers with."""
    with urlopen(f"{server.url}{path}", timeout=30) as answer:
        return bytes(answer.read())


def test_bundles(server: Server, origins: Origins, tmp_path: Path) -> None:
    """A clone may begin with the bundle that the list names, as the repository is now."""
    listed = got(server, "/demo/bundle-list").decode()
    (tmp_path / "list").write_text(listed)
    uri = run_git(tmp_path, "config", "--file=list", "bundle.all.uri").strip()
    words = ["clone", "-q", f"--bundle-uri={server.url}/demo/{uri}", f"{server.url}/demo"]
    run_git(tmp_path, *words, "work")
    assert head(tmp_path / "work", "refs/bundles/main") == head(origins.top / "demo")
    (tmp_path / "x.bundle").write_bytes(got(server, f"/demo/{uri}"))
    run_git(tmp_path / "work", "bundle", "verify", "-q", "../x.bundle")
    (kept,) = bare(Workspace(server.home), "demo").glob("cmgit/served/*.bundle")
    assert kept.read_bytes() == (tmp_path / "x.bundle").read_bytes()
    origins.commit("demo", {"new.txt": "new"})
    synced(Workspace(server.home))
    assert asked(server, f"/demo/{uri}") == 404
    assert asked(server, "/demo/bundles/../../config") == 404
    words[2] = f"--bundle-uri={server.url}/demo/bundle-list"
    run_git(tmp_path, *words, "again")
    assert head(tmp_path / "again") == head(origins.top / "demo")


def test_no_bundle(workspace: Workspace, origins: Origins, program: str) -> None:
    """Of what is empty, or cut off, none is listed."""
    workspace.pull(url=origins.make("demo").as_uri(), depth=1)
    origins.commit("demo", {"new.txt": "new"})
    workspace.pull("demo", depth=1)
    empty = Path(workspace.home, "repos", "empty.git")
    run_git(empty.parent, "init", "-q", "--bare", str(empty))
    with workspace.registry.change() as registry:
        registry.add(Entry(0, "empty", uid_of(9), BARE, str(empty)))
    assert (empty.parent / "demo.git" / "shallow").exists()
    for server in serving(workspace):
        for name in ("demo", "empty"):
            assert asked(server, f"/{name}/bundle-list") == 404
            assert asked(server, f"/{name}/bundles/{'0' * 16}.bundle") == 404


def test_what_is_listed(server: Server, origins: Origins, make_repo: MakeRepo) -> None:
    """Bare repositories, also those that came after the start; no work trees."""
    workspace = Workspace(server.home)
    workspace.pull(url=str(origins.make("later", 2)))
    init(workspace, path=str(make_repo("working", "b", uid=uid_of(3))))
    listed = json.loads(got(server, "/"))
    assert listed["format"] == "cmgit-repositories"
    assert [one["name"] for one in listed["repositories"]] == ["demo", "later"]
    assert listed["repositories"][1]["url"] == str(origins.top / "later")
    assert "not found" in refused(origins.top, "clone", "-q", f"{server.url}/working", "x")


def test_paths(server: Server, tmp_path: Path) -> None:
    """Names are looked up; nothing in a request is a path."""
    query = "info/refs?service=git-upload-pack"
    run_git(tmp_path, "init", "-q", "--bare", "outside.git")
    for path in (
        f"/../{query}", f"/demo/../demo/{query}", f"/../repos/demo.git/{query}", f"/repos/demo/{query}",
        f"/%2e%2e%2foutside.git/{query}", f"/{tmp_path}/outside.git/{query}", f"//{query}",
        f"/{str(tmp_path).replace('/', '%2f')}%2foutside.git/{query}", f"/demo%00/{query}",
        f"/local/{query}", "/demo/HEAD", "/demo/objects/info/packs", "/demo", "/demo/config",
    ):  # fmt: skip
        assert asked(server, path) == 404, path
    assert asked(server, "/demo/info/refs") == 403  # the dumb protocol
    assert asked(server, "/demo/info/refs?service=git-upload-archive") == 403
    assert asked(server, f"/demo/{query}") == 200
    assert asked(server, "/demo", method="DELETE") == 501


# -- writing ----------------------------------------------------------------------------------


def test_a_push_is_refused(server: Server, tmp_path: Path) -> None:
    """Before anything is sent, and in words."""
    run_git(tmp_path, "clone", "-q", f"{server.url}/demo", "work")
    before = head(bare(Workspace(server.home), "demo"))
    run_git(tmp_path / "work", "commit", "-q", "--allow-empty", "-m", "mine")
    assert "nothing can be pushed here" in refused(tmp_path / "work", "push", "-q")
    kind = "application/x-git-receive-pack-request"
    assert asked(server, "/demo/git-receive-pack", "POST", b"", Content_Type=kind) == 403
    assert head(bare(Workspace(server.home), "demo")) == before


def test_a_push_that_is_allowed(writable: Server, tmp_path: Path) -> None:
    """What was pushed is found; mirrors stay what they are."""
    workspace = Workspace(writable.home)
    run_git(tmp_path, "clone", "-q", f"{writable.url}/mine", "work")
    new = {"script/pushed/_cm.yaml": meta_of("pushed", uid_of(77))}
    write_files(tmp_path / "work", {**new, "big": "\n".join(map(str, range(400_000)))})
    run_git(tmp_path / "work", "add", "--all")
    run_git(tmp_path / "work", "commit", "-q", "-m", "mine")
    run_git(tmp_path / "work", "push", "-q")
    assert [artifact.alias for artifact in workspace.find("script", repo="mine")] == [
        "mine-a",
        "pushed",
    ]
    run_git(tmp_path, "clone", "-q", f"{writable.url}/demo", "mirror")
    run_git(tmp_path / "mirror", "commit", "-q", "--allow-empty", "-m", "mine")
    assert "it is a mirror" in refused(tmp_path / "mirror", "push", "-q")


# -- requests that make no sense --------------------------------------------------------------

KIND = "application/x-git-upload-pack-request"


def clone_request(server: Server) -> bytes:
    """What a client asks that has nothing."""
    oid = head(bare(Workspace(server.home), "demo"))
    want = f"want {oid} side-band-64k ofs-delta\n"
    return f"{len(want) + 4:04x}{want}00000009done\n".encode()


def posted(server: Server, body: bytes, **headers: str) -> int:
    """The status of a request to upload-pack."""
    path = "/demo/git-upload-pack"
    return asked(server, path, "POST", body, **{"Content_Type": KIND, **headers})


def test_bodies(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole, in chunks, packed; what is cut off, too long or of another kind is refused."""
    body = clone_request(server)
    packed = gzip.compress(body)
    chunks = b"".join(b"%x\r\n%b\r\n" % (1, body[at : at + 1]) for at in range(len(body)))
    length, zipped = str(len(body)), {"Content_Encoding": "gzip"}
    assert posted(server, body, Content_Length=length) == 200
    assert posted(server, packed, Content_Length=str(len(packed)), **zipped) == 200
    assert posted(server, chunks + b"0\r\n\r\n", Transfer_Encoding="chunked") == 200
    assert posted(server, packed[:-9], Content_Length=str(len(packed) - 9), **zipped) == 400
    assert posted(server, body, Content_Length=length, **zipped) == 400
    assert posted(server, body, Content_Length=length, Content_Encoding="br") == 415
    assert posted(server, body, Content_Length=length, Content_Type="text/plain") == 415
    assert posted(server, body, Transfer_Encoding="gzip, chunked") == 501
    assert posted(server, b"zz\r\n", Transfer_Encoding="chunked") == 400
    for bad in ("-1", "x", "1e3", "9" * 30):
        assert posted(server, b"", Content_Length=bad) == 400
    for more in (b"more", packed):
        longer = {"Content_Length": str(len(packed + more)), **zipped}
        assert posted(server, packed + more, **longer) == 400
    both = {"Content_Length": length, "Transfer_Encoding": "chunked"}
    assert posted(server, chunks + b"0\r\n\r\n", **both) == 400
    assert posted(server, b"1\r\n00\r\n0\r\n\r\n", Transfer_Encoding="chunked") == 400
    trailers = b"0\r\n" + b"a: b\r\n" * 1000
    assert posted(server, chunks + trailers, Transfer_Encoding="chunked") == 400
    monkeypatch.setattr(wire, "_MOST_BYTES", 1 << 20)
    nothing = zlib.compressobj(wbits=31).flush()[:10] + bytes([0, 0, 0, 255, 255]) * (1 << 18)
    assert posted(server, nothing, Content_Length=str(len(nothing)), **zipped) == 413
    bomb = gzip.compress(bytes(1 << 24))
    assert posted(server, bomb, Content_Length=str(len(bomb)), **zipped) == 413
    assert posted(server, body, Content_Length=length) == 200


def test_what_is_not_there_is_not_sent(server: Server, tmp_path: Path) -> None:
    """An object that no ref offers, and no request at all; the server goes on."""
    want, done = clone_request(server).split(b"0000", 1)
    more = (
        b"0009want ",
        b"000awant \n",
        b"0013filter blob:n",
        b"0010deepen -1\n",
        b"000eshallow x",
    )
    bodies = [want + line + b"0000" + done for line in more]
    for body in (want.replace(b"want ", b"want 0"), b"", b"0000", b"zzzz", *bodies):
        assert posted(server, body, Content_Length=str(len(body))) in (200, 500), body
    run_git(tmp_path, "clone", "-q", f"{server.url}/demo", "work")


def test_clients_that_go_away(server: Server, tmp_path: Path) -> None:
    """In the middle of a request, or of the answer."""
    place = urlsplit(server.url)
    body = clone_request(server)
    start = f"POST /demo/git-upload-pack HTTP/1.1\r\nContent-Type: {KIND}\r\n"
    for sent in (start.encode(), f"{start}Content-Length: {len(body)}\r\n\r\n".encode() + body):
        with socket.create_connection((place.hostname or "", place.port or 0)) as connection:
            connection.sendall(sent)
    run_git(tmp_path, "clone", "-q", f"{server.url}/demo", "work")


def test_more_connections_than_there_is_room(
    workspace: Workspace, origins: Origins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are closed at once; others go on, and make room when they end."""
    monkeypatch.setattr(server_module, "_MOST_CONNECTIONS", 1)
    workspace.pull(url=str(origins.make("demo")))
    for one in serving(workspace):
        place = urlsplit(one.url)
        with socket.create_connection((place.hostname or "", place.port or 0)) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert connection.recv(12) == b"HTTP/1.1 200"  # and it stays open
            refused(tmp_path, "clone", "-q", f"{one.url}/demo", "no")
        clone = ["git", "clone", "-q", f"{one.url}/demo", str(tmp_path / "work")]
        while subprocess.run(clone, stderr=subprocess.DEVNULL).returncode:
            pass  # until the thread has seen that the connection is closed


def test_a_damaged_repository(server: Server, tmp_path: Path) -> None:
    """The client is told; nothing about paths of the server."""
    (bare(Workspace(server.home), "demo") / "config").write_text("[[")
    said = refused(tmp_path, "clone", "-q", f"{server.url}/demo", "work")
    assert server.home not in said


def test_an_address_that_is_taken(server: Server) -> None:
    """It is named."""
    port = urlsplit(server.url).port or 0
    with pytest.raises(UsageError, match=rf"127\.0\.0\.1:{port}: Address already in use"):
        Server(server.home, "127.0.0.1", port)
