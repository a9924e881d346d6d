"""A decoding, seen: held against the plain search, and against the model asked anew for each prefix, without cache."""

import math
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import pellucid
from pellucid.data.tokenizer import Tokenizer
from pellucid.errors import ConfigError
from pellucid.files import read_tensors, write_tensors
from pellucid.generate.config import DecodingConfig
from pellucid.generate.decode import (
    BEGIN,
    END,
    NEVER,
    Decision,
    TorchEngine,
    arranged_for_few_rows,
    decode,
    translate_ids,
)
from pellucid.generate.text import prepare, translate_texts
from pellucid.models.translator import Translator
from pellucid.run import Run
from pellucid.see import decode as seeing
from pellucid.see.capture import capture
from pellucid.see.decoding import Decoding, Node
from pellucid.see.trace import Trace, TraceError
from pellucid.tasks.translate import TranslateConfig
from tests.adapt.conftest import MODELS, PAIRS, random_model
from tests.see.test_translation import made

TEXTS = ["Save changes before closing?", "Open 12 files in %s", "Hello", "Delete all the old messages now"]
PENALTIES = [0.0, 0.6, 2.0]
SOME = ("post, silu", "pre, relu", "learned")  # of the random models
NEAR = {"abs": 2e-4}  # between a search with a cache and a pass without


@lru_cache
def tokenizer() -> Tokenizer:
    return Tokenizer.train(PAIRS.read_text(encoding="utf-8").replace("\t", "\n").split("\n"), 500)


@lru_cache
def translator(name: str = "post, silu") -> Translator:
    return arranged_for_few_rows(random_model(name, tokenizer().size))


def configured(**changed: Any) -> DecodingConfig:
    return DecodingConfig.parse({"max_ratio": 1.0, "max_extra": 4, **changed})


def seen(text: str, force: dict[int, int | str] | None = None, name: str = "post, silu", **changed: Any) -> Decoding:
    return seeing.decode_text(translator(name), tokenizer(), text, configured(**changed), force)


@lru_cache
def source_of(text: str) -> tuple[int, ...]:
    return prepare(tokenizer(), [text], translator().config.max_length)[0].ids


def tokens_of(decoding: Decoding, node: Node) -> list[int]:
    return [one.token for one in decoding.path_to(node.number)]


def uncached(text: str, tokens: Sequence[int]) -> torch.Tensor:
    """log p of every token after these, by one whole pass, among the tokens that a translation may hold."""
    return whole_pass(text, tuple(tokens))


@lru_cache(maxsize=4096)
@torch.no_grad()
def whole_pass(text: str, tokens: tuple[int, ...]) -> torch.Tensor:
    logits = translator()(torch.tensor([source_of(text)]), torch.tensor([[BEGIN, *tokens]]))[0, -1]
    return masked(logits).log_softmax(-1)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A translator that has learned a little."""
    size = {"d_model": 32, "heads": 2, "feed_forward": 64, "encoder_layers": 1, "decoder_layers": 1}
    config = TranslateConfig.parse(
        {
            "data": {"files": [str(PAIRS)], "source": "en", "target": "zh"},
            "tokenizer": {"vocabulary": 500},
            "model": size,
            "training": {"steps": 60, "threads": 1, "learning_rate": 0.01},
        }
    )
    return pellucid.train(config, tmp_path_factory.mktemp("runs") / "en-zh")


# --- the same as translate -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("method", ["greedy", "sample", 1, 2, 3, 4, 5, 6])
def test_the_best_path_is_what_translate_gives(method: str | int, penalty: float) -> None:
    chosen = {"method": method} if isinstance(method, str) else {"method": "beam", "beam": method}
    config = configured(**chosen, length_penalty=penalty)
    for name, text in zip(SOME, TEXTS, strict=False):
        decoding = seen(text, name=name, **chosen, length_penalty=penalty)
        (plain,) = translate_ids(translator(name), [source_of(text)], config)
        ((translated, *_),) = translate_texts(TorchEngine(translator(name)), tokenizer(), [text], config)
        best = decoding.nodes[decoding.best]
        assert [token for token in tokens_of(decoding, best) if token != END] == list(plain[0].tokens)
        assert (best.total, best.score) == (plain[0].log_probability, plain[0].score)
        assert (decoding.translation, decoding.outcome.score) == (translated.text, translated.score)
        ended = [(node.total, node.score) for node in decoding.ended()]
        assert ended[: len(plain)] == [(one.log_probability, one.score) for one in plain]


@pytest.mark.parametrize("beam", [1, 2, 4])
def test_a_trained_runs_best_path_is_what_its_translate_gives(run: Run, beam: int) -> None:
    for text in TEXTS:
        decoding = seeing.decode(run, text, beam=beam)
        assert decoding.translation == run.translate([text], "torch", beam=beam)[0]
        assert len(decoding.path) == len(decoding.outcome.tokens)


def test_an_observer_changes_nothing_and_is_told_the_number_of_each_sentence() -> None:
    sources = [source_of(text) for text in TEXTS[:3]]
    for changed in ({"method": "greedy"}, {"beam": 3, "batch": 2}):
        config = configured(**changed)
        told: list[list[Decision]] = [[] for _ in sources]
        model = translator()

        def observer(number: int, decision: Decision, told: list[list[Decision]] = told) -> None:
            told[number].append(decision)

        watched = decode(model, sources, config, 48, observer=observer)
        assert watched == decode(model, sources, config, 48)
        for number, hypotheses in enumerate(watched):
            ended = [one for decision in told[number] for one in decision.ended.values()]
            assert sorted(ended, key=lambda one: -one.score)[: len(hypotheses)] == hypotheses
            assert [decision.position for decision in told[number]] == list(range(len(told[number])))
            assert [bool(decision.stop) for decision in told[number]] == [False] * (len(told[number]) - 1) + [True]


# --- numbers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("changed", [{"method": "greedy"}, {"beam": 3}, {"beam": 12, "max_ratio": 0.1}])
@pytest.mark.parametrize("text", TEXTS[:2])
def test_candidates_are_the_ten_best_of_an_uncached_softmax(text: str, changed: dict[str, Any]) -> None:
    decoding = seen(text, **changed)
    for node in decoding.nodes:
        if node.row is None:
            assert not node.candidates
            continue
        expected = uncached(text, tokens_of(decoding, node))
        assert [one.rank for one in node.candidates][:10] == list(range(10))
        best = expected.topk(10).values.tolist()
        assert [one.log_probability for one in node.candidates[:10]] == pytest.approx(best, **NEAR)
        for one in node.candidates:
            assert one.log_probability == pytest.approx(float(expected[one.token]), **NEAR)
            assert one.probability == pytest.approx(math.exp(float(expected[one.token])), **NEAR)
            assert one.total == pytest.approx(node.total + one.log_probability, abs=1e-5)
        kept = {one.node for one in node.candidates} - {None}
        assert kept == {child.number for child in decoding.children(node.number)}
        torch.testing.assert_close(
            masked(decoding.logits[node.row]).log_softmax(-1), expected, atol=NEAR["abs"], rtol=0
        )


def masked(logits: torch.Tensor) -> torch.Tensor:
    logits = logits.clone()
    logits[list(NEVER)] = -torch.inf
    return logits


@pytest.mark.parametrize("changed", [{"method": "greedy"}, {"method": "sample"}, {"beam": 4}])
@pytest.mark.parametrize("text", TEXTS)
def test_the_paths_log_probabilities_sum_to_the_engines(text: str, changed: dict[str, Any]) -> None:
    decoding = seen(text, **changed)
    path = decoding.path
    tokens = [node.token for node in path if node.token != END]
    (engines,) = TorchEngine(translator()).log_probabilities([source_of(text)], [tokens])
    # The engine's are shares of all tokens, the search's of those without padding and begin.
    asked = [decoding.nodes[node.parent] for node in path if node.parent is not None]
    rows = torch.stack([decoding.logits[node.row] for node in asked if node.row is not None])
    allowed = (1 - rows.softmax(-1)[:, list(NEVER)].sum(-1)).log().sum().item()
    assert sum(node.log_probability for node in path) + allowed == pytest.approx(sum(engines[: len(path)]), **NEAR)
    assert sum(node.log_probability for node in path) == pytest.approx(decoding.outcome.log_probability, abs=1e-4)


@pytest.mark.parametrize("settings_", [{"temperature": 0.5, "top_k": 4}, {"temperature": 2.0, "top_p": 0.6}])
def test_a_drawn_token_shows_the_share_with_which_it_was_drawn(settings_: dict[str, Any]) -> None:
    decoding = seen(TEXTS[0], method="sample", seed=5, **settings_)
    for node, drawn in zip([decoding.nodes[0], *decoding.path], decoding.path, strict=False):
        (chosen,) = [one for one in node.candidates if one.node == drawn.number]
        shares = (uncached(TEXTS[0], tokens_of(decoding, node)) / settings_["temperature"]).softmax(-1)
        ordered = shares.sort(descending=True).values
        held = (
            ordered[: settings_["top_k"]].sum()
            if "top_k" in settings_
            else next(total for total in ordered.cumsum(0) if total >= settings_["top_p"])
        )
        assert chosen.share == pytest.approx(float(shares[chosen.token] / held), **NEAR)
        assert {one.fate.kind for one in node.candidates if one is not chosen} == {"not_drawn"}


# --- why a hypothesis died -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("beam", range(1, 7))
@pytest.mark.parametrize("text", TEXTS[:2])
def test_every_reason_is_true_by_its_numbers(text: str, beam: int, penalty: float) -> None:
    decoding = seen(text, beam=beam, length_penalty=penalty)
    best = decoding.nodes[decoding.best]
    last_position = max(node.position for node in decoding.nodes)
    for node in decoding.nodes:
        numbers, kind = node.fate.numbers, node.fate.kind
        children = decoding.children(node.number)
        assert bool(children) == (kind == "on")
        assert (node.score is not None) == (kind in ("best", "best_cut", "beaten", "beaten_cut"))
        if kind == "died":
            stayed = [one for one in decoding.nodes if one.position == node.position + 1 and one.token != END]
            own = node.total + float(uncached(text, tokens_of(decoding, node)).max())
            assert numbers["total"] == pytest.approx(own, **NEAR)
            assert numbers["last"] == min(one.total for one in stayed)
            assert numbers["total"] <= numbers["last"]
            assert len(stayed) == beam
        elif kind == "died_at_end":
            assert numbers["last"] == pytest.approx(ways_on(decoding, node.position + 1)[beam - 1], **NEAR)
            assert numbers["total"] <= numbers["last"]
        elif kind == "stopped":
            assert node.position == last_position
            assert numbers["ended"] == len(decoding.ended()) >= beam
        elif node.score is not None:
            length = len(tokens_of(decoding, node))
            assert node.score == pytest.approx(node.total / length ** (penalty if beam > 1 else 1.0))
            assert (node is best) == kind.startswith("best")
            assert node.score <= best.score
            assert kind.endswith("cut") == (node.token != END)
            assert (length == decoding.limit) or not kind.endswith("cut")
        for one in node.candidates:
            assert (one.node is None) == (one.fate.kind not in ("on", "ends", "cut"))
            if one.fate.kind == "ended_low":
                assert one.token == END
                assert one.fate.numbers["total"] <= one.fate.numbers["last"]
            if one.fate.kind in ("fell_out", "not_best"):
                assert one.fate.numbers["total"] == one.total <= one.fate.numbers["last"]


def ways_on(decoding: Decoding, position: int) -> list[float]:
    """What every hypothesis alive at a position comes to with every token, best first."""
    totals = [node.total + uncached(decoding.text, tokens_of(decoding, node)) for node in decoding.alive(position)]
    return torch.cat(totals).sort(descending=True).values.tolist()  # type: ignore[no-any-return]


def test_all_ends_of_a_hypothesis_are_met_by_the_tests() -> None:
    kinds = {node.fate.kind for name in SOME for text in TEXTS for node in seen(text, name=name, beam=4).nodes}
    assert kinds >= {"on", "best", "best_cut", "beaten", "beaten_cut", "died", "died_at_end", "stopped"}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_reason_is_told_with_its_numbers(language: str) -> None:
    for changed in ({"beam": 4}, {"method": "sample"}, {"method": "greedy"}):
        for node in seen(TEXTS[0], **changed).nodes:
            for fate in (node.fate, *(one.fate for one in node.candidates)):
                reason = fate.reason(language)
                assert reason
                assert not set("{}") & set(reason)
                for number in fate.numbers.values():
                    if isinstance(number, float):
                        assert f"{number:.3f}".replace("-", "−") in reason


# --- where the source was looked at ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_attended_shares_sum_to_one_and_are_those_of_a_captured_pass(name: str) -> None:
    decoding = seen(TEXTS[0], name=name, beam=3)
    assert decoding.source[-1] == "<|end|>"
    torch.testing.assert_close(decoding.attention.sum(-1), torch.ones(decoding.attention.shape[:-1]))
    path = [decoding.nodes[0], *decoding.path]
    asked = [node for node in path if node.row is not None]
    target = torch.tensor([[BEGIN, *(node.token for node in asked[1:])]])
    trace = capture(translator(name).eval(), torch.tensor([source_of(TEXTS[0])]), target)
    calls = [call for call in trace.attentions() if call.place.endswith("cross_attention")]
    weights = torch.stack([call.weights.value[0] for call in calls])  # layer head query source
    rows = decoding.attention[[node.row for node in asked]].permute(1, 2, 0, 3)
    torch.testing.assert_close(rows, weights, atol=NEAR["abs"], rtol=0)
    for number, node in enumerate(asked):
        mean = weights[:, :, number].mean(dim=(0, 1)).tolist()
        assert decoding.attended(node) == pytest.approx(mean, **NEAR)
        assert decoding.attended(node, layer=0, head=1) == pytest.approx(weights[0, 1, number].tolist(), **NEAR)


# --- forcing a token -------------------------------------------------------------------------------------------------

METHODS = [{"method": "greedy"}, {"method": "sample", "seed": 3}, {"beam": 2}, {"beam": 5, "length_penalty": 0.5}]


@settings(max_examples=15)
@given(st.sampled_from(TEXTS), st.sampled_from(METHODS), st.data())
def test_forcing_what_would_have_come_anyway_changes_nothing(text: str, method: dict[str, Any], data: Any) -> None:
    plain = seen(text, **method)
    where = data.draw(st.sets(st.integers(0, len(plain.path) - 1), min_size=1))
    forced = seen(text, {position: plain.path[position].token for position in where}, **method)
    assert forced.nodes == plain.nodes
    assert forced.outcome == plain.outcome == forced.unforced
    assert torch.equal(forced.logits, plain.logits)
    assert all(one.text == one.instead for one in forced.forced)


@settings(max_examples=6)
@given(st.sampled_from(TEXTS), st.sampled_from(METHODS), st.data())
def test_a_forced_token_stands_in_its_place_after_what_came_before(
    text: str, method: dict[str, Any], data: Any
) -> None:
    plain = seen(text, **method)
    position = data.draw(st.integers(0, len(plain.path) - 1))
    token = data.draw(st.integers(END, tokenizer().size - 1))
    forced = seen(text, {position: token}, **method)
    before = [node.token for node in plain.path[:position]]
    assert [node.token for node in forced.path][: position + 1] == [*before, token]
    assert forced.unforced == plain.outcome
    assert forced.forced[0].instead == plain.path[position].text
    total = 0.0
    for number, node in enumerate(forced.path):
        total += float(uncached(text, [one.token for one in forced.path[:number]])[node.token])
    assert forced.outcome.log_probability == pytest.approx(total, abs=1e-3)
    if token == END:
        assert len(forced.path) == position + 1


def test_a_second_forced_token_takes_its_place_in_what_the_first_one_led_to() -> None:
    plain = seen(TEXTS[0], beam=3)
    once = seen(TEXTS[0], {0: "␣this" if plain.path[0].text != "␣this" else "␣your"}, beam=3)
    twice = seen(TEXTS[0], {0: once.path[0].token, 2: END}, beam=3)
    assert [node.token for node in twice.path] == [*(node.token for node in once.path[:2]), END]
    assert twice.unforced == plain.outcome


def test_a_token_is_forced_as_it_is_shown_and_by_its_text_alike() -> None:
    (token,) = tokenizer().encode("this")
    for wanted in (token, "␣this", " this", "this"):
        assert seen("Open the window", {1: wanted}).path[1].token == token


def test_what_is_copied_from_the_source_is_forced_by_its_own_text() -> None:
    assert seen("Open %s", {0: "%s"}).path[0].text == "⟨%s⟩"


@pytest.mark.parametrize(
    ("force", "message", "mend"),
    [
        ({0: "thiss"}, "'thiss' is no token", "The nearest are ␣this"),
        ({0: "this your"}, "'this your' is no token", "written as ␣this + ␣your"),
        ({0: 100_000}, "no token 100000", "tokens 0 to"),
        ({0: "<|pad|>"}, "no translation holds <|pad|>", "end"),
        ({99: "this"}, "no position 99: the translation has positions 0 to", "The last are"),
        ({-1: "this"}, "no position -1", "The last are"),
    ],
)
def test_what_cannot_be_forced_is_told_with_what_is_near(force: dict[int, int | str], message: str, mend: str) -> None:
    with pytest.raises(TraceError) as error:
        seen(TEXTS[0], force)
    assert message in error.value.message
    assert mend in error.value.mend


def test_an_empty_text_is_told(run: Run) -> None:
    with pytest.raises(TraceError, match="empty"):
        seeing.decode(run, "  ")


def test_a_setting_that_does_not_exist_is_told(run: Run) -> None:
    with pytest.raises(ConfigError, match="width"):
        seeing.decode(run, "Save", width=3)


# --- kept in a trace -------------------------------------------------------------------------------------------------


def test_a_decoding_is_kept_with_its_trace_and_read_without_the_model(tmp_path: Path) -> None:
    decoding = seen(TEXTS[1], {1: "this"}, beam=3)
    trace = capture(translator(), torch.tensor([source_of(TEXTS[1])]), torch.tensor([[BEGIN, 5]]))
    trace.decoding = decoding
    trace.save(tmp_path / "pass.safetensors")
    loaded = Trace.load(tmp_path / "pass.safetensors").decoding
    assert loaded is not None
    assert torch.equal(loaded.logits, decoding.logits)
    assert torch.equal(loaded.attention, decoding.attention)
    for field in ("text", "source", "config", "limit", "nodes", "best", "forced", "unforced", "outcome"):
        assert getattr(loaded, field) == getattr(decoding, field), field


def test_a_trace_without_a_decoding_has_none(tmp_path: Path) -> None:
    trace = capture(translator(), torch.tensor([source_of("Save")]), torch.tensor([[BEGIN, 5]]))
    trace.save(tmp_path / "pass.safetensors")
    assert Trace.load(tmp_path / "pass.safetensors").decoding is None


@pytest.mark.parametrize("lost", ["nodes", "config", "decoding:logits"])
def test_a_damaged_decoding_is_told(tmp_path: Path, lost: str) -> None:
    trace = capture(translator(), torch.tensor([source_of("Save")]), torch.tensor([[BEGIN, 5]]))
    trace.decoding = seen("Save")
    trace.save(tmp_path / "pass.safetensors")
    tensors, head = read_tensors(tmp_path / "pass.safetensors")
    tensors.pop(lost, None)
    head["decoding"].pop(lost, None)
    write_tensors(tmp_path / "pass.safetensors", tensors, head)
    with pytest.raises(TraceError, match="damaged"):
        Trace.load(tmp_path / "pass.safetensors")


@pytest.mark.parametrize(("method", "beam"), [("greedy", 1), ("beam", 3), ("sample", 1)])
def test_a_model_whose_scores_are_nan_is_told_in_a_sentence(tmp_path: Path, method: str, beam: int) -> None:
    run = made(tmp_path / "en-zh")
    with torch.no_grad():
        next(iter(run.model.parameters())).fill_(math.nan)
    with pytest.raises(TraceError, match="scores of token 0 are not numbers"):
        seeing.decode(run, TEXTS[0], method=method, beam=beam)
