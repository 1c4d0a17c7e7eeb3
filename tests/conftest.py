"""What every test gets: a home, a Git configuration and a terminal of its own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from cmgit import repositories
from cmgit.repository import Repository
from cmgit.workspace import Workspace

# a loaded machine is no failure
settings.register_profile("cmgit", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("cmgit")

Git = Callable[..., str]
"""``git(directory, *words)`` runs the real Git there and returns what it printed."""

_GIT_CONFIG = """\
[user]
    name = Ann Author
    email = ann@example.org
[init]
    defaultBranch = main
[advice]
    detachedHead = false
[protocol "file"]
    allow = always
"""


@pytest.fixture(autouse=True)
def _isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Move every path that programs look at into a temporary directory; pin width and colour."""
    for name in [n for n in os.environ if n.startswith(("GIT_", "CM_", "CMGIT_", "XDG_"))]:
        if name != "CMGIT_FULL":
            monkeypatch.delenv(name)
    user = tmp_path / "user"
    user.mkdir()
    config = user / ".gitconfig"
    config.write_text(_GIT_CONFIG)
    values = {
        "HOME": user,
        "USERPROFILE": user,
        "CMGIT_HOME": tmp_path / "home",
        "CM_REPOS": user / "CM",
        "XDG_DATA_HOME": user / "data",
        "XDG_CONFIG_HOME": user / "config",
        "XDG_CACHE_HOME": user / "cache",
        "XDG_STATE_HOME": user / "state",
        "GIT_CONFIG_GLOBAL": config,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_EDITOR": "true",
        "COLUMNS": "100",
        "LINES": "40",
        "NO_COLOR": "1",
        "TERM": "dumb",
        "TZ": "UTC",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, str(value))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The directory that ``CMGIT_HOME`` names; not made yet."""
    return tmp_path / "home"


@pytest.fixture
def workspace(home: Path) -> Workspace:
    """A workspace on the home, with the repository ``local`` in it."""
    return Workspace(str(home))


def run_git(directory: str | os.PathLike[str], *words: str, input: str | None = None) -> str:
    """Run the real Git in a directory; returns its stdout, raises AssertionError when it fails."""
    done = subprocess.run(
        ["git", *words], cwd=directory, input=input, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"git {' '.join(words)}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture
def git() -> Git:
    """The function ``git(directory, *words, input=None)``: see run_git."""
    return run_git


def write_files(directory: Path, files: Mapping[str, str | bytes]) -> None:
    """Write files below a directory, by relative path."""
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def meta_of(alias: str, uid: str, automation: str = "script", **values: object) -> str:
    """The text of a ``_cm.yaml`` in the usual form; the automation's UID follows from its alias."""
    automations = {"automation": "bbeb15d8f0a944a4", "script": "5b4e0237da074764"}
    lines = [
        f"alias: {alias}",
        f"uid: {uid}",
        f"automation_alias: {automation}",
        f"automation_uid: {automations.get(automation, 'aaaaaaaaaaaaaaaa')}",
        *(f"{key}: {value}" for key, value in values.items()),
    ]
    return "".join(line + "\n" for line in lines)


def uid_of(number: int) -> str:
    """A UID for tests, made of a number."""
    return f"{number:016x}"


def artifact_files(*aliases: str, prefix: str = "", automation: str = "script") -> dict[str, str]:
    """Artifacts with a meta file and a ``run.sh`` each; the n-th has the UID ``uid_of(n)``."""
    files = {}
    for number, alias in enumerate(aliases, 1):
        place = "/".join(filter(None, (prefix, automation, alias)))
        files[f"{place}/_cm.yaml"] = meta_of(alias, uid_of(number), automation, tags=f"[{alias}]")
        files[f"{place}/run.sh"] = f"echo {alias}\n"
    return files


MakeRepo = Callable[..., Path]
"""``make_repo(alias, *artifacts, files={}, prefix="", commit=True)`` makes a repository."""


@pytest.fixture
def make_repo(tmp_path: Path) -> MakeRepo:
    """A function that makes a directory with ``cmr.yaml`` and artifacts, committed with Git.

    ``uid`` is the repository's; with ``commit=False`` there is no Git repository.
    """

    def make(
        alias: str = "demo",
        *artifacts: str,
        files: Mapping[str, str | bytes] = {},
        prefix: str = "",
        uid: str = "0123456789abcdef",
        commit: bool = True,
        directory: Path | None = None,
    ) -> Path:
        path = directory or tmp_path / alias
        description = f"alias: {alias}\nuid: {uid}\n" + (f"prefix: {prefix}\n" if prefix else "")
        write_files(path, {"cmr.yaml": description, **artifact_files(*artifacts, prefix=prefix)})
        write_files(path, files)
        if commit:
            run_git(path, "init", "-q")
            run_git(path, "add", "--all")
            run_git(path, "commit", "-q", "-m", "first")
        return path

    return make


@pytest.fixture
def demo(make_repo: MakeRepo, workspace: Workspace) -> Path:
    """A working repository with the scripts a and b, registered."""
    path = make_repo("demo", "a", "b")
    repositories.init(workspace, path=str(path))
    return path


def count(git: Git, path: Path) -> int:
    """The number of commits."""
    return int(git(path, "rev-list", "--count", "HEAD"))


@pytest.fixture(params=["working", "bare"])
def repository(
    request: pytest.FixtureRequest, make_repo: MakeRepo, git: Git, tmp_path: Path
) -> Repository:
    """The same repository, with and without a work tree."""
    path = make_repo("demo", "a", "b")
    if request.param == "bare":
        git(tmp_path, "clone", "-q", "--bare", str(path), "demo.git")
        path = tmp_path / "demo.git"
    return Repository.open(str(path), "demo")


def clean(git: Git, repository: Repository) -> None:
    """Assert that Git is content with a repository."""
    if repository.working:
        assert git(repository.git.path, "status", "--porcelain") == ""
    git(repository.git.path, "fsck", "--strict")


Put = Callable[..., None]
"""``put(alias, number, readme="", automation="script", **meta)`` writes an artifact into local."""


@pytest.fixture
def put(workspace: Workspace) -> Put:
    """A function that makes or replaces an artifact of the repository ``local``, by hand."""
    return lambda *words, **meta: put_into(Path(workspace.home, "local"), *words, **meta)


def put_into(
    root: Path,
    alias: str,
    number: int,
    readme: str = "",
    automation: str = "script",
    **meta: object,
) -> None:
    """Make or replace an artifact in a directory."""
    place = f"{automation}/{alias}"
    files = {f"{place}/_cm.yaml": meta_of(alias, uid_of(number), automation, **meta)}
    if readme:
        files[f"{place}/README.md"] = readme
    write_files(root, files)
