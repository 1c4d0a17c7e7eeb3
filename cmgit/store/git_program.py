"""The git program, where it is there. cmgit needs it for nothing; it is faster at big packs, and
knows ways through networks that dulwich does not.

It runs in a fixed environment: no configuration of the system, no prompts, no hooks, no helpers for
other protocols than those that cmgit pulls from, no look at objects that a partial clone left out.
The user's own configuration counts where a server is asked, since proxies are set there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BufferedReader
from typing import IO, NamedTuple

from ..errors import GitError

PROTOCOLS = "file:git:http:https:ssh"
STALLED_SECONDS = 60
SSH = f"ssh -oBatchMode=yes -oConnectTimeout={STALLED_SECONDS} -oServerAliveInterval=15"

_KEPT = (
    "PATH", "HOME", "USER", "LOGNAME", "SYSTEMROOT", "USERPROFILE", "TMPDIR", "XDG_CONFIG_HOME",
    "GIT_CONFIG_GLOBAL", "GIT_SSH_COMMAND", "SSH_AUTH_SOCK", "KRB5CCNAME", "GIT_SSL_CAINFO",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "http_proxy", "https_proxy", "all_proxy", "no_proxy",
    "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR",
)  # fmt: skip
_NO_ROOM = ("No space left on device", "Out of diskspace", "Disk quota exceeded")
_OLD_HABITS = ("zeroPaddedFilemode", "missingSpaceBeforeDate", "badTimezone", "gitmodulesParse")
_SETTINGS = {
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    "credential.interactive": "false",
    "fetch.fsckObjects": "true",
    **{f"fetch.fsck.{name}": "warn" for name in _OLD_HABITS},  # of programs of long ago
    "fetch.unpackLimit": "1",
    "fetch.writeCommitGraph": "false",
    "gc.auto": "0",
    "http.lowSpeedLimit": "1",
    "http.lowSpeedTime": str(STALLED_SECONDS),
    "maintenance.auto": "false",
    "safe.directory": "*",
}


def find_git() -> str:
    """The path of the git program, or an empty string."""
    return shutil.which("git") or ""


def environment(system: bool = False) -> dict[str, str]:
    """What git runs in; ``system`` lets the system's configuration count."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {
        "GIT_SSH_COMMAND": SSH,
        **kept,
        **({} if system else {"GIT_CONFIG_NOSYSTEM": "1"}),
        "GIT_ALLOW_PROTOCOL": PROTOCOLS,
        "GIT_ASKPASS": "",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
        "SSH_ASKPASS": "",
    }


class Done(NamedTuple):
    """How a run ended: its exit code, and what it printed to stdout and stderr."""

    code: int
    out: str
    said: str

    @property
    def complaint(self) -> str:
        """The last line that tells what went wrong."""
        lines = [line.strip() for line in self.said.splitlines() if line.strip()]
        fatal = [line for line in lines if line.startswith(("fatal: ", "error: "))]
        chosen = (fatal or lines or ["it failed"])[0 if fatal else -1]
        return chosen.removeprefix("fatal: ").removeprefix("error: ")

    @property
    def found_no_room(self) -> bool:
        """Whether it failed because the disk was full."""
        return self.code != 0 and any(text in self.said for text in _NO_ROOM)


def settings() -> list[str]:
    """The options before the subcommand that pin what configuration could change."""
    return [word for key, value in _SETTINGS.items() for word in ("-c", f"{key}={value}")]


@contextmanager
def output(
    program: str,
    words: Sequence[str],
    directory: str,
    given: IO[bytes] | int = subprocess.DEVNULL,
    extra: Mapping[str, str] = {},
) -> Iterator[BufferedReader]:
    """What git prints about a Git directory, as it comes; raises GitError at the end when it
    fails. ``given`` is its stdin."""
    with tempfile.TemporaryFile() as errors, subprocess.Popen(
        [program, *settings(), "--git-dir", directory, *words],
        stdin=given,
        stdout=subprocess.PIPE,
        stderr=errors,
        env={**environment(), **extra},
        cwd=directory,
    ) as process:  # fmt: skip
        try:
            yield process.stdout  # type: ignore[misc]
        except BaseException:
            process.kill()
            raise
        code = process.wait()
        errors.seek(0)
        said = errors.read().decode("utf-8", "replace")
    if code:
        raise GitError(f"{directory}: {Done(code, '', said).complaint}")


def run(
    program: str,
    words: Sequence[str],
    directory: str = "",
    given: str = "",
    extra: Mapping[str, str] = {},
    system: bool = False,
) -> Done:
    """Run git on a Git directory (none: outside of any); ``given`` is its stdin."""
    place = ["--git-dir", directory] if directory else []
    with tempfile.TemporaryFile() as errors:
        done = subprocess.run(
            [program, *settings(), *place, *words],
            input=given.encode("utf-8", "surrogateescape"),
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**environment(system), **extra},
            cwd=directory or os.path.abspath(os.sep),
            check=False,
        )
        errors.seek(0)
        said = errors.read().decode("utf-8", "replace")
    return Done(done.returncode, done.stdout.decode("utf-8", "surrogateescape"), said)
