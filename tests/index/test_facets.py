"""What is counted without looking at artifacts is what one gets by looking at each."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from cmgit.index import facets
from cmgit.index.facets import KINDS, count_by, tags_of
from cmgit.index.lookup import Index
from cmgit.index.manifest import Manifest, Repositories
from cmgit.index.writer import Numbered, bury, order
from cmgit.names import Name
from cmgit.query import Query

from .conftest import SETS, make_index, numbered, record, states, write_segment
from .test_lookup import queries, scan


def counted(found: list[Numbered], kind: str) -> list[tuple[str, int]]:
    """The answer by definition: each of the artifacts looked at."""
    names = {state.number: f"{state.alias},{state.uid}" for state in states(range(4))}
    count: Counter[str] = Counter()
    for number, item in found:
        automation = Name(item["automation_alias"], item["automation_uid"])
        values = {"repo": [names[number]], "automation": [str(automation)], "tag": item["tags"]}
        count.update(values[kind])
    return sorted(count.items(), key=lambda pair: (-pair[1], pair[0]))


@given(numbered, st.data())
def test_the_counts_are_those_of_a_scan(everything: list[Numbered], data: st.DataObject) -> None:
    """Over several segments with dead records; by sets, by columns and one by one."""
    cut = data.draw(st.integers(0, len(everything)))
    sets, few, a_set = (data.draw(st.sampled_from(v)) for v in (SETS, [0, 1000], [0, 1000]))
    with tempfile.TemporaryDirectory() as directory:
        segments, live = [], []
        for part in filter(None, (everything[:cut], everything[cut:])):
            dead = data.draw(st.sets(st.integers(0, len(part) - 1)))
            segments.append(bury(write_segment(directory, part), dead))
            live += [item for n, item in enumerate(sorted(part, key=order)) if n not in dead]
        manifest = Manifest(1, "", Repositories.of(states(range(4))), segments)
        index = Index(directory, manifest, sets)
        for query in data.draw(st.lists(queries, min_size=1, max_size=4)):
            found = scan(live, query, list(range(4)))
            limit = data.draw(st.sampled_from([None, 0, 2]))
            with patch.object(facets, "FEW", few), patch.object(facets, "A_SET", a_set):
                for kind in KINDS:
                    assert count_by(index, query, kind, limit) == counted(found, kind)[:limit]
                others = [pair for pair in counted(found, "tag") if pair[0] not in query.tags]
                assert tags_of(index, query, limit, own=False) == others[:limit]


def test_many_artifacts(tmp_path: Path) -> None:
    """More than are looked at one by one: the sets of a few tags, the columns of many."""
    few = [(0, record(f"script/{n}", tags=["all", f"t{n % 3}"])) for n in range(1500)]
    many = [(1, record(f"script/{n}", tags=["all", f"u{n}"])) for n in range(1500)]
    index = make_index(str(tmp_path), [few, many])
    counts = dict(tags_of(index, Query()))
    assert counts.pop("all") == 3000
    assert counts == {f"t{n}": 500 for n in range(3)} | {f"u{n}": 1 for n in range(1500)}
