"""Laying one meta description over another. Pure functions that leave their arguments alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import InheritanceTooDeep, MetaError
from .parse import Meta

MAX_BASES = 10


def merge(under: Meta, over: Meta, lists: str = "append") -> Meta:
    """Lay ``over`` on ``under``: mappings recurse, scalars replace, and lists are joined.

    ``lists`` says how: ``append`` (base + child), ``unique`` (only what is not there yet) or
    ``replace``.
    """
    result = dict(under)
    for key, value in over.items():
        old = result.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            result[key] = merge(old, value, lists)
        elif isinstance(old, list) and isinstance(value, list) and lists != "replace":
            fresh = [v for v in value if v not in old] if lists == "unique" else value
            result[key] = old + fresh
        else:
            result[key] = value
    return result


def resolve(meta: Meta, base_of: Callable[[str, Meta], Meta]) -> Meta:
    """Lay a meta over its bases, the farthest first; the result has no ``_base``.

    ``base_of(name, child)`` returns the original meta that ``_base: name`` in ``child`` means.
    Raises InheritanceTooDeep past ten bases (return 8).
    """
    chain = [meta]
    while chain[-1].get("_base"):
        if len(chain) > MAX_BASES:
            raise InheritanceTooDeep(
                f"_base of {meta.get('alias') or meta.get('uid')!r} goes on for more than "
                f"{MAX_BASES} artifacts, or in a circle"
            )
        name = chain[-1]["_base"]
        if not isinstance(name, str):
            raise MetaError(f"_base of {meta.get('alias') or meta.get('uid')!r} is not text")
        chain.append(base_of(name, chain[-1]))
    result: Meta = {}
    for layer in reversed(chain):
        result = merge(result, layer)
    result.pop("_base", None)
    return result


def join_tags(base: list[Any], own: list[Any]) -> list[Any]:
    """Inherited tags, then own ones, each once."""
    return list(dict.fromkeys([*base, *own]))


def parse_base(name: str) -> tuple[str, str]:
    """Split ``automation::artifact`` or ``artifact``; the automation is empty where not given."""
    automation, separator, artifact = name.partition("::")
    return (automation, artifact) if separator else ("", name)


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal and of the same types: 1, 1.0 and true are three."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other) or (one != one and other != other)
