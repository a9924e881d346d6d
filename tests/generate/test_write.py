"""Writing text: what is drawn is drawn with the right probabilities, and costs the same however long the text is."""

import math
from collections import Counter

import pytest
import torch

from pellucid.data.pieces import Pieces
from pellucid.errors import ConfigError
from pellucid.generate.config import WritingConfig
from pellucid.generate.write import choose, continued, write
from pellucid.models.language import LanguageModel, LanguageModelConfig, build_language_model

TEXT = "the cat sat on the mat.\n" * 20
DRAWS = 20_000


def writer(cell: str = "gpt") -> tuple[LanguageModel, Pieces]:
    torch.manual_seed(4)
    pieces = Pieces.train(TEXT, "characters")
    config = LanguageModelConfig.parse({"cell": cell, "width": 16, "heads": 2, "layers": 1, "context": 16})
    model = build_language_model(config, pieces.size)
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(1.7)  # far from uniform, so that choices differ
    return model, pieces


def writing(**settings: object) -> WritingConfig:
    return WritingConfig.parse({"length": 12, **settings})


@pytest.mark.parametrize("cell", ["gpt", "rnn", "lstm", "gru"])
@torch.inference_mode()
def test_at_temperature_0_each_token_is_the_best_by_an_uncached_pass(cell: str) -> None:
    model, _ = writer(cell)
    tokens = [2, 3]
    for _ in range(12):
        tokens.append(int(model.eval()(torch.tensor([tokens]))[0, -1].argmax()))
    assert list(continued(model, [2, 3], writing(temperature=0.0))) == tokens[2:]


def by_hand(scores: list[float], temperature: float, top_k: int, top_p: float) -> list[float]:
    """The shares that tokens are drawn with, in plain Python."""
    weights = [math.exp(score / temperature) for score in scores]
    order = sorted(range(len(scores)), key=lambda i: -weights[i])
    if top_k:
        order = order[:top_k]
    total, kept, held = sum(weights[i] for i in order), [], 0.0
    for i in order:
        if held >= top_p:
            break
        kept.append(i)
        held += weights[i] / total
    whole = sum(weights[i] for i in kept)
    return [weights[i] / whole if i in kept else 0.0 for i in range(len(scores))]


@pytest.mark.parametrize(
    ("temperature", "top_k", "top_p"), [(1.0, 0, 1.0), (0.5, 0, 1.0), (1.0, 3, 1.0), (1.0, 0, 0.7), (2.0, 4, 0.6)]
)
def test_tokens_are_drawn_as_often_as_worked_out_by_hand(temperature: float, top_k: int, top_p: float) -> None:
    scores = [0.3, 2.0, -1.0, 1.2, 0.9, -0.4]
    config = writing(temperature=temperature, top_k=top_k, top_p=top_p)
    generator = torch.Generator().manual_seed(1)
    drawn = Counter(choose(torch.tensor([scores] * DRAWS), config, generator).tolist())
    for token, share in enumerate(by_hand(scores, temperature, top_k, top_p)):
        assert drawn[token] / DRAWS == pytest.approx(share, abs=4 * math.sqrt(max(share, 1e-9) / DRAWS))
        assert share or not drawn[token], "what is cut off is never drawn"


def test_a_seed_repeats_its_text_and_another_writes_another() -> None:
    model, pieces = writer()
    one, same, other = ("".join(write(model, pieces, "the", writing(length=30, seed=s))) for s in (1, 1, 2))
    assert one == same != other
    assert len(one) == 30


def test_the_unknown_character_is_read_but_never_written() -> None:
    model, pieces = writer()
    with torch.no_grad():
        model.embedding.weight[0] = 3 * model.embedding.weight[1:].sum(dim=0)
    assert pieces.unknown("thé") == ["é"]
    assert "�" not in "".join(write(model, pieces, "thé", writing(length=200, temperature=2.0)))


def test_writing_leaves_the_model_and_torchs_own_random_numbers_as_they_were() -> None:
    model, pieces = writer()
    model.train()
    before = torch.get_rng_state()
    "".join(write(model, pieces, "", writing()))
    assert model.training
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("wrong", [{"temperature": -0.1}, {"top_p": 0.0}, {"top_k": -1}, {"length": -1}])
def test_settings_that_mean_nothing_are_refused_by_name(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        writing(**wrong)
