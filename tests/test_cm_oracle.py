"""Differential tests against the predecessor: cmind answers the same questions in a subprocess.

What cmgit does differently on purpose is listed in ``FIND_DIFFERENCES`` and
``WORDS_DIFFERENCES``, each with its reason, and applied explicitly, or has a test of its own;
everything else has to be the same.
"""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cmgit import Workspace, access
from cmgit.errors import CmgitError
from cmgit.grammar import parse_words
from cmgit.pull import pull

Answer = dict[str, Any]

SEED = 42
QUERIES = 1000 if os.environ.get("CMGIT_FULL") else 300
COMMAND_LINES = 2000
GENERATED = 40  # artifacts with inheritance in the repository ``local``

# -- cm, in a process of its own ------------------------------------------------------------------

_ORACLE = """
import json, os, pickle, sys
answers, sys.stdout = sys.stdout, sys.stderr
import cmind.cli
from cmind import utils

def remembered(load):  # cm reads every meta again for every hit: minutes, where files stay as they are
    known = {}
    def again(file_name, *words, **options):
        if not os.path.basename(file_name).startswith("_cm."):
            return load(file_name, *words, **options)
        if file_name not in known:
            known[file_name] = pickle.dumps(load(file_name, *words, **options))
        return pickle.loads(known[file_name])
    return again

utils.load_yaml, utils.load_json = remembered(utils.load_yaml), remembered(utils.load_json)

def find(**ask):
    output = cmind.access({"action": "find", **ask})
    found = [
        {"repo": artifact.repo_meta.get("alias"), **{key: artifact.meta.get(key) for key in
         ("uid", "alias", "automation_alias", "automation_uid", "tags")}}
        for artifact in output.get("list", [])
    ]
    return {"return": output["return"], "error": output.get("error"), "list": found}

def metas(**ask):
    output = cmind.access({"action": "find", **ask})
    return {"return": output["return"], "error": output.get("error"),
            "metas": [artifact.meta for artifact in output.get("list", [])]}

def parse(words):
    output = cmind.cli.parse(list(words))
    return {"return": output["return"], "input": output.get("cm_input")}

for line in sys.stdin:
    name, given = json.loads(line)
    try:
        answer = globals()[name](**given)
    except Exception as error:
        answer = {"return": "crash", "error": repr(error)}
    print(json.dumps(answer, default=str), file=answers, flush=True)
"""


class Oracle:
    """cmind with a home of its own; finds the installed cmx4mlops by itself."""

    def __init__(self, home: Path, **environment: str) -> None:
        values = {**os.environ, "CM_REPOS": str(home), "HOME": str(home), **environment}
        self._process = subprocess.Popen(
            [sys.executable, "-c", _ORACLE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            env={k: v for k, v in values.items() if k != "PYTHONWARNINGS"},
        )

    def __call__(self, name: str, **given: object) -> Answer:
        """Ask one question: ``find``, ``metas`` or ``parse``."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([name, given]) + "\n")
        self._process.stdin.flush()
        answer: Answer = json.loads(self._process.stdout.readline())
        return answer

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


# -- the same artifacts for both ------------------------------------------------------------------


def generated_metas(seed: int) -> list[dict[str, Any]]:
    """Metas of automation ``cfg`` that inherit from earlier ones in every way that there is."""
    rng = random.Random(seed)

    def value(kind: str, number: int) -> Any:
        if kind == "text":
            return rng.choice(["x", "y", 1, 2.5, True, None])
        if kind == "list":  # unlike those of any other: cm does not join equal mappings
            return [f"{number}-{n}" for n in range(rng.randrange(3))]
        inner = rng.sample(["text", "list", "map"], rng.randrange(1, 4))
        return {f"{kind}-{rng.randrange(2)}": value(kind, number) for kind in inner}

    metas: list[dict[str, Any]] = []
    for number in range(GENERATED):
        meta: dict[str, Any] = {
            "alias": f"gen-{number}",
            "uid": f"{0xC0FFEE << 32 | number:016x}",
            "automation_alias": "cfg",
            "automation_uid": "88dce9c160324c5d",
            "tags": rng.sample(["gen", "one", "two", "three", "os"], rng.randrange(4)),
        }
        for kind in ("text", "list", "map", "map"):
            meta[f"{kind}-{rng.randrange(2)}"] = value(kind, number)
        if rng.random() < 0.7 and metas:
            base = rng.choice(metas[-6:])
            name = rng.choice([base["alias"], base["uid"], f"{base['alias']},{base['uid']}"])
            meta["_base"] = rng.choice(["", "cfg::", "cfg,88dce9c160324c5d::"]) + name
        metas.append(meta)
    return metas


def write_meta(directory: Path, meta: dict[str, Any], how: str) -> None:
    """Write a meta as YAML, as JSON, or as both: half in YAML, JSON laid over it."""
    directory.mkdir(parents=True)
    halves = {"yaml": meta, "json": meta}
    if how == "both":
        first = dict(list(meta.items())[:-2])
        halves = {"yaml": {**first, "tags": ["hidden"], "map-0": {"gone": [1]}}, "json": meta}
    for ending, half in halves.items():
        if how in (ending, "both"):  # JSON is YAML
            (directory / f"_cm.{ending}").write_text(json.dumps(half, indent=1))


@dataclass
class World:
    """cm and cmgit with the same artifacts, and what there is to ask for."""

    oracle: Oracle
    workspace: Workspace
    artifacts: list[dict[str, Any]]  # as cm lists them

    def cmgit(self, ask: dict[str, str]) -> Answer:
        """What cmgit answers: return code and the set of UIDs."""
        output = access({"action": "find", **ask}, self.workspace)
        return {"return": output["return"], "uids": {a.uid for a in output.get("list", [])}}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The real repository, cm's own one, and ``local`` with generated artifacts, on both sides."""
    top = tmp_path_factory.mktemp("oracle")
    local = top / "cm" / "repos" / "local"
    with pytest.MonkeyPatch.context() as patch:
        for role in ("AUTHOR", "COMMITTER"):
            patch.setenv(f"GIT_{role}_NAME", "Ann Author")
            patch.setenv(f"GIT_{role}_EMAIL", "ann@example.org")
        workspace = Workspace(str(top / "home"))
        pull(workspace, "package:cmx4mlops")
        pull(workspace, "internal", "package:cmind")
    for place in (local, top / "home" / "local"):
        for number, meta in enumerate(generated_metas(SEED)):
            write_meta(place / "cfg" / meta["alias"], meta, ("yaml", "json", "both")[number % 3])
    (local / "cmr.yaml").write_text("alias: local\nuid: 9a3280b14a4285c9\n")
    oracle = Oracle(top / "cm")
    yield World(oracle, workspace, oracle("find", automation="*")["list"])
    oracle.close()


# -- questions ------------------------------------------------------------------------------------


def questions(world: World, seed: int) -> Iterator[dict[str, str]]:
    """Questions of all kinds, hits and misses, for ever."""
    rng = random.Random(seed)
    automations = [a for a in world.artifacts if a["automation_alias"] == "automation"]
    automations = [a for a in automations if a["alias"] not in ("repo", "ckx")]  # not the database
    while True:
        wanted = rng.choice(world.artifacts)
        kind = {"alias": wanted["automation_alias"], "uid": wanted["automation_uid"]}
        if rng.random() < 0.1:
            kind = rng.choice(automations)
        ask = {"automation": _automation(rng, kind, rng.choice(automations))}
        if rng.random() < 0.75:
            ask["artifact"] = _artifact(rng, wanted)
        if rng.random() < 0.5:
            ask["tags"] = _tags(rng, wanted, rng.choice(world.artifacts))
        yield ask


def _automation(rng: random.Random, kind: dict[str, Any], other: dict[str, Any]) -> str:
    alias, uid = kind["alias"], kind["uid"]
    return str(
        rng.choice(
            [alias] * 8
            + [uid, uid.upper(), alias.upper(), f"{alias},{uid}", f"{uid},{alias}", f"wrong,{uid}"]
            + ["*", "*c*", "c?g", "s*", "S*", alias.title() + "*"]
            + [f"cmx4mlops:{alias}", f"internal:{alias}", f"cmx*:{uid}", f"nowhere:{alias}"]
            + [f"{alias},ffffffffffffffff", "ffffffffffffffff", "unknown", "", "a:b:c", "a,b,c"]
            + [other["alias"], other["uid"]]
        )
    )


def _artifact(rng: random.Random, wanted: dict[str, Any]) -> str:
    alias, uid, repo = wanted["alias"], wanted["uid"], wanted["repo"]
    at = rng.randrange(len(alias))
    repo_uid = {"local": "9a3280b14a4285c9", "internal": "36b263b05174aef9"}.get(
        repo, "428611a6db02407f"
    )
    plain = [alias, alias, uid, uid, uid.upper(), alias.upper(), alias.title()]
    both = [f"{alias},{uid}", f"{uid},{alias}", f"wrong,{uid}", f"{uid.upper()},wrong"]
    none = [f"{alias},ffffffffffffffff", "ffffffffffffffff", "unknown", f"{alias}x", alias[:-1]]
    stars = ["*", "*-*", f"{alias[: at + 1]}*", f"*{alias[at:]}", f"*{alias[at : at + 3]}*"]
    marks = [f"{alias[:at]}?{alias[at + 1 :]}", f"{alias[:at]}?*", "?" * len(alias)]
    mixed = [f"{alias[:2]}*{alias[-2:]}", f"{alias.title()[:3]}*", f"*{alias[at:].upper()}"]
    other = [f"{uid[:2]}*", "[gd]e*", f"*[{alias[at]}]*", "a,b", "a,b,c", "a:b:c", ""]
    name = rng.choice([*plain, *both, *none, *stars, *marks, *mixed, *other])
    place = rng.choice(
        [""] * 6
        + [repo, repo_uid, f"{repo},{repo_uid}", f"wrong,{repo_uid}", repo.upper(), repo[:3] + "*"]
        + ["*", "?ocal", "local", "cmx4mlops", "internal", "nowhere", "ffffffffffffffff", "I*"]
    )
    return f"{place}:{name}" if place else name


def _tags(rng: random.Random, wanted: dict[str, Any], other: dict[str, Any]) -> str:
    own, others = ([str(tag) for tag in a["tags"]] or ["none"] for a in (wanted, other))
    tags = rng.sample(own, min(len(own), rng.randrange(1, 4)))
    tags += [f"-{tag}" for tag in rng.sample(others, min(len(others), rng.randrange(3)))]
    tags += rng.choice([[], [], [], ["unknown"], ["-unknown"], ["-"], [""], [own[0].upper()]])
    tags += rng.choice([[], [], [], [rng.choice(others)], ["_cuda"]])
    rng.shuffle(tags)
    return rng.choice([",", ",", ", "]).join(tags)


# -- what is different on purpose -----------------------------------------------------------------


@dataclass(frozen=True)
class Difference:
    """Where cmgit's answer is not cm's: which questions it is about, and what becomes of cm's
    answer."""

    reason: str
    about: Callable[[dict[str, str], Answer], bool]
    becomes: Callable[[dict[str, str], Answer, World], Answer]


def _nothing(code: int) -> Callable[[dict[str, str], Answer, World], Answer]:
    return lambda ask, answer, world: {"return": code, "uids": set()}


def _split(name: str) -> tuple[str, str]:
    """The part with the colon that names a repository, and the rest."""
    repo, colon, rest = name.rpartition(":")
    return repo + colon, rest


def _is_uid(text: str) -> bool:
    return re.fullmatch("[0-9a-f]{16}", text, re.IGNORECASE) is not None


def _makes_no_sense(name: str) -> bool:
    parts = [part.split(",") for part in name.split(":")]
    return len(parts) > 2 or any(
        len(part) > 2 or (len(part) == 2 and not any(map(_is_uid, part))) for part in parts
    )


def _is_special_pattern(ask: dict[str, str], cm: Answer) -> bool:
    word = _split(ask.get("artifact", ""))[1]
    special = "[" in word or word != word.lower() or re.match("[0-9a-f?]*[*?]", word)
    return bool(special and ("*" in word or "?" in word)) and cm["return"] == 0


def _by_pattern(ask: dict[str, str], answer: Answer, world: World) -> Answer:
    """Everything that is in the place, by CM; those whose alias the pattern fits."""
    place, word = _split(ask["artifact"])
    everything = world.oracle("find", **{**ask, "artifact": place or "*"})["list"]
    return {"return": 0, "uids": {a["uid"] for a in everything if fits(word, a["alias"])}}


_NOT_THERE: Answer = {"return": 3, "uids": set()}
_TWINS = {  # of automation script: two pairs in the real repository
    "824e61316c074253": ("get-dataset-igbh", "get-dataset-mlperf-inference-igbh"),
    "8d3cd46f54464810": ("run-all-mlperf-models", "benchmark-any-mlperf-inference-implementation"),
}


def _is_there(automation: str, world: World) -> bool:
    return bool(world.oracle("find", automation="automation", artifact=automation)["list"])


def _twins(ask: dict[str, str], world: World) -> set[str]:
    """The UIDs of twins that answer, cm being asked for each by its alias."""
    place, word = _split(ask.get("artifact", ""))
    found = set()
    for uid, aliases in _TWINS.items():
        for alias in aliases:
            if not word or fits(word, alias):
                cm = world.oracle("find", **{**ask, "artifact": place + alias})
                found |= {uid for artifact in cm.get("list", []) if artifact["uid"] == uid}
    return found


def fits(pattern: str, alias: str) -> bool:
    """Whether an alias fits a pattern, by regular expressions."""
    regexp = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(regexp, alias, re.IGNORECASE) is not None


def _tag_words(ask: dict[str, str]) -> list[str]:
    return [tag.strip() for tag in ask.get("tags", "").split(",")]


FIND_DIFFERENCES = [
    Difference(
        "an empty automation is any automation, in cm an error",
        lambda ask, cm: not ask["automation"],
        lambda ask, answer, world: _as_any(ask, world),
    ),
    Difference(
        "a pattern is matched against aliases, in either case; cm matches its index, case and "
        "UIDs included, and looks further only when nothing at all is there",
        _is_special_pattern,
        _by_pattern,
    ),
    Difference(
        "in a pattern only * and ? are special; in cm [ is, when there is a * or ? too",
        lambda ask, cm: "[" in ask.get("artifact", "") and cm["return"] == 0,
        _nothing(0),
    ),
    Difference(
        "a tag both wanted and not wanted finds nothing; cm's script automation fails",
        lambda ask, cm: "There is common tags" in (cm["error"] or ""),
        _nothing(0),
    ),
    Difference(
        "a tag that starts with _ is a tag; cm's script automation takes it for a variation",
        lambda ask, cm: "_cuda" in _tag_words(ask) and cm["return"] == 0,
        _nothing(0),
    ),
    Difference(
        "an automation can be asked for though it has no code; in cm it cannot",
        lambda ask, cm: "can't find Python module file" in (cm["error"] or ""),
        _nothing(0),
    ),
    Difference(
        "the repository of an automation may be a pattern; in cm it is then not looked at",
        lambda ask, cm: bool(re.search(r"[*?].*:", ask["automation"])) and cm["return"] == 0,
        lambda ask, answer, world: answer if _is_there(ask["automation"], world) else _NOT_THERE,
    ),
    Difference(
        "of two artifacts with one UID both are found; cm lists the first, or neither",
        lambda ask, cm: any(a["automation_alias"] == "script" for a in cm.get("list", [])),
        lambda ask, answer, world: {**answer, "uids": answer["uids"] | _twins(ask, world)},
    ),
    Difference(
        "a name with two commas or colons, or with a comma and no UID, is an error before "
        "anything is looked for; cm looks for the automation first and lets the latter pass",
        lambda ask, cm: any(_makes_no_sense(ask.get(k, "")) for k in ("automation", "artifact")),
        _nothing(1),
    ),
]


def _as_any(ask: dict[str, str], world: World) -> Answer:
    return expected(world, {**ask, "automation": "*"})


def expected(world: World, ask: dict[str, str]) -> Answer:
    """What cmgit has to answer: what cm does, the listed differences applied."""
    cm = world.oracle("find", **ask)
    answer = {"return": cm["return"], "uids": {a["uid"] for a in cm.get("list", [])}}
    for difference in FIND_DIFFERENCES:
        if difference.about(ask, cm):
            answer = difference.becomes(ask, answer, world)
    return answer


def test_find_answers_as_cm_does(world: World) -> None:
    """The same sets of UIDs and return codes for generated questions."""
    wrong = []
    hits = 0
    for ask, _ in zip(questions(world, SEED), range(QUERIES), strict=False):
        wanted, got = expected(world, ask), world.cmgit(ask)
        hits += bool(got["uids"])
        if got != wanted:
            wrong.append((ask, wanted, got))
    assert not wrong, f"{len(wrong)} differ, such as {wrong[:5]}"
    assert hits > QUERIES / 4


def test_the_twins_are_both_found(world: World) -> None:
    """cm lists one artifact for each UID, cmgit all; where a twin is named, cm finds it too."""
    scripts = world.workspace.find("script")
    listed = [a for a in world.artifacts if a["automation_alias"] == "script"]
    assert len(scripts) == len(listed) + len(_TWINS) == 306
    for uid, aliases in _TWINS.items():
        assert {a.alias for a in scripts if a.uid == uid} == set(aliases)
        assert [a["uid"] for a in listed].count(uid) == 1
        for alias in aliases:
            cm = world.oracle("find", automation="script", artifact=alias)
            assert [a["uid"] for a in cm["list"]] == [uid]


def test_metas_are_those_of_cm(world: World) -> None:
    """Every meta, inheritance and both files included, is what cm makes of it."""
    inheriting = 0
    for listed in world.artifacts:
        alias, uid = listed["alias"], listed["uid"]
        if uid in _TWINS:
            continue
        # a pattern, because cm runs the automation's own code otherwise
        cm = world.oracle("metas", automation=f"{listed['automation_alias']}*", artifact=uid)
        artifact = world.workspace.one(listed["automation_uid"], f"{alias},{uid}")
        assert [world.workspace.load(artifact)] == cm["metas"], alias
        assert set(artifact.tags) == {str(tag) for tag in cm["metas"][0]["tags"]}, alias
        inheriting += "_base" in world.workspace.original(artifact)
    assert inheriting > GENERATED / 2


@pytest.mark.parametrize(
    ("bases", "cm_code", "code"),
    [(1, 0, 0), (10, 0, 0), (11, 0, 8), (12, 8, 8)],  # cm counts one further than it says
)
def test_a_chain_of_bases(tmp_path: Path, bases: int, cm_code: int, code: int) -> None:
    """Return 8 for an artifact with more than ten bases above it; cm allows eleven."""
    workspace = Workspace(str(tmp_path / "home"))
    for number in range(bases + 1):
        meta: dict[str, Any] = {
            "alias": f"a{number}", "uid": f"{number:016x}", "automation_alias": "core",
            "automation_uid": "60cb625a46b38610", "items": [number],
        }  # fmt: skip
        if number < bases:
            meta["_base"] = f"a{number + 1}"
        for place in (tmp_path / "cm" / "repos" / "local", tmp_path / "home" / "local"):
            write_meta(place / "core" / f"a{number}", meta, "json")
    # with an index, so that cm does not fail on every artifact for the one that is asked for
    oracle = Oracle(tmp_path / "cm", CM_CORE_SKIP_INTERNAL_REPOS="yes")
    cm = oracle("metas", automation="core*", artifact="a0")
    oracle.close()
    got = access({"action": "load", "automation": "core", "artifact": "a0"}, workspace)
    assert (cm["return"], got["return"]) == (cm_code, code)
    if not code:
        assert [got["meta"]] == cm["metas"]


def test_equal_mappings_in_base_and_child(tmp_path: Path) -> None:
    """Lists below equal mappings are joined like all others; cm takes equal mappings once."""
    workspace = Workspace(str(tmp_path / "home"))
    for number, base in enumerate([{}, {"_base": "a0"}]):
        meta = {
            "alias": f"a{number}", "uid": f"{number:016x}", "automation_alias": "core",
            "automation_uid": "60cb625a46b38610", "same": {"items": [1]}, "items": [1], **base,
        }  # fmt: skip
        for place in (tmp_path / "cm" / "repos" / "local", tmp_path / "home" / "local"):
            write_meta(place / "core" / f"a{number}", meta, "json")
    oracle = Oracle(tmp_path / "cm", CM_CORE_SKIP_INTERNAL_REPOS="yes")
    (cm,) = oracle("metas", automation="core*", artifact="a1")["metas"]
    oracle.close()
    got = access({"action": "load", "automation": "core", "artifact": "a1"}, workspace)["meta"]
    assert (got["items"], got["same"]) == ([1, 1], {"items": [1, 1]})
    assert (cm["items"], cm["same"]) == ([1, 1], {"items": [1]})


# -- command lines --------------------------------------------------------------------------------


def command_lines(seed: int, files: list[Path]) -> Iterator[list[str]]:
    """Words of all kinds, in any order, for ever."""
    rng = random.Random(seed)
    keys = ["k", "key", "a-b", "a_b", "a.b", "a-c.c-d", "a.d.e-f", "env.X-Y", "tags", "artifact"]
    values = ["", "1", "a=b", "a,b", "x y", "-", "-x", "true", "@f", "*", "[1]", " padded "]
    names = ["find", "script", "print-input", "x", "r:a,b", "*", ".", "\u00fcn\u00ef"]

    def file() -> str:
        return f"@{rng.choice(files)}"

    while True:
        words = [rng.choice(names) for _ in range(rng.randrange(4))]
        dots = ["-", "@"] if len(words) > 1 else []  # no action and no automation
        for _ in range(rng.randrange(6)):
            dashes, key, value = (
                rng.choice(["-", "--", "---"]),
                rng.choice(keys),
                rng.choice(values),
            )
            flag = dashes + key
            flags = [f"{flag}={value}", f"{flag}={value}", flag, f"{flag},={value}", f"{flag}-"]
            words.append(rng.choice([*flags, f"{flag},", rng.choice(names), file(), *dots]))
        if rng.random() < 0.1:
            words += ["--", "-x", "y", "--"]
        yield words


WORDS_DIFFERENCES = [  # reason, a word for cmgit, how cm has to be told the same
    ("more dashes than two are two; cm takes the third for a part of the key", r"--(-+.*)", r"\1"),
    ("--l, without = is the empty list; cm crashes", r"(-[^=]*,)", r"\1="),
    ("a lone - or @ is a name; cm reads a flag without a name, and a file", r"([-@])", r"<\1>"),
    ("spaces around a value stay; cm strips them", r"(.*=) (.*) ", r"\1<s>\2<s>"),
]


def _names_first(words: list[str]) -> list[str]:
    """Action and automation before all flags: cm takes them for artifacts elsewhere."""
    end = words.index("--") if "--" in words else len(words)
    names = [n for n, w in enumerate(words[:end]) if w in ("-", "@") or w[:1] not in ("-", "@")][:2]
    return [words[n] for n in names] + [w for n, w in enumerate(words) if n not in names]


def _told_to_cm(word: str) -> str:
    for _, ours, theirs in WORDS_DIFFERENCES:
        if re.fullmatch(ours, word):
            word = re.sub(f"^{ours}$", theirs, word)
    return word


def _told_by_cm(answer: Any) -> Any:
    text = json.dumps(answer).replace("<s>", " ").replace("<-", "-").replace("<@", "@")
    return json.loads(text.replace("->", "-").replace("@>", "@"))


def test_command_lines_are_read_as_by_cm(tmp_path: Path, world: World) -> None:
    """The same input for generated command lines; ``-`` in an action reads ``_`` at once."""
    files = [tmp_path / "in.json", tmp_path / "in.yaml", tmp_path / "missing.json"]
    files[0].write_text('{"k": 7, "from": {"file": 1}, "tags": [1]}')
    files[1].write_text("key: [1, 2]\nartifact: of-file\n")
    failures = 0
    for words, _ in zip(command_lines(SEED, files), range(COMMAND_LINES), strict=False):
        cm = world.oracle("parse", words=[_told_to_cm(w) for w in _names_first(words)])
        try:
            got = {"return": 0, "input": parse_words(words)}
        except CmgitError as error:
            got = {"return": error.code, "input": None}
            failures += 1
        if cm["input"]:
            del cm["input"]["cmd"]
            if "action" in cm["input"]:
                cm["input"]["action"] = cm["input"]["action"].replace("-", "_")
        assert got == _told_by_cm(cm), words
    assert 0 < failures < COMMAND_LINES / 2
