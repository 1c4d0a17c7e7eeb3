"""Pulling by way of a mirror, and without the network. Sources are URLs of servers that count."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from cmgit import access
from cmgit.errors import NotFound, RemoteError, UsageError
from cmgit.registry import Entry
from cmgit.serve import Server
from cmgit.store.git import GitRepository
from cmgit.store.mirrored import find_in
from cmgit.store.remote import parse_source
from cmgit.workspace import Workspace
from tests.mirror.origins import Origins, mirror, synced

from .conftest import run_git
from .servers import collect

__all__ = ["collect"]

# what dulwich leaves open when the other side fails, it closes when it is collected
pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)


@contextmanager
def serving(home: str, told: list[str] | None = None, port: int = 0) -> Iterator[str]:
    """Serves a home; yields the URL."""
    with Server(home, "127.0.0.1", port, tell=(told if told is not None else []).append) as server:
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server.url
        server.shutdown()
        thread.join()


class World:
    """A source that is served, a home that mirrors it, and a home that pulls from there."""

    def __init__(self, top: Path) -> None:
        self.origins = Origins(top / "origins")
        self.origins.make("demo")
        self.source = Workspace(str(top / "source"))
        self.source.pull(url=str(self.origins.top / "demo"))
        self.middle = Workspace(str(top / "middle"))
        self.reports: list[str] = []
        self.here = Workspace(str(top / "here"), report=self.reports.append)
        self.asked: list[str] = []  # what the source was asked

    @contextmanager
    def online(self) -> Iterator[str]:
        """The source is there; yields the URL of the repository, the same each time."""
        with serving(self.source.home, self.asked, getattr(self, "port", 0)) as url:
            self.port = int(url.rpartition(":")[2])
            yield f"{url}/demo"

    def renew(self) -> str:
        """Commit at the source; returns the commit."""
        new = self.origins.commit("demo", {f"{len(self.asked)}.txt": "new"})
        self.source.pull("demo")
        return new

    def sync(self, url: str) -> None:
        """Bring the mirror in step."""
        mirror(self.middle, url)
        assert all(outcome.error == "" for outcome in synced(self.middle).values())
        self.asked.clear()


@pytest.fixture(params=["git", "dulwich"])
def world(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> World:
    """With the git program and without."""
    if request.param == "dulwich":
        monkeypatch.setenv("CMGIT_TRANSPORT", "dulwich")
    return World(tmp_path)


def head(entry: Entry) -> str:
    """The commit that a repository is at."""
    return run_git(Path(entry.path), "rev-parse", "HEAD").strip()


def origin(entry: Entry) -> str:
    """Where Git would pull from."""
    git = GitRepository.open(entry.path)
    url = git.remote_url()
    git.close()
    return url


@pytest.mark.parametrize("kind", ["home", "directory", "served", "environment"])
def test_the_mirror_is_enough(
    world: World, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The source is asked nothing, need not be there, and is what the repository is from."""
    with world.online() as url:
        world.sync(url)
        new = head(world.middle.registry.entries[-1])
    if kind == "served":
        with serving(world.middle.home) as top:
            entry = world.here.pull(url=url, mirror=top)
    elif kind == "environment":
        monkeypatch.setenv("CMGIT_MIRROR", world.middle.home)
        entry = world.here.pull(url=url)
    else:
        place = Path(world.middle.home, *([] if kind == "home" else ["repos"]))
        entry = world.here.pull(url=url, mirror=str(place), offline=True)
    assert head(entry) == new
    assert origin(entry) == entry.url == url
    assert [artifact.alias for artifact in world.here.find("script")] == ["demo-a"]
    assert world.asked == []


def test_a_part_of_the_history(world: World) -> None:
    """As much as is asked for comes from a mirror, too, and later the rest."""
    with world.online() as url:
        new = world.renew()
        world.sync(url)
    with serving(world.middle.home) as top:
        entry = world.here.pull(url=url, mirror=top, depth=1)
        assert head(entry) == new
        assert run_git(Path(entry.path), "rev-list", "--count", "HEAD") == "1\n"
        world.here.pull("demo", mirror=top, depth=10)
        assert run_git(Path(entry.path), "rev-list", "--count", "HEAD") == "2\n"


def test_a_mirror_by_another_name(world: World) -> None:
    """The source decides which repository of a mirror it is, not what that is called."""
    with world.online() as url:
        world.sync(url)
    other = world.origins.make("other", 2)
    alias = parse_source(url).alias
    repos = Path(world.middle.home, "repos")
    (repos / f"{alias}.git").rename(repos / "x.git")
    run_git(repos, "clone", "-q", "--mirror", str(other), f"{alias}.git")
    entry = world.here.pull(url=url, mirror=world.middle.home, offline=True)
    assert entry.alias == "demo"
    with pytest.raises(RemoteError, match=r"has no http://127\.0\.0\.1:1/demo"):
        world.here.pull(url="http://127.0.0.1:1/demo", mirror=world.middle.home, offline=True)


def test_a_directory_without_sources(world: World, tmp_path: Path) -> None:
    """A repository that says nothing of its source is taken by its name."""
    repo = world.origins.top / "demo"
    run_git(tmp_path, "clone", "-q", "--bare", str(repo), "mirror/owner@name.git")
    run_git(tmp_path / "mirror" / "owner@name.git", "remote", "remove", "origin")
    entry = world.here.pull("owner@name", mirror=str(tmp_path / "mirror"), offline=True)
    assert (entry.alias, entry.url) == ("owner@name", "https://github.com/owner/name")
    assert find_in(f"{tmp_path}/mirror/", parse_source("owner@name")).path.endswith("@name.git")


def test_what_the_mirror_lacks(world: World, tmp_path: Path) -> None:
    """It comes from the source, which is told; a branch or a commit too."""
    with world.online() as url:
        empty = tmp_path / "empty"
        empty.mkdir()
        world.here.pull(url=url, mirror=str(empty))
        told = f"warning: the mirror {empty} has no {url}; going on with {url}"
        assert told in world.reports
        world.sync(url)
        new = world.renew()
        assert head(world.here.pull("demo", checkout=new, mirror=world.middle.home)) == new
        assert world.asked != []


@pytest.mark.parametrize("file", ["config", "HEAD", "objects"])
def test_a_mirror_that_is_damaged(world: World, file: str) -> None:
    """The source is asked, and the person told."""
    with world.online() as url:
        world.sync(url)
        (place,) = Path(world.middle.home, "repos").glob("*.git")
        if file == "objects":
            for pack in place.glob("objects/pack/*.pack"):
                pack.chmod(0o644)
                pack.write_bytes(pack.read_bytes()[:-30])
        else:
            (place / file).write_text("[[\n" + (place / file).read_text())
        assert world.here.pull(url=url, mirror=str(place.parent)).alias == "demo"
    assert any(line.startswith("warning: ") for line in world.reports)


def test_a_mirror_that_is_behind(world: World) -> None:
    """What was pulled before is not taken back; what is new there comes."""
    with world.online() as url:
        world.sync(url)
        new = world.renew()
        assert head(world.here.pull(url=url)) == new
        assert head(world.here.pull("demo", mirror=world.middle.home)) == new
        newer = world.renew()
        world.sync(url)
        assert head(world.here.pull("demo", mirror=world.middle.home, offline=True)) == newer
        assert world.asked == []


def test_offline(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No connection is made, by any command; what is missing is named; this machine is allowed."""

    def refuse(*words: object, **values: object) -> None:
        raise AssertionError(f"a connection to {words}")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setenv("CMGIT_OFFLINE", "1")
    for url in ("https://example.invalid/a/b", "ssh://example.invalid/a", "owner@name"):
        with pytest.raises(RemoteError, match=r"is elsewhere, and cmgit is offline"):
            world.here.pull(url=url)
        with pytest.raises(RemoteError, match="cmgit is offline, and does not ask"):
            world.here.pull(url=url, mirror="http://example.invalid")
    mirror(world.here, "https://example.invalid/a/b", world.origins.top / "demo")
    outcomes = synced(world.here)
    assert "https://example.invalid/a/b is elsewhere" in outcomes["a@b"].error
    assert outcomes["demo"].error == ""


def test_offline_by_access(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The word of one call does not outlive it."""
    monkeypatch.setenv("CMGIT_HOME", world.here.home)
    with world.online() as url:
        words = {"action": "pull", "automation": "repo", "url": url}
        answer = access({**words, "offline": True})
        assert (answer["return"], url in answer["error"]) == (1, True)
        assert world.asked == []
        assert access(words)["return"] == 0


def test_mirrors_that_are_none(world: World, tmp_path: Path) -> None:
    """A package, a directory that is not there, a server that does not answer or lists nonsense."""
    source = parse_source("owner@name")
    with pytest.raises(UsageError, match="is no mirror"):
        find_in("package:x", source)
    with pytest.raises(NotFound, match="is not there"):
        find_in(str(tmp_path / "absent"), source)
    with pytest.raises(RemoteError, match="does not answer"):
        find_in("http://127.0.0.1:1", source)
    with serving(world.source.home) as top, pytest.raises(NotFound, match="has no https://github"):
        find_in(top, source)
    with serving(world.source.home) as top:  # what lists nothing is asked by name
        assert find_in(f"{top}/demo", source).url == f"{top}/demo/owner@name.git"


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 1000 + b"\r\n",
    ],
)
def test_a_mirror_that_talks_nonsense(world: World, answer: bytes) -> None:
    """A server that speaks something else than HTTP is told of, and the source is asked."""
    with world.online() as url, socket.create_server(("127.0.0.1", 0)) as server:
        top = f"http://127.0.0.1:{server.getsockname()[1]}"
        thread = Thread(target=_answer, args=(server, answer))
        thread.start()
        assert world.here.pull(url=url, mirror=top).alias == "demo"
        thread.join()
        (told,) = (line for line in world.reports if line.startswith("warning"))
        assert told.startswith(f"warning: the mirror {top} does not answer: ")


def _answer(server: socket.socket, answer: bytes) -> None:
    """Answer one request."""
    connection, _ = server.accept()
    with connection:
        connection.recv(1 << 16)
        connection.sendall(answer)
