"""Placeholders and tags: any that is lost, doubled or changed is found, and what may differ is let be."""

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pellucid.data.integrity import breaches

PLACEHOLDERS = [
    "%(name)s", "%(total).2f", "%s", "%d", "%5.1f", "%1$s", "%2$d", "%1$ld", "%@", "%1$@", "%{user}", "%%", "%1", "%n",
    "{0}", "{name}", "{name!r:>10}", "{total, number}", "{{ name }}", "{{count}}", "${path}", "$name",
    "{$ item.name $}", "{% url %}", "@:common.save", "[%key:common::state%]", "<b>", "</b>", '<a href="x.html">',
    "<br/>", "&lt;", "&nbsp;",
]  # fmt: skip
WORDS = ["Save", "the", "file", "now", "of", "percent", "50", "please"]
placeholder = st.sampled_from(PLACEHOLDERS)
texts = st.lists(st.one_of(placeholder, st.sampled_from(WORDS)), min_size=1, max_size=12)


def kinds(source: str, target: str, to: str = "zh") -> list[str]:
    return [breach.kind for breach in breaches(source, target, "en", to)]


def grave(source: str, target: str, to: str = "zh") -> list[str]:
    return [breach.kind for breach in breaches(source, target, "en", to) if breach.grave]


@given(st.text())
def test_a_text_is_a_faithful_copy_of_itself(text: str) -> None:
    assert grave(text, text) == []


@given(texts)
def test_a_text_of_placeholders_is_a_faithful_copy_of_itself(parts: list[str]) -> None:
    assert breaches(" ".join(parts), " ".join(parts), "en", "en") == ()


@given(texts, placeholder, st.data())
def test_a_placeholder_removed_is_found(parts: list[str], one: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(parts)))
    assert breaches(" ".join([*parts[:place], one, *parts[place:]]), " ".join(parts), "en", "en")


@given(texts, placeholder, st.data())
def test_a_placeholder_doubled_is_found(parts: list[str], one: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(parts)))
    source = [*parts[:place], one, *parts[place:]]
    assert breaches(" ".join(source), " ".join([*source, one]), "en", "en")


@given(texts, st.lists(placeholder, min_size=2, max_size=2, unique=True), st.data())
def test_a_placeholder_changed_into_another_is_found(parts: list[str], two: list[str], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(parts)))
    assume(len({re.sub(r"\d+\$", "", one) for one in two}) == 2)  # %1$s for %s may be right
    source, target = ([*parts[:place], one, *parts[place:]] for one in two)
    assert breaches(" ".join(source), " ".join(target), "en", "en")


@given(texts, st.sampled_from([one for one in PLACEHOLDERS if len(one) > 2 and one[0] in "%{$"]), st.data())
def test_a_placeholder_with_a_letter_lost_is_found(parts: list[str], one: str, data: st.DataObject) -> None:
    letter = data.draw(st.integers(0, len(one) - 1).filter(lambda at: not one[at].isspace()))
    place = data.draw(st.integers(0, len(parts)))
    source, target = ([*parts[:place], written, *parts[place:]] for written in (one, one[:letter] + one[letter + 1 :]))
    assert breaches(" ".join(source), " ".join(target), "en", "en")


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("%s of %s", "%2$s 中的 %1$s"),
        ("%s of %d", "%2$d 中的 %1$s"),
        ("%1$s of %2$d", "%2$d 中的 %1$s"),
        ("{} of {}", "{1} 中的 {0}"),
        ("%(a)s of %(b)s", "%(b)s 的 %(a)s"),
        ("{{ name }} left", "{{name}}已离开"),
        ("%i files", "%d 个文件"),
        ("50% of all", "全部的 50%"),
        ("100 % sure", "100 % 确定"),
        ("Up to 5% off", "最多优惠 5%"),
        ("%sGiB left", "剩余 %sGiB"),
        ("%dfiles", "%d 个文件"),
        ("%d 个文件", "%dfiles"),
        ("Move %s to %stmp", "移动 %s 到 %s临时目录"),
        ("50%of all", "全部的 50%"),
        ("100%discount now", "现在打 0 折"),
        ("{n}%of all", "全部的 {n}%"),
        ("50\u00a0%de remise", "优惠 50%"),
        ("the %age of it", "其百分比"),
        ("%title: %message", "%title：%message"),
        ("Only %dm %.3fs", "只要 %dm %.3fs"),
        ("{rate}% {name}", "{rate}%{name}"),
        ("Rename%1…", "重命名%1…"),
        ("Go to $name", "前往$name吧"),
        ("write “{” and “}”", "写“{”和“}”"),
        ('such as {"degrees": 180}', '例如 {"度": 180}'),
        ("{$ 'Nothing found' $}", "{$ '没有找到' $}"),
        ('<a href="x" title="Here">y</a>', "<a title='这里' href='x'>y</a>"),
        ("one<br>two", "一<br />二"),
        ("Name: <your name>", "名字：<您的名字>"),
        ("&quot;A&quot; and B", "“A”与 B"),
        ("see {{{ the code }}}", "见 {{{ 代码 }}}"),
        (
            "see https://x.org/en/a and <a href='https://x.org/en/'>b</a>",
            "见 https://x.org/zh/a 与 <a href='https://x.org/zh/'>b</a>",
        ),
    ],
)
def test_what_may_differ_is_not_grave(source: str, target: str) -> None:
    assert grave(source, target) == []


@pytest.mark.parametrize(
    ("source", "target", "kind"),
    [
        ("%s of %d", "%d 中的 %s", "placeholder-order"),
        ("%s of %d", "%1$d 中的 %2$s", "placeholder-missing"),
        ("%d files", "%s 个文件", "placeholder-missing"),
        ("%d files", "％d 个文件", "placeholder-missing"),
        ("{name}", "{姓名}", "placeholder-missing"),
        ("{count} left", "剩余 { count", "placeholder-missing"),
        ("%(n)d of 50%%", "50% 中的 %(n)d", "placeholder-broken"),
        ("%(n)d left", "剩余 %(n)d %(", "placeholder-broken"),
        ("{n} left", "剩余 {n} }", "placeholder-broken"),
        ("a {x}", "{x} {x}", "placeholder-extra"),
        ("<b>a</b>", "<b>一<b>", "tag-missing"),
        ("<b>a <i>b</i></b>", "<b>一 <i>二</b></i>", "tag-nesting"),
        ('<a href="x">y</a>', '<a href="z">y</a>', "tag-missing"),
        ("a &lt; b", "一 < 二", "entity-missing"),
        ("a&nbsp;b", "一&nbsp 二", "entity-broken"),
        ("R &amp; D", "研 & 发", "entity-missing"),
        ("See https://example.org/a", "见 https://exmaple.org/a", "address-missing"),
        ("Total time reading %d file%s: %dm %.3fs", "读数 %d: %s 3fs %d", "placeholder-missing"),
        ("in %.3fs", "3 秒内", "placeholder-missing"),
        ("%ugb of %dx%d", "%d x %d", "placeholder-missing"),
        ("Size (%sGio)", "大小 (GiB)", "placeholder-missing"),
        ("copy%dof it", "它的副本", "placeholder-missing"),
        ("%dfiles", "个文件", "placeholder-missing"),
        ("%sfiles of %s", "%s 的文件", "placeholder-missing"),
        ("%sender wrote", "%s 写道", "placeholder-missing"),
        ("%title: %message", "%标题：%message", "placeholder-missing"),
        ("in %APPDATA%", "在 %应用数据% 中", "placeholder-missing"),
        ("%(count)dpx wide", "宽 %(count)px", "placeholder-missing"),
        ("%(count)dpx wide", "宽 %(count)spx", "placeholder-missing"),
        ("Write to <OUTPUT_PATH>", "写到 OUTPUT_PATH", "angle-missing"),
        ("Write to <path>", "写到 <path> <path>", "angle-extra"),
        ("From <one> to <two>", "从 <one> 到 <one>", "angle-missing"),
        ("Ticket: <%s>", "工单：%s", "angle-missing"),
        ("Mail me@example.org", "写信 me@example.com", "address-extra"),
    ],
)
def test_what_breaks_a_program_is_grave(source: str, target: str, kind: str) -> None:
    assert kind in grave(source, target)


def test_an_address_goes_on_to_the_first_chinese_sign() -> None:
    assert kinds("See https://example.org/a?b=1 first.", "请先看https://example.org/a?b=1。") == []


def test_code_that_is_not_copied_is_told_and_not_grave() -> None:
    assert kinds("Set max_size in app.conf", "在 app.conf 中设置最大值") == ["code-missing"]
    assert grave("Set max_size in app.conf", "在 app.conf 中设置最大值") == []


def test_a_number_may_be_a_word_in_the_form_of_a_plural_that_is_shown_for_one() -> None:
    assert kinds("%(num)d hour", "une heure", "fr") == ["placeholder-missing"]
    assert grave("%(num)d hour", "une heure", "fr") == []
    assert grave("%(num)d hour", "heure", "fr") == grave("%(num)d hour", "一小时") == ["placeholder-missing"]
    assert grave("%(num)d of %(all)d", "une", "fr") == ["placeholder-missing", "placeholder-missing"]


def test_words_in_angle_brackets_may_be_translated_and_stray_brackets_are_told() -> None:
    assert kinds("Open <file>", "打开 <文件>") == ["angle-missing", "angle-extra"]
    assert kinds("Open <file>", "打开〈文件〉") == ["angle-missing"]
    assert kinds("Ticket: <%s>", "工单：<%s>>") == kinds("<b>It</b>", "<b>它</b>>") == ["angle-broken"]
    assert kinds("from %(a)s to %(b)s", "%(a)s -> %(b)s") == kinds("a < b", "a 小于 b") == []
    for target in ("打开 <文件>", "打开〈文件〉"):
        assert grave("Open <file>", target) == []


WORD_BEHIND = ["px", "s", "files", "GiB", "m", "th", "Items", "of_it"]
CONVERSIONS = ["%d", "%s", "%u", "%.3f", "%02d", "%ld", "%5.1f", "%(n)d", "%1$s"]


@given(st.sampled_from(CONVERSIONS), st.sampled_from(WORD_BEHIND), st.sampled_from(["", "in ", "(", "x", "共"]))
def test_a_format_before_a_word_is_never_lost_unseen(one: str, word: str, before: str) -> None:
    assert grave(f"{before}{one}{word}", f"{before}{word}")
    assert grave(f"{before}{one}{word}", f"{before}{one}{word}") == []


@given(
    st.integers(0, 100), st.sampled_from(["", " ", "\u00a0"]), st.sampled_from(["of it", "discount", "sure", "faster"])
)
def test_a_literal_percent_before_a_word_is_no_placeholder(number: int, space: str, word: str) -> None:
    assert grave(f"{number}%{space}{word}", f"百分之{number}") == []


@pytest.mark.parametrize("inside", ["", " ", "\n", "&nbsp;", "<b> </b>"])
def test_an_element_that_held_words_and_is_now_empty_is_told(inside: str) -> None:
    target = f'<a href="%s">{inside}</a>'
    assert "tag-empty" in kinds('<a href="%s">here</a>', target)
    assert "tag-empty" not in kinds(target, target)
