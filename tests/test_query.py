"""Queries: reading the words, and which artifacts they accept."""

from __future__ import annotations

import pytest

from cmgit.errors import UsageError
from cmgit.names import ANY, Name
from cmgit.query import Query, split_tags

UID = "863735b7db8c44fc"
SCRIPT = "5b4e0237da074764"


@pytest.mark.parametrize(
    ("given", "tags"),
    [
        ("", []),
        ("detect,os", ["detect", "os"]),
        (" detect , os ,, os", ["detect", "os"]),
        ("with space,naïve,a.b_c", ["with space", "naïve", "a.b_c"]),
        (["os", " os", "", 11], ["os", "11"]),
        ((), []),
    ],
)
def test_split_tags(given: str | list[str], tags: list[str]) -> None:
    """Tags are stripped and come once each, in the order they were given."""
    assert split_tags(given) == tags


def test_parse_reads_the_words_of_the_command_line() -> None:
    """Automation and artifact may each name a repository; a dash before a tag excludes it."""
    query = Query.parse("auto:script", f"mlops:detect-os,{UID}", "detect,-windows,--x,-")
    assert query.automation == Name("script")
    assert query.automation_repo == Name("auto")
    assert query.artifact == Name("detect-os", UID)
    assert query.repo == Name("mlops")
    assert query.tags == {"detect"}
    assert query.no_tags == {"windows", "-x"}


@pytest.mark.parametrize("repo", ["mlops", "mlops:"])
def test_a_flag_names_the_repository_too(repo: str) -> None:
    """``--repo`` says it with and without a colon, and wins over the artifact's own."""
    assert Query.parse("script", "other:x", repo=repo).repo == Name("mlops")


def test_without_words_everything_is_asked_for() -> None:
    """An empty query accepts whatever there is."""
    query = Query.parse()
    assert (query.automation, query.artifact, query.repo) == (ANY, ANY, ANY)
    assert query.accepts("", UID, "", SCRIPT, [])


@pytest.mark.parametrize("words", [("a:b:c",), ("script", "a,b,c"), ("script", "x", (), "a,b")])
def test_words_that_make_no_sense(words: tuple[str, ...]) -> None:
    """Errors in a name are those of the grammar of names."""
    with pytest.raises(UsageError):
        Query.parse(*words)


@pytest.mark.parametrize(
    ("automation", "artifact", "tags", "accepted"),
    [
        ("script", "detect-os", "", True),
        ("SCRIPT", "Detect-OS", "", True),
        ("s*", "*-os", "", True),
        ("s?ript", "detect", "", False),
        (SCRIPT, UID, "", True),
        (f"wrong,{SCRIPT}", f"wrong,{UID}", "", True),
        (f"script,{UID}", "", "", False),
        ("", "", "detect", True),
        ("", "", "detect,os", True),
        ("", "", "Detect", False),
        ("", "", "detect,os,more", False),
        ("", "", "-detect", False),
        ("", "", "detect,-more", True),
        ("", "", "detect,-os", False),
    ],
)
def test_accepts(automation: str, artifact: str, tags: str, accepted: bool) -> None:
    """All conditions must hold; names in any case, tags as they are."""
    query = Query.parse(automation, artifact, tags)
    assert query.accepts("detect-os", UID, "script", SCRIPT, ["detect", "os"]) is accepted


def test_tags_that_make_no_sense() -> None:
    """What is neither text nor a list is named."""
    with pytest.raises(UsageError, match="tags 5 are neither text nor a list"):
        Query.parse(tags=5)  # type: ignore[arg-type]
