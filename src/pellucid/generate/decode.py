"""Decoding: from source ids to target ids, a token at a time, for a batch of sentences side by side.

All methods share the model's cache and the stop rule: a hypothesis ends with the end token or at its longest length.
Rows that are finished leave the batch, so that short sentences do not wait for long ones.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol, TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from pellucid.data.batching import padded
from pellucid.generate.config import DecodingConfig, Sampling
from pellucid.generate.engine import Constraint, Hypothesis, longest
from pellucid.generate.score import log_probabilities
from pellucid.models.translator import PADDING, Translator

BEGIN, END = 1, 2  # data/tokenizer.py's ids
NEVER = (PADDING, BEGIN)  # tokens that no translation holds


class Kept(Protocol):
    """What a model keeps of the target so far, a row a hypothesis (models/translator.py's Cache)."""

    length: int

    def select(self, rows: Tensor) -> None: ...

    def reorder(self, rows: Tensor) -> None: ...


Memory = TypeVar("Memory")
Cache = TypeVar("Cache", bound=Kept)


class Stepper(Protocol[Memory, Cache]):
    """What decoding asks of a model: read the source once, then score one next token after another."""

    def encode(self, source: Tensor) -> Memory: ...

    def begin(self, memory: Memory, capacity: int) -> Cache: ...

    def step(self, tokens: Tensor, cache: Cache) -> Tensor: ...


Stop = Literal["", "enough", "limit", "nothing left"]


class Candidate(NamedTuple):
    """One way to go on with the hypothesis in row `row`; `total` is log p of all tokens up to `token`."""

    row: int
    token: int
    total: float


@dataclass(frozen=True, slots=True)
class Decision:
    """What a search did with one sentence at one position.

    `candidates` are those it looked at, best first. `going` are the numbers of those that go on: number `going[j]`
    stands in row j at the next position. `ended` are those that ended, with what they became; cut at the longest
    length, one holds no end token. `stop` says why the sentence was done: as many had ended as were wanted, the
    longest length was reached, or no way to go on was left.
    """

    position: int
    candidates: tuple[Candidate, ...]
    going: tuple[int, ...]
    ended: Mapping[int, Hypothesis] = field(default_factory=dict)
    stop: Stop = ""


# Is told of every decision on a sentence, given by its number; a search without one does nothing for it.
Observer = Callable[[int, Decision], None]


class TorchEngine:
    """A model of ours as an Engine, on whatever device it stands. It is to be used, not trained on."""

    def __init__(self, model: Translator) -> None:
        self.model = arranged_for_few_rows(model)

    @property
    def max_length(self) -> int:
        return self.model.config.max_length

    def translate_ids(self, sources: Sequence[Sequence[int]], config: DecodingConfig) -> list[list[Hypothesis]]:
        return translate_ids(self.model, sources, config)

    def log_probabilities(
        self, sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]]
    ) -> list[list[float]]:
        with without_dropout(self.model):
            return log_probabilities(self.model, sources, targets, next(self.model.parameters()).device)

    def constrained_ids(
        self, sources: Sequence[Sequence[int]], constraints: Sequence[Constraint], config: DecodingConfig
    ) -> list[list[Hypothesis]]:
        from pellucid.generate.constrained import constrained  # which stands on this module

        with without_dropout(self.model):
            device = next(self.model.parameters()).device
            return constrained(self.model, sources, constraints, config, self.max_length, device)


def arranged_for_few_rows(model: Translator) -> Translator:
    """The same model, its wide matrices (more outputs than inputs) laid out in memory by input.

    A product with one row a sentence reads every weight once and does little with it: so laid out, a CPU reads a
    wide matrix up to three times as fast. `bench/translate.py` shows what it is worth.
    """
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Embedding) and module.weight.device.type == "cpu":
            weight = module.weight.data
            if weight.size(0) >= weight.size(1):
                module.weight.data = weight.t().contiguous().t()
    return model


def translate_ids(
    model: Translator, sources: Sequence[Sequence[int]], config: DecodingConfig
) -> list[list[Hypothesis]]:
    """`decode` with a model of ours, without dropout, where the model stands."""
    with without_dropout(model):
        return decode(model, sources, config, model.config.max_length, next(model.parameters()).device)


@contextmanager
def without_dropout(model: Translator) -> Iterator[None]:
    """The model as it is used rather than trained, and afterwards as it was."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)


def decode(
    model: Stepper[Memory, Cache],
    sources: Sequence[Sequence[int]],
    config: DecodingConfig,
    max_length: int,
    device: torch.device | None = None,
    prefix: Sequence[int] = (),
    observer: Observer | None = None,
) -> list[list[Hypothesis]]:
    """The hypotheses for each source, best first: as many as the beam is wide, one for greedy and sampling.

    Sources are sorted by length and decoded in batches; the order of the result is the order of the sources.
    A source holds its end token and is at most `max_length` long. An empty list gives an empty one. Every hypothesis
    begins with `prefix`, which is no longer than the longest translation may be.
    """
    order = sorted(range(len(sources)), key=lambda i: -len(sources[i]))
    results: list[list[Hypothesis]] = [[] for _ in sources]
    generator = torch.Generator(device or "cpu").manual_seed(config.seed)
    with torch.inference_mode():
        for start in range(0, len(order), config.batch):
            rows = order[start : start + config.batch]
            source = padded([sources[i] for i in rows], PADDING).to(device)
            limits = torch.tensor([longest(len(sources[i]), config, max_length) for i in rows])
            told = _renumbered(observer, rows) if observer else None
            found = _decode(model, source, limits.to(device), config, generator, prefix, told)
            for i, hypotheses in zip(rows, found, strict=True):
                results[i] = hypotheses
    return results


def _renumbered(observer: Observer, rows: Sequence[int]) -> Observer:
    return lambda i, decision: observer(rows[i], decision)


def _decode(
    model: Stepper[Memory, Cache],
    source: Tensor,
    limits: Tensor,
    config: DecodingConfig,
    generator: torch.Generator,
    prefix: Sequence[int],
    observer: Observer | None,
) -> list[list[Hypothesis]]:
    if config.method == "beam" and config.beam > 1:
        return beam_search(model, source, limits, config.beam, config.length_penalty, prefix, observer)
    if config.method == "sample":
        return one_by_one(model, source, limits, lambda scores: draw(scores, config, generator), prefix, observer)
    return one_by_one(model, source, limits, lambda scores: scores.argmax(dim=-1), prefix, observer)


def one_by_one(
    model: Stepper[Memory, Cache],
    source: Int[Tensor, "batch source"],
    limits: Int[Tensor, " batch"],
    choose: Callable[[Float[Tensor, "batch vocabulary"]], Int[Tensor, " batch"]],
    prefix: Sequence[int] = (),
    observer: Observer | None = None,
) -> list[list[Hypothesis]]:
    """Greedy or sampled: one token chosen for each sentence at each position."""
    cache = model.begin(model.encode(source), capacity=int(limits.max()))
    alive = torch.arange(len(source), device=source.device)
    tokens = torch.full_like(alive, BEGIN)
    written = torch.full((len(source), int(limits.max())), PADDING, device=source.device)
    log_probability = torch.zeros(len(source), device=source.device)
    while len(alive):
        scores = next_scores(model, tokens, cache, prefix)
        tokens = choose(scores)
        written[alive, cache.length - 1] = tokens
        log_probability[alive] += scores.gather(1, tokens[:, None])[:, 0]
        going = ((tokens != END) & (cache.length < limits[alive])).nonzero()[:, 0]
        if observer:
            for i, token in zip(alive.tolist(), tokens.tolist(), strict=True):
                total, stays = float(log_probability[i]), token != END and cache.length < int(limits[i])
                ended = {} if stays else {0: _hypothesis(written[i].tolist(), total, 1.0)}
                stop: Stop = "" if stays else "enough" if token == END else "limit"
                chosen = (Candidate(0, token, total),)
                observer(i, Decision(cache.length - 1, chosen, (0,) if stays else (), ended, stop))
        if len(going) < len(alive):
            alive, tokens = alive[going], tokens[going]
            cache.select(going)
    return [[_hypothesis(row, float(log_p), 1.0)] for row, log_p in zip(written.tolist(), log_probability, strict=True)]


def draw(
    scores: Float[Tensor, "batch vocabulary"], config: Sampling, generator: torch.Generator
) -> Int[Tensor, " batch"]:
    """A token drawn from softmax(scores / temperature), cut to the `top_k` best and to the best that hold `top_p`.

    Sources: Fan et al., 2018 (top-k); Holtzman et al., 2019 (nucleus, top-p).
    """
    return torch.multinomial(sampling_shares(scores, config), 1, generator=generator)[:, 0]


def sampling_shares(scores: Float[Tensor, "batch vocabulary"], config: Sampling) -> Float[Tensor, "batch vocabulary"]:
    """The probabilities that `draw` draws with."""
    scores = scores / config.temperature
    if config.top_k:
        least = scores.topk(min(config.top_k, scores.size(-1)), dim=-1).values[:, -1:]
        scores = scores.masked_fill(scores < least, -torch.inf)
    shares = scores.softmax(dim=-1)
    if config.top_p < 1:
        ordered, order = shares.sort(dim=-1, descending=True)
        before = ordered.cumsum(dim=-1) - ordered  # the share of all better tokens
        cut = torch.zeros_like(shares, dtype=torch.bool).scatter(1, order, before >= config.top_p)
        shares = shares.masked_fill(cut, 0)
        shares = shares / shares.sum(dim=-1, keepdim=True)
    return shares


def beam_search(
    model: Stepper[Memory, Cache],
    source: Int[Tensor, "batch source"],
    limits: Int[Tensor, " batch"],
    width: int,
    length_penalty: float,
    prefix: Sequence[int] = (),
    observer: Observer | None = None,
) -> list[list[Hypothesis]]:
    """Keep the `width` best unfinished hypotheses of each sentence; a sentence is done when `width` have ended.

        score(y) = log p(y | x) / |y|^a,   |y| counting the end token

    One that goes on could still come out ahead, as its length divides more; CTranslate2 and `generate` with
    early_stopping do not wait for it either, so that all engines write the same.
    Source: Wu et al., "Google's Neural Machine Translation System", 2016 (a simpler length penalty).
    """
    sentences, capacity, device = len(source), int(limits.max()), source.device
    cache = model.begin(model.encode(source), capacity)
    cache.select(torch.arange(sentences, device=device).repeat_interleave(width))
    alive = list(range(sentences))  # sentences still being written; rows are (alive, width)
    tokens = torch.full((sentences * width,), BEGIN, device=device)
    written = torch.full((sentences, width, capacity), PADDING, device=device)
    # At first all rows of a sentence are the same, so only the first may go on.
    total = torch.full((sentences, width), -torch.inf, device=device)
    total[:, 0] = 0.0
    finished: list[list[Hypothesis]] = [[] for _ in range(sentences)]
    while alive:
        scores = next_scores(model, tokens, cache, prefix)
        vocabulary = scores.size(-1)
        candidates = (total.view(-1, 1) + scores).view(len(alive), width * vocabulary)
        # Twice the width: even if `width` of them end here, as many go on.
        best, flat = candidates.topk(2 * width, dim=-1)
        origin, token = flat // vocabulary, flat % vocabulary
        length = cache.length
        ends = token == END
        at_limit = length >= limits[torch.tensor(alive, device=device)]
        nothing_left = length == len(prefix) and prefix[-1] == END
        rank = torch.arange(2 * width, device=device)
        ended: list[dict[int, Hypothesis]] = [{} for _ in alive]  # by candidate
        for i, j in (ends & (rank < width) & best.isfinite()).nonzero().tolist():
            row = [*written[i, origin[i, j], : length - 1].tolist(), END]
            ended[i][j] = _hypothesis(row, float(best[i, j]), length_penalty)
            finished[alive[i]].append(ended[i][j])
        # The `width` best that do not end go on.
        going = ends.long().mul(2 * width).add(rank).argsort(dim=-1)[:, :width]
        total, parent, last = best.gather(1, going), origin.gather(1, going), token.gather(1, going)
        total = total.masked_fill(last == END, -torch.inf)
        written = written.gather(1, parent[:, :, None].expand(-1, -1, capacity))
        written[:, :, length - 1] = last
        done = [
            bool(at_limit[i]) or nothing_left or len(finished[sentence]) >= width for i, sentence in enumerate(alive)
        ]
        for i, sentence in enumerate(alive):
            if at_limit[i]:
                for j in total[i].isfinite().nonzero()[:, 0].tolist():
                    cut = _hypothesis(written[i, j, :length].tolist(), float(total[i, j]), length_penalty)
                    ended[i][int(going[i, j])] = cut
                    finished[sentence].append(cut)
            if observer:
                columns = (column[i][best[i].isfinite()].tolist() for column in (origin, token, best))
                why: Stop = "limit" if at_limit[i] else "nothing left" if nothing_left else "enough"
                on = () if at_limit[i] else tuple(going[i][total[i].isfinite()].tolist())
                observer(
                    sentence,
                    Decision(length - 1, tuple(map(Candidate, *columns)), on, ended[i], why if done[i] else ""),
                )
        stay = torch.tensor([i for i, end in enumerate(done) if not end], device=device, dtype=torch.long)
        rows = (torch.arange(len(alive), device=device)[:, None] * width + parent)[stay].flatten()
        if len(stay) == len(alive):
            cache.reorder(rows)
        else:
            cache.select(rows)
        alive = [alive[i] for i in stay.tolist()]
        tokens, total, written = last[stay].flatten(), total[stay], written[stay]
    return [sorted(hypotheses, key=lambda h: -h.score)[:width] for hypotheses in finished]


def next_scores(model: Stepper[Memory, Cache], tokens: Tensor, cache: Cache, prefix: Sequence[int]) -> Tensor:
    """log p of every next token; where the prefix is still being written, of its own alone."""
    position = cache.length
    scores = model.step(tokens, cache).float()
    scores[:, NEVER] = -torch.inf
    scores = scores.log_softmax(dim=-1)
    if position < len(prefix):
        others = torch.arange(scores.size(-1), device=scores.device) != prefix[position]
        scores = scores.masked_fill(others, -torch.inf)
    return scores


def _hypothesis(row: Sequence[int], log_probability: float, length_penalty: float) -> Hypothesis:
    """From written ids: up to the end token, else up to the padding (cut at the longest length)."""
    if END in row:
        tokens, length = row[: row.index(END)], row.index(END) + 1
    else:
        tokens = row[: row.index(PADDING)] if PADDING in row else row
        length = max(len(tokens), 1)
    return Hypothesis(tuple(tokens), log_probability, log_probability / length**length_penalty)
