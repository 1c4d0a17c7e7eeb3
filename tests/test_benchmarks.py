"""The benchmarks' tools: what is measured has to be what it says it is."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from benchmarks.corpus import Spec, artifacts, copy_home, corpus, repository_name
from cmgit import Workspace

SMALL = Spec(artifacts=400, repositories=3)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return corpus(SMALL, tmp_path_factory.mktemp("corpora"))


def digests(directory: Path) -> dict[str, str]:
    """Everything but ``local``, which says when it was made."""
    files = [path for path in directory.rglob("*") if path.is_file()]
    named = {str(path.relative_to(directory)): path.read_bytes() for path in files}
    return {
        name: hashlib.sha1(data).hexdigest()
        for name, data in named.items()
        if not name.startswith("home/local")
    }


def fsck(repository: Path) -> str:
    done = subprocess.run(
        ["git", "-C", str(repository), "fsck", "--strict", "--full"],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout + done.stderr


def test_the_same_seed_makes_the_same_bytes(small: Path, tmp_path: Path) -> None:
    assert digests(corpus(SMALL, tmp_path)) == digests(small)
    other = corpus(Spec(400, 3, seed=2), tmp_path)
    assert digests(other) != digests(small)


def test_a_corpus_is_made_once(small: Path) -> None:
    before = small.stat().st_ctime_ns
    assert corpus(SMALL, small.parent) == small
    assert small.stat().st_ctime_ns == before
    assert list(small.parent.iterdir()) == [small]


def test_git_accepts_the_packs(small: Path) -> None:
    repositories = list((small / "home" / "repos").iterdir())
    assert len(repositories) == 3
    assert [fsck(repository) for repository in repositories] == ["", "", ""]


def test_cmgit_finds_what_was_generated(small: Path, tmp_path: Path) -> None:
    workspace = Workspace(str(copy_home(small / "home", tmp_path / "home")))
    found = sorted((a.repo, a.automation_alias, a.alias, a.uid, a.tags) for a in workspace.find())
    wanted = sorted(
        (repository_name(number).alias, a.automation, a.alias, a.uid, tuple(a.tags))
        for number, a in artifacts(SMALL)
    )
    assert len(wanted) == 400
    assert found == wanted


def test_some_artifacts_are_the_same_in_several_repositories() -> None:
    uids = [artifact.uid for _, artifact in artifacts(Spec(3000, 20))]
    assert 0 < len(uids) - len(set(uids)) < 30


def test_working_repositories_have_the_files(tmp_path: Path) -> None:
    spec = Spec(artifacts=30, repositories=2, working=True)
    home = corpus(spec, tmp_path) / "home"
    for number, artifact in artifacts(spec):
        place = home / "work" / repository_name(number).alias / artifact.automation
        assert (place / artifact.alias / artifact.file).is_file()
    assert len(Workspace(str(home)).find()) == 30
