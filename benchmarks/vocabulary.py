"""Artifacts as people write them: varied from the real ones of the package ``cmx4mlops``.

Each artifact takes a real one as its template: automation, size and kind of meta, tags that occur
together. What is special about it is varied: words of its alias are replaced and added, and of its
tags those that no other real artifact has, so that common tags stay as common as they are and the
rare ones grow in number with the corpus. New words are coined, a few often and most seldom.
A part of the artifacts has a README of real sentences and words of its own.
"""

from __future__ import annotations

import importlib.util
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import TypeVar

import yaml

from cmgit.meta.files import META_FILES
from cmgit.meta.parse import Identity, Meta, parse_meta

from .packs import Fixed, fixed

T = TypeVar("T")
README_SHARE = 0.4
_PARAGRAPHS = 4  # at most, in a README
_TEXT_KEYS = ("name", "title", "desc")
_SYLLABLES = [c + v for c in "bdfgklmnprstvz" for v in "aeiou"]
_ALIAS, _UID, _TAGS, _TEXT = "ALIAS--0", "UID--0", "TAGS--0", "TEXT--0"


@dataclass(slots=True)
class Artifact:
    """One artifact; ``meta`` and ``readme`` (empty for none) are pieces of text."""

    alias: str
    uid: str
    automation: str
    automation_uid: str
    tags: list[str]
    text: str  # its name, title or description
    file: str
    meta: list[bytes | Fixed]
    readme: list[bytes | Fixed]


@dataclass(frozen=True, slots=True)
class Template:
    """A real artifact. ``meta`` has a name instead of what is varied."""

    alias: str
    uid: str
    automation: str
    automation_uid: str
    common: list[str]  # tags that others have too
    own: list[str]  # tags that nobody else has
    text: str
    file: str
    meta: list[str | Fixed]


@dataclass(frozen=True)
class Vocabulary:
    """What artifacts are drawn from. Words occur as often as in the real ones."""

    automations: list[Template]
    templates: list[Template]
    words: list[str]
    own_tags: list[str]
    sentences: list[Fixed]


def package() -> Path:
    """The directory of the installed package that carries the repository."""
    spec = importlib.util.find_spec("cmx4mlops")
    assert spec is not None, "pip install cmx4mlops"
    assert spec.origin is not None
    return Path(spec.origin).parent


@cache
def vocabulary() -> Vocabulary:
    """Read the package."""
    metas = [_read(path) for path in sorted((package() / "repo").glob("*/*")) if path.is_dir()]
    real = [(file, meta, Identity(meta, file)) for file, meta in metas if meta]
    counts = Counter(tag for _, _, identity in real for tag in identity.tags)
    templates = [_template(file, meta, identity, counts) for file, meta, identity in real]
    automations = [t for t in templates if t.automation == "automation"]
    others = [t for t in templates if t.automation != "automation"]
    words = [word for t in others for word in t.alias.split("-")[1:] if len(word) > 2]
    own_tags = [tag for t in others for tag in t.own]
    sentences = [fixed(sentence.encode()) for sentence in _sentences()]
    return Vocabulary(automations, others, words, own_tags, sentences)


def _read(directory: Path) -> tuple[str, Meta]:
    files = {name: directory / name for name in META_FILES if (directory / name).exists()}
    data = {name: path.read_bytes() for name, path in files.items()}
    return next(iter(data), ""), parse_meta(data, str(directory))


def _template(file: str, meta: Meta, identity: Identity, counts: Counter[str]) -> Template:
    marked = {**meta, "alias": _ALIAS, "uid": _UID, "tags": [_TAGS]}
    key = next((key for key in _TEXT_KEYS if meta.get(key)), "")
    if key:
        marked[key] = _TEXT
    is_json = file.endswith(".json")
    text = json.dumps(marked, indent=2) if is_json else yaml.safe_dump(marked, width=1000)
    parts = re.split(f"({_ALIAS}|{_UID}|{_TAGS}|{_TEXT})", text)
    return Template(
        identity.alias,
        identity.uid,
        identity.automation_alias,
        identity.automation_uid,
        [tag for tag in identity.tags if counts[tag] > 1],
        [tag for tag in identity.tags if counts[tag] == 1],
        " ".join(str(meta[key]).split()) if key else "",
        file,
        [part if at % 2 else fixed(part.encode()) for at, part in enumerate(parts)],
    )


def _sentences() -> list[str]:
    """The sentences of all READMEs, each once, in order."""
    texts = [p.read_text("utf-8", "replace") for p in sorted(package().glob("repo/*/*/README*.md"))]
    lines = (line for text in texts for line in re.split(r"(?<=[.!?])\s+|\n", text))
    good = (line.strip() for line in lines if 40 < len(line) < 300 and line[0].isalpha())
    return [f"{line}\n" for line in dict.fromkeys(good)]


def coined(number: int) -> str:
    """The word with a number; all differ, and none is English."""
    word = ""
    number = (number + 1) * 7919  # three syllables or more
    while number:
        number, rest = divmod(number, len(_SYLLABLES))
        word += _SYLLABLES[rest]
    return word


class Author:
    """Somebody who writes artifacts, always the same for the same seed."""

    def __init__(self, seed: str) -> None:
        self._random = Random(seed)
        self._known = vocabulary()

    def artifact(self) -> Artifact:
        """A new artifact."""
        random = self._random.random
        template = self._pick(self._known.templates)
        word = self._rare_word()
        alias = self._alias(template, word)
        tags = [tag for tag in template.common if random() < 0.95]
        tags += [self._own_tag(tag, word) for tag in template.own]
        if random() < 0.3 or not tags:
            tags.append(word)
        tags = list(dict.fromkeys(tags))
        text = template.text and f"{template.text} {word} {self._pick(self._known.words)}"
        readme = self._readme(alias, tags) if random() < README_SHARE else []
        return self._fill(
            template, alias, f"{self._random.getrandbits(64):016x}", tags, text, readme
        )

    def share(self) -> float:
        """Anything from 0 to 1."""
        return self._random.random()

    def automations(self) -> list[Artifact]:
        """The real automations, as they are."""
        return [
            self._fill(t, t.alias, t.uid, [*t.common, *t.own], t.text, [])
            for t in self._known.automations
        ]

    def _pick(self, choices: Sequence[T]) -> T:
        return choices[int(self._random.random() * len(choices))]

    def _rare_word(self) -> str:
        """A coined word, number n about as often as 1 / (n + 20): the first is in every 200th."""
        return coined(int(20 * (50_000 ** self._random.random() - 1)))

    def _alias(self, template: Template, word: str) -> str:
        random = self._random.random
        words = template.alias.split("-")
        if random() < 0.5 and len(words) > 1:
            words[1 + int(random() * (len(words) - 1))] = self._pick(self._known.words)
        words.append(word)
        if random() < 0.7:
            words.append(f"v{1 + int(random() * 9)}.{int(random() * 10)}")
        return "-".join(words)

    def _own_tag(self, tag: str, word: str) -> str:
        chance = self._random.random()
        if chance < 0.1:
            return f"{tag}-{word}"
        return tag if chance < 0.5 else self._pick(self._known.own_tags)

    def _readme(self, alias: str, tags: list[str]) -> list[bytes | Fixed]:
        words = [self._rare_word(), *(self._pick(self._known.words) for _ in range(4))]
        title = (
            f"# {alias.replace('-', ' ')}\n\nThis is {' '.join(words)} for {', '.join(tags)}.\n\n"
        )
        count = 1 + int(self._random.random() * _PARAGRAPHS) * 2
        return [title.encode(), *(self._pick(self._known.sentences) for _ in range(count))]

    @staticmethod
    def _fill(
        template: Template,
        alias: str,
        uid: str,
        tags: list[str],
        text: str,
        readme: list[bytes | Fixed],
    ) -> Artifact:
        is_json = template.file.endswith(".json")
        values = {
            _ALIAS: alias,
            _UID: f"'{uid}'" if uid.isdigit() and not is_json else uid,
            _TAGS: '",\n    "'.join(tags) if is_json else "\n- ".join(map(_scalar, tags)),
            _TEXT: json.dumps(text)[1:-1] if is_json else _scalar(text),
        }
        meta = [p if isinstance(p, Fixed) else values[p].encode() for p in template.meta]
        return Artifact(
            alias,
            uid,
            template.automation,
            template.automation_uid,
            tags,
            text,
            template.file,
            meta,
            readme,
        )


def _scalar(text: str) -> str:
    """A text as YAML."""
    return text if _PLAIN(text) else "'" + text.replace("'", "''") + "'"


_PLAIN = re.compile(r"(?!(?:yes|no|on|off|true|false|null)$)[A-Za-z][A-Za-z0-9_.-]*").fullmatch
