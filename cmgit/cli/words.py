"""CM's spelling of a command line in Typer's. Pure.

Typer reads ``--key=value`` and words; CM people also write ``-key=value``, ``--key_with=…``,
``--key-`` for false, ``@input.yaml``, and actions and automations with ``_`` or ``-``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any


def translate(words: Sequence[str], read: Callable[[str], Mapping[str, Any]]) -> list[str]:
    """The same command line in Typer's spelling; ``read`` loads an input file."""
    if words and words[0].replace("_", "-") == _AS_IT_IS:
        return [_AS_IT_IS, *_unread(words[1:])]
    result: list[str] = []
    words = _action_first(words)
    for at, word in enumerate(words):
        if word == "--":
            return result + list(words[at:])
        if word.startswith("@") and len(word) > 1:
            values = dict(read(word[1:]))
            result += [*_names_of(values, first=not result), *_flags_of(values)]
        elif word.startswith("-") and len(word) > 2:
            result += _flag(word)
        elif not result:
            result.append(word.replace("_", "-"))
        else:
            result.append(word)
    return result


def _action_first(words: Sequence[str]) -> list[str]:
    """The same words with the flags behind the action that were before it."""
    at = next((n for n, word in enumerate(words) if not word.startswith("-") or word == "-"), 0)
    flags = words[:at]
    if "--" in flags or set(flags) & _OF_THE_PROGRAM or words[at : at + 1] == ["@"]:
        return list(words)
    return [*words[at : at + 1], *flags, *words[at + 1 :]] if at else list(words)


def _names_of(values: dict[str, Any], first: bool) -> list[str]:
    """The bare words that an input file holds, taken out of it; ``first``: none came before."""
    names = [values.pop(key, None) for key in ("action", "automation", "artifact")]
    names = [name for name in (names if first else names[1:]) if name]
    return [str(name) for name in [*names, *(values.pop("artifacts", None) or [])]]


_OF_THE_PROGRAM = {"--help", "-h", "--version", "--install-completion", "--show-completion"}
_AS_IT_IS = "print-input"  # it shows how CM's grammar reads the very words


def _unread(words: Sequence[str]) -> list[str]:
    """Words that Typer hands through as they are; it drops one ``--`` itself."""
    at = words.index("--") if "--" in words else len(words)
    flags = [
        f"--{word.lstrip('-')}" if word.startswith("-") and len(word) > 2 else word
        for word in words[:at]
    ]
    return [*flags, "--", *words[at:]] if at < len(words) else flags


def _flag(word: str) -> list[str]:
    key, equals, value = word.lstrip("-").partition("=")
    if key.endswith("-") and not equals:
        return [f"--{key}"] if "." in key else []  # false is what a switch is without it
    first, dot, rest = key.partition(".")
    if not dot:
        first = first.rstrip(",")  # what takes a list takes it with commas
    return [f"--{first.replace('_', '-')}{dot}{rest}{equals}{value}"]


def _flags_of(values: Mapping[str, Any], prefix: str = "") -> list[str]:
    flags = []
    for key, value in values.items():
        name = f"{prefix}{key}" if prefix else key.replace("_", "-")
        if isinstance(value, Mapping):
            flags += _flags_of(value, f"{name}.")
        elif isinstance(value, (list, tuple)):
            comma = "," if prefix else ""
            flags.append(f"--{name}{comma}={','.join(map(str, value))}")
        elif value is True:
            flags.append(f"--{name}")
        elif value is False:
            flags += [f"--{name}-"] if prefix else []
        elif value is not None:
            flags.append(f"--{name}={value}")
    return flags
