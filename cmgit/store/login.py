"""Logins to servers: from the URL that was typed, the environment, or Git's credential helpers.

None is ever written: not into a configuration, not into a message, not on a command line.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from . import git_program
from .address import Source

TOKEN = "CMGIT_TOKEN_"
_STORES = (".git-credentials", ".config/git/credentials")


class Login(NamedTuple):
    """A name and a password or token."""

    username: str
    password: str


def given_login(source: Source) -> Login | None:
    """The one in the address, or that of ``CMGIT_TOKEN_HOST``, as ``CMGIT_TOKEN_GITHUB_COM``."""
    parts = urlsplit(source.address)
    if not source.host:
        return None
    if parts.username:
        return Login(unquote(parts.username), unquote(parts.password or ""))
    token = os.environ.get(TOKEN + re.sub(r"\W", "_", source.host).upper())
    return Login("token", token) if token else None


def stored_login(source: Source, program: str) -> Login | None:
    """What Git's credential helpers know; without the git program, what ``store`` keeps."""
    parts = urlsplit(source.url)
    if not source.host:
        return None
    if program:
        return _ask_git(program, parts.scheme, source.host, parts.path.lstrip("/"))
    from dulwich.client import get_credentials_from_store

    files = [os.path.expanduser(f"~/{name}") for name in _STORES]
    with suppress(OSError, ValueError):
        for name, password in get_credentials_from_store(
            parts.scheme, parts.hostname or "", fnames=files
        ):
            return Login(unquote(name), unquote(password))
    return None


def _ask_git(program: str, scheme: str, host: str, path: str) -> Login | None:
    question = f"protocol={scheme}\nhost={host}\npath={path}\n\n"
    done = git_program.run(program, ["credential", "fill"], given=question, system=True)
    lines = dict(line.split("=", 1) for line in done.out.splitlines() if "=" in line)
    if done.code or "password" not in lines:
        return None
    return Login(lines.get("username", ""), lines["password"])
