"""Which format a file is of, and between which languages."""

from pathlib import Path

import pytest

from pellucid.data.localization import is_localization, open_document
from pellucid.errors import DataError

PO = 'msgid ""\nmsgstr "Language: {}\\n"\n\nmsgid "Open"\nmsgstr ""\n'


def written(folder: Path, name: str, content: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "content", "known"),
    [
        ("a.po", "", True),
        ("a.POT", "", True),
        ("a.xlf", "", True),
        ("a.json", "", True),
        ("a.arb", "", True),
        ("a.csv", "", True),
        ("a.xml", "<?xml version='1.0'?>\n<!-- <html> -->\n<resources/>", True),
        ("a.xml", "<x:xliff xmlns:x='urn:oasis:names:tc:xliff:document:1.2'/>", True),
        ("a.xml", "<html/>", False),
        ("a.xml", "", False),
        ("a.txt", "", False),
        ("a.jsonl", "", False),
        ("a.mo", "", False),
    ],
)
def test_a_format_is_told_by_the_name_and_of_xml_by_the_content(
    tmp_path: Path, name: str, content: str, known: bool
) -> None:
    assert is_localization(written(tmp_path, name, content)) is known


@pytest.mark.parametrize("name", ["a.po", "a.xlf", "a.json", "a.xml", "a.csv"])
def test_a_file_that_is_not_there_is_said(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="no such file"):
        open_document(tmp_path / name, target="zh")


def test_an_unknown_format_is_refused_with_those_that_are_known(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not a localization file") as refused:
        open_document(written(tmp_path, "a.docx", ""))
    assert ".po" in refused.value.mend


def test_languages_come_from_the_file_then_from_what_was_asked_for_then_from_its_name(tmp_path: Path) -> None:
    said = written(tmp_path, "fr/app.po", PO.format("zh_TW"))
    assert open_document(said).target_language == "zh"
    silent = written(tmp_path, "fr/other.po", PO.format(""))
    assert open_document(silent, target="de").target_language == "de"
    assert open_document(silent).target_language == "fr"
    assert open_document(silent).source_language == "en"


def test_a_file_into_another_language_than_asked_for_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"app\.po: is into Chinese, not German") as refused:
        open_document(written(tmp_path, "app.po", PO.format("zh")), target="de")
    assert "translates into Chinese" in refused.value.mend


def test_a_translation_so_far_is_only_for_formats_of_one_language(tmp_path: Path) -> None:
    path = written(tmp_path, "app.po", PO.format("zh"))
    with pytest.raises(DataError, match="holds both languages itself"):
        open_document(path, translated=path)


def test_only_untranslated_units_may_be_filled(tmp_path: Path) -> None:
    document = open_document(written(tmp_path, "app.csv", "en,zh\nOpen,打开\n"))
    with pytest.raises(ValueError, match="is not untranslated, but finished"):
        document.filled({0: "开"})


def test_an_empty_proposal_is_none(tmp_path: Path) -> None:
    path = written(tmp_path, "app.csv", "en,zh\nOpen,\n")
    assert open_document(path).filled({0: ""}) == path.read_bytes()


def test_two_units_of_one_name_have_keys_of_their_own(tmp_path: Path) -> None:
    content = '<xliff version="1.2"><file><trans-unit id="1"><source>{}</source></trans-unit></file></xliff>'
    entry = content[content.index("<trans") : content.index("</file>")]
    path = written(tmp_path, "app.xlf", content.format("A").replace("</file>", entry.format("B") + "</file>"))
    assert [unit.key for unit in open_document(path).units] == ["1", "1 #2"]
