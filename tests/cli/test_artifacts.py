"""Commands on artifacts: load, add, update, rm, mv, cp, info, where, save, print-input."""

from __future__ import annotations

import os
from pathlib import Path

import orjson
import pytest

from cmgit.names import is_uid
from cmgit.workspace import Workspace
from tests.cli import bad, good, run
from tests.conftest import Git, MakeRepo, meta_of, uid_of, write_files


@pytest.fixture
def local(workspace: Workspace, home: Path) -> Path:
    """The repository ``local``, with automation script."""
    good("add", "automation", "script,5b4e0237da074764")
    return home / "local"


@pytest.fixture
def demo(make_repo: MakeRepo, local: Path) -> Path:
    """Another working repository, with the scripts a and b."""
    path = make_repo("demo", "a", "b")
    good("init", "repo", f"--path={path}")
    return path


def load(*words: str) -> dict[str, object]:
    """What ``load`` prints."""
    value = orjson.loads(good("load", *words).out)
    assert isinstance(value, dict)
    return value


def test_add(local: Path, git: Git) -> None:
    """The default repository is ``local``; one commit, told by the words of the command."""
    (line,) = good("add", "script", "hello").lines
    assert line.startswith("script local:hello,")
    assert git(local, "log", "-1", "--format=%s %an") == "add script hello Ann Author\n"
    assert git(local, "status", "--porcelain") == ""
    meta = orjson.loads((local / "script/hello/_cm.json").read_bytes())
    assert meta == {"alias": "hello", "uid": line[-16:], "tags": [],
                    "automation_alias": "script", "automation_uid": "5b4e0237da074764"}  # fmt: skip


def test_add_options(demo: Path, tmp_path: Path) -> None:
    """Tags, values of the meta by CM's grammar, YAML, a UID, another repository, ``--from``."""
    write_files(tmp_path, {"src/run.sh": "echo\n", "src/sub/x": b"\0", "one.txt": "1",
                           "in.yaml": "meta:\n  deep: {er: 1}\n"})  # fmt: skip
    uid = uid_of(55)
    good("add", "script", f"demo:x,{uid}", "--tags=b,a,b", "--yaml", "--meta.size=3",
         "--meta.list,=p,q", "--meta.env.CM-X=1", "--meta.on", "--meta.off-",
         f"--from={tmp_path}/src", f"@{tmp_path}/in.yaml")  # fmt: skip
    meta = load("script", uid)
    assert meta["tags"] == ["b", "a"]
    assert (meta["size"], meta["list"], meta["env"]) == ("3", ["p", "q"], {"CM-X": "1"})
    assert (meta["on"], meta["off"]) == (True, False)
    assert str(meta["deep"]) in ("{'er': '1'}", "{'er': 1}")
    assert (demo / "script/x/_cm.yaml").is_file()
    assert (demo / "script/x/sub/x").read_bytes() == b"\0"
    good("add", "script", "one", f"--from={tmp_path}/one.txt")
    assert good("cat", "script", "one", "one.txt").out == "1"
    answer = orjson.loads(good("add", "script", "y", "--json").out)
    assert (answer["return"], answer["artifact"]["alias"]) == (0, "y")


def test_add_without_a_name(local: Path) -> None:
    """The directory is named by the UID then."""
    (line,) = good("add", "script").lines
    uid = line.rpartition(":")[2]
    assert is_uid(uid)
    assert (local / "script" / uid / "_cm.json").is_file()
    assert load("script", uid)["alias"] == ""


def test_add_refusals(demo: Path, git: Git) -> None:
    """8 for a place that is taken, 16 for an unknown repository or source, 4 for an automation;
    none of them changes anything."""
    before = git(demo, "rev-parse", "HEAD")
    bad(8, "add", "script", "demo:a")
    (demo / "script" / "mine").mkdir()
    bad(8, "add", "script", "demo:mine")
    bad(16, "add", "script", "nosuch:x")
    bad(16, "add", "script", "demo:x", "--from=/nosuch")
    bad(4, "add", "scrip", "demo:x")
    assert git(demo, "rev-parse", "HEAD") == before
    assert git(demo, "status", "--porcelain") == ""


def test_load(demo: Path) -> None:
    """Sorted JSON, YAML, one line of JSON, or the return dict; inheritance resolved or not."""
    write_files(demo, {"script/c/_cm.yaml": meta_of("c", uid_of(3), _base="a", tags="[own]")})
    out = good("load", "script", "c").out
    meta = orjson.loads(out)
    assert out.encode() == orjson.dumps(meta, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS |
                                        orjson.OPT_APPEND_NEWLINE)  # fmt: skip
    assert meta["tags"] == ["a", "own"]
    assert "_base" not in meta
    assert load("script", "c", "--original")["_base"] == "a"
    assert "- own" in good("load", "script", "c", "--yaml").out
    assert good("load", "script", "c", "--json").json == [meta]
    answer = orjson.loads(good("load", "script", "c", "--out=json").out)
    assert (answer["return"], answer["meta"], answer["path"]) == (0, meta, str(demo / "script/c"))
    assert load("script", "--tags=own")["uid"] == uid_of(3)


def test_load_refusals(demo: Path) -> None:
    """16 when nothing matches, 1 with the candidates when several do, 8 for a chain of bases."""
    bad(16, "load", "script", "nosuch")
    assert f"script demo:b,{uid_of(2)}" in bad(1, "load", "script", "*")
    write_files(demo, {
        "script/loop/_cm.yaml": meta_of("loop", uid_of(7), _base="loop"),
        "script/lost/_cm.yaml": meta_of("lost", uid_of(8), _base="nosuch"),
        **{f"script/n{n}/_cm.yaml": meta_of(f"n{n}", uid_of(20 + n), _base=f"n{n + 1}")
           for n in range(12)},
        "script/n12/_cm.yaml": meta_of("n12", uid_of(40)),
    })  # fmt: skip
    bad(8, "load", "script", "loop")
    bad(8, "load", "script", "n0")
    assert load("script", "n2")["alias"] == "n2"
    assert "nosuch" in bad(4, "load", "script", "lost")


def test_update(demo: Path, git: Git) -> None:
    """A deep merge in the format of the file; tags are added; one commit for all that match."""
    write_files(demo, {"script/c/_cm.yaml": "# kept\n" + meta_of("c", uid_of(3), l="[1]",
                       d="{x: 1}", tags="[t]")})  # fmt: skip
    git(demo, "add", ".")
    git(demo, "commit", "-qm", "c")
    good("update", "script", "c", "--tags=new,t", "--meta.d.y=2", "--meta.l,=2")
    assert (demo / "script/c/_cm.yaml").read_text().startswith("# kept\n")
    assert sorted(os.listdir(demo / "script/c")) == ["_cm.yaml"]
    meta = load("script", "c")
    assert (meta["tags"], meta["d"], meta["l"]) == (["t", "new"], {"x": 1, "y": "2"}, [1, "2"])
    good("update", "script", "c", "--replace-lists", "--meta.l,=3")
    assert load("script", "c")["l"] == ["3"]
    good("update", "script", "c", "--replace", "--meta.only=1")
    assert set(load("script", "c")) == {
        "alias",
        "uid",
        "automation_alias",
        "automation_uid",
        "only",
    }
    before = git(demo, "rev-list", "--count", "HEAD")
    assert len(good("update", "script", "?", "--tags=all").lines) == 3
    assert int(git(demo, "rev-list", "--count", "HEAD")) == int(before) + 1
    assert len(good("find", "script", "--tags=all").lines) == 3


def test_update_makes_what_is_not_there(demo: Path) -> None:
    """It is added then; a pattern that matches nothing is 16; a name is not changed."""
    good("update", "script", "demo:new", "--tags=x", "--yaml")
    assert (demo / "script/new/_cm.yaml").is_file()
    bad(16, "update", "script", "nosuch*", "--tags=x")
    assert "mv" in bad(1, "update", "script", "a", "--meta.alias=z")


def test_update_nothing_is_no_commit(demo: Path, git: Git) -> None:
    """Values that are there already change nothing."""
    before = git(demo, "rev-parse", "HEAD")
    good("update", "script", "a", "--tags=a")
    assert git(demo, "rev-parse", "HEAD") == before


@pytest.mark.parametrize("action", ["rm", "delete"])
def test_rm(demo: Path, git: Git, action: str) -> None:
    """Names, wildcards and tags select; what was removed is printed; 16 when nothing matches."""
    write_files(demo, {"script/c/_cm.yaml": meta_of("c", uid_of(3), tags="[old]")})
    git(demo, "add", ".")
    git(demo, "commit", "-qm", "c")
    assert good(action, "script", "--tags=old", "-f").names == ["c"]
    assert not (demo / "script/c").exists()
    assert git(demo, "status", "--porcelain") == ""
    bad(16, action, "script", "c", "-f")
    bad(1, action, "script", "-f")
    assert (
        orjson.loads(good(action, "script", "a", "b", "-f", "--json").out)["list"][0]["alias"]
        == "a"
    )
    assert git(demo, "rev-list", "--count", "HEAD").strip() == "4"


@pytest.mark.parametrize("action", ["mv", "move", "ren", "rename"])
def test_mv(demo: Path, action: str) -> None:
    """To a name, to a repository, to both; the UID stays; 1 when the target exists."""
    assert good(action, "script", "a", "z").lines == [f"script demo:z,{uid_of(1)}"]
    assert good(action, "script", "z", "local:").lines == [f"script local:z,{uid_of(1)}"]
    assert good(action, "script", "z", "demo:y").lines == [f"script demo:y,{uid_of(1)}"]
    bad(1, action, "script", "y", "b")
    bad(16, action, "script", "y", "nosuch:")
    bad(16, action, "script", "nosuch", "x")
    assert load("script", "y")["alias"] == "y"
    assert sorted(os.listdir(demo / "script")) == ["b", "y"]


@pytest.mark.parametrize("action", ["cp", "copy"])
def test_cp(demo: Path, action: str) -> None:
    """A copy has a new UID, and maybe more tags; the original stays as it was."""
    (line,) = good(action, "script", "a", "local:copy", "--new-tags=mine").lines
    assert line.startswith("script local:copy,")
    assert line[-16:] != uid_of(1)
    assert load("script", "copy")["tags"] == ["a", "mine"]
    assert load("script", "a")["tags"] == ["a"]
    assert good("cat", "script", "copy", "run.sh").out == "echo a\n"
    bad(1, action, "script", "a", "b")
    answer = orjson.loads(good(action, "script", "a", "c", "--json").out)
    assert answer["artifact"]["repo"] == "demo"


def test_info(demo: Path) -> None:
    """The CID, the directory and the files."""
    assert good("info", "script", "a").lines == [
        f"CID = script,5b4e0237da074764::a,{uid_of(1)}", f"path = {demo}/script/a",
        "files =", "  _cm.yaml", "  run.sh",
    ]  # fmt: skip
    answer = orjson.loads(good("info", "script", "--tags=b", "--json").out)
    assert answer["cid"].endswith(f"::b,{uid_of(2)}")
    bad(16, "info", "script", "x")


def test_where(demo: Path) -> None:
    """The directory of each artifact; 16 when there is none."""
    assert good("where", "script", "a", "b").lines == [f"{demo}/script/a", f"{demo}/script/b"]
    assert good("where", "script", "--tags=b").lines == [f"{demo}/script/b"]
    bad(16, "where", "script", "x")
    (place,) = good("where", "script", "a", "--at=HEAD").lines
    assert Path(place, "run.sh").read_text() == "echo a\n"
    assert not place.startswith(str(demo))


def test_save(demo: Path, git: Git) -> None:
    """All that is pending becomes a commit; nothing pending, nothing done."""
    write_files(demo, {"script/a/new": "x"})
    os.unlink(demo / "script/b/run.sh")
    assert good("save", "demo", "-m", "my words").lines == ["script/a/new", "script/b/run.sh"]
    assert git(demo, "log", "-1", "--format=%s") == "my words\n"
    assert git(demo, "status", "--porcelain") == ""
    head = git(demo, "rev-parse", "HEAD")
    done = run("save", "demo")
    assert (done.code, done.out, done.err) == (0, "", "nothing to save in demo\n")
    assert run("save").err == "nothing to save in local\n"
    assert git(demo, "rev-parse", "HEAD") == head
    write_files(demo, {"x": "1", "y": "2"})
    assert orjson.loads(good("save", "demo", "--json").out)["paths"] == ["x", "y"]
    assert git(demo, "log", "-1", "--format=%s") == "save x and 1 more\n"
    bad(16, "save", "nosuch")


def test_save_of_a_bare_one(make_repo: MakeRepo, local: Path) -> None:
    """A bare repository has no files to save."""
    good("pull", "repo", "demo", f"--url={make_repo('demo', 'a')}")
    assert "bare" in bad(1, "save", "demo")


def test_changes_in_a_bare_one(make_repo: MakeRepo, local: Path, home: Path, git: Git) -> None:
    """add, update, mv, cp and rm work without a work tree; each is a commit."""
    good("pull", "repo", "demo", f"--url={make_repo('demo', 'a')}")
    good("add", "script", "demo:n", "--tags=x")
    good("update", "script", "n", "--tags=y")
    good("mv", "script", "n", "m")
    good("cp", "script", "m", "o")
    good("rm", "script", "a", "-f")
    bare = home / "repos" / "demo.git"
    assert git(bare, "rev-list", "--count", "HEAD").strip() == "6"
    git(bare, "fsck", "--strict")
    assert good("find", "script", "--tags=x,y").names == ["m", "o"]


def test_print_input(tmp_path: Path) -> None:
    """How a command line is read by CM's grammar."""
    write_files(tmp_path, {"in.yaml": "k: v\n"})
    words = ["print_input", "script", "x", "--a-b.c-d=1", "-l,=1,2", "--no-", "-path=p", "y",
             f"@{tmp_path}/in.yaml", "--", "--z", "w"]  # fmt: skip
    assert orjson.loads(good(*words).out) == {
        "action": "print_input", "automation": "script", "artifact": "x", "artifacts": ["y"],
        "a_b": {"c-d": "1"}, "l": ["1", "2"], "no": False, "path": "p", "k": "v",
        "unparsed_cmd": ["--z", "w"],
    }  # fmt: skip


def test_merge_under_way(demo: Path, git: Git) -> None:
    """In the middle of a merge a change is refused with a hint, and changes nothing."""
    git(demo, "switch", "-qc", "side")
    write_files(demo, {"script/a/run.sh": "side\n"})
    git(demo, "commit", "-qam", "side")
    git(demo, "switch", "-q", "main")
    write_files(demo, {"script/a/run.sh": "main\n"})
    git(demo, "commit", "-qam", "main")
    with pytest.raises(AssertionError):
        git(demo, "merge", "side")
    before = git(demo, "status", "--porcelain")
    for words in (["add", "script", "demo:x"], ["save", "demo"], ["rm", "script", "b", "-f"]):
        assert "git merge --abort" in bad(1, *words)
    assert git(demo, "status", "--porcelain") == before
    assert run("find", "script").names == ["a", "b"]
