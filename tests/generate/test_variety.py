"""The script and region that a file asks for, held against what a run's vocabulary says that it has learned."""

from pathlib import Path

import pytest

from pellucid.data.localization import open_document
from pellucid.generate.filling.variety import SIMPLIFIED, TRADITIONAL, Variety, chinese_script, locale_of, unlike

HANS = ["保存文件", "选择", "删除项目", "输入错误", "数据库", "设置", "运行", "网页", "请登录"]
HANT = ["儲存檔案", "選擇", "刪除項目", "輸入錯誤", "資料庫", "設定", "執行", "網頁", "請登錄"]
LATIN = ["sačuvaj", "datoteka", "izbriši", "greška", "otvori", "zatvori", "strana", "mreža"]
CYRILLIC = ["сачувај", "датотека", "избриши", "грешка", "отвори", "затвори", "страна", "мрежа"]


def test_no_character_counts_for_both_kinds() -> None:
    assert not set(SIMPLIFIED) & set(TRADITIONAL)
    for simplified, traditional in zip(SIMPLIFIED, TRADITIONAL, strict=True):
        # The two national encodings of the time before Unicode hold one kind each.
        assert simplified.encode("gb2312")
        assert traditional.encode("big5")


def test_a_vocabulary_tells_simplified_from_traditional() -> None:
    assert (chinese_script(HANS), chinese_script(HANT)) == ("Hans", "Hant")
    assert chinese_script([*HANS, *HANT]) == chinese_script(["保存", "save"]) == ""


@pytest.mark.parametrize(
    ("locale", "tokens", "wanted"),
    [
        ("zh_TW", HANS, "Hant"),
        ("zh-Hant", HANS, "Hant"),
        ("zh-HK", HANS, "Hant"),
        ("zh_CN", HANT, "Hans"),
        ("zh_TW", HANT, ""),
        ("zh_CN", HANS, ""),
        ("zh-Hans-HK", HANS, ""),
        ("zh", HANS, ""),
        ("sr@latin", CYRILLIC, "Latn"),
        ("sr_Cyrl", LATIN, "Cyrl"),
        ("sr_RS", CYRILLIC, ""),
        ("pt_PT", LATIN, "PT"),
        ("de-AT", LATIN, "AT"),
        ("de_DE", LATIN, ""),
        ("pt-BR", LATIN, ""),
        ("", LATIN, ""),
    ],
)
def test_a_file_for_another_script_or_region_is_told(locale: str, tokens: list[str], wanted: str) -> None:
    found = unlike(locale, tokens)
    assert (found.wanted if found else "") == wanted
    assert not found or (found.kind == "region") == (len(wanted) == 2)


def test_a_region_that_the_training_files_are_named_after_is_learned() -> None:
    assert unlike("pt_PT", LATIN, ["data/app.pt_PT.po"]) is None
    assert unlike("pt_PT", LATIN, ["data/app.pt_BR.po"]) == Variety("pt_PT", "region", "PT")


@pytest.mark.parametrize(
    ("name", "text", "output"),
    [
        ("a.po", 'msgid ""\nmsgstr ""\n"Language: zh_TW\\n"\n\nmsgid "Save"\nmsgstr ""\n', "out.po"),
        ("a.zh_TW.po", 'msgid "Save"\nmsgstr ""\n', "out.po"),
        ("a.tsv", "en\tzh_TW\nSave\t\n", "out.tsv"),
        ("a.json", '{"save": "Save"}', "zh-TW.json"),
        ("strings.xml", '<resources><string name="a">Save</string></resources>', "values-zh-rTW/strings.xml"),
        (
            "a.xlf",
            '<xliff version="1.2"><file source-language="en" target-language="zh-TW"><body><trans-unit id="1">'
            "<source>Save</source></trans-unit></body></file></xliff>",
            "out.xlf",
        ),
    ],
)
def test_the_locale_is_what_the_header_says_or_the_name(tmp_path: Path, name: str, text: str, output: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    document = open_document(tmp_path / name, "en", "zh")
    found = unlike(locale_of(document, tmp_path / output, "zh"), HANS)
    assert found is not None
    assert (found.kind, found.wanted, found.learned) == ("script", "Hant", "Hans")
    assert found.locale.replace("-", "_") == "zh_TW"
