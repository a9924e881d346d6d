"""Filters: each takes out what it is for, and leaves what is merely short or odd."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.data.filters import Limits, clean
from pellucid.data.pairs import Pair


def removed_by(source: str, target: str, languages: tuple[str, str] = ("en", "zh")) -> str | None:
    cleaned = clean([Pair(source, target)], *languages, Limits())
    return next((name for name, count in cleaned.removed.items() if count), None)


@pytest.mark.parametrize(
    ("source", "target", "reason"),
    [
        ("", "保存", "empty"),
        ("Save", "  ", "empty"),
        ("Save\x07", "保存", "control characters"),
        ("Save \ufffd it", "保存", "control characters"),
        ("OK", "OK", "identical"),
        ("a" * 401, "保存" * 60, "too long"),
        (
            "Save the file",
            "请在关闭此窗口之前务必保存您的所有文件，否则更改将会丢失且无法恢复，敬请谅解",
            "length ratio",
        ),
        ("A sentence of quite some length that says many things", "是", "length ratio"),
        ("Save the file", "Datei speichern", "wrong script"),
        ("保存文件并关闭", "保存文件并退出", "wrong script"),
    ],
)
def test_what_is_unfit_is_taken_out_under_its_name(source: str, target: str, reason: str) -> None:
    assert removed_by(source, target) == reason


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("Renew your subscription", "续订"),
        ("ECU", "ECU（电子控制单元）"),
        ("Home Assistant Cloud", "Home Assistant 云"),
        ("Off", "关"),
        ("%d %%", "%d％"),
        ("Undo", "撤销"),
    ],
)
def test_short_and_mixed_texts_stay(source: str, target: str) -> None:
    assert removed_by(source, target) is None


def test_a_source_may_have_several_translations_but_a_pair_stands_once() -> None:
    pairs = [Pair("Save", "保存"), Pair("Save ", "保存"), Pair("Save", "储存")]
    cleaned = clean(pairs, "en", "zh", Limits())
    assert [pair.target for pair in cleaned.pairs] == ["保存", "储存"]
    assert cleaned.removed["duplicate"] == 1
    assert [pair.source for pair in cleaned.samples["duplicate"]] == ["Save"]


def test_texts_are_normalized_to_composed_characters() -> None:
    decomposed = unicodedata.normalize("NFD", "Schließen für später")
    cleaned = clean([Pair("Close for later", decomposed)], "en", "de", Limits())
    assert cleaned.pairs[0].target == "Schließen für später"


@given(st.lists(st.tuples(st.text(), st.text())))
def test_every_pair_is_kept_or_counted_once(rows: list[tuple[str, str]]) -> None:
    cleaned = clean([Pair(source, target) for source, target in rows], "en", "zh", Limits())
    assert len(cleaned.pairs) + sum(cleaned.removed.values()) == len(rows)
