"""Whether one way to train is better than another, as far as their seeds can say.

The rule, with `d` the differences between trainings of the same seed (the sign turned so that more is better):

    helped        the interval of mean(d) lies above 0
    worse         it lies below 0
    not           it holds 0, and its upper end is no more than another seed changes: no help worth a setting
    noise         it holds 0, and help worth a setting as well
    none          refused: fewer than FEWEST seeds on a side, or trainings that failed on some seeds and not on others

The interval is Student's, mean(d) +- t s / sqrt(n), or Welch's where the sides have no FEWEST seeds in common. Beside
it stands the exact test by the signs of d, which supposes nothing of how they are spread, and cannot reach 5% with
fewer than 6 seeds: with 3 the verdict rests on differences being spread about as a normal is.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

from pellucid.tasks.least_squares import two_sided

LEVEL = 0.95  # of an interval: of changes that do nothing, one in forty is said to help, and one in forty to harm
FEWEST = 3  # seeds of a side: of two the interval is 9 deviations wide each way, and one says nothing of chance
MOST_SIGNS = 16  # seeds up to which all signs are tried, 65,536 of them; with more the interval is enough

Verdict = Literal["helped", "not", "worse", "noise", "none"]
Reason = Literal["above", "below", "small", "both", "same", "few", "failed", "all_failed", "some_failed"]
Method = Literal["paired", "unpaired", "failures"]
Scores = Mapping[int, float | None]  # by seed; None where the training failed, as by a loss that is not finite


@dataclass(frozen=True, slots=True)
class Effect:
    """What changing the one into the other does to the score, in the score's own direction and unit.

    `differences` are after minus before, by seed. `low` and `high` hold their mean at `level`. `exact` is the p of the
    sign test, `least` the smallest that so many seeds can give. `spread` is the deviation of the seeds before the
    change; `worth` what a change must bring to be worth a setting; `step` the finest that the score can show.
    """

    verdict: Verdict
    reason: Reason
    method: Method | None = None
    differences: Mapping[int, float] = field(default_factory=dict)
    mean: float | None = None
    deviation: float | None = None
    low: float | None = None
    high: float | None = None
    level: float = LEVEL
    exact: float | None = None
    least: float | None = None
    spread: float | None = None
    worth: float | None = None
    step: float | None = None
    failed: tuple[int, int] = (0, 0)  # trainings before and after
    seeds: tuple[int, int] = (0, 0)


def judged(before: Scores, after: Scores, *, higher: bool, step: float, comparisons: int = 1) -> Effect:
    """The rule at the head of this file. `step` is the finest that the score can show (tasks/headline.py).

    Of several `comparisons` at once each is held to a level at which all of them err as rarely as one (Bonferroni).
    """
    level = 1 - (1 - LEVEL) / comparisons
    seeds = (len(before), len(after))
    failed = (_failures(before), _failures(after))
    if min(seeds) < FEWEST:
        common = {seed: _difference(before, after, seed) for seed in sorted(before.keys() & after.keys())}
        known = {seed: value for seed, value in common.items() if value is not None}
        return Effect("none", "few", differences=known, level=level, failed=failed, seeds=seeds)
    if any(failed):
        return _of_failures(seeds, failed, level)
    scores_before, scores_after = ([value for value in side.values() if value is not None] for side in (before, after))
    spread = deviation_of(scores_before)
    common_seeds = sorted(before.keys() & after.keys())
    differences = {seed: _difference(before, after, seed) or 0.0 for seed in common_seeds}
    if len(common_seeds) >= FEWEST:
        method: Method = "paired"
        mean, deviation, low, high = paired_interval(list(differences.values()), level, step)
        exact = least = None
        if len(differences) <= MOST_SIGNS:
            exact, least = sign_test(list(differences.values())), 2.0 ** (1 - len(differences))
    else:
        method = "unpaired"
        mean, deviation, low, high = unpaired_interval(scores_before, scores_after, level, step)
        exact = least = None
    worth = max(spread, step)
    verdict, reason = _verdict(low, high, worth, higher)
    if method == "paired" and not any(differences.values()):
        verdict, reason = "not", "same"
    return Effect(
        verdict,
        reason,
        method,
        differences,
        mean,
        deviation,
        low,
        high,
        level,
        exact,
        least,
        spread,
        worth,
        step,
        failed,
        seeds,
    )


def _verdict(low: float, high: float, worth: float, higher: bool) -> tuple[Verdict, Reason]:
    least, most = (low, high) if higher else (-high, -low)
    if least > 0:
        return "helped", "above"
    if most < 0:
        return "worse", "below"
    return ("not", "small") if most <= worth else ("noise", "both")


def _of_failures(seeds: tuple[int, int], failed: tuple[int, int], level: float) -> Effect:
    """Where trainings failed, how many of each side did: told apart by Fisher's exact test, one-sided."""
    verdict: Verdict = "none"
    reason: Reason = "some_failed"
    if failed == seeds:
        reason = "all_failed"
    elif failed[0] > failed[1] and fisher(failed[0], seeds[0], failed[1], seeds[1]) <= 1 - level + 1e-12:
        verdict, reason = "helped", "failed"
    elif failed[1] > failed[0] and fisher(failed[1], seeds[1], failed[0], seeds[0]) <= 1 - level + 1e-12:
        verdict, reason = "worse", "failed"
    return Effect(verdict, reason, "failures", level=level, failed=failed, seeds=seeds)


def paired_interval(differences: Sequence[float], level: float, step: float) -> tuple[float, float, float, float]:
    """Mean, deviation, and the ends of Student's interval mean +- t s / sqrt(n) with n - 1 degrees of freedom.

    A score that moves in steps hides up to half of one each way, which is step^2 / 12 of its variance (Sheppard, 1898)
    and step^2 / 6 of a difference's; few seeds may not show it, so that no deviation is taken for less.
    Source: Student, "The probable error of a mean", 1908.
    """
    mean = math.fsum(differences) / len(differences)
    deviation = max(deviation_of(differences), step / math.sqrt(6))
    reach = student_quantile(level, len(differences) - 1) * deviation / math.sqrt(len(differences))
    return mean, deviation, mean - reach, mean + reach


def unpaired_interval(
    before: Sequence[float], after: Sequence[float], level: float, step: float
) -> tuple[float, float, float, float]:
    """Difference of the means, its deviation for one seed a side, and the ends of Welch's interval.

    Source: Welch, "The generalization of Student's problem when several different population variances are involved",
    1947; degrees of freedom by Satterthwaite, 1946, not rounded.
    """
    parts = [max(deviation_of(side) ** 2, step**2 / 12) / len(side) for side in (before, after)]
    mean = math.fsum(after) / len(after) - math.fsum(before) / len(before)
    total = math.fsum(parts)
    weights = [part**2 / (len(side) - 1) for part, side in zip(parts, (before, after), strict=True)]
    degrees = total**2 / math.fsum(weights) if total else len(before) + len(after) - 2
    reach = student_quantile(level, degrees) * math.sqrt(total)
    deviation = math.sqrt(math.fsum(part * len(side) for part, side in zip(parts, (before, after), strict=True)))
    return mean, deviation, mean - reach, mean + reach


def sign_test(differences: Sequence[float]) -> float:
    """The share of all 2^n ways to choose the signs whose sum is as far from 0 as this one, or further.

    Source: Fisher, "The Design of Experiments", 1935, section 21.
    """
    found = abs(math.fsum(differences))
    near = 1e-9 * max(math.fsum(map(abs, differences)), 1e-300)  # sums that differ by rounding are equal
    signs = itertools.product((1, -1), repeat=len(differences))
    sums = [abs(math.fsum(sign * value for sign, value in zip(each, differences, strict=True))) for each in signs]
    return sum(value >= found - near for value in sums) / len(sums)


def fisher(failed: int, of: int, other_failed: int, other_of: int) -> float:
    """The chance that so many or more of all failures fall on the first side, were the sides alike: hypergeometric."""
    failures, whole = failed + other_failed, of + other_of
    ways = [math.comb(of, k) * math.comb(other_of, failures - k) for k in range(failed, min(failures, of) + 1)]
    return sum(ways) / math.comb(whole, failures)


def deviation_of(values: Sequence[float]) -> float:
    """sqrt(sum (x - mean)^2 / (n - 1)); 0 of a single one."""
    if len(values) < 2:
        return 0.0
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


@lru_cache
def student_quantile(level: float, degrees: float) -> float:
    """The t with P(|T| <= t) = level of Student's distribution, by halving the stretch that it lies in."""
    low, high = 0.0, 1.0
    while two_sided(high, degrees) > 1 - level:
        low, high = high, 2 * high
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if two_sided(middle, degrees) > 1 - level else (low, middle)
    return high


def _failures(side: Scores) -> int:
    return sum(score is None for score in side.values())


def _difference(before: Scores, after: Scores, seed: int) -> float | None:
    first, second = before[seed], after[seed]
    return None if first is None or second is None else second - first
