"""How good translations are: BLEU, chrF, exact matches and kept placeholders, each with a bootstrap interval.

BLEU and chrF are sacrebleu's (Post, 2018), the field's reference; an interval holds 95% of what resampled
test sets of the same size would score (Koehn, 2004).
"""

import random
from collections.abc import Sequence
from typing import Any

from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.significance import _bootstrap_resample

from pellucid.data.slots import placeholders

RESAMPLES = 500

BLEU_TOKENIZERS = {"zh": "zh", "ja": "char", "ko": "char"}  # sacrebleu's 13a needs spaces between words


def quick_scores(outputs: Sequence[str], references: Sequence[Sequence[str]], target: str) -> dict[str, float]:
    """chrF and BLEU without intervals, for an evaluation during training."""
    return {
        "chrf": round(CHRF().corpus_score(outputs, _columns(references)).score, 2),
        "bleu": round(_bleu(target).corpus_score(outputs, _columns(references)).score, 2),
    }


def full_scores(
    sources: Sequence[str], outputs: Sequence[str], references: Sequence[Sequence[str]], target: str
) -> dict[str, dict[str, float]]:
    """Each measure in percent with its 95% interval: {"chrf": {"value", "low", "high"}, ...}.

    `placeholders` counts only the sentences that hold one; without any it is left out.
    """
    columns = _columns(references)
    scores = {
        "chrf": _with_interval(CHRF(), outputs, columns),
        "bleu": _with_interval(_bleu(target), outputs, columns),
        "exact": _share([output in known for output, known in zip(outputs, references, strict=True)]),
    }
    kept = [placeholders(s) == placeholders(o) for s, o in zip(sources, outputs, strict=True) if placeholders(s)]
    if kept:
        scores["placeholders"] = _share(kept)
    return scores


def sentence_chrf(output: str, references: Sequence[str]) -> float:
    """chrF of one sentence, 0 to 100."""
    return float(_SENTENCE.sentence_score(output, list(references)).score)


_SENTENCE = CHRF(eps_smoothing=True)


def _bleu(target: str) -> Any:
    return BLEU(tokenize=BLEU_TOKENIZERS.get(target.split("-")[0], "13a"))


def _columns(references: Sequence[Sequence[str]]) -> Any:
    """sacrebleu wants the first references of all sentences, then the second, with None where there is none."""
    most = max(map(len, references))
    return [[known[i] if i < len(known) else None for known in references] for i in range(most)]


def _with_interval(metric: Any, outputs: Sequence[str], columns: Any) -> dict[str, float]:
    """The score, and where the middle 95% of the resampled test sets' scores lie.

    sacrebleu's own summary of its resamples fails where only some of them score 0 (its float and float32 do not mix).
    """
    value = float(metric.corpus_score(outputs, columns).score)
    statistics = metric._extract_corpus_statistics(outputs, columns)
    resampled = sorted(float(score.score) for score in _bootstrap_resample(statistics, metric, RESAMPLES)[1])
    low, high = resampled[int(0.025 * RESAMPLES)], resampled[int(0.975 * RESAMPLES)]
    return {"value": round(value, 2), "low": round(low, 2), "high": round(high, 2)}


def _share(hits: Sequence[bool]) -> dict[str, float]:
    draw = random.Random(0)
    resampled = sorted(100 * sum(draw.choices(hits, k=len(hits))) / len(hits) for _ in range(RESAMPLES))
    low, high = resampled[int(0.025 * RESAMPLES)], resampled[int(0.975 * RESAMPLES)]
    return {"value": round(100 * sum(hits) / len(hits), 2), "low": round(low, 2), "high": round(high, 2)}
