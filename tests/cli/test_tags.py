"""``tags`` and ``find --by``: what there is, and how much of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from cmgit.actions import access
from cmgit.workspace import Workspace
from tests.cli import bad, good, run
from tests.conftest import Put, write_files


@pytest.fixture(autouse=True)
def world(workspace: Workspace, put: Put) -> None:
    """Three scripts and a model, tagged."""
    put("a", 1, tags="[x, y, z]")
    put("b", 2, tags="[x, y]")
    put("c", 3, tags="[x, ü]")
    put("m", 4, automation="model", tags="[x]")


def test_tags() -> None:
    """The most frequent first, then by name."""
    assert good("tags").lines == ["4 x", "2 y", "1 z", "1 ü"]
    assert good("tags", "script", "--limit=2").lines == ["3 x", "2 y"]


def test_what_to_narrow_by_next() -> None:
    """The tags that were asked for are left out, unless all are wanted."""
    assert good("tags", "script", "--tags=x,-z").lines == ["1 y", "1 ü"]
    assert good("tags", "script", "--tags=x,-z", "--all").lines == ["2 x", "1 y", "1 ü"]


def test_json() -> None:
    """A line with an object each, or the return dict."""
    assert good("tags", "--tags=y", "--json").json == [
        {"count": 2, "name": "x"}, {"count": 1, "name": "z"},
    ]  # fmt: skip
    words = ("tags", "--limit=1", "--out=json")
    assert good(*words).out == (
        '{\n  "return": 0,\n  "list": [\n    {\n      "count": 4,\n      "name": "x"\n    }\n  ]\n}\n'
    )


def test_count_by() -> None:
    """How many of each, by the words that name it; ``--limit`` is of the lines."""
    automations = ["3 script,5b4e0237da074764", "1 model,aaaaaaaaaaaaaaaa"]
    assert good("find", "*", "--count", "--by=automation").lines == automations
    assert good("find", "--by=automation", "--limit=1").lines == automations[:1]
    assert good("find", "script", "--by=repo").lines == ["3 local,9a3280b14a4285c9"]
    assert good("find", "script", "--tags=y", "--by=tag").lines == ["2 x", "2 y", "1 z"]
    assert good("find", "script", "--by=tag", "--json").json[0] == {"count": 3, "name": "x"}


@pytest.mark.parametrize("kind", ["repo", "automation", "tag"])
def test_several_names_and_the_past(kind: str) -> None:
    """Where the index cannot count, what is found is counted, to the same result."""
    good("save", "local")
    counts = good("find", "script", f"--by={kind}").out
    assert good("find", "script", "a", "b", "c", f"--by={kind}").out == counts
    assert good("find", "script", "--at=HEAD", f"--by={kind}").out == counts
    assert good("find", "script", "--text=x", f"--by={kind}").out == counts


def test_errors(workspace: Workspace) -> None:
    """Another kind, another automation, a repository that is not there, what cannot be read."""
    assert "cannot count by 'x'" in bad(1, "find", "*", "--by=x")
    assert "cannot count by 'x'" in bad(1, "find", "*", "a", "b", "--by=x")
    assert "not found" in bad(4, "tags", "nosuch")
    assert "no repository is called 'nosuch'" in run("tags", "--repo=nosuch").err
    assert run("find", "*", "--tags=nosuch", "--by=tag", "--strict").code == 16
    write_files(Path(workspace.home, "local"), {"script/x/_cm.yaml": "["})
    assert run("tags").err.startswith("warning: ")


def test_python(workspace: Workspace) -> None:
    """The same from Python and through the door."""
    assert workspace.count("script", tags="y") == 2
    assert workspace.tags("script", tags="y") == {"x": 2, "z": 1}
    assert workspace.count_by("tag", "script", "b") == {"x": 1, "y": 1}
    wanted = [{"count": 2, "name": "x"}, {"count": 1, "name": "z"}]
    assert access("tags script --tags=y") == {"return": 0, "list": wanted}
    assert access("find script --by=tag --limit=1")["list"] == [{"count": 3, "name": "x"}]
    assert access({"action": "tags", "automation": "nosuch"})["return"] == 4
