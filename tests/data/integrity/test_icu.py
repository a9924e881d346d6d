"""ICU messages: read, written back, and held against their translations."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.data.integrity import breaches
from pellucid.data.integrity.icu import Block, Message, SyntaxFault, categories, is_icu, parsed, written

FILES = "{count, plural, one {# file} other {# files}}"
texts = st.sampled_from(["# files of {name} ", "it''s ", "'{'quoted'}' ", "{total, number, ::percent} ", "你好 "])


def blocks(inner: st.SearchStrategy[Message]) -> st.SearchStrategy[Message]:
    plural = st.builds(
        lambda one, other: (Block("n", "plural", "", {"=0": one, "one": one, "other": other}),), inner, inner
    )
    select = st.builds(lambda a, b: (Block("g", "select", "", {"a": a, "other": b}), "end"), inner, inner)
    return st.one_of(plural, select)


messages = st.recursive(st.builds(lambda text: (text,), texts), blocks, max_leaves=8)


@given(messages)
def test_a_message_reads_as_it_was_written(message: Message) -> None:
    assert parsed(written(message)) == message


@given(messages)
def test_a_message_is_a_faithful_copy_of_itself(message: Message) -> None:
    text = written(message)
    assert [breach for breach in breaches(text, text, "en", "en") if breach.grave] == []


def test_only_blocks_make_a_message() -> None:
    assert is_icu(FILES)
    assert is_icu("{n,selectordinal,one{#st} other{#th}}")
    assert not is_icu("Hello {name}, {total, number} left, {a, b}")


@pytest.mark.parametrize("text", [FILES[:-1], FILES + "}", "{n, plural, one # other {#}}", "{n, plural, }"])
def test_a_damaged_message_is_refused(text: str) -> None:
    with pytest.raises(SyntaxFault):
        parsed(text)


def test_the_categories_are_those_of_cldr() -> None:
    assert categories("zh") == ("other",)
    assert categories("en") == ("one", "other")
    assert categories("ru") == ("one", "few", "many", "other")
    assert categories("ar") == ("zero", "one", "two", "few", "many", "other")
    assert categories("en", "selectordinal") == ("one", "two", "few", "other")


@pytest.mark.parametrize(
    ("target", "kinds"),
    [
        ("{count, plural, other {# 个文件}}", []),
        ("{count, plural, =1 {一个文件} other {# 个文件}}", []),
        ("{count, plural, one {# 个文件} other {# 个文件}}", ["icu-category-unused"]),
        ("{count, plural, other {# 个文件}", ["icu-syntax"]),
        ("{数量, plural, other {# 个文件}}", ["icu-argument-missing", "icu-argument-extra"]),
        ("{count, select, other {# 个文件}}", ["icu-argument-missing", "icu-argument-extra"]),
        ("{count, plural, 其他 {# 个文件} other {# 个}}", ["icu-branch-extra"]),
        ("{count, plural, one {# 个文件}}", ["icu-branch-missing", "icu-category-missing", "icu-category-unused"]),
        ("{count, plural, other {些文件}}", ["icu-number"]),
    ],
)
def test_what_a_translation_of_a_plural_may_and_may_not_be(target: str, kinds: list[str]) -> None:
    assert [breach.kind for breach in breaches(FILES, target, "en", "zh")] == kinds


def test_a_placeholder_lost_in_a_branch_is_found() -> None:
    source = "{g, select, female {{name} her} other {{name} their}}"
    target = "{g, select, female {{name} 她的} other {他们的}}"
    assert [breach.kind for breach in breaches(source, target, "en", "zh")] == ["placeholder-missing"]


def test_the_keys_of_a_select_are_the_sources() -> None:
    source, target = "{g, select, male {his} other {their}}", "{g, select, 男 {他的} other {他们的}}"
    found = [breach.kind for breach in breaches(source, target, "en", "zh") if breach.grave]
    assert found == ["icu-branch-missing", "icu-branch-extra"]
