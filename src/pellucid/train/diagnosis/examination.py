"""The examination: what only the model and the data together can say. Made after a training, on request.

Losses of both sides are measured alike: the same weights, in evaluation mode, of examples as they are, without label
smoothing, weights of classes or penalties. At most MOST examples a side, the same each time; it takes some seconds.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from pellucid.lines import told_if_damaged
from pellucid.tasks.task import Batch, Sample, SideName, Task
from pellucid.train.diagnosis.labels import Suspect, mismatched, outlying, suspicious
from pellucid.train.diagnosis.references import Reference, best_guess, class_guess, flat, others, reference
from pellucid.train.diagnosis.through_time import ThroughTime, through_time
from pellucid.train.diagnosis.twins import lines_seen, near_rows, near_texts, seen_again

if TYPE_CHECKING:
    from pellucid.run import Run

HELD_OUT: tuple[SideName, ...] = ("dev", "test")
MOST = 512  # examples a side that the network reads
MOST_LOOKED = 4096  # that are compared with each other, without a network
MOST_NUMBERS = 64_000_000  # in the inputs of these: of large images there are fewer
AT_ONCE = 64  # examples in one pass
BATCHES = 8  # of the last ones that were trained on, taken again: the whole of their steps, at least of one


@dataclass(frozen=True)
class Examined:
    """One side: of each example the loss and what it would be for a guess without inputs, both summed over items."""

    losses: Tensor
    items: Tensor
    uninformed: Tensor
    origin: Callable[[int], str]

    @property
    def each(self) -> Tensor:
        """The mean loss per item of each example."""
        return self.losses / self.items.clamp(min=1)

    @property
    def mean(self) -> float:
        return float(self.losses.sum() / self.items.sum())

    @property
    def guess(self) -> float:
        """The mean loss per item of guessing without inputs."""
        return float(self.uninformed.sum() / self.items.sum())


@dataclass(frozen=True)
class ClassSeen:
    """One class: how many of it there are to learn from, how many were held out, and how many of those were found."""

    name: str
    train: int
    held_out: int
    found: int


@dataclass(frozen=True)
class Modes:
    """Mean losses in training mode and in evaluation mode beside what the run's metrics say, and their spread."""

    training: float
    evaluation: float
    recorded: float
    error: float  # standard error of the difference of the first two
    sampling: float  # standard error of the second, as not all examples were looked at; 0 if they were


@dataclass(frozen=True)
class Learned:
    """One point of the learning curve: training on so many examples leads to these losses."""

    examples: int
    train: Examined
    held_out: Examined


@dataclass(frozen=True)
class Broken:
    """A point that the learning curve lacks: training on so many examples diverged, and what it said."""

    examples: int
    why: str


@dataclass(frozen=True)
class Examination:
    """What was measured on a run's best weights, and on its last where that is said. Losses are per item, in nats."""

    train: Examined
    held_out: Examined
    last: tuple[Examined, Examined] | None  # both sides with the last weights, if the training left them
    swapped: Tensor  # held-out losses of each example with another one's inputs
    reference: Reference | None
    classes: Sequence[ClassSeen] = ()
    suspects: Sequence[Suspect] = ()
    looked_at: int = 0  # training examples among which the suspects were found
    twins: Sequence[tuple[str, str]] = ()  # where the held-out one stood, and where the one in training
    looked_for_twins: int = 0
    seen: float = 0.0  # share of a held-out text's long runs of words that stand in the training text
    shifted: Sequence[tuple[int, float, float]] = ()  # input, standard errors and deviations that its mean is off
    padding: tuple[float, float] | None = None  # the loss of a batch, and of the same with more padding
    filled: float | None = None  # how many times likelier than by chance padding is behind the end
    stepping: Modes | None = None  # of the last batches trained on, with the last weights
    evaluating: Modes | None = None  # of the development side, with the best
    unfed: Sequence[str] = ()  # batch norms that have never seen a batch in training mode
    accuracy: Mapping[str, float] = field(default_factory=dict)  # held out: network, reference, both on another class
    curve: Sequence[Learned] = ()  # on request: what shares of the data lead to, the whole last
    over_time: ThroughTime | None = None  # of recurrent layers
    broken: Sequence[Broken] = ()  # shares whose trainings diverged
    stopped: bool = False  # whether the learning curve was broken off
    seen_lines: float = 0.0  # share of a held-out text's long lines that stand in the training text


def examine(run: "Run", task: Task | None = None) -> Examination | None:
    """Look at a run's weights and data; None if its task has no examples to show. Random state is left as it was."""
    task = (task or run.task).apart()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return _examine(run, task)


def _examine(run: "Run", task: Task) -> Examination | None:
    sample, dev, held = task.sample("train", MOST), task.sample("dev", MOST), held_out_of(task)
    if sample is None or dev is None or held is None or min(len(sample), len(dev)) < 2:
        return None
    model = run.model.cpu()
    train, held_out = (examined(task, model, one) for one in (sample, held))
    classes = class_names(task)
    labelled = bool(classes) and held.targets.dim() == 1
    order = others(len(held))
    swapped, _ = losses_of(task, model, Sample(held.inputs[order], held.targets, held.origin))
    found = reference(sample, held, held_out.uninformed, len(classes) if labelled else None)
    last = last_model(run, task, averaged=True)
    wide = task.sample("train", most_looked(sample)) or sample
    predicted = answers(model, held) if labelled else None
    twins, looked = twins_of(task, wide, held)
    return Examination(
        train,
        held_out,
        None if last is None else (examined(task, last, sample), examined(task, last, held)),
        swapped,
        found,
        classes_seen(run, classes, wide, held, predicted) if predicted is not None else (),
        suspects_of(task, model, wide, len(classes) if labelled else None, classes),
        len(wide),
        twins,
        looked,
        seen_again(task.prose("dev") + "\n" + task.prose("test"), task.prose("train")),
        shifts(wide, held),
        padding_of(task, model),
        task.padding_learned(last or model, held),
        stepping_modes(run, task),
        evaluating_modes(run, task, model, dev),
        [name for name, one in model.named_modules() if isinstance(one, _BatchNorm) and unfed(one)],
        accuracies(wide, held, predicted) if predicted is not None else {},
        over_time=through_time(model, sample, held),
        seen_lines=lines_seen(task.prose("dev") + "\n" + task.prose("test"), task.prose("train")),
    )


def held_out_of(task: Task) -> Sample | None:
    """Examples of both held-out sides."""
    found = [sample for side in HELD_OUT if (sample := task.sample(side, MOST)) is not None and len(sample)]
    return joined(found) if found else None


def joined(samples: Sequence[Sample]) -> Sample:
    """Several samples as one; rows of tokens of different lengths are filled up with 0."""
    first, *rest = samples
    for more in rest:
        count, origins = len(first), (first.origin, more.origin)

        def origin(place: int, count: int = count, origins: tuple[Callable[[int], str], ...] = origins) -> str:
            return origins[0](place) if place < count else origins[1](place - count)

        first = Sample(stacked(first.inputs, more.inputs), stacked(first.targets, more.targets), origin)
    return first


def stacked(a: Tensor, b: Tensor) -> Tensor:
    if a.dim() == 2 and a.size(1) != b.size(1):
        width = max(a.size(1), b.size(1))
        a, b = (torch.nn.functional.pad(one, (0, width - one.size(1))) for one in (a, b))
    return torch.cat([a, b])


def losses_of(task: Task, model: nn.Module, sample: Sample, training: bool = False) -> tuple[Tensor, Tensor]:
    """Of each example the loss summed over its items, and how many they are."""
    model.train(training)
    with torch.no_grad():
        parts = [
            task.losses(model, sample.inputs[start : start + AT_ONCE], sample.targets[start : start + AT_ONCE])
            for start in range(0, len(sample), AT_ONCE)
        ]
    model.eval()
    losses, items = (torch.cat([one.float() for one in column]) for column in zip(*parts, strict=True))
    return losses, items


def examined(task: Task, model: nn.Module, sample: Sample) -> Examined:
    losses, items = losses_of(task, model, sample)
    return Examined(losses, items, task.uninformed(sample.targets).float(), sample.origin)


def last_model(run: "Run", task: Task, averaged: bool) -> nn.Module | None:
    """The network as training left it: its weights or, where evaluations are of their moving average, that."""
    saved = run.load_state()
    if saved is None:
        return None
    tensors = saved[0]
    model: nn.Module = copy.deepcopy(run.model).cpu()
    weights = model.state_dict()
    for name in weights:
        for kind in ("average", "model") if averaged else ("model",):
            if f"{kind}.{name}" in tensors:
                weights[name] = tensors[f"{kind}.{name}"]
                break
    model.load_state_dict(weights)
    return model.eval()


def class_names(task: Task) -> Sequence[str]:
    """The classes of a task that tells such apart."""
    form = getattr(task, "form", None)
    return tuple(getattr(form, "classes", ()))


def answers(model: nn.Module, sample: Sample) -> Tensor:
    """The scores of the classes: (example, class)."""
    with torch.no_grad():
        return torch.cat([model(part) for part in torch.split(sample.inputs, AT_ONCE)])


def classes_seen(run: "Run", names: Sequence[str], wide: Sample, held: Sample, predicted: Tensor) -> list[ClassSeen]:
    data: Mapping[str, Any] = next((line for line in run.metrics() if line["kind"] == "data"), {})
    with told_if_damaged(run.path / "metrics.jsonl"):
        told = {str(one["class"]): int(one["train"]) for one in data.get("classes", ())}
    looked = wide.targets.bincount(minlength=len(names)).tolist()
    right = predicted.argmax(1) == held.targets
    return [
        ClassSeen(
            name,
            told.get(name, looked[number]),
            int((held.targets == number).sum()),
            int((right & (held.targets == number)).sum()),
        )
        for number, name in enumerate(names)
    ]


def accuracies(train: Sample, held: Sample, predicted: Tensor) -> dict[str, float]:
    """Shares of held-out examples: told rightly by the network, by what needs none, and `denied` alike by both."""
    x, classes = flat(train.inputs), predicted.size(1)
    name = best_guess(x, train.targets, classes)[0]
    said = class_guess(name, x, train.targets, flat(held.inputs), classes).argmax(1)
    own = predicted.argmax(1)
    shares = {"network": own == held.targets, "reference": said == held.targets}
    shares["denied"] = (own == said) & (own != held.targets)
    return {name: float(one.float().mean()) for name, one in shares.items()}


def suspects_of(
    task: Task, model: nn.Module, train: Sample, classes: int | None, names: Sequence[str]
) -> list[Suspect]:
    """Training examples whose target does not look like their own."""
    if train.inputs.is_floating_point():
        if classes:
            found = suspicious(flat(train.inputs), train.targets, names, train.origin)
            told = Sample(train.inputs[[one.number for one in found]], train.targets, train.origin)
            said = answers(model, told).argmax(1).tolist() if found else []
            return [replace(one, agreed=names[best] == one.likely) for one, best in zip(found, said, strict=True)]
        return outlying(flat(train.inputs), train.targets, train.origin)
    if is_pairs(train):
        own, items = losses_of(task, model, train)
        gains = []
        for turn in (1, 2):
            order = (torch.arange(len(train)) + turn * len(train) // 3) % len(train)
            other, _ = losses_of(task, model, Sample(train.inputs[order], train.targets, train.origin))
            gains.append((other - own) / items.clamp(min=1))
        return mismatched(torch.stack(gains).mean(0), train.origin)
    return []


def is_pairs(sample: Sample) -> bool:
    """Whether an example is two rows of tokens, and not one row and what comes next in it."""
    both = sample.inputs.dim() == sample.targets.dim() == 2
    return both and not torch.equal(sample.inputs[:, 1:], sample.targets[:, :-1])


def most_looked(sample: Sample) -> int:
    """How many training examples are compared with each other: fewer of large images, and where a network must read."""
    if not sample.inputs.is_floating_point():
        return 2 * MOST if is_pairs(sample) else MOST
    return max(min(MOST_LOOKED, MOST_NUMBERS // max(sample.inputs[0].numel(), 1)), 2)


def twins_of(task: Task, train: Sample, held: Sample) -> tuple[list[tuple[str, str]], int]:
    """Held-out examples that stand in training too, and among how many was looked."""
    texts, asked = task.texts("train"), [*task.texts("dev"), *task.texts("test")]
    if texts and asked:
        found = near_texts([(one.source, one.target) for one in texts], [(one.source, one.target) for one in asked])
        return [(said(asked[one.held_out]), said(texts[one.train])) for one in found], len(asked)
    if not train.inputs.is_floating_point():
        return [], 0
    rows = [torch.cat([flat(one.inputs), one.targets[:, None].float()], dim=1) for one in (train, held)]
    return [(held.origin(one.held_out), train.origin(one.train)) for one in near_rows(rows[0], rows[1])], len(held)


def said(pair: object) -> str:
    return str(getattr(pair, "origin", "")) or f"{getattr(pair, 'source', '')} = {getattr(pair, 'target', '')}"


def shifts(train: Sample, held: Sample) -> list[tuple[int, float, float]]:
    """Inputs whose mean is elsewhere in the held-out examples, the furthest first."""
    if not train.inputs.is_floating_point():
        return []
    known, asked = flat(train.inputs).double(), flat(held.inputs).double()
    deviation = known.std(0).clamp(min=1e-6)
    off = (asked.mean(0) - known.mean(0)) / deviation
    errors = off / (1 / len(known) + asked.var(0).clamp(min=1e-12) / deviation.square() / len(asked)).sqrt()
    order = errors.abs().argsort(descending=True)[:10].tolist()
    return [(place, float(errors[place]), float(off[place])) for place in order]


def padding_of(task: Task, model: nn.Module) -> tuple[float, float] | None:
    """The training loss of one batch, as it is and with more padding."""
    batch = task.collate(task.epoch(0)[0])
    more = task.padded(batch)
    if more is None:
        return None
    model.eval()
    with torch.no_grad():
        return tuple(float(task.loss(model, one).total) for one in (batch, more))  # type: ignore[return-value]


def moves(model: nn.Module) -> bool:
    """Whether a network does something else in training than in evaluation."""
    return any(
        isinstance(one, _BatchNorm)
        or ("Dropout" in type(one).__name__ and (getattr(one, "p", 0) or getattr(one, "rate", 0)))
        for one in model.modules()
    )


def unfed(norm: _BatchNorm) -> bool:
    return norm.num_batches_tracked is not None and int(norm.num_batches_tracked) == 0


def stepping_modes(run: "Run", task: Task) -> Modes | None:
    """The last batches that were trained on, taken again with the weights they led to, in both modes."""
    model, saved = last_model(run, task, averaged=False), run.load_state()
    if model is None or saved is None or not moves(model):
        return None
    together = task.training.accumulate  # batches of a step, whose mean loss is what its line says
    counters, wanted = saved[1]["counters"], max(BATCHES // together, 1)
    steps = [line for line in run.metrics() if line["kind"] == "step" and line["step"] <= counters["step"]][-wanted:]
    batches = last_batches(task, counters["epoch"], counters["position"], len(steps) * together)
    recorded = [float(line["loss"]) for line in steps if line.get("loss") is not None]
    if len(recorded) < len(steps) or len(batches) < max(len(steps) * together, 2):
        return None
    losses: dict[bool, list[float]] = {True: [], False: []}
    for mode in (True, False):
        for batch in batches:
            task.carry({})
            copied = copy.deepcopy(model).train(mode)
            with torch.no_grad():
                losses[mode].append(float(task.loss(copied, batch).total))
    return modes(losses, sum(recorded) / len(recorded), whole=True)


def last_batches(task: Task, epoch: int, position: int, count: int) -> list[Batch]:
    """Of the batches before a place in the training the last so many, in their order."""
    found: list[Batch] = []
    while epoch >= 0 and len(found) < count:
        examples = list(task.epoch(epoch)[: position if position is not None else None])
        found = [task.collate(one) for one in examples[-(count - len(found)) :]] + found
        epoch, position = epoch - 1, None  # type: ignore[assignment]
    return found


def evaluating_modes(run: "Run", task: Task, model: nn.Module, dev: Sample) -> Modes | None:
    """The development side in both modes beside what the run said of its best weights."""
    if not moves(model):
        return None
    recorded = [line for line in run.metrics() if line["kind"] == "evaluation" and line["best"]]
    if not recorded or recorded[-1]["loss"] is None:
        return None
    losses = {}
    for mode in (True, False):
        found, items = losses_of(task, copy.deepcopy(model), dev, training=mode)
        weight = items / items.mean()
        losses[mode] = (found / items.clamp(min=1) * weight).tolist()
    whole = len(task.sample("dev", 2 * MOST) or dev) == len(dev)
    return modes(losses, float(recorded[-1]["loss"]), whole)


def modes(losses: Mapping[bool, Sequence[float]], recorded: float, whole: bool) -> Modes:
    training, evaluation = (torch.tensor(losses[mode]).double() for mode in (True, False))
    difference, root = training - evaluation, len(training) ** 0.5
    sampling = 0.0 if whole else float(evaluation.std()) / root
    return Modes(float(training.mean()), float(evaluation.mean()), recorded, float(difference.std()) / root, sampling)
