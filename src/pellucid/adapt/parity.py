"""How far an exported model is from the one it was made of, on the person's own held-out sentences.

Three answers: the largest difference of any token's log-probability (what the network computes), the share of
translations that are the same (what a person sees), and both scores against the references (what it costs).
"""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any

import torch

from pellucid.data.pairs import Example
from pellucid.data.tokenizer import EOS, Tokenizer
from pellucid.generate.config import DecodingConfig
from pellucid.generate.engine import Engine
from pellucid.generate.text import translate_texts
from pellucid.tasks.scores import quick_scores


@dataclass(frozen=True, slots=True)
class Parity:
    """Of one export: differences over `sentences` held-out sentences, scores and speeds of both."""

    sentences: int
    tokens: int
    largest_difference: float  # of log p of a reference's token, in nats
    mean_difference: float
    identical: float  # share of translations, 0 to 1
    chrf: float
    chrf_exported: float
    bleu: float
    bleu_exported: float
    seconds: float
    seconds_exported: float

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def parity(
    model: Engine,
    exported: Engine,
    tokenizer: Tokenizer,
    examples: Sequence[Example],
    target: str,
    decoding: DecodingConfig,
) -> Parity:
    """Compare the two on `examples`; log-probabilities are of each example's first reference."""
    pairs = [(e.source, e.references[0]) for e in examples]
    limit = model.max_length - 1
    sources = [[*ids[:limit], EOS] for ids in tokenizer.encode_all([source for source, _ in pairs])]
    targets = [ids[:limit] for ids in tokenizer.encode_all([reference for _, reference in pairs])]
    ours = torch.tensor(list(chain.from_iterable(model.log_probabilities(sources, targets))))
    theirs = torch.tensor(list(chain.from_iterable(exported.log_probabilities(sources, targets))))
    differences = (ours - theirs).abs()
    texts = [example.source for example in examples]
    began = time.perf_counter()
    before = [found[0].text for found in translate_texts(model, tokenizer, texts, decoding)]
    between = time.perf_counter()
    after = [found[0].text for found in translate_texts(exported, tokenizer, texts, decoding)]
    ended = time.perf_counter()
    references = [example.references for example in examples]
    scores, scores_exported = quick_scores(before, references, target), quick_scores(after, references, target)
    return Parity(
        sentences=len(examples),
        tokens=len(differences),
        largest_difference=float(differences.max()),
        mean_difference=float(differences.mean()),
        identical=sum(a == b for a, b in zip(before, after, strict=True)) / len(examples),
        chrf=scores["chrf"],
        chrf_exported=scores_exported["chrf"],
        bleu=scores["bleu"],
        bleu_exported=scores_exported["bleu"],
        seconds=between - began,
        seconds_exported=ended - between,
    )
