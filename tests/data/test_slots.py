"""Slots: what is copied comes back letter for letter."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.data.slots import CHARACTERS, placeholders, put_back, take_out, take_out_same


@given(st.text())
def test_what_is_taken_out_comes_back(text: str) -> None:
    taken = take_out(text, lambda name: False)
    assert put_back(taken.text, taken.strings) == text


@given(st.text(alphabet="ab1 {}%s<>/&;_.A" + CHARACTERS[:2]))
def test_texts_full_of_marks_come_back(text: str) -> None:
    taken = take_out(text, lambda name: False)
    assert put_back(taken.text, taken.strings) == text


@pytest.mark.parametrize(
    ("text", "strings"),
    [
        ("Delete %(count)d of %s files", ["%(count)d", "%s"]),
        ("%1$s of %2$s", ["%1$s", "%2$s"]),
        ("Hello {name}, {0} new", ["{name}", "{0}"]),
        ("Hello {{ name }} and ${user}", ["{{ name }}", "${user}"]),
        ('<a href="x.html">here</a> &nbsp;', ['<a href="x.html">', "</a>", "&nbsp;"]),
        ("See https://example.org/a?b=1.", ["https://example.org/a?b=1"]),
        ("Mail me@example.org now", ["me@example.org"]),
        ("Set max_size in /etc/app/conf", ["max_size", "/etc/app/conf"]),
        ("Use --force with setup.py", ["--force", "setup.py"]),
        ("Call `x + y` twice", ["`x + y`"]),
        ("Port 8080 at 10:30, 1.5 GB", ["8080", "10:30", "1.5"]),
        ("IPv6 and SHA-256", ["IPv6", "SHA-256"]),
        ("iPhone onChange", ["iPhone", "onChange"]),
        ("50% discount", ["50"]),
        ("Save the file, please.", []),
        ("well-known and/or e.g.", []),
        ("3 of 3", ["3"]),
        ("2-step 1st 3-phase", []),
        ("5GHz 4K", ["5GHz", "4K"]),
        ("%1 of %2, %1$ld%%", ["%1", "%2", "%1$ld", "%%"]),
        ("%{user} has %sGiB", ["%{user}", "%s"]),
        ("{total, number} at { $place } for @:common.user.", ["{total, number}", "{ $place }", "@:common.user"]),
        ("{$ a.b || c $}, {% url %}", ["{$ a.b || c $}", "{% url %}"]),
        ("{rate}% {name}", ["{rate}", "{name}"]),
    ],
)
def test_what_must_be_copied_is_taken_out_and_nothing_else(text: str, strings: list[str]) -> None:
    assert list(take_out(text).strings) == strings


def test_rare_names_in_capitals_are_taken_out_and_known_ones_stay() -> None:
    taken = take_out("Enable CSRF for the URL of OpenStack", lambda name: name == "URL")
    assert sorted(taken.strings) == ["CSRF", "OpenStack"]
    assert "URL" in taken.text


def test_a_text_all_in_capitals_has_no_names() -> None:
    assert take_out("ARE YOU SURE", lambda name: False).strings == ()


def test_the_translation_gets_the_slots_of_its_source() -> None:
    source = take_out("Copy %s to {path} 10 times")
    assert take_out_same("将 %s 复制到 {path} 10 次", source.strings) == (
        f"将 {CHARACTERS[0]} 复制到 {CHARACTERS[1]} {CHARACTERS[2]} 次"
    )


def test_a_number_is_not_cut_out_of_a_longer_one() -> None:
    source = take_out("Page 1")
    assert take_out_same("Seite 10 oder 1", source.strings) == f"Seite 10 oder {CHARACTERS[0]}"


def test_a_slot_that_stands_for_nothing_is_dropped() -> None:
    assert put_back(f"a{CHARACTERS[5]}b", ("x",)) == "ab"


def test_more_strings_than_slots_leave_the_rest_in_the_text() -> None:
    text = " ".join(f"{{x{number}}}" for number in range(len(CHARACTERS) + 3))
    taken = take_out(text)
    assert len(taken.strings) == len(CHARACTERS)
    assert put_back(taken.text, taken.strings) == text


def test_placeholders_are_compared_in_any_order() -> None:
    assert placeholders("<b>%s</b> {x}") == placeholders("{x} <b>%s</b>") != placeholders("<b>%s {x}")


def test_a_text_says_whether_all_that_must_be_copied_was_taken_out() -> None:
    names = [f"{{x{number}}}" for number in range(len(CHARACTERS))]
    assert take_out(" ".join(names)).complete
    assert take_out(" ".join([*names, names[0]])).complete
    assert not take_out(" ".join([*names, "{y}"])).complete
