"""Random records, and indexes made of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hypothesis import strategies as st

from cmgit.index import roaring
from cmgit.index.bitmap import Bitmap
from cmgit.index.lookup import Index
from cmgit.index.manifest import Manifest, Repositories, RepositoryState, SegmentState
from cmgit.index.record import Record
from cmgit.index.segment import Segment
from cmgit.index.writer import Numbered, order, write_segments

SETS: list[Any] = [Bitmap, roaring]

UIDS = [f"{n:016x}" for n in (0, 1, 2**63, 2**64 - 1)] + ["863735b7db8c44fc"]
AUTOMATIONS = [
    ("script", UIDS[1]),
    ("Script", UIDS[2]),
    ("data", UIDS[3]),
    ("", UIDS[4]),
    ("data", ""),
]
ALIASES = ["detect-os", "DETECT-os", "detect", "straße", "STRASSE", "数据", "a b", "", "x[1]"]
TAGS = ["os", "OS", "detect", "a.b_c", "with space", "ü"]

records: st.SearchStrategy[Record] = st.builds(
    lambda uid, alias, automation, tags, path, base, tree: {
        "uid": uid, "alias": alias, "automation_alias": automation[0],
        "automation_uid": automation[1], "path": "/".join(path), "tags": tags, "tree": tree,
        **({"base": "x", "own_tags": tags} if base else {}),
    },
    st.sampled_from(UIDS),
    st.sampled_from(ALIASES),
    st.sampled_from(AUTOMATIONS),
    st.lists(st.sampled_from(TAGS), unique=True, max_size=4),
    st.tuples(st.sampled_from(["a", "a-b", "a.b", "b", "ä"]), st.text("ab-./ü".replace("/", ""), min_size=1)),
    st.booleans(),
    st.sampled_from(["", "0123456789abcdef0123456789abcdef01234567"]),
)  # fmt: skip
numbered = st.lists(
    st.tuples(st.integers(0, 3), records),
    unique_by=lambda item: (item[0], item[1]["path"]),
    max_size=12,
)


def contents(segment: Segment) -> list[Numbered]:
    """All records of a segment with their repositories, as they are numbered."""
    return [(segment.repository(n), segment.record(n)) for n in range(segment.count)]


def states(numbers: Iterable[int]) -> list[RepositoryState]:
    """Repositories with these numbers, in this order."""
    return [
        RepositoryState(
            "/h", number=n, alias=f"Repo{n}", uid=f"{n + 10:016x}", kind="bare", path=f"/{n}"
        )
        for n in numbers
    ]


def make_index(
    directory: str, parts: Iterable[Iterable[Numbered]], repositories: Iterable[int] = range(4)
) -> Index:
    """An index with a segment for each part."""
    segments = [write_segment(directory, part) for part in parts]
    return Index(directory, Manifest(1, "", Repositories.of(states(repositories)), segments))


def write_segment(directory: str, part: Iterable[Numbered]) -> SegmentState:
    """A segment with these records, of which there is at least one."""
    (state,) = write_segments(directory, sorted(part, key=order))
    return state


def record(path: str, **values: Any) -> Record:
    """A record of a script, named and tagged by the last part of its path."""
    alias = path.rpartition("/")[2]
    return {
        "uid": "863735b7db8c44fc", "alias": alias, "automation_alias": "script",
        "automation_uid": UIDS[1], "path": path, "tags": [alias], "tree": "", **values,
    }  # fmt: skip
