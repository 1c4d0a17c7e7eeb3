"""``cmgit mirror export`` and ``import``, as people type them."""

from __future__ import annotations

from pathlib import Path

import pytest

from cmgit.workspace import Workspace
from tests.conftest import run_git
from tests.mirror.world import World

from . import bad, good, run


@pytest.fixture
def world(tmp_path: Path, workspace: Workspace) -> World:
    """Two homes; the commands are for the one that exports until ``there`` says otherwise."""
    world = World(tmp_path, True)
    world.here = workspace
    world.add("one")
    world.add("two", 2)
    return world


def there(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Go to the other side of the gap."""
    monkeypatch.setenv("CMGIT_HOME", world.there.home)


def test_across_the_gap(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line for each repository, then where it is; the same as JSON; found on the other side."""
    exported = good("mirror", "export", f"--to={world.disk}", "-j", "1")
    assert [line.split(":")[0] for line in exported.lines[:2]] == ["one", "two"]
    assert "objects" in exported.lines[0]
    assert Path(exported.lines[2]).parent == world.disk
    last = good("mirror", "export", f"--to={world.disk}", f"--since={world.disk}", "--json").json
    assert [event["state"] for event in last[:2]] == ["unchanged"] * 2
    assert last[2]["failed"] == 0
    there(world, monkeypatch)
    assert [line.split(":")[1] for line in good("mirror", "import", str(world.disk)).lines] == [
        " imported"] * 2  # fmt: skip
    assert len(good("find", "script").lines) == 2
    assert good("mirror", "import", str(world.disk)).lines[0].endswith(": already here")
    assert world.same("one")
    assert [line.split(",")[0] for line in good("mirror", "verify").lines] == ["one: ok", "two: ok"]
    assert ", exported " in good("mirror", "verify", "one", "--max-age=1h").out
    run_git(world.arrived("two"), "update-ref", "refs/heads/x", "refs/heads/main")
    assert "two: wrong: ref refs/heads/x is not in the manifest" in run("mirror", "verify").out


def test_a_bundle(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Made by Git, taken in under a name."""
    run_git(world.work("one"), "bundle", "create", "-q", "../one.bundle", "--all")
    there(world, monkeypatch)
    bundle = str(world.work("one").parent / "one.bundle")
    assert "what" not in good("mirror", "import", bundle, "--name=mine").err
    assert good("find", "repo", "mine").lines == [
        f"mine,0000000000000001 = {world.arrived('mine')}"]  # fmt: skip
    assert "say it with --name" in bad(1, "mirror", "import", bundle)


def test_exit_codes_and_words(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """1 when one repository failed, on both sides; each problem on one line."""
    run_git(world.bare("two"), "update-ref", "-d", "refs/heads/main")
    result = run("mirror", "export", f"--to={world.disk}", "--split=2GiB")
    assert (result.code, result.err) == (1, "cmgit: two: failed: it is empty: it has no refs\n")
    assert "--split=many is no size" in bad(1, "mirror", "export", "--to=x", "--split=many")
    there(world, monkeypatch)
    assert "'soon' is no age" in bad(1, "mirror", "import", str(world.disk), "--max-age=soon")
    result = run("mirror", "import", str(world.disk), "--max-age=1w")
    assert result.code == 1
    assert "two: failed: not in the export: it is empty" in result.err
    bundle = next(world.disk.glob("*/bundles/one.bundle"))
    bundle.write_bytes(bundle.read_bytes()[:-1] + b"!")
    monkeypatch.setenv("CMGIT_HOME", str(world.top / "third"))
    wrong = bad(1, "mirror", "import", str(world.disk))
    assert "nothing was imported: one: " in wrong
    assert "its SHA-256 differs" in wrong
