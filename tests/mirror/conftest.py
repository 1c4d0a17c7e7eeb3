"""Fixtures of the tests of mirrors."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from .world import World


@pytest.fixture(params=["git", "dulwich"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    """Two homes and a disk, with the git program and without."""
    return World(tmp_path, request.param == "git")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system of its own; only root may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "cmgit-test", str(place)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting is not permitted")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)
