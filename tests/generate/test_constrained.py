"""The constrained beam against all sequences there are, and what it must never write."""

import itertools
from collections import Counter

import pytest
import torch

from pellucid.generate.config import DecodingConfig
from pellucid.generate.constrained import constrained
from pellucid.generate.decode import BEGIN, END, TorchEngine
from pellucid.generate.engine import Constraint, longest
from pellucid.models.translator import Translator, TranslatorConfig

SIZE = {"d_model": 32, "heads": 2, "feed_forward": 48, "encoder_layers": 1, "decoder_layers": 2, "dropout": 0.3}
OPEN, CLOSE, PATH = 3, 4, 5


def model(vocabulary: int = 30) -> Translator:
    torch.manual_seed(5)
    built = Translator(TranslatorConfig.parse(SIZE), vocabulary)
    with torch.no_grad():
        built.embedding.weight.mul_(2)  # far from uniform, so that choices differ
    return built.eval()


def log_probability(translator: Translator, source: list[int], tokens: tuple[int, ...]) -> float:
    """Of these tokens and the end, by one uncached forward pass."""
    target = torch.tensor([[BEGIN, *tokens, END]])
    scores = translator(torch.tensor([source]), target[:, :-1]).clone()
    scores[..., :2] = -torch.inf
    return scores.log_softmax(-1).gather(2, target[:, 1:, None]).sum().item()


def contains(tokens: tuple[int, ...], phrase: tuple[int, ...]) -> bool:
    return any(tokens[at : at + len(phrase)] == phrase for at in range(len(tokens)))


def is_nested(tokens: tuple[int, ...]) -> bool:
    depth = 0
    for token in tokens:
        depth += (token == OPEN) - (token == CLOSE)
        if depth < 0:
            return False
    return depth == 0


def is_filled(tokens: tuple[int, ...], at: int, blank: frozenset[int]) -> bool:
    """Whether the one element holds the token that stands there, and it is none that says nothing."""
    return tokens[at] not in blank | {OPEN, CLOSE} and tokens.index(OPEN) < at < tokens.index(CLOSE)


LIMITED = frozenset({OPEN, CLOSE, PATH})


@pytest.mark.parametrize(
    "constraint",
    [
        Constraint({PATH: 1}, (), LIMITED),
        Constraint({PATH: 2}, (), LIMITED),
        Constraint({OPEN: 1, CLOSE: 1, PATH: 1}, (), LIMITED, {CLOSE: OPEN}),
        Constraint({}, ((6, 7),), LIMITED),
        Constraint({PATH: 1}, ((7, 6),), LIMITED),
        Constraint({}, ((6, 6, 7),), LIMITED),
        Constraint({PATH: 1}, ((7, PATH),), LIMITED),
        Constraint({}, (), LIMITED),
        Constraint({OPEN: 1, CLOSE: 1, PATH: 1}, (), LIMITED, order=(PATH, CLOSE, OPEN)),
        Constraint({PATH: 2, OPEN: 1}, (), LIMITED, order=(PATH, OPEN, PATH)),
        Constraint({OPEN: 1, CLOSE: 1}, (), LIMITED, {CLOSE: OPEN}, frozenset({CLOSE}), frozenset({6})),
        Constraint({OPEN: 1, CLOSE: 1, PATH: 1}, (), LIMITED, {CLOSE: OPEN}, frozenset({CLOSE}), frozenset({6, 7})),
    ],
)
@pytest.mark.parametrize("length_penalty", [0.0, 1.0])
@torch.inference_mode()
def test_a_wide_constrained_beam_finds_the_best_of_all_sequences_that_keep_the_constraint(
    constraint: Constraint, length_penalty: float
) -> None:
    translator, source, limit = model(vocabulary=8), [6, 7, PATH, END], 5
    config = DecodingConfig.parse({"beam": 64, "length_penalty": length_penalty, "max_ratio": 0.1, "max_extra": limit})
    allowed = [
        tokens
        for length in range(limit)
        for tokens in itertools.product(range(3, 8), repeat=length)
        if all(tokens.count(token) == constraint.counts.get(token, 0) for token in LIMITED)
        and all(contains(tokens, phrase) for phrase in constraint.phrases)
        and (not constraint.closes or is_nested(tokens))
        and (not constraint.order or tuple(token for token in tokens if token in constraint.order) == constraint.order)
        and (not constraint.filled or any(is_filled(tokens, at, constraint.blank) for at in range(len(tokens))))
    ]
    scores = {row: log_probability(translator, source, row) / (len(row) + 1) ** length_penalty for row in allowed}
    found = constrained(translator, [source], [constraint], config, 256)[0]
    assert found[0].tokens == max(allowed, key=scores.__getitem__)
    assert found[0].score == pytest.approx(max(scores.values()), abs=1e-4)
    assert {hypothesis.tokens for hypothesis in found} <= set(allowed)


def sources(count: int) -> list[list[int]]:
    generator = torch.Generator().manual_seed(1)
    lengths = torch.randint(2, 8, (count,), generator=generator).tolist()
    return [[*torch.randint(3, 30, (length,), generator=generator).tolist(), END] for length in lengths]


def test_every_hypothesis_of_a_batch_keeps_its_own_constraint_and_has_the_models_probability() -> None:
    translator, rows = model(), sources(12)
    limited = frozenset(range(3, 13))
    constraints = [
        Constraint({t: n for t, n in Counter(row).items() if t in limited}, ((20, 21),) * (number % 2), limited)
        for number, row in enumerate(rows)
    ]
    config = DecodingConfig.parse({"beam": 4, "batch": 5, "max_ratio": 2.0, "max_extra": 6})
    found = TorchEngine(translator).constrained_ids(rows, constraints, config)
    for row, constraint, hypotheses in zip(rows, constraints, found, strict=True):
        assert hypotheses
        for hypothesis in hypotheses:
            used = Counter(token for token in hypothesis.tokens if token in limited)
            assert used == Counter(constraint.counts)
            assert all(contains(hypothesis.tokens, phrase) for phrase in constraint.phrases)
            assert len(hypothesis.tokens) < longest(len(row), config, 256)
            with torch.inference_mode():
                expected = log_probability(translator, row, hypothesis.tokens)
            assert hypothesis.log_probability == pytest.approx(expected, abs=1e-3)


def test_nothing_is_written_where_there_is_no_room_for_what_must_be_said() -> None:
    config = DecodingConfig.parse({"beam": 2, "max_ratio": 0.1, "max_extra": 3})
    constraint = Constraint({PATH: 3}, (), LIMITED)
    assert constrained(model(), [[PATH, PATH, PATH, END]], [constraint], config, 256) == [[]]


def test_what_just_fits_is_written() -> None:
    config = DecodingConfig.parse({"beam": 2, "max_ratio": 0.1, "max_extra": 4})
    constraint = Constraint({PATH: 3}, (), LIMITED)
    (found,) = constrained(model(), [[PATH, PATH, PATH, END]], [constraint], config, 256)
    assert {hypothesis.tokens for hypothesis in found} == {(PATH, PATH, PATH)}
