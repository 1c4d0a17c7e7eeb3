"""Real metas: those of an installed package."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path

from cmgit.meta.files import META_FILES


def _real_metas() -> Iterator[Path]:
    found = importlib.util.find_spec("cmx4mlops")
    assert found is not None
    for place in found.submodule_search_locations or []:
        for directory, _, names in sorted(os.walk(place)):
            yield from (Path(directory, name) for name in names if name in META_FILES)


REAL = sorted(_real_metas())
"""The meta files of 359 artifacts and three templates, in both formats."""
