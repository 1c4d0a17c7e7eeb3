"""The short path answers with the same bytes as the full command line."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from cmgit.artifact import Artifact
from cmgit.cli import short
from cmgit.cli.short import kept
from cmgit.workspace import Workspace
from tests.cli import captured, good, on_terminal, redirect_stdout, run
from tests.conftest import Git, MakeRepo, Put, artifact_files, meta_of, run_git, uid_of, write_files

COMMAND_LINES = 5000 if os.environ.get("CMGIT_FULL") else 300
ODD = {
    "script/b/_cm.yaml": meta_of("b", uid_of(102), tags="[own, 'a b', ü]", _base="detect-os"),
    "script/größe '日本/_cm.yaml": meta_of("größe '日本", uid_of(103), tags='["q\\"uote", "t\\tab"]'),
    "script/c/_cm.yaml": meta_of("c", uid_of(104), _base="nosuch"),
    "script/d/_cm.yaml": meta_of("d", uid_of(105), tags="[own]", x="1.50", y="[~, no, 2026-01-31]"),
    "script/d/_cm.json": '{"tags": ["json"], "big": 123456789012345678901234567890}',
    "script/e/meta.yaml": meta_of("e", uid_of(106), _base='""', text="naïve"),
    "script/f/_cm.json": f'{{"alias": "f", "uid": "{uid_of(107)}", "automation_alias": "script"}}',
    "Script/g/_cm.json": f'{{"alias": "", "uid": "{uid_of(108)}", "automation_alias": "Script"}}',
    "model/detect-os/_cm.yaml": meta_of("detect-os", uid_of(109), "model", tags="[detect, os]"),
    "model/detect-os/README.md": "Detect the operating system, os, and classify images: onnx.\n",
    "automation/model/_cm.yaml": meta_of("model", "aaaaaaaaaaaaaaaa", "automation"),
}  # fmt: skip


@pytest.fixture(scope="session")
def real_home(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A home with a bare repository, cmx4mlops, a working and a second bare one with oddities, and
    artifacts in ``local`` that are not committed."""
    place = tmp_path_factory.mktemp("real")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(place))
        for role in ("AUTHOR", "COMMITTER"):
            patch.setenv(f"GIT_{role}_NAME", "Ann Author")
            patch.setenv(f"GIT_{role}_EMAIL", "ann@example.org")
        workspace = Workspace(str(place / "home"))
        workspace.pull("package:cmx4mlops")
        for alias, uid in (("odd", 77), ("work", 78)):
            write_files(place / alias, {"cmr.yaml": f"alias: {alias}\nuid: {uid_of(uid)}\n", **ODD})
            for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "first"]):
                run_git(place / alias, *words)
        workspace.pull("odd", url=str(place / "odd"))
        from cmgit.repositories import init

        init(workspace, path=str(place / "work"))
        write_files(Path(workspace.home, "local"), artifact_files("detect-os", "new"))
    return str(place / "home")


@pytest.fixture
def real(real_home: str, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace on that home; the command line uses it too."""
    monkeypatch.setenv("CMGIT_HOME", real_home)
    return Workspace(real_home)


AUTOMATIONS = ["SCRIPT", "s*", "*", "", "automation", "nosuch", "5b4e0237da074764", "odd:model",
               "script,5b4e0237da074764", "repo", "REPO", "repo,5b4e0237da074764", "a:b:c",
               "55c3e27e8a140e48"]  # fmt: skip
FITTING = {
    "load": ["tags", "original"], "where": ["tags"], "tags": ["tags", "repo", "limit", "json", "all"],
}  # fmt: skip
WILD = ["--nosuch", "--count=1", "--at=HEAD", "--tags", "--json-", "--yaml", "--limit=-1",
        "--limit=", "--limit=x", "--sort=x", "--by=x", "--text=-x", "--repo=nosuch"]  # fmt: skip


def command_lines(workspace: Workspace, number: int) -> Iterator[list[str]]:
    """Random, but always the same, command lines with words that there are, and some others."""
    choose = random.Random(2042)
    known = workspace.find("*")
    odd = [artifact for artifact in known if artifact.repo != "cmx4mlops"]
    for _ in range(number):
        one = choose.choice(choose.choice([known, odd]))
        action = choose.choice(["find", "find", "find", "ls", "load", "load", "where", "tags"])
        words = [one.automation_alias, *choose.choice([[], *[[name] for name in names_of(one)]])]
        flags = flags_of(one, choose)
        some = [flags[key] for key in FITTING.get(action, flags)]
        words += choose.sample(some, min(len(some), choose.choice([0, 0, 1, 2, 3])))
        if action == "tags":
            words = [word for word in words if word.startswith("--")] or words[:1]
        if choose.random() < 0.2:
            words[0] = choose.choice(AUTOMATIONS)
        if choose.random() < 0.15:
            words.append(choose.choice([*WILD, *flags.values(), "d", "nosuch", "a:b:c", "a,b"]))
        if choose.random() < 0.2:
            words = choose.sample(words, len(words))
        yield [action, *words]


def names_of(one: Artifact) -> list[str]:
    """Words that name an artifact, alone or among others."""
    alias, uid = one.alias, one.uid
    return [
        alias, uid, f"{one.repo}:{alias}", f"{alias},{uid}", alias.upper(), f"x,{uid}", "local:",
        f"{alias[:4]}*", f"*{alias[-4:]}", f"w*:{alias}", "???", f"{one.repo}:{uid}",
    ]  # fmt: skip


def flags_of(one: Artifact, choose: random.Random) -> dict[str, str]:
    """Flags, some of which leave the artifact among what is found."""
    tags = [*one.tags, "detect", "os"]
    switches = ("json", "count", "strict", "path", "snippets", "no-snippets", "original", "all")
    return {
        "tags": f"-tags={choose.choice(tags)},{choose.choice(['', '-', '-x'])}{choose.choice(tags)}",
        "limit": f"--limit={choose.choice([0, 1, 7])}",
        "repo": f"--repo={choose.choice([one.repo, one.repo_uid.upper(), 'cmx4mlops:', 'w*'])}",
        "text": f"--text={choose.choice(['detect', 'classify onnx', 'operating nosuch', ''])}",
        "by": f"--by={choose.choice(['repo', 'automation', 'tag', ''])}",
        "sort": f"--sort={choose.choice(['alias', 'uid', 'automation-alias', 'repo', 'path', ''])}",
        **{key: f"--{key}" for key in switches},
    }


def test_same_bytes(real: Workspace) -> None:
    """The two paths agree on stdout, stderr and exit code for whatever the words are; many command
    lines of each kind are answered by the short one."""
    answered: Counter[str] = Counter()
    for words in command_lines(real, COMMAND_LINES):
        full = run(*words, full=True)
        with captured(1, redirect_stdout), captured(2, redirect_stdout):
            code = short.run(words)
        if code is not None:
            assert run(*words) == full, words
            answered.update({words[0], *(word.lstrip("-").partition("=")[0] for word in words[1:])})
    least = COMMAND_LINES // 100
    some = ["find", "load", "where", "tags", "text", "by", "sort", "path", "strict", "snippets"]
    assert all(answered[word] >= least for word in some), answered
    assert sum(answered[word] for word in ("find", "ls", *FITTING)) > COMMAND_LINES // 2, answered


def test_inherited_tags_and_odd_text(make_repo: MakeRepo, workspace: Workspace) -> None:
    """The JSON lines are the same for what inherits, what is not committed, and odd text."""
    files = {
        "script/a/_cm.yaml": meta_of("a", uid_of(1), tags='[ü, "q\\"uote", "tab\\there"]'),
        "script/b/_cm.yaml": meta_of("größe '日本", uid_of(2), tags="[own]", _base="a"),
        "script/c/_cm.yaml": meta_of("c", uid_of(3), _base="nosuch"),
    }
    path = make_repo("demo", files=files)
    good("init", "repo", f"--path={path}")
    write_files(path, {"script/d/_cm.yaml": meta_of("d", uid_of(4), _base="script::a")})
    good("find", "*")
    first, second = (run("find", "script", "--json", full=full) for full in (False, True))
    assert first.out == second.out
    assert [len(hit["tags"]) for hit in first.json] == [3, 4, 0, 3]
    assert short.run(["find", "script", "nothing"]) == 0


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["find"],
        ["load", "script"],
        ["load", "script", "detect-os", "--yaml"],
        ["where", "script", "nosuch"],
        ["tags", "script", "x"],
        ["info", "script", "detect-os"],
        ["find", "repo"],
        ["find", "script", "a", "b"],
        ["find", "script", "@input.yaml"],
        ["find", "script", "--sort=x"],
        ["find", "script", "--by=x"],
        ["find", "script", "--text=detect", "--by=tag"],
        ["find", "script", "--snippets", "--no-snippets"],
        ["find", "script", "--json-"],
        ["find", "."],
        ["find", "script", ".:x"],
        ["find", "script", "--repo=."],
        ["find", "local:script"],
        ["find", "script", "--", "x"],
        ["find", "script", "--help"],
    ],
)
def test_not_its_job(words: list[str], real: Workspace) -> None:
    """Everything else is left to the full command line."""
    assert short.run(words) is None


def test_stale_index(make_repo: MakeRepo, workspace: Workspace, git: Git) -> None:
    """An index that is no longer true, or a warning to be given, is not its job either."""
    path = make_repo("demo", "a")
    assert short.run(["find", "script"]) is None
    good("init", "repo", f"--path={path}")
    assert good("find", "script").names == ["a"]
    with captured(1, redirect_stdout):
        assert short.run(["find", "script"]) == 0
    git(path, "rm", "-rq", "script/a")
    assert short.run(["find", "script"]) is None
    good("find", "*")
    write_files(path, {"script/x/_cm.yaml": "["})
    run("find", "*")
    assert short.run(["find", "*"]) is None


def test_damaged_home(real_home: str, tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a home there is nothing to answer from."""
    monkeypatch.setenv("CMGIT_HOME", f"{tmp_path}/nowhere")
    assert short.run(["find", "script"]) is None


# -- load -----------------------------------------------------------------------------------------


@pytest.fixture(params=["working", "bare"])
def repository(
    request: pytest.FixtureRequest, make_repo: MakeRepo, workspace: Workspace, git: Git
) -> Path:
    """The directory of a repository with a script ``a``, registered, or pulled as a bare one."""
    path = make_repo("demo", "a")
    good("init", "repo", f"--path={path}")
    if request.param == "bare":
        good("rm", "repo", "demo")
        good("pull", "repo", "demo", f"--url={path}")
    return path


def loads(*words: str) -> bytes | None:
    """What the short path prints of an artifact; None when it leaves that to the full one."""
    with captured(1, redirect_stdout) as stdout:
        code = short.run(["load", *words])
        stdout.seek(0)
        return stdout.read() if code == 0 else None


def test_a_meta_is_kept(repository: Path) -> None:
    """What was loaded once is printed by the short path, the same bytes."""
    assert loads("script", "a") is None
    printed = good("load", "script", "a").out
    assert loads("script", "a") == loads("script", "a", "--original") == printed.encode()
    assert loads("script") == printed.encode()


def test_a_meta_that_changes(repository: Path, git: Git) -> None:
    """It is never an old one that is printed."""
    good("load", "script", "a")
    meta = repository / "script" / "a" / "_cm.yaml"
    for value in ("one", "two", "one"):
        meta.write_text(meta_of("a", uid_of(1), value=value))
        git(repository, "commit", "-qam", value)
        run("pull", "repo", "demo")
        assert f'"value": "{value}"' in good("load", "script", "a").out
        assert f'"value": "{value}"' in (loads("script", "a") or b"").decode()


def test_what_is_not_kept(workspace: Workspace, put: Put) -> None:
    """What inherits, is in two files, is large, or may be left out by a sparse check-out."""
    local = Path(workspace.home, "local")
    put("base", 1)
    put("child", 2, _base="base")
    put("two", 3)
    write_files(local, {"script/two/_cm.json": '{"x": 1}'})
    put("large", 4, text="x" * (kept.LARGEST + 1))
    for alias in ("base", "child", "two", "large"):
        good("load", "script", alias)
    assert [loads("script", alias) for alias in ("child", "two", "large")] == [None] * 3
    assert loads("script", "base")
    write_files(local, {".git/info/sparse-checkout": "/*\n"})
    assert loads("script", "base") is None


def test_damaged_and_old(workspace: Workspace, put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    """A damaged file counts as none; of too many the older half goes."""
    monkeypatch.setattr(kept, "MOST", 4)
    for number in range(1, 8):
        put(f"n{number}", number)
        good("load", "script", f"n{number}")
    files = sorted(Path(workspace.home, kept.DIRECTORY).iterdir(), key=lambda p: p.stat().st_mtime)
    assert 2 <= len(files) <= 4
    assert loads("script", "n1") is None
    assert loads("script", "n7")
    files[-1].write_bytes(files[-1].read_bytes().replace(b"n7", b"n8"))
    assert loads("script", "n7") is None
    assert '"alias": "n7"' in good("load", "script", "n7").out
    assert loads("script", "n7")


# -- on a terminal --------------------------------------------------------------------------------


def test_a_person_is_asked(workspace: Workspace, put: Put) -> None:
    """What finds nothing may be a mistake."""
    put("detect-os", 1)
    good("find", "*")
    assert "did you mean 'detect-os'?" in on_terminal("find", "script", "detekt-os")


def test_snippets_on_a_terminal(workspace: Workspace, put: Put) -> None:
    """They are bold there, unless that is not wanted."""
    put("detect-os", 1, readme="To detect it.")
    good("find", "--text=detect")
    words = ["find", "--text=detect"]
    assert "\x1b[1mdetect\x1b[0m" in on_terminal(*words, TERM="xterm")
    assert "\x1b" not in on_terminal(*words, TERM="xterm", NO_COLOR="1")
    assert "To detect" not in on_terminal(*words, "--no-snippets")


@pytest.mark.parametrize("words", [["version"], ["--version"]])
def test_version(words: list[str]) -> None:
    """It is printed without anything else being imported."""
    assert run(*words) == run(*words, full=True)
    with captured(1, redirect_stdout):
        assert short.run(words) == 0
