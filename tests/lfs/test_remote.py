"""Where contents come from: a server, a directory, fsspec; with what can go wrong there."""

from __future__ import annotations

import io
import os
import shutil
from hashlib import sha256
from pathlib import Path

import pytest

from cmgit import history
from cmgit.errors import CmgitError, Damaged, NotFound, RemoteError
from cmgit.lfs.objects import Objects
from cmgit.lfs.pointer import Pointer
from cmgit.lfs.remote import remote_at
from cmgit.pull import pull
from cmgit.store.git import GitRepository
from cmgit.store.large import large_url
from cmgit.store.transport import Interrupted, LoginNeeded
from cmgit.workspace import Workspace
from tests.conftest import Git, MakeRepo, write_files

from .server import Misbehaving

DATA = os.urandom(3_000_000)
POINTER = Pointer(sha256(DATA).hexdigest(), len(DATA))
ABSENT = Pointer("0" * 64, 1)
BASIC = "Basic dG9rZW46czNjcmV0"  # token:s3cret


@pytest.fixture
def full(tmp_path: Path) -> Objects:
    """Those of a home that has the content."""
    found = Objects(str(tmp_path / "full"))
    found.keep(io.BytesIO(DATA))
    return found


@pytest.mark.parametrize("kind", ["server", "directory", "file", "memory"])
def test_there_and_back(
    kind: str, server: Misbehaving, full: Objects, objects: Objects, tmp_path: Path
) -> None:
    """What is sent is fetched; what is there is not sent again; what is not there is named."""
    url = {
        "server": server.url,
        "directory": str(tmp_path / "disk"),
        "file": f"file://{tmp_path}/disk",
        "memory": f"memory://{tmp_path.name}",
    }[kind]
    remote = remote_at(url)
    with pytest.raises(NotFound, match=rf"{POINTER.oid} \(3000000 bytes\) is not at "):
        remote.fetch([POINTER], objects)
    assert [remote.send([POINTER], full), remote.send([POINTER], full)] == [1, 0]
    remote.fetch([POINTER], objects)
    assert objects.verify(POINTER) == ""
    with pytest.raises(NotFound):
        remote.fetch([ABSENT], objects)


def test_a_connection_that_breaks(server: Misbehaving, full: Objects, objects: Objects) -> None:
    """What came is kept, and the rest asked for; or all of it, where the server knows no better."""
    remote = remote_at(server.url)
    remote.send([POINTER], full)
    server.breaks_after = 2_500_000
    with pytest.raises(Interrupted):
        remote.fetch([POINTER], objects)
    server.breaks_after = -1
    held = (Path(objects.directory) / "tmp" / f"{POINTER.oid}.part").stat().st_size
    assert held > 0
    remote.fetch([POINTER], objects)
    assert server.asked[-1] == f"bytes={held}-"
    assert objects.verify(POINTER) == ""


def test_a_server_without_ranges(server: Misbehaving, full: Objects, objects: Objects) -> None:
    """All comes again."""
    remote = remote_at(server.url)
    remote.send([POINTER], full)
    server.breaks_after, server.ranges = 2_500_000, False
    with pytest.raises(Interrupted):
        remote.fetch([POINTER], objects)
    server.breaks_after = -1
    remote.fetch([POINTER], objects)
    assert objects.verify(POINTER) == ""


@pytest.mark.parametrize("content", [DATA[::-1], DATA + b"x", DATA[:-1]])
def test_a_server_that_lies(
    server: Misbehaving, full: Objects, objects: Objects, content: bytes
) -> None:
    """What is not what was asked for is refused."""
    remote = remote_at(server.url)
    remote.send([POINTER], full)
    server.content = content
    with pytest.raises(Damaged):
        remote.fetch([POINTER], objects)
    assert POINTER not in objects
    server.content = None
    remote.fetch([POINTER], objects)
    assert objects.verify(POINTER) == ""


@pytest.mark.parametrize(
    "href", ["file:///etc/passwd", "ftp://127.0.0.1/x", "/etc/passwd", "s3://x"]
)
def test_urls_that_are_not_followed(server: Misbehaving, objects: Objects, href: str) -> None:
    """A server names other servers at most."""
    server.href = href
    with pytest.raises(RemoteError, match="names a URL that is not followed"):
        remote_at(server.url).fetch([ABSENT], objects)


@pytest.mark.parametrize(
    ("status", "error"), [(500, Interrupted), (429, Interrupted), (404, RemoteError)]
)
def test_errors_of_a_server(
    server: Misbehaving, objects: Objects, status: int, error: type[Exception]
) -> None:
    """Those that may be over the next time are told from the others."""
    server.status = status
    with pytest.raises(error, match=f"the server says {status}") as raised:
        remote_at(server.url).fetch([POINTER], objects)
    assert isinstance(raised.value, Interrupted) == (error is Interrupted)


def test_nobody_there(objects: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one line, with the place and without a trace."""
    with pytest.raises(Interrupted, match=r"^http://127\.0\.0\.1:9: "):
        remote_at("http://127.0.0.1:9").fetch([POINTER], objects)


def test_logins(
    server: Misbehaving, full: Objects, objects: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That of the environment or of the URL is sent; none is ever said."""
    remote_at(server.url).send([POINTER], full)
    server.login = BASIC
    with pytest.raises(LoginNeeded, match="asks for a login"):
        remote_at(server.url).fetch([POINTER], objects)
    wrong = server.url.replace("://", "://token:wr0ng@")
    with pytest.raises(LoginNeeded) as raised:
        remote_at(wrong).fetch([POINTER], objects)
    assert "wr0ng" not in str(raised.value)
    remote_at(server.url.replace("://", "://token:s3cret@")).fetch([POINTER], objects)
    monkeypatch.setenv("CMGIT_TOKEN_127_0_0_1_" + server.url.rpartition(":")[2], "s3cret")
    shutil.rmtree(objects.directory)
    remote_at(server.url).fetch([POINTER], objects)
    assert objects.verify(POINTER) == ""


@pytest.mark.parametrize("url", ["https://127.0.0.1:9/x", "s3://bucket"])
def test_offline(objects: Objects, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Nothing is asked that is elsewhere."""
    monkeypatch.setenv("CMGIT_OFFLINE", "1")
    with pytest.raises(RemoteError, match="is elsewhere, and cmgit is offline"):
        remote_at(url).fetch([POINTER], objects)


def test_unknown_kinds_of_url(objects: Objects) -> None:
    """fsspec says so."""
    with pytest.raises(CmgitError, match="nosuch"):
        remote_at("nosuch://x").fetch([POINTER], objects)


@pytest.mark.parametrize(
    ("origin", "url"),
    [
        ("https://example.org/a/b", "https://example.org/a/b.git/info/lfs"),
        ("https://example.org/a/b.git/", "https://example.org/a/b.git/info/lfs"),
        ("git@example.org:a/b.git", "https://example.org/a/b.git/info/lfs"),
        ("ssh://git@example.org:22/a/b", "https://example.org/a/b.git/info/lfs"),
        ("/srv/a", "/srv/a"),
        ("file:///srv/a", "file:///srv/a"),
        ("git://example.org/a", ""),
        ("package:cmx4mlops", ""),
    ],
)
def test_the_rule_of_git_lfs(tmp_path: Path, git: Git, origin: str, url: str) -> None:
    """Where origin is says where its large files are."""
    git(tmp_path, "init", "-q", "r")
    git(tmp_path / "r", "remote", "add", "origin", origin)
    assert large_url(GitRepository.open(str(tmp_path / "r"))) == url


def test_what_decides_before_origin(tmp_path: Path, git: Git) -> None:
    """A file of the repository may name a server, and no other thing; the person anything."""
    git(tmp_path, "init", "-q", "r")
    path = tmp_path / "r"

    def url(lfsconfig: str) -> str:
        return large_url(GitRepository.open(str(path)), lfsconfig.encode())

    assert url("[lfs]\n\turl = https://example.org/lfs\n") == "https://example.org/lfs"
    for bad in ("file:///etc", "/etc", "s3://x", "ext::sh -c id", "https", "http://[::1"):
        assert url(f"[lfs]\n\turl = {bad}\n") == ""
    assert url("no [ config") == ""
    (tmp_path / "other").write_text("[lfs]\n\turl = https://example.org/other\n")
    assert url(f"[include]\n\tpath = {tmp_path}/other\n") == ""
    assert url('[remote "origin"]\n\tlfsurl = https://example.org/lfs\n') == ""
    git(path, "config", "lfs.url", "https://example.org/mine")
    assert url("[lfs]\n\turl = https://example.org/lfs\n") == "https://example.org/mine"
    git(path, "config", "cmgit.lfsurl", "s3://bucket")
    assert url("") == "s3://bucket"


def test_settings_of_a_remote(tmp_path: Path, git: Git) -> None:
    """Git LFS reads them, too."""
    git(tmp_path, "init", "-q", "r")
    git(tmp_path / "r", "remote", "add", "origin", "https://example.org/a")
    git(tmp_path / "r", "config", "remote.origin.lfsurl", "https://example.org/lfs")
    found = GitRepository.open(str(tmp_path / "r"))
    assert large_url(found) == "https://example.org/lfs"
    assert large_url(found, b"[lfs]\n\turl = https://example.org/x\n") == "https://example.org/lfs"


def test_relative_paths(tmp_path: Path, git: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the repository on, wherever a command runs."""
    git(tmp_path, "init", "-q", "r")
    found = str(tmp_path / "r")
    git(found, "remote", "add", "origin", "../origin.git")
    assert large_url(GitRepository.open(found)) == str(tmp_path / "origin.git")
    git(found, "config", "cmgit.lfsurl", "../store")
    assert large_url(GitRepository.open(found)) == str(tmp_path / "store")


def test_a_repository_with_a_server(
    server: Misbehaving, workspace: Workspace, make_repo: MakeRepo, tmp_path: Path, git: Git
) -> None:
    """``.lfsconfig`` of what was pulled leads there; real Git LFS sent what comes."""
    if not shutil.which("git-lfs"):
        pytest.skip("git-lfs is not installed")
    demo = make_repo("demo", "a", files={".lfsconfig": f"[lfs]\n\turl = {server.url}\n"})
    git(demo, "lfs", "install")
    git(demo, "lfs", "track", "*.bin")
    write_files(demo, {"script/a/x.bin": DATA})
    git(demo, "add", "--all")
    git(demo, "commit", "-q", "-m", "large")
    git(tmp_path, "clone", "-q", "--bare", str(demo), "origin.git")
    git(demo, "remote", "add", "origin", str(tmp_path / "origin.git"))
    git(demo, "config", "lfs.locksverify", "false")
    git(demo, "lfs", "push", "--all", "origin")
    shutil.rmtree(demo / ".git" / "lfs")
    pull(workspace, "demo", str(tmp_path / "origin.git"))
    assert history.cat(workspace, workspace.one("script", "a"), "x.bin") == DATA
