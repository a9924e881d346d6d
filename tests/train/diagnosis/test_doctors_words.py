"""The doctor speaks both languages, of every illness it knows."""

import re
import string

from pellucid.words import LANGUAGES, sentences

WORDS = {language: sentences("pellucid.train.diagnosis.words", f"{language}.json") for language in LANGUAGES}


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_both_languages_have_the_same_keys_with_the_same_values_in_them() -> None:
    assert WORDS["en"].keys() == WORDS["zh"].keys()
    for key, text in WORDS["en"].items():
        assert fields(text) == fields(WORDS["zh"][key]), key


def test_every_illness_has_a_name_its_evidence_and_a_reason() -> None:
    illnesses = {key.removeprefix("illness.") for key in WORDS["en"] if key.startswith("illness.")}
    for kind in ("evidence", "why"):
        assert {key.removeprefix(f"{kind}.") for key in WORDS["en"] if key.startswith(f"{kind}.")} == illnesses


def test_chinese_is_chinese() -> None:
    assert all(re.search("[一-鿿]", text) for text in WORDS["zh"].values())
