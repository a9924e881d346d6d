"""Glossaries: read with the line of every mistake, and held against translations; sentences in both languages."""

from pathlib import Path

import pytest

from pellucid.data.integrity import Term, breaches, read_glossary
from pellucid.data.integrity.breach import words
from pellucid.data.integrity.glossary import terms_in
from pellucid.errors import DataError

TERMS = (
    Term("server", "服务器"),
    Term("web server", "网页服务器"),
    Term("IT", "信息技术"),
    Term("image", "映像"),
    Term("image", "镜像"),
)


def kinds(source: str, target: str) -> list[str]:
    return [breach.kind for breach in breaches(source, target, "en", "zh", TERMS)]


@pytest.mark.parametrize("name", ["terms.tsv", "terms.csv"])
def test_a_glossary_is_read_with_its_header_comments_and_notes(tmp_path: Path, name: str) -> None:
    between = "," if name.endswith("csv") else "\t"
    lines = [
        ("source", "target", "note"),
        ("server", "服务器"),
        ("# of the project", ""),
        ("image", "镜像", "of a disk"),
    ]
    (tmp_path / name).write_text("\n".join(map(between.join, lines)) + "\n\n", encoding="utf-8")
    assert read_glossary(tmp_path / name) == (Term("server", "服务器"), Term("image", "镜像", "of a disk"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("server\t服务器\nimage\n", "line 2: expected 2 or 3 columns, found 1"),
        ("server\t\n", "line 1: a term without its target"),
        ("a\tb\n\n\tb\n", "line 3: a term without its source"),
        ("a\tb\tc\td\n", "line 1: expected 2 or 3 columns, found 4"),
    ],
)
def test_a_mistake_in_a_glossary_is_named_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "terms.tsv").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=said):
        read_glossary(tmp_path / "terms.tsv")


def test_terms_are_whole_words_the_longest_first_and_in_any_case() -> None:
    found = terms_in("The Web Server and servers of IT need it.", TERMS)
    assert found == [("Web Server", ("网页服务器",)), ("IT", ("信息技术",))]


def test_a_term_translated_otherwise_is_told() -> None:
    assert kinds("Start the server", "启动主机") == ["term"]
    assert kinds("Start the server", "启动服务器") == []


def test_any_of_several_targets_will_do() -> None:
    assert kinds("Delete image", "删除镜像") == kinds("Delete image", "删除映像") == []
    assert kinds("Delete image", "删除图像") == ["term"]


def test_every_breach_is_said_in_both_languages_with_the_same_fields() -> None:
    english, chinese = words("en"), words("zh")
    assert english.keys() == chinese.keys()
    for kind in english:
        for field in ("{wanted}", "{found}"):
            assert field in english[kind] or field not in chinese[kind], kind
    (breach,) = breaches("{a, plural, other {b}}", "b", "en", "zh")
    assert breach.said("en") == "the block {a, plural} is missing"
    assert breach.said("zh") == "缺少 {a, plural} 块"


def test_what_is_shown_of_a_breach_is_one_short_line() -> None:
    (breach,) = breaches("a\n" * 3, "b", "en", "zh")[:1]
    assert "\n" not in breach.said("en")
