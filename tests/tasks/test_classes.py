"""Scores of classifiers against scikit-learn's, on random cases."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.stats import binomtest
from sklearn import metrics
from sklearn.calibration import calibration_curve
from sklearn.neighbors import KNeighborsClassifier
from sklearn.utils.class_weight import compute_class_weight

from pellucid.tasks.classes import (
    balanced_weights,
    by_class,
    calibration,
    confusion,
    macro,
    most_wrong,
    nearest,
    share,
)

CASES = [(2, 30), (3, 200), (10, 500), (5, 7)]


def case(classes: int, count: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Random truths, probabilities and what they say."""
    probabilities = (2 * torch.randn(count, classes)).softmax(1)
    return torch.randint(classes, (count,)), probabilities, probabilities.argmax(1)


@pytest.mark.parametrize(("classes", "count"), CASES)
def test_the_confusion_table_is_scikit_learns(classes: int, count: int) -> None:
    truth, _, predicted = case(classes, count)
    theirs = metrics.confusion_matrix(truth, predicted, labels=range(classes))
    assert confusion(truth, predicted, classes).tolist() == theirs.tolist()


@pytest.mark.parametrize(("classes", "count"), CASES)
def test_precision_recall_and_f1_are_scikit_learns(classes: int, count: int) -> None:
    truth, _, predicted = case(classes, count)
    found = by_class(confusion(truth, predicted, classes))
    columns = metrics.precision_recall_fscore_support(truth, predicted, labels=range(classes), zero_division=0)
    for name, theirs in zip(("precision", "recall", "f1"), columns, strict=False):
        assert [one[name] for one in found] == pytest.approx((100 * theirs).round(2).tolist(), abs=0.011)
    assert [one["examples"] for one in found] == columns[3].tolist()
    there = sorted(set(truth.tolist()))
    mean = metrics.f1_score(truth, predicted, labels=there, average="macro", zero_division=0)
    assert macro(found)["f1"] == pytest.approx(100 * mean, abs=0.02)


@pytest.mark.parametrize("count", [40, 1000])
def test_the_reliability_of_two_classes_is_scikit_learns(count: int) -> None:
    truth, probabilities, predicted = case(2, count)
    right = (predicted == truth).long()
    # Their bins are over the same confidences, as probabilities of being right.
    accuracy, confidence = calibration_curve(right, probabilities.amax(1), n_bins=10)
    bins = [one for one in calibration(probabilities, truth)["bins"] if one["examples"]]
    assert [one["accuracy"] for one in bins] == pytest.approx(accuracy.tolist(), abs=1e-4)
    assert [one["confidence"] for one in bins] == pytest.approx(confidence.tolist(), abs=1e-4)


def test_the_calibration_error_is_the_mean_gap_over_examples() -> None:
    truth, probabilities, predicted = case(4, 300)
    confidence = probabilities.amax(1).double().numpy()
    right = (predicted == truth).double().numpy()
    edges = np.linspace(0, 1, 11)
    gaps = 0.0
    for low, high in pairwise(edges):
        there = (confidence > low) & (confidence <= high)
        if there.any():
            gaps += there.mean() * abs(right[there].mean() - confidence[there].mean())
    found = calibration(probabilities, truth)
    assert found["error"] == pytest.approx(100 * gaps, abs=1e-3)
    assert sum(one["examples"] for one in found["bins"]) == 300


def test_one_who_is_always_sure_and_right_is_calibrated() -> None:
    truth = torch.arange(5)
    assert calibration(torch.eye(5), truth)["error"] == 0
    assert calibration(torch.eye(5), truth.roll(1))["error"] == 100


@pytest.mark.parametrize(("hits", "count"), [(0, 10), (10, 10), (3, 7), (265, 269)])
def test_the_interval_is_wilsons(hits: int, count: int) -> None:
    theirs = binomtest(hits, count).proportion_ci(method="wilson")
    found = share(hits, count)
    assert found["value"] == pytest.approx(100 * hits / count, abs=0.005)
    assert (found["low"], found["high"]) == pytest.approx((100 * theirs.low, 100 * theirs.high), abs=0.006)


def test_balanced_weights_are_scikit_learns() -> None:
    labels = torch.tensor([0] * 50 + [1] * 5 + [2] * 20)
    theirs = compute_class_weight("balanced", classes=np.arange(3), y=labels.numpy())
    assert balanced_weights(labels, 3).tolist() == pytest.approx(theirs.tolist())
    assert balanced_weights(labels, 3)[labels].mean().item() == pytest.approx(1)


def test_the_nearest_example_is_scikit_learns() -> None:
    train, labels, asked = torch.randn(80, 6), torch.randint(3, (80,)), torch.randn(300, 6)
    theirs = KNeighborsClassifier(1).fit(train.numpy(), labels.numpy()).predict(asked.numpy())
    assert nearest(train, labels, asked).tolist() == theirs.tolist()


def test_the_most_wrong_are_those_least_sure_of_the_truth() -> None:
    truth, probabilities, _ = case(4, 50)
    found = most_wrong(probabilities, truth, 5)
    loss = torch.nn.functional.nll_loss(probabilities.log(), truth, reduction="none")
    assert found == loss.argsort(descending=True)[:5].tolist()
