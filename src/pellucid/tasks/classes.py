"""How good a classifier is: accuracy with its interval, the confusion of classes, calibration, and where it is wrong.

Pure functions of class numbers and probabilities; tests hold them against scikit-learn's.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

AT_ONCE = 256  # examples whose distances to all others are held at a time
BINS = 10  # of confidence, each a tenth wide
Z = 1.959964  # standard deviations that hold 95% of a normal distribution


def share(hits: int, count: int) -> dict[str, float]:
    """A share in percent with its 95% interval. Source: Wilson, 1927 (the score interval)."""
    p = hits / count
    middle = (p + Z**2 / (2 * count)) / (1 + Z**2 / count)
    half = Z / (1 + Z**2 / count) * math.sqrt(p * (1 - p) / count + Z**2 / (4 * count**2))
    bounds = {"value": p, "low": max(middle - half, 0.0), "high": min(middle + half, 1.0)}
    return {name: round(100 * value, 2) for name, value in bounds.items()}


def confusion(truth: Int[Tensor, " example"], predicted: Int[Tensor, " example"], classes: int) -> Int[Tensor, "c c"]:
    """How many examples of each class (row) were taken for each class (column)."""
    return (truth * classes + predicted).bincount(minlength=classes**2).view(classes, classes)


def by_class(table: Int[Tensor, "c c"]) -> list[dict[str, float]]:
    """Of each class, from the confusion table, in percent:

        precision = right / taken for it,    recall = right / there are,    F1 = 2 right / (taken for it + there are)

    Where nothing was taken for a class, or none is there, the score is 0, as in scikit-learn.
    """
    right = table.diag().double()
    taken, there = table.sum(0).double(), table.sum(1).double()
    columns = {"precision": taken, "recall": there, "f1": (taken + there) / 2}
    scores = {name: 100 * right / below.clamp(min=1e-12) for name, below in columns.items()}
    return [
        {**{name: round(float(values[c]), 2) for name, values in scores.items()}, "examples": int(there[c])}
        for c in range(len(table))
    ]


def macro(scores: Sequence[dict[str, float]]) -> dict[str, float]:
    """The mean over classes, each counting alike, of those that are there."""
    there = [score for score in scores if score["examples"]]
    return {name: round(sum(s[name] for s in there) / len(there), 2) for name in ("precision", "recall", "f1")}


def calibration(
    probabilities: Float[Tensor, "example class_"], truth: Int[Tensor, " example"], bins: int = BINS
) -> dict[str, Any]:
    """Whether it is right as often as it is sure: in bins of confidence, the mean confidence and the accuracy.

        ECE = sum_b (n_b / n) |accuracy_b - confidence_b|

    Bins are (low, high], the confidence is the largest probability. Source: Guo et al., "On Calibration of Modern
    Neural Networks", 2017.
    """
    confidence, predicted = probabilities.double().max(1)
    right = (predicted == truth).double()
    place = ((confidence * bins).ceil().long() - 1).clamp(0, bins - 1)
    counts = place.bincount(minlength=bins)
    sure = torch.zeros(bins, dtype=torch.float64).index_add_(0, place, confidence)
    hits = torch.zeros(bins, dtype=torch.float64).index_add_(0, place, right)
    error = float((sure - hits).abs().sum() / len(truth))
    return {
        "error": round(100 * error, 3),
        "bins": [
            {
                "low": round(b / bins, 4),
                "high": round((b + 1) / bins, 4),
                "examples": int(counts[b]),
                "confidence": round(float(sure[b] / counts[b]), 4) if counts[b] else None,
                "accuracy": round(float(hits[b] / counts[b]), 4) if counts[b] else None,
            }
            for b in range(bins)
        ],
    }


def most_wrong(probabilities: Float[Tensor, "example class_"], truth: Int[Tensor, " example"], count: int) -> list[int]:
    """The numbers of the examples of whose true class it was least sure, worst first."""
    sure = probabilities[torch.arange(len(truth)), truth]
    return sure.argsort(stable=True)[:count].tolist()


def balanced_weights(labels: Int[Tensor, " example"], classes: int) -> Float[Tensor, " class_"]:
    """n / (k n_c): a rare class counts for as much as a frequent one, and the mean weight of an example is 1.

    Source: King & Zeng, "Logistic Regression in Rare Events Data", 2001.
    """
    counts = labels.bincount(minlength=classes)
    return len(labels) / (int((counts > 0).sum()) * counts.clamp(min=1)).float()


def nearest(
    train: Float[Tensor, "train inputs"], labels: Int[Tensor, " train"], asked: Float[Tensor, "asked inputs"]
) -> Int[Tensor, " asked"]:
    """The class of the training example at the least distance (Fix & Hodges, 1951): what no training at all gives."""
    found = [torch.cdist(part, train).argmin(1) for part in asked.chunk(-(-len(asked) // AT_ONCE))]
    return labels[torch.cat(found)]
