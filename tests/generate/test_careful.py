"""Careful translation: whatever the model writes, nothing broken comes out, and what can be mended is."""

import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.data.integrity import Term, breaches
from pellucid.data.tokenizer import Tokenizer
from pellucid.generate.careful import Proposal, careful_translations
from pellucid.generate.config import DecodingConfig
from pellucid.generate.decode import TorchEngine
from pellucid.generate.engine import Engine, Hypothesis
from pellucid.generate.pieces import Fitting, Piece, RefusedError, parts_of
from pellucid.models.translator import Translator, TranslatorConfig

TEXTS = ["Save the file now.", "Delete the folder", "保存文件", "删除文件夹。", "Open the server"] * 4
TOKENIZER = Tokenizer.train(TEXTS, 400)
SIZE = {"d_model": 16, "heads": 2, "feed_forward": 16, "encoder_layers": 1, "decoder_layers": 1, "max_length": 80}
CONFIG = DecodingConfig.parse({"beam": 3, "max_ratio": 1.0, "max_extra": 8})
FITTING = Fitting(TOKENIZER, 80, TOKENIZER.is_word)


def engine() -> TorchEngine:
    """One that has learned nothing, and so breaks whatever it can."""
    torch.manual_seed(2)
    return TorchEngine(Translator(TranslatorConfig.parse(SIZE), TOKENIZER.size).eval())


class Reciting:
    """An engine that knows one list of hypotheses, whatever it is asked, and cannot be constrained."""

    max_length = 80

    def __init__(self, *texts: str) -> None:
        self.texts = texts

    def translate_ids(self, sources: list[tuple[int, ...]], config: DecodingConfig) -> list[list[Hypothesis]]:
        encoded = [tuple(TOKENIZER.encode(text)) for text in self.texts]
        return [[Hypothesis(ids, -0.5 * n, -0.1 * n) for n, ids in enumerate(encoded)] for _ in sources]

    def log_probabilities(self, sources: object, targets: object) -> list[list[float]]:
        raise NotImplementedError


def careful(texts: list[str], by: Engine | None = None, terms: tuple[Term, ...] = (), to: str = "zh") -> list[Proposal]:
    return careful_translations(by or engine(), TOKENIZER, texts, CONFIG, "en", to, terms)


MARKS = ["%s", "{name}", "<b>", "</b>", "&lt;", "$path", "%(n)d", "\n", "...", "_File", "&Open", "12", "{", "%", "<"]
written = st.lists(st.one_of(st.sampled_from(MARKS), st.sampled_from(["Save", "the", "file."])), max_size=9).map(
    " ".join
)


@settings(max_examples=10)
@given(st.lists(written, max_size=5))
def test_no_proposal_of_a_model_that_knows_nothing_is_broken(texts: list[str]) -> None:
    for text, proposal in zip(texts, careful(texts), strict=True):
        assert not any(breach.grave for breach in breaches(text, proposal.text, "en", "zh") if proposal.text)
        assert (proposal.way == "none") == any(breach.grave for breach in proposal.breaches)
        assert proposal.text or proposal.way == "none" or not text.strip()
        assert 0 <= proposal.confidence <= 1


def test_the_constrained_pass_saves_placeholders_that_the_beam_loses() -> None:
    texts = ["Save %s to {path} now", "Open <b>the</b> file", "Delete {a} {a} {b}"]
    for text, proposal in zip(texts, careful(texts), strict=True):
        assert proposal.way == "constrained", proposal
        assert not any(breach.grave for breach in breaches(text, proposal.text, "en", "zh"))


def test_the_first_hypothesis_that_breaks_nothing_is_taken() -> None:
    (proposal,) = careful(["Save {x}"], Reciting("保存", "\ue000 \ue000", "保存 \ue000"))
    assert (proposal.text, proposal.way, proposal.rank) == ("保存 {x}", "beam", 2)


def test_an_entry_that_no_hypothesis_keeps_is_left_empty_with_its_best_attempt_and_the_reason() -> None:
    (proposal,) = careful(["Save {x}"], Reciting("保存", "文件"))
    assert (proposal.text, proposal.attempt, proposal.way) == ("", "保存", "none")
    assert [breach.kind for breach in proposal.breaches] == ["placeholder-missing"]


def test_another_engine_does_the_constrained_pass_when_it_is_needed() -> None:
    asked = []

    def again() -> TorchEngine:
        asked.append(1)
        return engine()

    plain, lost = (
        careful_translations(Reciting("保存"), TOKENIZER, [text], CONFIG, "en", "zh", again=again)[0]
        for text in ("Save", "Save {x}")
    )
    assert (plain.way, lost.way, len(asked)) == ("beam", "constrained", 1)


def test_a_term_of_the_glossary_is_written() -> None:
    terms = (Term("server", "服务器"),)
    proposals = careful(["Open the server", "Open {x} server"], terms=terms)
    assert all("服务器" in proposal.text for proposal in proposals)
    assert all(proposal.way == "constrained" for proposal in proposals)


def test_a_term_that_could_not_be_written_is_told() -> None:
    (proposal,) = careful(["Open the server"], Reciting("保存"), terms=(Term("server", "服务器"),))
    assert proposal.text == "保存"
    assert [breach.kind for breach in proposal.breaches] == ["term"]


def test_ends_and_accelerators_are_mended_before_they_are_judged() -> None:
    texts = ["  &Save...\n", "Save:", "Save"]
    found = [proposal.text for proposal in careful(texts, Reciting("保存。"))]
    assert found == ["  保存(&S)...\n", "保存：", "保存"]


def test_the_branches_of_a_plural_are_translated_and_its_skeleton_kept() -> None:
    text = "{n, plural, =0 {No file} one {# file} other {# files}}!"
    (proposal,) = careful([text], Reciting("保存", "保存 \ue000"), to="ru")
    assert proposal.text == "{n, plural, =0 {保存} one {保存 #} few {保存 #} many {保存 #} other {保存 #}}!"


def test_blank_texts_and_texts_of_nothing_but_placeholders_are_their_own_translation() -> None:
    texts = ["", " \n", "%s", "{a}: {b}", "12"]
    assert [proposal.text for proposal in careful(texts)] == texts


def test_lines_are_translated_one_by_one_and_wrapped_ones_together() -> None:
    wrapped = "This long line of text is wrapped because it is\ntoo long. "
    parts = parts_of(f"Save\n\n- {wrapped}\nOpen", Fitting(TOKENIZER, 400, TOKENIZER.is_word), "zh")
    pieces = ["Save", "- This long line of text is wrapped because it is too long.", "Open"]
    assert [part.source for part in parts if isinstance(part, Piece)] == pieces
    assert [part for part in parts if isinstance(part, str)] == ["\n\n", " \n"]


def test_a_text_too_long_is_cut_at_the_ends_of_sentences() -> None:
    text = " ".join(f"Save the file number {{x{n}}} now." for n in range(20))
    parts = parts_of(text, FITTING, "zh")
    assert [part.source for part in parts if isinstance(part, Piece)] == text.replace(". ", ".\n").split("\n")
    assert "".join(part for part in parts if isinstance(part, str)) == ""
    assert "".join(part if isinstance(part, str) else part.source for part in parts_of(text, FITTING, "de")) == text


@pytest.mark.parametrize(
    ("text", "kind"),
    [("xyz " * 100, "too-long"), (" ".join(f"{{x{n}}}" for n in range(17)) + " Save", "too-many-slots")],
)
def test_a_sentence_that_does_not_fit_is_refused_and_never_cut_short(text: str, kind: str) -> None:
    with pytest.raises(RefusedError):
        parts_of(text, FITTING, "zh")
    (proposal,) = careful([text])
    assert (proposal.text, proposal.way, [breach.kind for breach in proposal.breaches]) == ("", "none", [kind])


def test_a_hypothesis_that_came_to_no_end_is_refused() -> None:
    (proposal,) = careful(["Save"], Reciting("保存" * 60))
    assert proposal.text == ""
    assert "cut" in [breach.kind for breach in proposal.breaches]


def test_the_confidence_is_the_mean_chance_of_a_token() -> None:
    (proposal,) = careful(["Save {x}"], Reciting("文件", "保存 \ue000"))
    tokens = len(TOKENIZER.encode("保存 \ue000")) + 1
    assert proposal.confidence == pytest.approx(torch.tensor(-0.5 / tokens).exp().item())
    assert proposal.score == pytest.approx(-0.1)


def test_a_number_that_a_model_says_in_a_word_is_refused_though_a_person_may_do_so() -> None:
    (proposal,) = careful(["%d server"], Reciting("eine Datei"), to="de")
    assert (proposal.text, proposal.attempt) == ("", "eine Datei")


def test_a_hypothesis_that_says_the_same_again_and_again_is_passed_over_or_told() -> None:
    (better,) = careful(["Save {x}"], Reciting("保存保存保存 \ue000", "保存 \ue000"))
    assert (better.text, better.rank) == ("保存 {x}", 1)
    (told,) = careful(["Save"], Reciting("保存保存保存"))
    assert [breach.kind for breach in told.breaches] == ["repeated"]


def test_an_element_that_held_words_is_not_left_with_white_space_alone() -> None:
    texts = ['Open <a href="%s">the</a> file', "<b>Save</b> the <i>file</i>"]
    for proposal in careful(texts):
        text = proposal.text or proposal.attempt  # what knows nothing may write a control character
        assert "</" in text
        assert not re.search(r"<(\w)[^<>]*>\W*</\1>", text), text


def test_a_hypothesis_with_an_element_left_empty_is_passed_over() -> None:
    (proposal,) = careful(["Open <b>file</b>"], Reciting("\ue000 \ue001文件", "\ue000文件\ue001"))
    assert (proposal.text, proposal.rank) == ("<b>文件</b>", 1)


def test_formats_that_take_the_next_value_come_in_the_order_of_the_source() -> None:
    text = "Open %d file%s: %dm %.3fs"
    (proposal,) = careful([text])
    assert [breach.kind for breach in proposal.breaches if "placeholder" in breach.kind] == []
    assert re.findall(r"%[.\d]*[dsf]", proposal.text or proposal.attempt) == ["%d", "%s", "%d", "%.3f"]


def test_an_element_that_is_empty_in_the_source_may_be_so() -> None:
    (proposal,) = careful(['<i class="x"></i> Save'], Reciting("\ue000\ue001 保存"))
    assert (proposal.way, proposal.breaches) == ("beam", ())
