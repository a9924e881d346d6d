"""Decoding: greedy, beam and sampling against slow and certain ways to the same result."""

import itertools

import pytest
import torch
from torch import Tensor

from pellucid.generate.config import DecodingConfig
from pellucid.generate.decode import BEGIN, END, arranged_for_few_rows, sampling_shares, translate_ids
from pellucid.generate.engine import Hypothesis, longest
from pellucid.models.translator import Translator, TranslatorConfig

SIZE = {"d_model": 32, "heads": 2, "feed_forward": 48, "encoder_layers": 1, "decoder_layers": 2, "dropout": 0.3}


def model(vocabulary: int = 30) -> Translator:
    torch.manual_seed(3)
    built = Translator(TranslatorConfig.parse(SIZE), vocabulary)
    with torch.no_grad():
        built.embedding.weight.mul_(2)  # far from uniform, so that choices differ
    return built


def sources(count: int = 9) -> list[list[int]]:
    generator = torch.Generator().manual_seed(1)
    lengths = torch.randint(1, 8, (count,), generator=generator).tolist()
    return [[*torch.randint(3, 30, (length,), generator=generator).tolist(), END] for length in lengths]


def decoding(**settings: object) -> DecodingConfig:
    return DecodingConfig.parse({"max_ratio": 1.0, "max_extra": 4, **settings})


def log_probability(translator: Translator, source: list[int], tokens: tuple[int, ...]) -> float:
    """Of these tokens in a row, by one uncached forward pass."""
    target = torch.tensor([[BEGIN, *tokens]])
    scores = translator(torch.tensor([source]), target[:, :-1]).clone()
    scores[..., :2] = -torch.inf
    return scores.log_softmax(-1).gather(2, target[:, 1:, None]).sum().item()


def uncached_greedy(translator: Translator, source: list[int], limit: int) -> tuple[int, ...]:
    target = [BEGIN]
    while len(target) <= limit:
        scores = translator(torch.tensor([source]), torch.tensor([target]))[0, -1]
        scores[:2] = -torch.inf
        target.append(int(scores.argmax()))
        if target[-1] == END:
            break
    return tuple(token for token in target[1:] if token != END)


@torch.inference_mode()
def test_cached_greedy_writes_what_uncached_greedy_writes() -> None:
    translator, config = model().eval(), decoding(method="greedy")
    for source, found in zip(sources(), translate_ids(translator, sources(), config), strict=True):
        assert found[0].tokens == uncached_greedy(translator, source, longest(len(source), config, 256))


@pytest.mark.parametrize("settings", [{"method": "greedy"}, {"method": "beam", "beam": 3}])
def test_batched_equals_one_by_one(settings: dict[str, object]) -> None:
    translator = model()
    together = translate_ids(translator, sources(), decoding(**settings, batch=4))
    alone = [translate_ids(translator, [source], decoding(**settings))[0] for source in sources()]
    for one, other in zip(together, alone, strict=True):
        assert [h.tokens for h in one] == [h.tokens for h in other]
        assert [h.score for h in one] == pytest.approx([h.score for h in other], abs=1e-4)


def test_a_beam_of_one_is_greedy() -> None:
    greedy = translate_ids(model(), sources(), decoding(method="greedy"))
    beam = translate_ids(model(), sources(), decoding(method="beam", beam=1))
    assert [h[0].tokens for h in greedy] == [h[0].tokens for h in beam]


@pytest.mark.parametrize("length_penalty", [0.0, 1.0])
@torch.inference_mode()
def test_a_wide_beam_finds_the_best_of_all_sequences(length_penalty: float) -> None:
    translator, source, limit = model(vocabulary=6).eval(), [4, 5, END], 4
    config = DecodingConfig.parse(
        {"beam": 64, "length_penalty": length_penalty, "max_ratio": 0.1, "max_extra": limit, "batch": 1}
    )
    ended = [(*tokens, END) for n in range(limit) for tokens in itertools.product((3, 4, 5), repeat=n)]
    cut = list(itertools.product((3, 4, 5), repeat=limit))
    best = max(ended + cut, key=lambda row: log_probability(translator, source, row) / len(row) ** length_penalty)
    found = translate_ids(translator, [source], config)[0]
    assert found[0].tokens == tuple(token for token in best if token != END)
    assert found[0].log_probability == pytest.approx(log_probability(translator, source, best), abs=1e-4)


@torch.inference_mode()
def test_every_hypothesis_has_the_log_probability_that_the_model_gives_it() -> None:
    translator = model().eval()
    config = decoding(beam=4, length_penalty=0.6)
    for source, found in zip(sources(), translate_ids(translator, sources(), config), strict=True):
        assert [h.score for h in found] == sorted((h.score for h in found), reverse=True)
        for hypothesis in found:
            full = len(hypothesis.tokens) == longest(len(source), config, 256)
            row = hypothesis.tokens if full else (*hypothesis.tokens, END)
            assert hypothesis.log_probability == pytest.approx(log_probability(translator, source, row), abs=1e-3)
            assert hypothesis.score == pytest.approx(hypothesis.log_probability / len(row) ** 0.6, abs=1e-4)


def test_no_translation_is_longer_than_its_limit() -> None:
    for method in ("greedy", "beam", "sample"):
        config = decoding(method=method)
        for source, found in zip(sources(), translate_ids(model(), sources(), config), strict=True):
            assert all(len(h.tokens) <= longest(len(source), config, 256) for h in found)


def test_sampling_repeats_with_its_seed_and_differs_with_another() -> None:
    def drawn(seed: int) -> list[Hypothesis]:
        return [h[0] for h in translate_ids(model(), sources(), decoding(method="sample", seed=seed))]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


def test_sampling_among_one_token_is_greedy() -> None:
    greedy = translate_ids(model(), sources(), decoding(method="greedy"))
    sampled = translate_ids(model(), sources(), decoding(method="sample", top_k=1))
    assert [h[0].tokens for h in greedy] == [h[0].tokens for h in sampled]


SCORES = torch.tensor([[0.4, 0.3, 0.2, 0.1]]).log()


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, [0.4, 0.3, 0.2, 0.1]),
        ({"temperature": 0.5}, [0.16 / 0.3, 0.09 / 0.3, 0.04 / 0.3, 0.01 / 0.3]),
        ({"top_k": 2}, [4 / 7, 3 / 7, 0, 0]),
        ({"top_p": 0.65}, [4 / 7, 3 / 7, 0, 0]),
        ({"top_p": 0.71}, [4 / 9, 3 / 9, 2 / 9, 0]),
        ({"top_p": 0.1}, [1, 0, 0, 0]),
        ({"top_k": 3, "top_p": 0.5}, [4 / 7, 3 / 7, 0, 0]),
    ],
)
def test_sampling_shares_are_those_worked_out_by_hand(settings: dict[str, float], expected: list[float]) -> None:
    shares: Tensor = sampling_shares(SCORES.clone(), decoding(**settings))
    torch.testing.assert_close(shares[0], torch.tensor(expected, dtype=torch.float32), atol=1e-6, rtol=0)


def test_nothing_to_translate_gives_nothing() -> None:
    assert translate_ids(model(), [], decoding()) == []


@torch.inference_mode()
def test_weights_laid_out_for_decoding_are_the_same_weights_and_give_the_same_scores() -> None:
    plain, arranged = model(40).eval(), arranged_for_few_rows(model(40).eval())
    for name, weight in arranged.state_dict().items():
        assert torch.equal(weight, plain.state_dict()[name]), name
    assert not arranged.embedding.weight.is_contiguous()
    target = torch.tensor([[BEGIN, 5, 7, 9]] * 3)
    source = torch.tensor([[4, 8, END], [5, END, 0], [END, 0, 0]])
    torch.testing.assert_close(arranged(source, target), plain(source, target), atol=1e-5, rtol=1e-5)
