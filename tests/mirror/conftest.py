"""Fixtures of the tests of mirrors."""

from __future__ import annotations

from pathlib import Path

import pytest

from .world import World


@pytest.fixture(params=["git", "dulwich"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    """Two homes and a disk, with the git program and without."""
    return World(tmp_path, request.param == "git")
