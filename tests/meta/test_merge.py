"""Laying metas over each other: inheritance, and the ways to join lists."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmgit.errors import InheritanceTooDeep, MetaError
from cmgit.meta.merge import MAX_BASES, join_tags, merge, parse_base, resolve

keys = st.text("abc", min_size=1, max_size=2)
values = st.recursive(
    st.none() | st.integers() | st.text("xyz"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=6,
)
metas = st.dictionaries(keys, values, max_size=4)
ways = st.sampled_from(["append", "unique", "replace"])


@pytest.mark.parametrize(
    ("under", "over", "merged"),
    [
        ({}, {"a": 1}, {"a": 1}),
        ({"a": 1}, {"a": 2}, {"a": 2}),
        ({"a": 1}, {"a": None}, {"a": None}),
        ({"a": {"x": 1}}, {"a": {"y": 2}}, {"a": {"x": 1, "y": 2}}),
        ({"a": {"x": 1}}, {"a": {}}, {"a": {"x": 1}}),
        ({"a": {"x": {"l": [1]}}}, {"a": {"x": {"l": [2]}}}, {"a": {"x": {"l": [1, 2]}}}),
        ({"a": {"x": 1}}, {"a": 1}, {"a": 1}),
        ({"a": 1}, {"a": {"x": 1}}, {"a": {"x": 1}}),
        ({"a": [1]}, {"a": {"x": 1}}, {"a": {"x": 1}}),
        ({"a": [1]}, {"a": "x"}, {"a": "x"}),
        ({"a": [1, 2]}, {"a": [2, 3]}, {"a": [1, 2, 2, 3]}),
    ],
)
def test_merge(under: dict[str, Any], over: dict[str, Any], merged: dict[str, Any]) -> None:
    """Mappings recurse, lists are base and child, everything else is replaced."""
    assert merge(under, over) == merged


@pytest.mark.parametrize(
    ("lists", "merged"), [("append", [1, 2, 2, 3]), ("unique", [1, 2, 3]), ("replace", [2, 3])]
)
def test_ways_to_join_lists(lists: str, merged: list[int]) -> None:
    """The way holds at every depth."""
    under, over = {"a": [1, 2], "d": {"a": [1, 2]}}, {"a": [2, 3], "d": {"a": [2, 3]}}
    assert merge(under, over, lists) == {"a": merged, "d": {"a": merged}}


@given(metas, metas, ways)
def test_merging_changes_neither_side(
    under: dict[str, Any], over: dict[str, Any], how: str
) -> None:
    """Both arguments are as they were, and every key of both is there."""
    before = copy.deepcopy((under, over))
    merged = merge(under, over, how)
    assert (under, over) == before
    assert merged.keys() == under.keys() | over.keys()


@given(metas, ways)
def test_nothing_is_neutral(meta: dict[str, Any], how: str) -> None:
    """An empty meta on either side changes nothing."""
    assert merge({}, meta, how) == merge(meta, {}, how) == meta


@given(metas, metas, metas)
def test_merging_is_associative(a: dict[str, Any], b: dict[str, Any], c: dict[str, Any]) -> None:
    """Whether a base is resolved first does not matter, where no kind of value changes."""
    same = [{k: v if isinstance(v, list) else [v] for k, v in meta.items()} for meta in (a, b, c)]
    one, two, three = same
    assert merge(merge(one, two), three) == merge(one, merge(two, three))


@given(metas, metas)
def test_what_was_laid_over_replaces_once(a: dict[str, Any], b: dict[str, Any]) -> None:
    """With replaced lists, laying the same on again changes nothing."""
    once = merge(a, b, "replace")
    assert merge(once, b, "replace") == once


def chain(length: int) -> dict[str, dict[str, Any]]:
    """Metas m0 to m<length>, each but the last on the next."""
    metas = {f"m{n}": {"alias": f"m{n}", "_base": f"m{n + 1}", "l": [n]} for n in range(length)}
    return {**metas, f"m{length}": {"alias": f"m{length}", "l": [length], "only": "there"}}


def test_resolving_goes_to_the_farthest_first() -> None:
    """The farthest base is at the bottom, the meta itself on top, and ``_base`` is gone."""
    metas = chain(2)
    before = copy.deepcopy(metas)
    resolved = resolve(metas["m0"], lambda name, child: metas[name])
    assert resolved == {"alias": "m0", "l": [2, 1, 0], "only": "there"}
    assert metas == before


def test_a_meta_without_a_base_is_itself() -> None:
    """No base, or an empty one, asks for nothing; the key is not in the result."""
    for base in ({}, {"_base": ""}, {"_base": None}):
        assert resolve({"alias": "a", **base}, lambda name, child: pytest.fail(name)) == {
            "alias": "a"
        }


def test_a_base_is_asked_for_with_its_child() -> None:
    """The child says in which automation a base without one is."""
    asked = []
    metas = chain(2)

    def base_of(name: str, child: dict[str, Any]) -> dict[str, Any]:
        asked.append((name, child["alias"]))
        return metas[name]

    resolve(metas["m0"], base_of)
    assert asked == [("m1", "m0"), ("m2", "m1")]


def test_ten_bases_are_the_limit() -> None:
    """Ten are resolved, eleven are too many: return 8."""
    metas = chain(MAX_BASES)
    assert resolve(metas["m0"], lambda name, child: metas[name])["only"] == "there"
    metas = chain(MAX_BASES + 1)
    with pytest.raises(InheritanceTooDeep, match="'m0'") as caught:
        resolve(metas["m0"], lambda name, child: metas[name])
    assert caught.value.code == 8


def test_a_circle_of_bases() -> None:
    """An artifact that is its own base, at whatever distance, ends as too deep."""
    metas = {"a": {"alias": "a", "_base": "b"}, "b": {"alias": "b", "_base": "a"}}
    with pytest.raises(InheritanceTooDeep):
        resolve(metas["a"], lambda name, child: metas[name])


@pytest.mark.parametrize("base", [1, ["a"], {"a": "b"}, True])
def test_a_base_that_is_no_text(base: object) -> None:
    """Only a name can be a base."""
    with pytest.raises(MetaError, match="not text"):
        resolve({"alias": "a", "_base": base}, lambda name, child: {})


def test_inherited_tags() -> None:
    """Those of the base come first, each tag once."""
    assert join_tags(["a", "b"], ["b", "c", "a", "d"]) == ["a", "b", "c", "d"]
    assert join_tags([], ["a", "a"]) == ["a"]


@pytest.mark.parametrize(
    ("name", "parsed"),
    [
        ("detect-os", ("", "detect-os")),
        ("script::detect-os", ("script", "detect-os")),
        ("script,5b4e0237da074764::repo:x,863735b7db8c44fc",
         ("script,5b4e0237da074764", "repo:x,863735b7db8c44fc")),
        ("repo:x", ("", "repo:x")),
    ],
)  # fmt: skip
def test_the_name_of_a_base(name: str, parsed: tuple[str, str]) -> None:
    """``automation::artifact``, or an artifact of the child's own automation."""
    assert parse_base(name) == parsed
