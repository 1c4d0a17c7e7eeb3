"""Names, patterns, and what may be an alias."""

from __future__ import annotations

import fnmatch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmgit.errors import UsageError
from cmgit.names import (
    MAX_ALIAS_BYTES,
    Name,
    alias_problem,
    by_word,
    check_alias,
    glob,
    is_uid,
    new_uid,
    parse_name,
    parse_object,
    same_word,
)

UID = "863735b7db8c44fc"
OTHER = "0123456701234567"

words = st.text("abBß[]!-.é ", max_size=12)
patterns = st.text("abBß[]!-.é *?", max_size=12)


@pytest.mark.parametrize(
    ("text", "alias", "uid"),
    [
        ("detect-os", "detect-os", ""),
        (UID, "", UID),
        (UID.upper(), "", UID),
        (f"detect-os,{UID}", "detect-os", UID),
        (f"{UID},detect-os", "detect-os", UID),
        (f"detect-os,{UID.upper()}", "detect-os", UID),
        (f"{OTHER},{UID}", OTHER, UID),
        (f" detect-os , {UID} ", "detect-os", UID),
        (f",{UID}", "", UID),
        ("863735b7db8c44f", "863735b7db8c44f", ""),
        ("863735b7db8c44fg", "863735b7db8c44fg", ""),
        ("get-*", "get-*", ""),
        ("", "", ""),
    ],
)
def test_a_name_is_an_alias_a_uid_or_both(text: str, alias: str, uid: str) -> None:
    """The two parts come in either order; 16 hexadecimal digits in either case are a UID."""
    assert parse_name(text) == Name(alias, uid)


@pytest.mark.parametrize("text", ["a,b,c", f"a,b,{UID}", "a,b", "a,", ",", "a\nb", "a\x00", "\x7f"])
def test_a_name_that_makes_no_sense(text: str) -> None:
    """Two commas, a comma without a UID, and control characters are errors."""
    with pytest.raises(UsageError):
        parse_name(text)


@pytest.mark.parametrize(
    ("text", "repo", "artifact"),
    [
        ("detect-os", "", "detect-os"),
        ("mlops:detect-os", "mlops", "detect-os"),
        ("mlops:", "mlops", ""),
        ("ml*:", "ml*", ""),
        (":detect-os", "", "detect-os"),
        (f"{UID}:{OTHER}", UID, OTHER),
        (f"mlops,{UID}:detect-os,{OTHER}", f"mlops,{UID}", f"detect-os,{OTHER}"),
        ("", "", ""),
    ],
)
def test_an_object_is_an_artifact_in_a_repository(text: str, repo: str, artifact: str) -> None:
    """What stands before the colon names the repository; either side may be empty."""
    assert parse_object(text) == (parse_name(repo), parse_name(artifact))


@pytest.mark.parametrize("text", ["a:b:c", "::", "a::b", "a,b,c:d", "a:b,c,d", "a,b:c"])
def test_an_object_that_makes_no_sense(text: str) -> None:
    """A second colon and a second comma are errors."""
    with pytest.raises(UsageError):
        parse_object(text)


@given(st.text("abc-", min_size=1), st.sampled_from([UID, OTHER, ""]))
def test_a_name_reads_back_as_it_is_written(alias: str, uid: str) -> None:
    """str() of a name parses to the name."""
    assert parse_name(str(Name(alias, uid))) == Name(alias, uid)


def test_the_uid_decides() -> None:
    """With a UID the alias is a comment; without one the alias decides, in any case."""
    assert parse_name(f"wrong,{UID}").accepts("detect-os", UID)
    assert not parse_name(f"detect-os,{UID}").accepts("detect-os", OTHER)
    assert parse_name("DETECT-os").accepts("detect-OS", UID)
    assert parse_name("STRASSE").accepts("straße", UID)
    assert not parse_name("detect").accepts("detect-os", UID)
    assert parse_name("").accepts("anything", UID)


@pytest.mark.parametrize(
    ("text", "pattern"), [("", True), ("a*", True), ("?", True), ("a", False), (f"*,{UID}", False)]
)
def test_what_names_many(text: str, pattern: bool) -> None:
    """A name with a UID names one, wildcards or not."""
    assert parse_name(text).is_pattern is pattern


@given(patterns, words)
def test_glob_is_fnmatch_with_star_and_question_mark_only(pattern: str, text: str) -> None:
    """Brackets stand for themselves; everything else is as in fnmatch."""
    assert glob(pattern, text) == fnmatch.fnmatchcase(text, pattern.replace("[", "[[]"))


@given(st.lists(words.filter(bool), min_size=1, max_size=4), words)
def test_a_pattern_matches_what_it_was_made_from(parts: list[str], between: str) -> None:
    """Text with parts of it replaced by stars still matches."""
    assert glob("*".join(parts), between.join(parts))


def test_glob_is_not_exponential() -> None:
    """A pattern of many stars against a long text that almost matches ends at once."""
    assert not glob("a*" * 50 + "b", "a" * 2000)


def test_uids() -> None:
    """A UID is 16 hexadecimal digits, and a new one is another one each time."""
    assert is_uid(new_uid())
    assert new_uid() != new_uid()
    assert is_uid(UID.upper())
    assert not is_uid("")
    assert not is_uid(UID + "0")
    assert not is_uid("٠" * 16)


@pytest.mark.parametrize(
    "alias",
    [
        "detect-os",
        "a",
        "1",
        "get_cuda.v2",
        "naïve",
        "数据",
        "console",
        "com10",
        "x.nul",
    ],
)
def test_a_good_alias(alias: str) -> None:
    """Letters of any script, digits, and dots and spaces inside."""
    assert check_alias(alias) == alias


@pytest.mark.parametrize(
    "alias",
    [
        "", ".", "..", "../x", "x/y", "/x", "x\\y", "C:x", "a,b", "*", "a?", "a|b", "<a>", '"a"',
        ".git", ".GIT", ".hidden", "-flag", "git~1", "GIT~1", "\u200c.git", "\ufeffx",
        "con", "CON", "nul.txt", "aux", "com1", "LPT9.yaml",
        "x.", "x ", " x", "x\n", "x\0y", "\x7f", "\x1b[31m", "\ud800", "a\ud800",
        "x" * 300, "é" * (MAX_ALIAS_BYTES // 2 + 1),
    ],
)  # fmt: skip
def test_a_bad_alias(alias: str) -> None:
    """What is no directory name on some system, or harmful to Git, is refused."""
    with pytest.raises(UsageError) as caught:
        check_alias(alias)
    assert len(str(caught.value)) < 200
    assert caught.value.hint


@given(st.text(max_size=30))
def test_a_good_alias_stays_in_its_directory(alias: str) -> None:
    """Whatever is accepted is one part of a path, and names itself."""
    if not alias_problem(alias):
        assert not {"/", "\\", "\0"} & set(alias)
        assert not alias.startswith(".")
        assert parse_object(alias)[1] in (Name(alias), Name("", alias.lower()))


words = st.lists(st.text(st.characters(exclude_characters="\0"), max_size=4))


@given(words, words)
def test_by_word(names: list[str], others: list[str]) -> None:
    """Folded all at once as each alone; only what was asked for."""
    wanted = {same_word(name) for name in [*names[::2], *others]}
    found = {same_word(name): name for name in names}
    assert by_word(names, wanted) == {w: name for w, name in found.items() if w in wanted}
