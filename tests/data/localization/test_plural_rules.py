"""Plural rules: expressions evaluated as Python's gettext does, categories as Babel's copy of CLDR has them."""

import gettext

import pytest
from babel import Locale
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.data.languages import LANGUAGES
from pellucid.data.localization.plural_forms import parsed, plural_forms
from pellucid.data.localization.plurals import CATEGORIES, ONE_IS_MORE_THAN_ONE, categories, gettext_plurals


def joined(inner: st.SearchStrategy[str], operators: str) -> st.SearchStrategy[str]:
    return st.tuples(inner, st.sampled_from(operators.split()), inner).map(" ".join)


# Python's gettext takes || for `or`, whose value may be any number; so conditions are kept apart from numbers here.
numbers = st.recursive(
    st.sampled_from(["n", "0", "1", "2", "10", "100"]),
    lambda inner: joined(inner, "+ - * / %") | inner.map("({})".format),
    max_leaves=4,
)
conditions = st.recursive(
    joined(numbers, "== != < > <= >="),
    lambda inner: joined(inner, "&& ||") | inner.map("(!({}))".format),
    max_leaves=3,
)
expressions = numbers | conditions | st.builds("{} ? {} : {}".format, conditions, numbers, numbers)


@settings(max_examples=100, deadline=None)
@given(expression=expressions, number=st.integers(0, 10**6))
def test_an_expression_means_what_gettext_says(expression: str, number: int) -> None:
    try:
        theirs = gettext.c2py(expression)(number)  # type: ignore[attr-defined]
    except ZeroDivisionError:
        with pytest.raises(ZeroDivisionError):
            parsed(expression)(number)
    else:
        assert parsed(expression)(number) == theirs


@pytest.mark.parametrize(
    "expression", ["", "n n", "n +", "(n", "n ? 1", "m", "__import__('os')", "(" * 99 + "n", "n=1"]
)
def test_what_is_no_expression_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parsed(expression)


@pytest.mark.parametrize("field", ["nplurals=2; plural=n;", "nplurals=0; plural=0;", "nplurals=99; plural=n%99;"])
def test_a_rule_that_leads_nowhere_is_refused(field: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        plural_forms(field)


@pytest.mark.parametrize("field", ["", "nplurals=INTEGER; plural=EXPRESSION;"])
def test_a_template_has_no_rule(field: str) -> None:
    assert plural_forms(field) is None


@pytest.mark.parametrize("code", LANGUAGES)
def test_the_categories_of_a_language_are_those_of_cldr(code: str) -> None:
    rule = Locale.parse(code).plural_form
    assert categories(code) == tuple(c for c in CATEGORIES if c in rule.tags or c == "other")
    only_one = [number for number in range(1001) if rule(number) == "one"] in ([1], [])
    assert only_one == (code not in ONE_IS_MORE_THAN_ONE)


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_form_of_a_catalog_is_of_some_number(code: str) -> None:
    forms = gettext_plurals(code)
    assert forms is not None
    assert all(forms.examples.values())


# What catalogs of these count otherwise than CLDR does: 0 as a plural; 21 or 0 as a plural; no dual.
OTHERWISE = {"bn", "pt", "lv", "he"}


@pytest.mark.parametrize("code", [code for code in LANGUAGES if code not in OTHERWISE])
def test_the_forms_of_a_catalog_tell_apart_what_cldr_tells_apart(code: str) -> None:
    forms, rule = gettext_plurals(code), Locale.parse(code).plural_form
    assert forms is not None
    told = {number: rule(number) for number in range(1, 1001)}
    if forms.count == 1:
        assert len(set(told.values())) == 1
    for numbers in forms.examples.values():
        assert len({told[number] for number in numbers if number}) <= 1
