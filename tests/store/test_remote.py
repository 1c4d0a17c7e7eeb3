"""Where repositories come from; the servers are those of the real Git, on the loopback."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cmgit.errors import NotFound, RemoteError, Unsupported, UsageError
from cmgit.store import git_program, quarantine
from cmgit.store.git import GitRepository
from cmgit.store.login import given_login
from cmgit.store.remote import fetch, package_directory, parse_source, snapshot
from tests.servers import backend, collect

__all__ = ["backend", "collect"]

# what dulwich leaves open when the other side fails, it closes when it is collected
pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)


@pytest.fixture
def origin(make_repo, git) -> Path:
    """A repository with two commits, a branch and an annotated tag."""
    path = make_repo("demo", "a")
    git(path, "branch", "side")
    (path / "file").write_text("two")
    git(path, "add", "file")
    git(path, "commit", "-q", "-m", "second")
    git(path, "tag", "-a", "v1", "-m", "one")
    return path


@pytest.fixture(params=["dulwich", "both", "git"])
def transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each way of fetching: by dulwich alone, with the help of git, by git alone."""
    monkeypatch.setattr(quarantine, "_MANY", 0)
    if request.param != "both":
        monkeypatch.setenv("CMGIT_TRANSPORT", request.param)
    return str(request.param)


@pytest.fixture
def bare(tmp_path: Path, transport: str) -> GitRepository:
    """A new bare repository."""
    return GitRepository.init(str(tmp_path / "bare.git"), bare=True)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[str]:
    """A ``git daemon`` for the temporary directory; its base URL."""
    port = free_port()
    command = ["git", "daemon", "--export-all", "--reuseaddr", "--listen=127.0.0.1"]
    process = subprocess.Popen(
        [*command, f"--port={port}", f"--base-path={tmp_path}", str(tmp_path)],
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            time.sleep(0.05)
    yield f"git://127.0.0.1:{port}"
    os.killpg(process.pid, 15)
    process.wait()


def check_fetched(git, origin: Path, bare: GitRepository, url: str) -> None:
    """Fetch, and compare everything with what is there."""
    fetched = fetch(bare, parse_source(url))
    assert fetched.default == "refs/heads/main"
    wanted = dict(line.split(" ")[::-1] for line in git(origin, "show-ref").splitlines())
    assert {name: oid for name, oid in fetched.refs.items() if name != "HEAD"} == wanted
    kept = dict(line.split(" ")[::-1] for line in git(bare.path, "show-ref").splitlines())
    assert kept == {name.replace("heads/", "remotes/origin/"): o for name, o in wanted.items()}
    git(bare.path, "fsck", "--strict", "--full")


# -- transports -------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["{0}", "file://{0}", "{0}/.git"])
def test_fetch_from_a_path(origin, git, bare, form):
    """Branches and tags, from a directory or a file URL."""
    check_fetched(git, origin, bare, form.format(origin))


def test_fetch_from_a_daemon(origin, git, bare, daemon):
    """Over git://."""
    check_fetched(git, origin, bare, f"{daemon}/demo")


def test_fetch_over_http(origin, git, bare, backend):
    """Over the smart HTTP protocol."""
    check_fetched(git, origin, bare, f"{backend.url}/demo/.git")


def test_fetch_over_http_with_a_password(origin, git, bare, backend):
    """A login in the URL is used, and kept nowhere."""
    backend.login = "Basic YW5uOnMzY3JldA=="  # ann:s3cret
    url = f"{backend.url}/demo/.git".replace("://", "://ann:s3cret@")
    check_fetched(git, origin, bare, url)
    source = parse_source(url)
    assert "s3cret" not in source.url
    assert "ann" not in source.url
    files = [file for file in Path(bare.path).rglob("*") if file.is_file()]
    assert [file for file in files if b"s3cret" in file.read_bytes()] == []
    assert "s3cret" not in repr(source)


@pytest.mark.parametrize("login", ["", "ann:wr0ng@"])
def test_a_login_is_asked_for(origin, bare, backend, login):
    """Without the right login the message says so, without the wrong one in it."""
    backend.login = "Basic YW5uOnMzY3JldA=="
    with pytest.raises(RemoteError) as caught:
        fetch(bare, parse_source(f"{backend.url}/demo/.git".replace("://", f"://{login}")))
    assert "login" in str(caught.value)
    assert "wr0ng" not in str(caught.value) + caught.value.hint


@pytest.mark.parametrize("scheme", ["http", "git", "daemon"])
def test_fetch_again_brings_only_what_is_new(origin, git, bare, daemon, backend, scheme):
    """A second fetch finds new commits; a forced push replaces the tracking branch."""
    urls = {"http": f"{backend.url}/demo/.git", "git": str(origin), "daemon": f"{daemon}/demo"}
    fetch(bare, parse_source(urls[scheme]))
    git(origin, "commit", "-q", "--allow-empty", "-m", "third")
    check_fetched(git, origin, bare, urls[scheme])
    git(origin, "reset", "-q", "--hard", "HEAD~2")
    git(origin, "commit", "-q", "--allow-empty", "-m", "other")
    check_fetched(git, origin, bare, urls[scheme])


@pytest.mark.parametrize("scheme", ["http", "path"])
def test_depth(origin, git, bare, backend, scheme):
    """Only so many commits; the rest can be fetched later."""
    url = f"{backend.url}/demo/.git" if scheme == "http" else f"file://{origin}"
    fetched = fetch(bare, parse_source(url), depth=1)
    assert [c.oid for c in bare.commits(fetched.refs["refs/heads/main"])] == [
        fetched.refs["refs/heads/main"]
    ]
    assert git(bare.path, "rev-list", "--count", "refs/remotes/origin/main") == "1\n"
    git(bare.path, "fsck", "--strict", "--full")


def test_a_tag_of_an_old_commit(origin, git, bare, backend, daemon):
    """What a tag names is asked for by the tag: the server need not offer it by itself."""
    git(origin, "tag", "-a", "old", "-m", "old", "HEAD~1")
    git(origin, "branch", "-q", "-D", "side")
    for url in (str(origin), f"{daemon}/demo", f"{backend.url}/demo/.git"):
        check_fetched(git, origin, bare, url)


def test_default_branch(origin, git, bare):
    """It is the one that HEAD names on the other side, whatever its name."""
    git(origin, "switch", "-q", "side")
    assert fetch(bare, parse_source(str(origin))).default == "refs/heads/side"


def test_tracking_branches_are_those_of_the_other_side(origin, git, bare):
    """A branch that was deleted there is deleted here."""
    fetch(bare, parse_source(str(origin)))
    git(origin, "branch", "-D", "side")
    check_fetched(git, origin, bare, str(origin))


def test_branches_that_take_each_others_place(origin, git, bare):
    """A branch ``x`` that became ``x/y``, and back, is fetched."""
    for old, new in (("side", "side/one"), ("side/one", "side")):
        fetch(bare, parse_source(str(origin)))
        git(origin, "branch", "-m", old, "other")
        git(origin, "branch", "-m", "other", new)
        fetched = fetch(bare, parse_source(str(origin)))
        assert git(bare.path, "rev-parse", f"origin/{new}").strip() == fetched.refs[
            f"refs/heads/{new}"
        ]  # fmt: skip


def test_fetched_are_whole_objects(origin, git, bare):
    """A damaged object on the other side is noticed, and no branch points to it."""
    blob = git(origin, "rev-parse", "HEAD:file").strip()
    path = origin / ".git" / "objects" / blob[:2] / blob[2:]
    path.chmod(0o644)
    other = git(origin, "rev-parse", "HEAD:cmr.yaml").strip()
    path.write_bytes((origin / ".git" / "objects" / other[:2] / other[2:]).read_bytes())
    with pytest.raises(RemoteError):
        fetch(bare, parse_source(str(origin)))
    assert git(bare.path, "for-each-ref") == ""


def test_a_login_of_the_environment(origin, git, bare, backend, monkeypatch):
    """A token for one host; other hosts never see it."""
    backend.login = "Basic dG9rZW46dDBrM24="  # token:t0k3n
    host = backend.url.partition("://")[2]
    monkeypatch.setenv("CMGIT_TOKEN_" + host.replace(".", "_").replace(":", "_"), "t0k3n")
    check_fetched(git, origin, bare, f"{backend.url}/demo/.git")
    assert given_login(parse_source("https://example.org/x")) is None


def test_a_login_of_a_credential_helper(origin, git, bare, backend, tmp_path, transport):
    """What Git keeps is used; without the git program, where its simplest helper keeps it."""
    backend.login = "Basic YW5uOnMzY3JldA=="  # ann:s3cret
    place = backend.url.replace("://", "://ann:s3cret@")
    if transport == "dulwich":
        place = place.rpartition(":")[0]  # it knows hosts, not their ports
    (tmp_path / "user" / ".git-credentials").write_text(f"{place}\n")
    git(tmp_path, "config", "--global", "credential.helper", "store")
    check_fetched(git, origin, bare, f"{backend.url}/demo/.git")


def test_many_objects_that_are_deltas_to_what_is_here(origin, git, bare, backend):
    """A thin pack is completed; nothing is left in quarantine."""
    lines = [f"line {number}\n" for number in range(2000)]
    for number in range(3):
        lines[number * 500] = "new\n"
        (origin / "file").write_text("".join(lines))
        git(origin, "commit", "-q", "-am", f"c{number}")
        check_fetched(git, origin, bare, f"{backend.url}/demo/.git")
    assert not os.path.exists(os.path.join(bare.private_directory, "incoming"))


def test_what_a_killed_process_left(origin, git, bare):
    """Half a quarantine is swept by the next fetch."""
    place = Path(bare.private_directory, "incoming", "objects", "pack")
    place.mkdir(parents=True)
    (place / "tmp_pack_x").write_bytes(b"PACK")
    check_fetched(git, origin, bare, str(origin))
    assert not os.path.exists(os.path.join(bare.private_directory, "incoming"))


# -- failures ---------------------------------------------------------------------------------


def test_not_a_repository(tmp_path, bare, daemon, backend):
    """A directory, a path that is not there, and a server that has none."""
    (tmp_path / "plain").mkdir()
    for url in (tmp_path / "plain", tmp_path / "none", f"file://{tmp_path}/none",
                f"{daemon}/plain", f"{daemon}/none", f"{backend.url}/plain"):  # fmt: skip
        with pytest.raises(RemoteError) as caught:
            fetch(bare, parse_source(str(url)))
        assert caught.value.hint
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["http", "git", "ssh"])
def test_connection_refused(bare, scheme, monkeypatch):
    """Nobody listens: one line, with the URL and without the password."""
    monkeypatch.setenv("GIT_SSH_COMMAND", "false")
    url = f"{scheme}://ann:s3cret@127.0.0.1:{free_port()}/demo.git"
    with pytest.raises(RemoteError, match=r"127\.0\.0\.1") as caught:
        fetch(bare, parse_source(url))
    assert "s3cret" not in str(caught.value) + caught.value.hint
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "kind", "data"),
    [(200, "text/html", b"<html>hello</html>"), (500, "text/plain", b"oops"),
     (200, "application/x-git-upload-pack-advertisement", b"nonsense"),
     (200, "application/x-git-upload-pack-advertisement", b"001e# service=git-upload-pack\n0000"),
     (200, "application/x-git-upload-pack-advertisement", b"\xff\xfe" * 50),
     (302, "text/plain", b""), (403, "text/plain", b"no"), (404, "text/plain", b"no"),
     (503, "text/plain", b"later")],
)  # fmt: skip
def test_garbage_over_http(bare, backend, status, kind, data):
    """An answer that is not Git's raises RemoteError, and nothing is kept."""
    backend.answer = (status, kind, data)
    with pytest.raises(RemoteError):
        fetch(bare, parse_source(f"{backend.url}/demo.git"))
    assert bare.refs() == {}


def kept(bare: GitRepository) -> list[str]:
    """The files with objects of a repository."""
    return [str(path) for path in Path(bare.path, "objects").rglob("*") if path.is_file()]


@pytest.mark.parametrize("cut", [30, 200])
def test_half_a_pack(origin, bare, backend, cut):
    """What came is not kept."""
    backend.cut = cut
    with pytest.raises(RemoteError):
        fetch(bare, parse_source(f"{backend.url}/demo/.git"))
    assert (bare.refs(), kept(bare)) == ({}, [])
    assert not os.path.exists(os.path.join(bare.private_directory, "incoming"))


def test_a_flipped_byte(origin, git, bare, backend):
    """A pack that is not what its checksum says is refused."""
    backend.forged = (b"PACK\0\0\0\2", b"PACK\0\0\0\3")
    with pytest.raises(RemoteError):
        fetch(bare, parse_source(f"{backend.url}/demo/.git"))
    assert (bare.refs(), kept(bare)) == ({}, [])


def test_a_server_that_says_nothing(bare, backend, monkeypatch):
    """It is given up after a while."""
    backend.silent = threading.Event()
    monkeypatch.setattr(git_program, "STALLED_SECONDS", 1)
    monkeypatch.setitem(git_program._SETTINGS, "http.lowSpeedTime", "1")
    with pytest.raises(RemoteError):
        fetch(bare, parse_source(f"{backend.url}/demo/.git"))
    backend.silent.set()


def test_a_redirect_to_a_file(origin, bare, backend):
    """A server cannot make cmgit read this machine's files."""
    backend.location = f"file://{origin}/.git?"
    with pytest.raises(RemoteError):
        fetch(bare, parse_source(f"{backend.url}/demo/.git"))
    assert kept(bare) == []


def test_a_source_that_is_not_whole(origin, git, bare, tmp_path):
    """A partial clone is refused by name; objects that are missing there are noticed."""
    git(origin, "config", "uploadpack.allowFilter", "true")
    git(tmp_path, "clone", "-q", "--bare", "--filter=blob:none", f"file://{origin}", "partial.git")
    with pytest.raises(Unsupported, match="partial clone"):
        fetch(bare, parse_source(str(tmp_path / "partial.git")))
    blob = git(origin, "rev-parse", "HEAD:file").strip()
    (origin / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(RemoteError):
        fetch(bare, parse_source(str(origin)))
    assert (bare.refs(), kept(bare)) == ({}, [])


@pytest.mark.parametrize("data", [b"", b"garbage\n", b"0009ERR x", b"00", b"zzzz", b"\0" * 100])
def test_garbage_over_git(bare, data):
    """The same over a bare connection, and one that is closed early."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(data)

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(RemoteError):
            fetch(bare, parse_source(f"git://127.0.0.1:{server.getsockname()[1]}/demo"))
        thread.join()


@pytest.mark.parametrize(
    "name", ["../../../../evil", ".hidden/x.......", "x.lock..........", "x/../../../../x/"]
)
def test_forged_branch_names(origin, git, bare, backend, name):
    """A branch whose name would lead out of the refs is not taken, not as the default either."""
    real = "a" * len(name)
    git(origin, "switch", "-q", "-c", real)
    backend.forged = (f"refs/heads/{real}".encode(), f"refs/heads/{name}".encode())
    before = sorted(Path(bare.path).parent.rglob("*evil*"))
    fetched = fetch(bare, parse_source(f"{backend.url}/demo/.git"))
    assert fetched.default == "refs/heads/main"
    assert sorted(fetched.refs) == ["HEAD", "refs/heads/main", "refs/heads/side", "refs/tags/v1"]
    assert git(bare.path, "branch", "-r", "--format=%(refname:short)").split() == [
        "origin/main", "origin/side"]  # fmt: skip
    assert sorted(Path(bare.path).parent.rglob("*evil*")) == before


# -- what a URL may be ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    ["ext::sh -c 'touch /tmp/x'", "-oProxyCommand=x", "--upload-pack=x", "fd::0", "ftp://h/x",
     "javascript://x", "EXT::x", "ext::/x", "-", "package:../x", "package:a.b", "package:"],
)  # fmt: skip
def test_urls_that_are_refused(url):
    """Helpers that run programs, options, and kinds of URL that nobody asked for."""
    with pytest.raises(UsageError):
        package_directory(parse_source(url).package)


@pytest.mark.parametrize("host", ["-oProxyCommand=touch${IFS}x", "-x@h"])
def test_ssh_host_is_no_option(bare, host, tmp_path, monkeypatch):
    """A host that begins with a dash never reaches the ssh program."""
    monkeypatch.setenv("GIT_SSH_COMMAND", f'{sys.executable} -c \'open("{tmp_path}/ran", "w")\'')
    for url in (f"ssh://{host}/demo", f"{host}:demo"):
        with pytest.raises((RemoteError, UsageError)):
            fetch(bare, parse_source(url))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("text", "url", "alias"),
    [("owner@name", "https://github.com/owner/name", "owner@name"),
     ("https://github.com/owner/name.git", "https://github.com/owner/name.git", "owner@name"),
     ("https://ann:pw@github.com/owner/name/", "https://github.com/owner/name/", "owner@name"),
     ("ssh://git@h/owner/name.git", "ssh://git@h/owner/name.git", "owner@name"),
     ("git@h:owner/name.git", "git@h:owner/name.git", "owner@name"),
     ("https://h/owner/name/.git", "https://h/owner/name/.git", "owner@name"),
     ("/data/name/.git", "/data/name/.git", "name"), ("file:///d/n/.git", "file:///d/n/.git", "n"),
     ("/data/name.git", "/data/name.git", "name"), ("file:///data/name", "file:///data/name", "name"),
     ("package:cmx4mlops", "package:cmx4mlops", "cmx4mlops")],
)  # fmt: skip
def test_source(text, url, alias):
    """The address to keep, and the alias that follows from it."""
    source = parse_source(text)
    assert (source.url, source.alias) == (url, alias)


# -- packages ---------------------------------------------------------------------------------


def test_package_that_is_not_there():
    """A package that is missing, and one that carries no repository."""
    with pytest.raises(NotFound, match="not installed"):
        package_directory("no-such-package-here")
    with pytest.raises(NotFound, match=r"carries no cmr\.yaml"):
        package_directory("pytest")


def test_snapshot_depends_on_the_content_alone(tmp_path, make_repo, git):
    """Two copies, made at other times, by other people, with caches, are the same commit."""
    ids = []
    for name in ("one", "two"):
        path = make_repo("x", "a", directory=tmp_path / name, commit=False)
        (path / "script" / "a" / "run.sh").chmod(0o755)
        (path / "__pycache__").mkdir()
        (path / "__pycache__" / f"{name}.pyc").write_text(name)
        git(tmp_path, "config", "--global", "user.name", name)
        bare = GitRepository.init(str(tmp_path / f"{name}.git"), bare=True)
        ids.append(snapshot(bare, str(path), "package x\n"))
        assert git(bare.path, "fsck", "--strict", "--full", ids[-1]) == ""
        assert git(bare.path, "ls-tree", "-r", "--format=%(objectmode) %(path)", ids[-1]) == (
            "100644 cmr.yaml\n100644 script/a/_cm.yaml\n100755 script/a/run.sh\n"
        )
    assert ids[0] == ids[1]
