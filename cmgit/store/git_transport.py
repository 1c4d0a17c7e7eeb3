"""The transport of the git program: it speaks with the other side itself."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from ..errors import RemoteError, counted
from . import git_program
from .address import Source
from .git_program import Done
from .login import Login
from .transport import (
    Fetched,
    Incoming,
    Progress,
    failed,
    fetched,
    login_needed,
    no_repository,
)

_LOGIN = re.compile(r"could not read Username|Authentication failed|terminal prompts disabled")
_NONE = re.compile(r"does not (appear to be|exist)|not found|access denied or repository not exp")


class GitTransport:
    """Runs ``git ls-remote`` and ``git fetch``."""

    def __init__(self, program: str) -> None:
        self._program = program

    def advertised(self, source: Source, login: Login | None) -> Fetched:
        """See Transport."""
        done = self._run(["ls-remote", "--symref", "--", _url(source)], source, login)
        if done.code:
            raise _error(source, done, login)
        rows = [tuple(line.split("\t", 1)) for line in done.out.split("\n") if "\t" in line]
        if not rows and source.host:  # git takes any page for a list of no refs
            raise RemoteError(f"{source.url} is empty, or no Git repository", "check the URL")
        symbolic = next((a[5:] for a, name in rows if a[:5] == "ref: " and name == "HEAD"), "")
        return fetched([(name, oid) for oid, name in rows], symbolic)

    def fetch(
        self, source: Source, incoming: Incoming, login: Login | None, progress: Progress | None
    ) -> Fetched:
        """See Transport."""
        offered = self.advertised(source, login)
        wanted = incoming.wanted(offered.refs.values())
        if not wanted:
            return offered
        if progress is not None:
            progress(f"{source.url}: git fetches {counted(len(wanted), 'ref')}")
        words = ["fetch", "--no-tags", "--no-write-fetch-head", "--quiet", "--stdin"]
        words += [f"--depth={incoming.depth}"] if incoming.depth else []
        quarantine = incoming.quarantine
        quarantine.close()
        done = self._run(
            [*words, "--", _url(source)], source, login, quarantine.path, "\n".join([*wanted, ""])
        )
        if done.code:
            raise _error(source, done, login)
        return offered

    def _run(
        self,
        words: list[str],
        source: Source,
        login: Login | None,
        directory: str = "",
        given: str = "",
    ) -> Done:
        return git_program.run(self._program, words, directory, given, _helper(source, login))


def _url(source: Source) -> str:
    return source.path or source.url


def _helper(source: Source, login: Login | None) -> dict[str, str]:
    """A credential helper that knows one login, for one host, handed over in the environment."""
    if login is None or not source.host:
        return {}
    print_it = 'printf \'username=%s\\npassword=%s\\n\' "$CMGIT_USERNAME" "$CMGIT_PASSWORD"'
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"credential.{urlsplit(source.url).scheme}://{source.host}.helper",
        "GIT_CONFIG_VALUE_0": f'!f() {{ test "$1" = get && {print_it}; }}; f',
        "CMGIT_USERNAME": login.username,
        "CMGIT_PASSWORD": login.password,
    }


def _error(source: Source, done: Done, login: Login | None) -> RemoteError:
    if _LOGIN.search(done.said):
        return login_needed(source)
    if _NONE.search(done.said):
        return no_repository(source)
    return failed(source, done.complaint, login)
