"""Git repositories over HTTP on the loopback: ``git http-backend``, a process for each request.

nginx runs it (by fcgiwrap) where both are there, else a small server of Python, which takes longer
itself: ``python -m benchmarks.served DIRECTORY`` prints its URL and serves.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Backend(BaseHTTPRequestHandler):
    """Hands each request to ``git http-backend``, and what that says back."""

    protocol_version = "HTTP/1.1"
    root = ""

    def do_GET(self) -> None:
        """Answer one request."""
        path, _, query = self.path.partition("?")
        environ = {
            **os.environ,
            "GIT_PROJECT_ROOT": self.root,
            "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REMOTE_ADDR": "127.0.0.1",
        }
        with subprocess.Popen(
            ["git", "http-backend"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ
        ) as backend:
            assert backend.stdin is not None
            assert backend.stdout is not None
            with backend.stdin as stdin:
                stdin.write(self._body())
            status = 200
            headers = []
            while (line := backend.stdout.readline().strip()) != b"":
                name, _, value = line.decode().partition(": ")
                if name == "Status":
                    status = int(value.split()[0])
                else:
                    headers.append((name, value))
            self.send_response(status)
            for name, value in [*headers, ("Connection", "close")]:
                self.send_header(name, value)
            self.end_headers()
            shutil.copyfileobj(backend.stdout, self.wfile, 1 << 16)
        self.close_connection = True

    do_POST = do_GET  # noqa: N815

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def server() -> str:
    """What serves: ``nginx``, or ``python``."""
    return "nginx" if shutil.which("nginx") and shutil.which("fcgiwrap") else "python"


@contextmanager
def served(directory: Path, clients: int) -> Iterator[str]:
    """Serve a directory of repositories to so many at once, from processes of their own; yields
    its URL."""
    if server() == "nginx":
        with _nginx(directory, clients) as url:
            yield url
        return
    command = [sys.executable, "-m", "benchmarks.served", str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.kill()


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
def _nginx(root: Path, clients: int) -> Iterator[str]:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    paths = subprocess.run(["git", "--exec-path"], capture_output=True, text=True, check=True)
    backend = Path(paths.stdout.strip()) / "git-http-backend"
    user = "user root;" if os.geteuid() == 0 else ""
    with tempfile.TemporaryDirectory(prefix="cmgit-bench-") as name:
        top = Path(name)
        text = _CONFIGURATION.format(top=top, user=user, port=port, backend=backend, root=root)
        (top / "nginx.conf").write_text(text)
        commands = [
            ["fcgiwrap", "-c", str(clients), "-s", f"unix:{top}/fcgi.sock"],
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


def main(directory: str) -> None:
    """Serve until killed."""
    Backend.root = directory
    server = ThreadingHTTPServer(("127.0.0.1", 0), Backend)
    server.daemon_threads = True
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1])
