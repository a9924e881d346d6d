"""What seeds can say: intervals, tests and the rule, against SciPy, textbook values and chance itself."""

import random
import statistics

import pytest
from scipy import stats

from pellucid.train.verdict import (
    FEWEST,
    Effect,
    deviation_of,
    fisher,
    judged,
    paired_interval,
    sign_test,
    student_quantile,
    unpaired_interval,
)


def scores(*values: float | None, first: int = 1) -> dict[int, float | None]:
    return dict(enumerate(values, first))


def verdict_of(before: dict[int, float | None], after: dict[int, float | None], **how: object) -> Effect:
    return judged(before, after, **{"higher": True, "step": 0.0, **how})  # type: ignore[arg-type]


@pytest.mark.parametrize("degrees", [1, 2, 3, 4.7, 9, 60])
@pytest.mark.parametrize("level", [0.8, 0.95, 0.975, 0.999])
def test_students_quantile_is_scipys(level: float, degrees: float) -> None:
    assert student_quantile(level, degrees) == pytest.approx(stats.t.ppf((1 + level) / 2, degrees), rel=1e-9)


def test_students_quantile_of_three_seeds_is_the_one_in_the_tables() -> None:
    assert student_quantile(0.95, 2) == pytest.approx(4.30265, abs=5e-6)


@pytest.mark.parametrize("count", [2, 3, 5, 12])
def test_the_paired_interval_is_that_of_the_paired_t_test(count: int) -> None:
    draw = random.Random(count)
    before = [draw.gauss(80, 2) for _ in range(count)]
    after = [value + draw.gauss(1, 0.5) for value in before]
    differences = [b - a for a, b in zip(before, after, strict=True)]
    mean, deviation, low, high = paired_interval(differences, 0.95, step=0.0)
    theirs = stats.ttest_rel(after, before).confidence_interval(0.95)
    assert (low, high) == pytest.approx((theirs.low, theirs.high), rel=1e-9)
    assert mean == pytest.approx(statistics.mean(differences))
    assert deviation == pytest.approx(statistics.stdev(differences))


@pytest.mark.parametrize(("few", "many"), [(3, 3), (3, 8), (5, 4)])
def test_the_unpaired_interval_is_welchs(few: int, many: int) -> None:
    draw = random.Random(few * many)
    before, after = [draw.gauss(0, 1) for _ in range(few)], [draw.gauss(1, 3) for _ in range(many)]
    mean, _, low, high = unpaired_interval(before, after, 0.9, step=0.0)
    theirs = stats.ttest_ind(after, before, equal_var=False).confidence_interval(0.9)
    assert (low, high) == pytest.approx((theirs.low, theirs.high), rel=1e-8)
    assert mean == pytest.approx(statistics.mean(after) - statistics.mean(before))


@pytest.mark.parametrize("differences", [(1.0, 2.0, 3.0), (1.0, -2.0, 0.5, 4.0), (0.3, 0.3, 0.3, -0.3, 0.0, 1.0)])
def test_the_sign_test_is_the_exact_permutation_test(differences: tuple[float, ...]) -> None:
    theirs = stats.permutation_test(
        (differences,), lambda x, axis: x.mean(axis=axis), permutation_type="samples", n_resamples=10**6
    )
    assert sign_test(differences) == pytest.approx(theirs.pvalue)


def test_three_seeds_can_give_the_sign_test_no_less_than_a_quarter_and_six_no_less_than_a_thirtysecond() -> None:
    assert sign_test([5.0, 6.0, 7.0]) == 0.25
    assert sign_test([5.0, 6.0, 7.0, 8.0, 9.0, 10.0]) == 1 / 32
    assert verdict_of(scores(1, 2, 3), scores(6, 8, 10)).least == 0.25


@pytest.mark.parametrize("counts", [(3, 3, 0, 3), (2, 3, 1, 4), (5, 6, 0, 6), (1, 3, 1, 3)])
def test_failures_are_told_apart_by_fishers_exact_test(counts: tuple[int, int, int, int]) -> None:
    failed, of, other_failed, other_of = counts
    table = [[failed, of - failed], [other_failed, other_of - other_failed]]
    assert fisher(*counts) == pytest.approx(stats.fisher_exact(table, alternative="greater").pvalue)


def test_the_deviation_is_that_of_a_sample() -> None:
    assert deviation_of([1.0, 2.0, 4.0]) == pytest.approx(statistics.stdev([1, 2, 4]))
    assert deviation_of([7.0]) == 0


def test_a_change_that_raises_the_score_alike_with_every_seed_helped() -> None:
    effect = verdict_of(scores(80, 82, 81), scores(84.9, 87.1, 86))
    assert (effect.verdict, effect.reason, effect.method) == ("helped", "above", "paired")
    assert effect.differences == pytest.approx({1: 4.9, 2: 5.1, 3: 5.0})
    assert effect.low is not None
    assert effect.low > 0


def test_the_same_numbers_are_worse_where_less_is_better() -> None:
    assert verdict_of(scores(80, 82, 81), scores(84.9, 87.1, 86), higher=False).verdict == "worse"
    assert verdict_of(scores(84.9, 87.1, 86), scores(80, 82, 81), higher=False).verdict == "helped"


def test_pairing_sees_what_the_spread_of_seeds_would_hide() -> None:
    before = scores(50, 70, 90)
    assert verdict_of(before, scores(51, 71.1, 90.9)).verdict == "helped"
    assert verdict_of(before, scores(51, 71.1, 90.9, first=4)).verdict == "noise"


def test_a_difference_that_seeds_make_as_well_is_within_noise() -> None:
    effect = verdict_of(scores(80, 82, 81), scores(84, 80, 83))
    assert (effect.verdict, effect.reason) == ("noise", "both")
    assert effect.low is not None
    assert effect.high is not None
    assert effect.low < 0 < effect.high


def test_a_change_whose_best_is_less_than_what_another_seed_changes_did_not_help() -> None:
    effect = verdict_of(scores(80, 82, 81), scores(80.01, 81.99, 81))
    assert (effect.verdict, effect.reason) == ("not", "small")
    assert effect.worth == pytest.approx(1.0)


def test_a_change_that_changes_nothing_did_not_help() -> None:
    effect = verdict_of(scores(80, 82, 81), scores(80, 82, 81), step=1.0)
    assert (effect.verdict, effect.reason) == ("not", "same")


@pytest.mark.parametrize("count", range(1, FEWEST))
def test_fewer_than_three_seeds_get_no_verdict_however_far_apart_they_are(count: int) -> None:
    effect = verdict_of(scores(*[10.0] * count), scores(*[99.0] * count))
    assert (effect.verdict, effect.reason, effect.mean) == ("none", "few", None)
    assert effect.seeds == (count, count)


def test_one_held_out_example_more_with_each_of_three_seeds_is_no_help_yet_and_two_are() -> None:
    before = scores(80, 80, 80)
    assert verdict_of(before, scores(81, 81, 81), step=1.0).verdict == "noise"
    assert verdict_of(before, scores(82, 82, 82), step=1.0).verdict == "helped"


def test_seeds_that_the_sides_do_not_share_are_compared_by_their_means() -> None:
    effect = verdict_of(scores(80, 81, 80.5), scores(90, 91, 90.4, first=3))
    assert (effect.verdict, effect.method, effect.exact) == ("helped", "unpaired", None)
    assert set(effect.differences) == {3}


def test_trainings_that_all_fail_without_a_change_and_never_with_it_are_helped() -> None:
    effect = verdict_of(scores(None, None, None), scores(80, 82, 81))
    assert (effect.verdict, effect.reason, effect.failed) == ("helped", "failed", (3, 0))
    assert verdict_of(scores(80, 82, 81), scores(None, None, None)).verdict == "worse"


def test_failures_of_some_seeds_leave_no_verdict() -> None:
    assert verdict_of(scores(None, 82, 81), scores(90, 92, 91)).reason == "some_failed"
    assert verdict_of(scores(None, None, None), scores(None, None, None)).reason == "all_failed"


def test_of_several_comparisons_each_interval_is_wider() -> None:
    before, after = scores(80, 82, 81), scores(84.5, 87.5, 86)
    one, four = verdict_of(before, after), verdict_of(before, after, comparisons=4)
    assert four.level == pytest.approx(0.9875)
    assert one.high is not None
    assert four.high is not None
    assert four.high > one.high


def test_changes_that_do_nothing_are_said_to_help_about_once_in_forty() -> None:
    draw = random.Random(7)
    found = []
    for _ in range(3000):
        before = scores(*(draw.gauss(80, 1) for _ in range(3)))
        found.append(verdict_of(before, scores(*(draw.gauss(80, 1) for _ in range(3)))).verdict)
    assert 0.015 < found.count("helped") / len(found) < 0.035
    assert 0.015 < found.count("worse") / len(found) < 0.035
