"""Trainings side by side: which differ in nothing but the seed, what the others differ in, which of them is better.

Reads run folders alone, finished or not: config.toml says what a training was, metrics.jsonl what came of it. What the
seeds support is said by verdict.py.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from pellucid.config import Config
from pellucid.errors import RunError
from pellucid.lines import told_if_damaged
from pellucid.run import Run
from pellucid.tasks.headline import Headline, headline_of
from pellucid.train.verdict import FEWEST, Effect, Scores, Verdict, deviation_of, judged

SEED = "training.seed"
# How a training is computed, or how it was told how long to be: none of these changes what is learned.
ASIDE = {"training.budget", "training.epochs", "training.tokens", "training.save_every", "training.threads"}
ASIDE |= {"training.device", "training.watch", "training.record", "data.files", "data.fingerprint"}
# Of the data, what changes the network's reading and not which examples are held out (data/rows.py hashes whole rows).
READING = {"data.leave_out", "data.left_out", "data.categorical"}
NAMED = 3  # groups by which a comparison is called
POINTS = 100  # of a training's loss curve, each the mean of a stretch of steps

Point = tuple[int, float]
Standing = Literal["scored", "failed", "unfinished"]


@dataclass(frozen=True, slots=True)
class Training:
    """What one run folder says. `score` is of the test side; `gap` the loss on the development side less the loss in
    training, both at the end: of the last evaluation and of the steps since the one before it."""

    name: str
    path: str
    task: str
    seed: int
    settings: Mapping[str, Any]
    standing: Standing
    score: float | None
    step: float
    failed: str | None
    steps: int
    best_step: int
    seconds: float
    losses: Sequence[Point]
    dev_losses: Sequence[Point]
    scores: Sequence[Point]
    gap: float | None


@dataclass(frozen=True, slots=True)
class Group:
    """Trainings that differ in nothing but the seed."""

    name: str
    trainings: Sequence[Training]

    @property
    def settings(self) -> Mapping[str, Any]:
        return self.trainings[0].settings

    @property
    def scores(self) -> Scores:
        """By seed, of those that are over."""
        return {one.seed: one.score for one in self.trainings if one.standing != "unfinished"}

    @property
    def gaps(self) -> Scores:
        return {one.seed: one.gap for one in self.trainings if one.standing == "scored" and one.gap is not None}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why trainings are not ranked: `reason` is a word of the page, with `values` in it."""

    reason: Literal["task", "data", "unscored"]
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cured:
    """What a cure changed: the fields asked for, and those that had to follow so that as many examples are seen.

    `steps` are those of the run: no training of it is longer, unless they are what was changed.
    """

    run: str
    what: str
    changes: Mapping[str, Any]
    adapted: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    steps: int = 0


@dataclass(frozen=True, slots=True)
class Comparison:
    """Groups of trainings; of each but the first, what it does to the score and the gap beside the first's.

    `effects` and `gap_effects` are empty where the trainings are refused a ranking, and `refusal` says why.
    """

    name: str
    task: str
    score: Headline
    groups: Sequence[Group]
    effects: Sequence[Effect]
    gap_effects: Sequence[Effect]
    differing: Mapping[str, Sequence[Any]]
    refusal: Refusal | None = None
    cured: Cured | None = None

    @property
    def verdict(self) -> Verdict:
        """Of a cure, or of the second group beside the first."""
        return self.effects[0].verdict if self.effects else "none"

    def json(self) -> dict[str, Any]:
        """Everything, as JSON holds it: what the page and the command line are made of."""
        told: dict[str, Any] = {
            "kind": "comparison",
            "name": self.name,
            "task": self.task,
            "score": {"name": self.score.name, "higher": self.score.higher, "digits": self.score.digits},
            "verdict": self.verdict,
            "refusal": None if self.refusal is None else asdict(self.refusal),
            "cured": None if self.cured is None else asdict(self.cured),
            "differing": {name: list(values) for name, values in self.differing.items()},
            "groups": [_told_group(group) for group in self.groups],
            "effects": [_told_effect(effect) for effect in self.effects],
            "gap_effects": [_told_effect(effect) for effect in self.gap_effects],
        }
        return told


def training_of(run: Run) -> Training:
    """Raises RunError or ConfigError if the folder is none of a training."""
    config, headline = run.config, headline_of(run.task_name)
    losses: list[Point] = []
    dev: list[Point] = []
    scores: list[Point] = []
    test: Mapping[str, Any] | None = None
    failed, steps, best_step, seconds = None, 0, 0, 0.0
    for line in run.metrics():
        match line["kind"]:
            case "step":
                losses.append((line["step"], _number(line["loss"])))
                steps, seconds = line["step"], line["seconds"]
            case "evaluation":
                dev.append((line["step"], _number(line["loss"])))
                if line["scores"].get(headline.name) is not None:
                    scores.append((line["step"], line["scores"][headline.name]))
                best_step = line["step"] if line["best"] else best_step
            case "failed":
                failed = str(line["text"])
            case "test":
                test = line
    with told_if_damaged(run.path / "metrics.jsonl"):
        score = float(headline.of(test)) if test is not None else None
        step = headline.step(test) if test is not None else 0.0
        gap = gap_of(losses, dev)
    if score is not None and not math.isfinite(score):
        score, failed = None, failed or f"{headline.name} is {score}"
    return Training(
        name=run.name,
        path=str(run.path),
        task=run.task_name,
        seed=config.training.seed,
        settings=settings_of(config),
        standing="scored" if score is not None else "failed" if failed else "unfinished",
        score=score,
        step=step,
        failed=failed if score is None else None,
        steps=steps,
        best_step=best_step,
        seconds=seconds,
        losses=stretches(losses),
        dev_losses=dev,
        scores=scores,
        gap=gap,
    )


def compare(runs: Sequence[Run]) -> Comparison:
    """Any runs, those that differ in nothing but the seed together; each group beside the first one's.

    Raises RunError for fewer than two runs, or for one that says nothing of itself.
    """
    trainings = [training_of(run) for run in without_twice(runs)]
    if len(trainings) < 2:
        raise RunError("one run alone has nothing to be compared with", mend="Name two or more.")
    groups = grouped(trainings)
    names = [group.name for group in groups]
    name = " / ".join(names[:NAMED]) + (" …" if len(names) > NAMED else "")
    return compared(name, groups, refusal_of(trainings))


def compared(name: str, groups: Sequence[Group], refusal: Refusal | None, cured: Cured | None = None) -> Comparison:
    """The groups with what they differ in and, unless it is refused, the verdict on each beside the first."""
    first, *others = groups
    headline = headline_of(first.trainings[0].task)
    step = max((one.step for group in groups for one in group.trainings), default=0.0)
    effects: list[Effect] = []
    gaps: list[Effect] = []
    if refusal is None:
        count = max(sum(len(other.scores) >= FEWEST for other in others), 1)
        for other in others:
            effects.append(judged(first.scores, other.scores, higher=headline.higher, step=step, comparisons=count))
            gaps.append(judged(first.gaps, other.gaps, higher=False, step=0.0, comparisons=count))
    task = first.trainings[0].task
    return Comparison(name, task, headline, groups, effects, gaps, differing(groups), refusal, cured)


def without_twice(runs: Iterable[Run]) -> list[Run]:
    """Each folder once, whatever it is called."""
    return list({run.path.resolve(): run for run in runs}.values())


def grouped(trainings: Sequence[Training]) -> list[Group]:
    """In the order in which each kind comes first. Of two with the same settings and seed the first counts."""
    found: dict[str, list[Training]] = {}
    for training in trainings:
        apart = {key: value for key, value in training.settings.items() if key != SEED and key not in ASIDE}
        key = json.dumps([apart, training.settings.get("data.fingerprint")], sort_keys=True, default=str)
        together = found.setdefault(key, [])
        if training.seed not in {one.seed for one in together}:
            together.append(training)
    return [Group(_called(together[0]), together) for together in found.values()]


def _called(training: Training) -> str:
    """A cure's folders end in their seed, which does not tell a group."""
    return training.name.removesuffix(f"-seed-{training.seed}")


def refusal_of(trainings: Sequence[Training]) -> Refusal | None:
    """Why these cannot be ranked: other tasks, other data, or another held-out side; None where they can."""
    first = trainings[0]
    for other in trainings[1:]:
        if other.task != first.task:
            return Refusal("task", {"first": first.name, "other": other.name, "a": first.task, "b": other.task})
        ours, theirs = (_held_out(one.settings) for one in (first, other))
        fields = sorted(key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key))
        if fields:
            return Refusal("data", {"first": first.name, "other": other.name, "fields": ", ".join(fields)})
    if not any(one.standing == "scored" for one in trainings):
        return Refusal("unscored")
    return None


def _held_out(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What the examples, and which of them are held out, depend on; the files' places do not matter."""
    data = {key: value for key, value in settings.items() if key.startswith("data.") and key not in READING}
    data.pop("data.files", None)
    if not data.get("data.fingerprint"):
        data["data.files"] = settings.get("data.files")
    return data


def differing(groups: Sequence[Group]) -> dict[str, list[Any]]:
    """The fields that groups do not have in common, each with its value in every group; None where it has no such."""
    names = dict.fromkeys(name for group in groups for name in group.settings)
    values = {name: [group.settings.get(name) for group in groups] for name in names if name not in ASIDE | {SEED}}
    values |= {"data.fingerprint": [group.settings.get("data.fingerprint") for group in groups]}
    return {name: each for name, each in values.items() if any(value != each[0] for value in each)}


def settings_of(config: Config) -> dict[str, Any]:
    """Every field by its full name, such as `model.mlp.dropout`.

    Where a section names in `kind` one of the sections in it, the others are of networks that were not built, and left
    out.
    """
    found: dict[str, Any] = {}
    for name in type(config).model_fields:
        value = getattr(config, name)
        if not isinstance(value, Config):
            found[name] = value
        elif not _is_idle(config, name):
            found |= {f"{name}.{inner}": held for inner, held in settings_of(value).items()}
    return found


def _is_idle(config: Config, section: str) -> bool:
    """Whether a section is of another kind than the one chosen beside it."""
    chosen = getattr(config, "kind", None)
    return isinstance(chosen, str) and chosen != section and isinstance(getattr(config, chosen, None), Config)


def gap_of(losses: Sequence[Point], dev: Sequence[Point]) -> float | None:
    """How much more the loss is on the development side than in training, at the end."""
    if not dev or not losses:
        return None
    end = dev[-1][0]
    begin = next((step for step, _ in reversed(dev[:-1]) if step < end), 0)
    last = [loss for step, loss in losses if begin < step <= end]
    gap = dev[-1][1] - math.fsum(last) / len(last) if last else math.nan
    return gap if math.isfinite(gap) else None


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def stretches(points: Sequence[Point], count: int = POINTS) -> list[Point]:
    """At most so many points, each the mean over a stretch of steps, at the last of them."""
    edges = sorted({round(part * len(points) / count) for part in range(count + 1)})
    parts = [points[begin:end] for begin, end in pairwise(edges)]
    return [(part[-1][0], math.fsum(value for _, value in part) / len(part)) for part in parts if part]


def runs_in(path: Path) -> list[Path]:
    """The run folder itself, or all that a folder of runs holds."""
    if (path / "config.toml").is_file():
        return [path]
    return [config.parent for config in sorted(path.glob("*/config.toml"))]


def _told_group(group: Group) -> dict[str, Any]:
    scores = [score for score in group.scores.values() if score is not None]
    gaps = [gap for gap in group.gaps.values() if gap is not None]
    return {
        "name": group.name,
        "seeds": list(group.scores),
        "mean": math.fsum(scores) / len(scores) if scores else None,
        "deviation": deviation_of(scores) if len(scores) > 1 else None,
        "gap": math.fsum(gaps) / len(gaps) if gaps else None,
        "trainings": [
            {name: value for name, value in asdict(one).items() if name not in ("settings", "task", "step")}
            for one in group.trainings
        ],
    }


def _told_effect(effect: Effect) -> dict[str, Any]:
    return {**asdict(effect), "differences": {str(seed): value for seed, value in effect.differences.items()}}
