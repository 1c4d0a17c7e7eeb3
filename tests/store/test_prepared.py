"""Files that are made for the first who asks."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import pytest

from cmgit.store.prepared import prepared


def test_nothing_is_left_of_one_that_was_not_made(tmp_path: Path) -> None:
    """The next who asks gets a whole one, and what was there before is gone."""

    def make(file: BinaryIO) -> None:
        file.write(b"whole")

    def fail(file: BinaryIO) -> None:
        file.write(b"half")
        raise BrokenPipeError

    def files() -> list[str]:
        return sorted(path.name for path in (tmp_path / "cmgit" / "served").iterdir())

    prepared(str(tmp_path), "a.pack", make, lambda: None).close()
    with pytest.raises(BrokenPipeError):
        prepared(str(tmp_path), "b.pack", fail, lambda: None)
    assert files() == []
    with prepared(str(tmp_path), "b.pack", make, lambda: None) as file:
        assert file.read() == b"whole"
    assert files() == ["b.pack"]
