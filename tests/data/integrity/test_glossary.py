"""Glossaries: read with the line of every mistake, and held against translations; sentences in both languages."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.data.integrity import Term, breaches, read_glossary
from pellucid.data.integrity.breach import words
from pellucid.data.integrity.glossary import term_breaches, terms_in
from pellucid.data.integrity.inflection import plurals, verb_forms
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
    assert [held[:2] for held in found] == [
        ("Web Server", ("网页服务器",)),
        ("servers", ("服务器",)),
        ("IT", ("信息技术",)),
    ]


def test_a_term_translated_otherwise_is_told() -> None:
    assert kinds("Start the server", "启动主机") == ["term"]
    assert kinds("Start the server", "启动服务器") == []


def test_any_of_several_targets_will_do() -> None:
    assert kinds("Delete image", "删除镜像") == kinds("Delete image", "删除映像") == []
    assert kinds("Delete image", "删除图像") == ["term"]


@pytest.mark.parametrize(
    ("term", "forms", "others"),
    [
        ("server", "server servers Servers", "serve served serving observers"),
        ("copy", "copy copies copied copying Copying", "copyright cop"),
        ("box", "box boxes", "boxs boxer"),
        ("delete", "deletes deleted deleting", "deletion"),
        ("stop", "stops stopped stopping", "stoped stopper"),
        ("submit", "submits submitted submitting", "submission"),
        ("set", "sets", "setting settings setup reset"),
        ("build", "builds", "building buildings rebuild"),
        ("API", "API APIs", "api apis"),
        ("index", "indexes indices", "indexer"),
        ("string", "strings", "stringent"),
    ],
)
def test_an_english_term_is_found_in_its_plural_and_with_the_endings_of_verbs(
    term: str, forms: str, others: str
) -> None:
    terms = (Term(term, "词"),)
    assert [held.word for held in terms_in(forms, terms)] == forms.split()
    assert terms_in(others, terms) == []
    assert all(word.lower() == term.lower() for word in (held.word for held in terms_in(forms, terms, "de")))


def test_of_several_words_the_last_is_changed_or_the_verb_before_a_particle() -> None:
    terms = (Term("web server", "网页服务器"), Term("log in", "登录"))
    found = terms_in("Web  servers log in, logged in and are logging in.", terms)
    assert [held.word for held in found] == ["Web servers", "log in", "logged in", "logging in"]


def test_a_form_that_is_a_term_itself_has_its_own_translation() -> None:
    terms = (Term("set", "集合"), Term("sets", "套"), Term("file", "文件"), Term("filing", "归档"))
    assert [held.targets for held in terms_in("sets filing", terms)] == [("套",), ("归档",)]


def test_a_form_of_the_target_is_no_breach() -> None:
    def told(source: str, target: str, term: Term, to: str = "zh") -> list[str]:
        return [breach.kind for breach in breaches(source, target, "en", to, [term]) if breach.kind == "term"]

    assert told("The selected item", "所选项目", Term("select", "选择")) == []
    assert told("The selected item", "此项目", Term("select", "选择")) == ["term"]
    assert told("Select it", "选定它", Term("select", "选择")) == ["term"]
    assert told("Saved", "Gespeichert", Term("save", "speichern"), "de") == []
    assert (
        told("of virtual machines", "der virtuellen Maschinen", Term("virtual machine", "virtuelle Maschine"), "de")
        == []
    )
    assert told("Saved", "Gesichert", Term("save", "speichern"), "de") == ["term"]
    found = breaches("两份副本", "two copies", "zh", "en", [Term("副本", "copy")])
    assert "term" not in [breach.kind for breach in found]


@given(
    st.sampled_from(["server", "copy", "box", "stop", "delete", "policy", "queue", "key", "bus", "photo"]), st.data()
)
def test_a_glossary_kept_is_never_told_and_one_broken_always(term: str, data: st.DataObject) -> None:
    form = data.draw(st.sampled_from(sorted({term, *plurals(term), *verb_forms(term)})))
    before, after = data.draw(st.sampled_from(["", "the ", "("])), data.draw(st.sampled_from(["", ".", ", and", ")"]))
    terms = (Term(term, "术语"), Term(term, "行话"))
    for target in ("术语", "行话"):
        assert list(term_breaches(f"{before}{form}{after}", f"这{target}", terms)) == []
    assert len(list(term_breaches(f"{before}{form}{after}", "别的", terms))) == 1


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
