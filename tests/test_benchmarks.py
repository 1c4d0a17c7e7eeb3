"""The benchmarks' tools: what is measured has to be what it says it is."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import compare, report
from benchmarks.corpus import Spec, artifacts, copy_home, corpus, repository_name
from benchmarks.measure import Case, TooSlow, WrongWork, expect, resources, run_once
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


LINES = [
    {"benchmark": "search", "artifacts": 359, "repositories": 1},
    {"name": "python -c pass", "n": 9, "median_ms": 15.0, "p95_ms": 16.0, "peak_mb": 8.4},
    {"name": "cmgit tags", "n": 9, "median_ms": 22.4, "baseline": "python -c pass", "ratio": 1.493},
    {"name": "cm tags", "n": 9, "median_ms": 112.0, "baseline": "python -c pass", "ratio": 7.47},
    {"name": "cm tags", "n": 9, "median_ms": 112.0, "baseline": "cmgit tags", "ratio": 5.02},
    {"benchmark": "search", "artifacts": 100_000, "repositories": 1000},
    {"name": "cm tags", "skipped": "one call takes more than 60 s"},
    {"name": "python -c pass", "n": 9, "median_ms": 15.1, "p95_ms": 16.0, "peak_mb": 8.4},
    {"name": "cmgit tags", "n": 9, "median_ms": 25.0, "baseline": "python -c pass", "ratio": 1.66},
]
TABLE = """\
### search

| | 359 in 1 | 100,000 in 1,000 |
|---|---|---|
| `python -c pass` | 15 ms, 8.4 MB | 15.1 ms, 8.4 MB |
| `cmgit tags` | 22.4 ms, 1.49 × pass | 25 ms, 1.66 × pass |
| `cm tags` | 112 ms, 7.47 × pass, 5.02 × cmgit tags | – |

- cm tags: one call takes more than 60 s

"""


def sample(tmp_path: Path) -> str:
    path = tmp_path / "lines.jsonl"
    path.write_text("\n".join(map(json.dumps, LINES)) + "\n")
    return str(path)


def test_report_makes_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report.main([sample(tmp_path)])
    assert capsys.readouterr().out == TABLE


def test_report_draws_what_was_measured_at_several_sizes(tmp_path: Path) -> None:
    picture = tmp_path / "growth.svg"
    report.main([sample(tmp_path), f"--svg={picture}"])
    texts = [element.text for element in ElementTree.parse(picture).iter() if element.text]
    assert "cmgit" in texts
    assert "python -c pass" in texts
    assert "cm" not in texts  # at one size only


def test_report_says_when_there_is_nothing_to_draw(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        report.main([sample(tmp_path), f"--svg={tmp_path}/x.svg", "--kind=text"])
    assert "'text'" in capsys.readouterr().err


def test_interval_of_a_median() -> None:
    # the sign test: of ten tosses at most one is heads in 1.07% of all cases
    assert compare.interval([float(n) for n in range(10)]) == (1.0, 8.0)
    assert compare.interval([1.0, 3.0, 2.0]) == (1.0, 3.0)


@pytest.mark.parametrize(
    ("median", "low", "high", "verdict"),
    [
        (1.2, 1.1, 1.3, "slower"),
        (1.2, 0.9, 1.5, "undecided, take more runs"),
        (1.05, 1.01, 1.09, "not slower"),
        (0.8, 0.7, 0.9, "not slower"),
    ],
)
def test_verdict(median: float, low: float, high: float, verdict: str) -> None:
    assert compare.judge(median, low, high) == verdict


def test_a_case_that_does_other_work_is_no_result() -> None:
    case = Case("echo", ["echo", "1"], check=lambda output: expect("said", output, "2\n"))
    with pytest.raises(WrongWork):
        run_once(case)
    with pytest.raises(TooSlow):
        run_once(Case("sleep", ["sleep", "5"]), limit=0.1)


@pytest.mark.skipif(not hasattr(os, "wait4"), reason="the system does not say")
def test_memory_is_that_of_the_process_alone() -> None:
    here = bytearray(200 << 20)  # resident in this process
    here[::4096] = b"x" * len(here[::4096])
    small = resources(Case("pass", [sys.executable, "-c", "pass"]))
    large = resources(Case("list", [sys.executable, "-c", "b'x' * (100 << 20)"]))
    assert small is not None
    assert large is not None
    assert small.peak_mb < 50
    assert large.peak_mb > 100
