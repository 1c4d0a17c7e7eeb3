"""Serving: ``git clone`` from ``cmgit serve --git``, beside ``git http-backend`` in a web server.

One repository of 20,000 objects, cloned once, and by 8 clients at once; the same when it has two
packs, as after a sync that brought something. Bar: 3 times ``git http-backend``, which nginx runs
(by fcgiwrap) where both are there, else a small server of Python. ``without git`` is the same
repository served by cmgit alone.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from .airgap import run_git, tip
from .measure import LIMIT_S, Case, expect, run_all, script, skip
from .mirror import grow, make_big
from .served import served
from .startup import cmgit_environment

COMMITS = 5000  # four objects each
CLIENTS = 8


def run(runs: int, smoke: bool) -> None:
    """Print the figures; the smoke size has 200 objects."""
    commits = 50 if smoke else COMMITS
    with tempfile.TemporaryDirectory(prefix="cmgit-bench-") as name, ExitStack() as stack:
        top = Path(name)
        make_big(top / "origins", commits)
        environment = cmgit_environment(top)
        sync(top, environment)
        urls = {
            "git http-backend": stack.enter_context(served(top / "home" / "repos")),
            "cmgit serve": stack.enter_context(serving(environment)),
            "cmgit serve, without git": stack.enter_context(
                serving({**environment, "CMGIT_TRANSPORT": "dulwich"})
            ),
        }
        web_server = bool(shutil.which("nginx") and shutil.which("fcgiwrap"))
        if web_server:
            url = stack.enter_context(nginx(top, top / "home" / "repos"))
            urls = {"nginx, git http-backend": url, **urls}
        about = {"objects": 4 * commits}
        run_all("serve: clone", cases(top, urls, 1), runs, LIMIT_S, about=about)
        if not web_server:
            skip("nginx, git http-backend", "nginx and fcgiwrap are not both installed")
        run_all(f"serve: {CLIENTS} at once", cases(top, urls, CLIENTS), runs, LIMIT_S, about=about)
        grow(top / "origins" / "big.git", commits)
        sync(top, environment)
        run_all("serve: clone, two packs", cases(top, urls, 1), runs, LIMIT_S, about=about)


def sync(top: Path, environment: dict[str, str]) -> None:
    """Bring the home that is served in step with the origin."""
    for words in (["add", f"file://{top}/origins/big.git", "--name=big"], ["sync"]):
        subprocess.run(
            [script("cmgit"), "mirror", *words],
            env={**os.environ, **environment, "CMGIT_HOME": str(top / "home")},
            check=True,
            capture_output=True,
        )
    environment["CMGIT_HOME"] = str(top / "home")


def cases(top: Path, urls: dict[str, str], clients: int) -> list[Case]:
    """The same clone from each server, the first of which is what the others are compared with."""
    wanted, first = tip(top / "origins" / "big.git"), next(iter(urls))
    clones = top / "clones"

    def fresh() -> None:
        shutil.rmtree(clones, ignore_errors=True)
        clones.mkdir()

    def whole(output: str) -> None:
        for number in range(clients):
            expect("tip", tip(clones / f"{number + 1}"), wanted)
        expect("git fsck", run_git(clones / "1", "fsck"), "")

    each = f"seq {clients} | xargs -P{clients} -I@ git clone -q --mirror {{url}}/big.git {clones}/@"
    return [
        Case(
            name,
            ["sh", "-c", each.format(url=url)],
            () if name == first else (first,),
            prepare=fresh,
            check=whole,
        )
        for name, url in urls.items()
    ]


@contextmanager
def serving(environment: dict[str, str]) -> Iterator[str]:
    """``cmgit serve`` as a process; yields its URL."""
    with subprocess.Popen(
        [script("cmgit"), "serve", "--git", "--port=0"],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()


_CONFIGURATION = """\
daemon off;
pid {top}/nginx.pid;
error_log {top}/nginx.log;
{user}
events {{}}
http {{
    access_log off;
    client_body_temp_path {top}/body;
    fastcgi_temp_path {top}/fastcgi;
    proxy_temp_path {top}/proxy;
    scgi_temp_path {top}/scgi;
    uwsgi_temp_path {top}/uwsgi;
    client_max_body_size 0;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            fastcgi_pass unix:{top}/fcgi.sock;
            fastcgi_param SCRIPT_FILENAME {backend};
            fastcgi_param GIT_PROJECT_ROOT {root};
            fastcgi_param GIT_HTTP_EXPORT_ALL 1;
            fastcgi_param GIT_PROTOCOL $http_git_protocol;
            fastcgi_param PATH_INFO $uri;
            fastcgi_param QUERY_STRING $query_string;
            fastcgi_param REQUEST_METHOD $request_method;
            fastcgi_param CONTENT_TYPE $content_type;
            fastcgi_param CONTENT_LENGTH $content_length;
            fastcgi_param HTTP_CONTENT_ENCODING $http_content_encoding;
        }}
    }}
}}
"""


@contextmanager
def nginx(top: Path, root: Path) -> Iterator[str]:
    """nginx with fcgiwrap, for a directory of repositories; yields its URL."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    paths = subprocess.run(["git", "--exec-path"], capture_output=True, text=True, check=True)
    backend = Path(paths.stdout.strip()) / "git-http-backend"
    user = "user root;" if os.geteuid() == 0 else ""
    text = _CONFIGURATION.format(top=top, user=user, port=port, backend=backend, root=root)
    (top / "nginx.conf").write_text(text)
    commands = [
        ["fcgiwrap", "-c", str(CLIENTS), "-s", f"unix:{top}/fcgi.sock"],
        ["nginx", "-p", str(top), "-c", str(top / "nginx.conf"), "-e", str(top / "nginx.log")],
    ]
    processes = [subprocess.Popen(command, start_new_session=True) for command in commands]
    try:
        _wait(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        for process in processes:
            os.killpg(process.pid, signal.SIGTERM)  # the children of fcgiwrap, too
            process.wait()


def _wait(port: int) -> None:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise TimeoutError("nginx does not answer")
