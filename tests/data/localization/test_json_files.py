"""JSON files of texts: the json module reads in the filled file exactly what was there and what was wanted."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.data.localization import open_document
from pellucid.errors import DataError

texts = st.text(st.sampled_from('ab "\\\n/é保🙂\t'), max_size=8)
keys = st.text(st.sampled_from('abc.é"'), min_size=1, max_size=3)
trees = st.dictionaries(
    keys,
    st.recursive(
        texts | st.integers() | st.booleans() | st.none(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
        max_leaves=8,
    ),
    max_size=4,
)


def written(folder: Path, content: Any, name: str = "en.json", **style: Any) -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content, **style), encoding="utf-8", newline="")
    return path


def walked(tree: Any) -> list[str]:
    """All texts that are not empty, in order."""
    if isinstance(tree, dict | list):
        return [text for inner in (tree.values() if isinstance(tree, dict) else tree) for text in walked(inner)]
    return [tree] if isinstance(tree, str) and tree else []


def translated(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: translated(inner) for key, inner in tree.items()}
    if isinstance(tree, list):
        return [translated(inner) for inner in tree]
    return f"译/{tree}" if isinstance(tree, str) and tree else tree


@settings(max_examples=80, deadline=None)
@given(tree=trees, indent=st.sampled_from([None, 2, "\t"]), ascii_only=st.booleans())
def test_a_file_filled_whole_says_the_same_tree_in_the_other_language(
    tree: dict[str, Any], indent: int | str | None, ascii_only: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("texts")
    path = written(folder, tree, indent=indent, ensure_ascii=ascii_only)
    document = open_document(path, target="zh")
    assert [unit.source for unit in document.units] == walked(tree)
    assert document.filled({}) == path.read_bytes()
    assert json.loads(document.filled({unit.number: unit.source for unit in document.units})) == tree
    filled = document.filled({unit.number: f"译/{unit.source}" for unit in document.units})
    assert json.loads(filled) == translated(tree)
    assert list(json.loads(filled)) == list(tree)
    so_far = folder / "zh.json"
    so_far.write_bytes(filled)
    again = open_document(path, target="zh", translated=so_far)
    assert {unit.state for unit in again.units} <= {"finished"}
    assert again.filled({}) == filled


SOURCE = """{
    "title" : "Settings",
    "menu": {
        "open": "Open \\u0022{name}\\u0022", "save": "Save",
        "close": "Close"
    },
    "files_one": "{{count}} file",
    "files_other": "{{count}} files",
    "steps": ["First", "Second"],
    "version": 2
}
"""


def test_the_translation_is_laid_out_as_the_source_and_keeps_its_finished_texts(tmp_path: Path) -> None:
    so_far = '{"menu":{"save":"保\\u5b58","open":"","old":"旧"}, "files_other": "{{count}} 个文件"}'
    document = open_document(
        written(tmp_path, SOURCE), "en", "zh", translated=written(tmp_path, so_far, name="zh.json")
    )
    assert [(u.key, u.line, u.source, u.target, u.state, u.plural) for u in document.units] == [
        ("title", 2, "Settings", "", "untranslated", ""),
        ("menu.open", 4, 'Open "{name}"', "", "untranslated", ""),
        ("menu.save", 4, "Save", "保存", "finished", ""),
        ("menu.close", 5, "Close", "", "untranslated", ""),
        ("files_other", 8, "{{count}} files", "{{count}} 个文件", "finished", "other"),
        ("steps[0]", 9, "First", "", "untranslated", ""),
        ("steps[1]", 9, "Second", "", "untranslated", ""),
    ]
    assert document.filled({}) == so_far.encode()
    assert (
        document.filled({1: "打开“{name}”", 5: "一"}).decode()
        == """{
    "menu": {
        "open": "打开“{name}”", "save": "保\\u5b58","old":"旧"
    },
    "files_other": "{{count}} 个文件",
    "steps": ["一", ""],
    "version": 2
}
"""
    )


def test_lists_and_objects_keep_what_only_the_translation_has(tmp_path: Path) -> None:
    source = written(tmp_path, '{"a": ["x", {"b": "y"}, ["z"]], "c": {"d": "e"}, "n": [], "\\u0061_one": "f", "k": ""}')
    so_far = written(tmp_path, '{"a": ["", {}, [], "多"], "n": ["新"]}', name="zh.json")
    document = open_document(source, target="zh", translated=so_far)
    assert [unit.key for unit in document.units] == ["a[0]", "a[1].b", "a[2][0]", "c.d", "a_one"]
    assert json.loads(document.filled({2: "丙"})) == {"a": ["", {}, ["丙"], "多"], "n": ["新"], "k": ""}


def test_of_a_key_that_stands_twice_the_last_one_counts(tmp_path: Path) -> None:
    document = open_document(written(tmp_path, '{"a": "x", "a": "y"}'), target="zh")
    assert [unit.source for unit in document.units] == ["y"]
    assert document.filled({0: "乙"}) == '{ "a": "乙"}'.encode()


def test_slashes_and_characters_are_escaped_as_the_file_escapes_them(tmp_path: Path) -> None:
    document = open_document(written(tmp_path, '{"a": "x\\/y", "b": "\\u00e9"}'), target="zh")
    assert document.filled({0: "保/存", 1: "é"}) == b'{"a": "\\u4fdd\\/\\u5b58", "b": "\\u00e9"}'


def test_plural_keys_become_those_of_the_target_language(tmp_path: Path) -> None:
    content = '{\n  "one_more": "x",\n  "f_one": "A file",\n  "f_other": "{{count}} files"\n}'
    russian = open_document(written(tmp_path, content), target="ru")
    assert [(u.key, u.source) for u in russian.units] == [
        ("one_more", "x"),
        ("f_one", "{{count}} files"),  # of 21 too, so that it must say the number
        ("f_few", "{{count}} files"),
        ("f_many", "{{count}} files"),
        ("f_other", "{{count}} files"),
    ]
    german = open_document(written(tmp_path, content), target="de")
    assert [u.source for u in german.units] == ["x", "A file", "{{count}} files"]
    filled = russian.filled({u.number: u.plural or "y" for u in russian.units}).decode()
    assert filled == (
        '{\n  "one_more": "y",\n  "f_one": "one",\n  "f_few": "few",\n  "f_many": "many",\n  "f_other": "other"\n}'
    )


def test_an_object_of_plural_categories_is_a_plural(tmp_path: Path) -> None:
    content = (
        '{"files": {"one": "%{count} file", "other": "%{count} files"}, "pick": {"one": "1", "other": "2", "x": "3"}}'
    )
    document = open_document(written(tmp_path, content), target="zh")
    assert [u.key for u in document.units] == ["files.other", "pick.one", "pick.other", "pick.x"]
    assert json.loads(document.filled({0: "%{count} 个文件"})) == {"files": {"other": "%{count} 个文件"}}


def test_descriptions_of_arb_and_of_chrome_are_no_texts(tmp_path: Path) -> None:
    arb = '{"@@locale": "en", "save": "Save", "@save": {"description": "On a button"}}'
    document = open_document(written(tmp_path, arb, name="app_en.arb"), target="zh")
    assert [(u.key, u.comment) for u in document.units] == [("save", "On a button")]
    assert document.source_language == "en"
    assert document.filled({0: "保存"}).decode() == arb.replace('"en"', '"zh"').replace('"Save"', '"保存"')
    chrome = '{"save": {"message": "Save $X$", "description": "A button", "placeholders": {"x": {"content": "$1"}}}}'
    document = open_document(written(tmp_path, chrome, name="messages.json"), target="zh")
    assert [(u.key, u.comment) for u in document.units] == [("save.message", "A button")]
    assert document.filled({0: "保存 $X$"}).decode() == chrome.replace("Save $X$", "保存 $X$")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"a": "b",\n}', r"en\.json, line 2, column 1: not JSON"),
        ('"a"', "holds no texts under keys"),
        ("[" * 300 + "]" * 300, "nested more than 200 deep"),
        ("[" * 100000, "not JSON that can be used|line 1"),
        ("", "line 1, column 1: not JSON"),
        ('{"a":\n"x\\ud83dy"}', "line 2: half of a character"),
    ],
)
def test_what_is_no_json_is_refused(tmp_path: Path, content: str, said: str) -> None:
    with pytest.raises(DataError, match=said) as refused:
        open_document(written(tmp_path, content), target="zh")
    assert refused.value.mend
