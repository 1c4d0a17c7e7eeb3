"""What a text search finds, and in which order."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cmgit.errors import CmgitError, UsageError
from cmgit.query import Query
from cmgit.text import lookup
from cmgit.text.lookup import Matches, TextIndex
from cmgit.workspace import Workspace
from tests.conftest import Put, put_into, uid_of
from tests.text.conftest import ask, text_index

TAGS = ["one", "two", "three", "-four"]


def aliases(matches: Matches) -> list[str]:
    """The aliases of matches, best first."""
    return [match.hit.record["alias"] for match in matches]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("image", ["image-classification", "torch", "readme"]),
        ("IMAGES", ["image-classification", "torch", "readme"]),
        ("image-classification", ["image-classification"]),
        ("classification images", ["image-classification"]),
        ('"image classification"', ["image-classification"]),
        ('"classification image"', []),
        ("resnet", ["get-resnet50"]),
        ("resnet50", ["get-resnet50"]),
        ("ResNet-50", ["get-resnet50"]),
        ("res*", ["get-resnet50"]),
        ("clas* tor*", ["image-classification"]),
        ("image -onnx", ["readme", "torch"]),
        ('image -"onnx model"', ["image-classification", "torch", "readme"]),
        ("image -image", []),
        ("größe", ["größe"]),
        ("GROSSE", ["größe"]),
        ("groesse", []),
        ("图像", ["größe"]),
        ("像分", ["größe"]),
        ('"像图"', []),
        ("détecter", ["readme"]),
        ("de\u0301tecter", ["readme"]),
        ("detecter", ["readme"]),
    ],
)
def test_words(text: str, found: list[str], workspace: Workspace, put: Put) -> None:
    """All words must be there, in any form, in whatever order; in a row within quotes."""
    put("image-classification", 1, tags="[onnx]", name="Classify images, torches and more")
    put("torch", 2, tags="[image]", desc="Torch")
    put("readme", 3, "Nothing but one image, pour détecter")
    put("get-resnet50", 4, "The model ResNet-50")
    put("größe", 5, "图像分类")
    assert sorted(ask(workspace, text)) == sorted(found)


def test_some_of_the_words(workspace: Workspace, put: Put) -> None:
    """When no artifact has all words, those are found that have some; best first, and said so."""
    put("a", 1, "onnx model")
    put("b", 2, "model")
    text = text_index(workspace)
    assert not text.find(Query.parse("*"), "onnx model").partial
    partial = text.find(Query.parse("*"), "onnx nosuchword model")
    assert partial.partial
    assert aliases(partial) == ["a", "b"]
    assert aliases(text.find(Query.parse("*"), '"onnx model" -b')) == ["a"]
    assert text.count(Query.parse("*"), "onnx nosuchword model") == (2, True)
    assert text.count(Query.parse("*"), "onnx model") == (1, False)
    assert text.count(Query.parse("*"), "nosuchword either") == (0, False)
    nothing = text.find(Query.parse("*"), "nosuchword either")
    assert (nothing, nothing.partial) == ([], False)
    assert not text.find(Query.parse("*"), "nosuchword").partial
    assert aliases(text.find(Query.parse("*"), "onnx-runtime")) == ["a"]
    assert aliases(text.find(Query.parse("*"), '"onnx runtime"')) == []
    assert aliases(text.find(Query.parse("*"), '"onnx model" "b c"')) == ["a"]


def test_where_words_say_more(workspace: Workspace, put: Put) -> None:
    """An alias says more than tags, those more than a name, then a description, then a README;
    and a rare word says more than a common one."""
    filler = "quite some other words that make this about as long as the other one is"
    put("wanted-x", 1, desc=filler)
    put("b", 2, tags="[wanted]", desc=filler)
    put("c", 3, name="wanted", desc=filler)
    put("d", 4, desc=f"wanted {filler}")
    put("e", 5, f"wanted {filler}")
    put("f", 6, f"wanted {filler} {filler} {filler}")
    assert ask(workspace, "wanted") == ["wanted-x", "b", "c", "d", "e", "f"]
    put("g", 7, "rare")
    put("h", 8, "wanted")
    assert ask(workspace, "wanted rare nosuchword")[0] == "g"


def test_order_and_limit(workspace: Workspace, put: Put) -> None:
    """Scores descend; equals are in the order of results; a limit cuts the end off."""
    for number in range(12):
        put(f"a{number:02}", number, "word " * (1 + number // 4))
    text = text_index(workspace)
    matches = text.find(Query.parse("*"), "word")
    scores = [match.score for match in matches]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == 3
    for score in set(scores):
        same = [m.hit.record["alias"] for m in matches if m.score == score]
        assert same == sorted(same)
    for limit in (0, 1, 4, 5, 12, 13):
        some = text.find(Query.parse("*"), "word", limit)
        assert [match.score for match in some] == scores[:limit]


def test_nothing_to_search(workspace: Workspace, put: Put) -> None:
    """No artifacts, no texts: nothing is found."""
    assert ask(workspace, "word") == []
    put("a", 1)
    assert ask(workspace, "word") == []


def test_words_of_an_api(workspace: Workspace, put: Put) -> None:
    """From Python the same, all of them without a limit."""
    for number in range(30):
        put(f"a{number}", number, "word")
    found = workspace.find("script", text="word")
    assert len(found) == 30
    assert found[0].to_dict()["snippet"] == found[0].snippet == "word"  # type: ignore[attr-defined]
    assert found[0].to_dict()["score"] > 0
    assert len(workspace.find("script", text="word", limit=3)) == 3
    with pytest.raises(UsageError, match="as it is now"):
        workspace.find("script", text="word", at="HEAD")
    with pytest.raises(CmgitError, match="automation 'nosuch' not found"):
        workspace.find("nosuch", text="word")


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> TextIndex:
    """Many artifacts in two repositories, with few words and tags."""
    from cmgit import repositories

    choose, place = random.Random(7), tmp_path_factory.mktemp("many")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(place))
        workspace = Workspace(str(place / "home"))
        repositories.init(workspace, "demo", str(place / "demo"))
        for number in range(60):
            root = place / choose.choice(["demo", "home/local"])
            put_into(
                root, choose.choice(["a", "b", "A-b"]) + str(number), number,
                " ".join(choose.choices(["red", "green", "blue", "shade"], k=4)),
                choose.choice(["script", "model"]),
                tags=f"[{', '.join(choose.sample(['one', 'two', 'three', 'four'], 2))}]",
            )  # fmt: skip
        return text_index(workspace)


QUERIES = [
    Query.parse(automation, artifact, tags, repo)
    for automation, artifact, tags, repo in itertools.product(
        ["", "*", "script", "SCRIPT", "mo*", "5b4e0237da074764", "?odel", "s*,5b4e0237da074764"],
        ["", "a*", "A-B?*", uid_of(5), "a", f"x,{uid_of(7)}", "demo:", "demo:a*", "nosuch:"],
        ["", "one", "one,-two", "-one,-two", "nosuch", "one,two,three"],
        ["", "demo", "l*", "nosuch"],
    )
]


@pytest.mark.parametrize("few", [0, 5, 1000])
@settings(max_examples=150)
@given(query=st.sampled_from(QUERIES), text=st.sampled_from(["red", "red green", '"red shade"', "b* -green"]),
       limit=st.sampled_from([None, 1, 3, 10]))  # fmt: skip
def test_every_filter(
    few: int, query: Query, text: str, limit: int | None, many: TextIndex
) -> None:
    """What a query and a text find is what the text finds, without what the query does not take;
    in the same order, with the same scores, and with a limit the beginning of that."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lookup, "FEW", few)
        found = many.find(query, text, limit)
        counted = many.count(query, text)
    taken = {(h.repository.number, h.record["path"]) for h in many._index.find(query)}
    expected = [
        (match.hit.record["uid"], match.score)
        for match in many.find(Query(), text)
        if (match.hit.repository.number, match.hit.record["path"]) in taken
    ]
    if expected or not found.partial:
        assert [(match.hit.record["uid"], match.score) for match in found] == expected[:limit]
        assert counted == (len(expected), False) or found.partial


BAD = [
    "a\0b", "\0", "a'b", 'a"b', '"', "\\", "a\\", "a AND", "OR", "NOT a", "(", "a)", "[a TO b]", "a:b",
    "text:a", "key:0*", "*:*", "a^5", "a~2", "/a.*/", "a*b", "*a", "-", "--a", "a -", "+a", "\udc80",
    "a\udcffb", "\ud800", "a" * 10_000, "a " * 5_000, "\n".join("ab" * 50), "👍", "ﬁ", "İ", "a" * 70_000,
    "%s", "{}", "$(x)", "`", ";", "\x1b[31m", "٣", "x²", "a*" * 50, ".*", "(a|b)*", "é*", "图*", "ß*",
]  # fmt: skip


@pytest.mark.parametrize("text", BAD)
def test_any_text(text: str, many: TextIndex) -> None:
    """Whatever is looked for is found, or not, or is no word."""
    for words in (text, f"red {text}", f"-{text} red", f'"{text}" red'):
        try:
            found = many.find(Query.parse("*"), words)
        except UsageError:
            continue
        for match in found:
            assert match.snippet().text.isprintable()


@given(st.text(max_size=30))
def test_any_text_at_all(many: TextIndex, text: str) -> None:
    """The same for whatever can be typed."""
    test_any_text(text, many)
