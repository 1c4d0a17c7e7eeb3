"""CM's free-form command line: words, flags and input files to one input dict.

``{action} {automation} {artifact…} --flags @input.yaml -- rest``; the rules are in the README's
command reference. Flags between the words shift none of them; an action or automation that an
input file gives counts as given.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from .errors import NotFound, UsageError
from .meta.merge import merge
from .meta.parse import parse_file
from .query import Query

Input = dict[str, Any]

ALIASES = {
    "search": "find", "ls": "find", "list": "find", "delete": "rm", "move": "mv", "ren": "mv",
    "rename": "mv", "copy": "cp", "show": "info",
}  # fmt: skip
"""What CM calls some actions, and what they are called here."""


def is_repo(automation: str) -> bool:
    """Whether an automation is CM's ``repo``, that of repositories; raises UsageError."""
    name = Query.parse(automation).automation
    return name.accepts("repo", "55c3e27e8a140e48") and not name.is_pattern


def read_input_file(path: str) -> Input:
    """The content of ``@path``; raises NotFound (16) when it is not there."""
    try:
        with open(path, "rb") as file:
            return parse_file(os.path.basename(path), file.read(), path)
    except OSError as error:
        raise NotFound(f"input file {path}: {error.strerror}") from None


def parse_words(words: Sequence[str], read: Callable[[str], Input] = read_input_file) -> Input:
    """Turn the words of a command line into the input of an action.

    Raises UsageError for an empty key, NotFound for a missing input file.
    """
    words, bare = list(words), []
    result: Input = {}
    while words:
        word = words.pop(0)
        if word == "--":
            result["unparsed_cmd"] = words
            break
        if word.startswith("@") and len(word) > 1:
            result = merge(result, read(word[1:]), "replace")
        elif word.startswith("-") and len(word) > 1:
            set_flag(result, word)
        elif "action" not in result:
            result["action"] = word.replace("-", "_")
        elif "automation" not in result:
            result["automation"] = word
        else:
            bare.append(word)
            if len(bare) == 1:
                result["artifact"] = word
    if len(bare) > 1:
        result["artifacts"] = bare[1:]
    return result


def set_flag(result: Input, word: str) -> None:
    """Put one ``--key=value`` into the input: ``--k`` is true, ``--k-`` false, ``--l,=a,b`` a
    list, and dots in the key nest."""
    key, equals, text = word.lstrip("-").partition("=")
    value: Any = text if equals else True
    if not equals and key.endswith("-"):
        key, value = key[:-1], False
    if key.endswith(","):
        key = key[:-1]
        value = text.split(",") if text else []
    first, *rest = key.split(".")
    path = [first.replace("-", "_"), *rest]
    if not all(path):
        raise UsageError(f"the flag {word!r} has no name", "write --key=value")
    place = result
    for part in path[:-1]:
        inner = place.get(part)
        if not isinstance(inner, dict):
            inner = place[part] = {}
        place = inner
    place[path[-1]] = value
