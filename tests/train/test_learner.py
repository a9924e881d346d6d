"""A learner's shorter ways give what the usual ones give: batches cut at once, gradients without autograd."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pellucid.errors import TrainingError
from pellucid.models.language import LanguageModelConfig, build_language_model
from pellucid.run import Run
from pellucid.tasks.classify import ClassifyConfig, ClassifyTask
from pellucid.tasks.regress import RegressConfig, RegressTask
from pellucid.tasks.task import Batch, Losses, Task
from pellucid.train.loop import Trainer

CLOCKED = ("seconds", "tokens_per_second")
COMMON: dict[str, Any] = {"steps": 30, "batch": 16, "evaluate_every": 10, "threads": 1, "learning_rate": 0.01}


class SlowClassify(ClassifyTask):
    """Says nothing of its own about batches and gradients."""

    batches = Task.batches
    shortcut = Task.shortcut


class SlowRegress(RegressTask):
    batches = Task.batches
    shortcut = Task.shortcut


def classify(kind: type[ClassifyTask], **sections: Any) -> ClassifyTask:
    training = {**COMMON, **sections.pop("training", {})}
    model = {"mlp": {"width": 24, "depth": 2, **sections.pop("mlp", {})}}
    fields = {"data": {"files": ["sample:wine"]}, "model": model, "training": training, **sections}
    return kind(ClassifyConfig.parse(fields))


def regress(kind: type[RegressTask], **sections: Any) -> RegressTask:
    training = {**COMMON, **sections.pop("training", {})}
    fields = {"data": {"files": ["sample:diabetes"]}, "training": training, **sections}
    return kind(RegressConfig.parse(fields))


def trainer_of(task: Task, place: Path) -> Trainer:
    return Trainer(Run.create(place, task), task)


def lines(run: Run) -> list[dict[str, Any]]:
    return [{key: value for key, value in line.items() if key not in CLOCKED} for line in run.metrics()]


def tensors(run: Run) -> dict[str, Tensor]:
    saved = run.load_state()
    assert saved is not None
    return saved[0]


CASES: dict[str, tuple[Callable[..., Task], type[Task], type[Task], dict[str, Any]]] = {
    "perceptron": (classify, ClassifyTask, SlowClassify, {}),
    "residual tanh": (classify, ClassifyTask, SlowClassify, {"mlp": {"residual": True, "activation": "tanh"}}),
    "averaged, several batches a step": (
        classify,
        ClassifyTask,
        SlowClassify,
        {"training": {"accumulate": 2, "average": 0.9, "clip": 0.2}},
    ),
    "smoothed labels": (classify, ClassifyTask, SlowClassify, {"label_smoothing": 0.1}),
    "weights of classes": (classify, ClassifyTask, SlowClassify, {"class_weights": "balanced"}),
    "muon": (classify, ClassifyTask, SlowClassify, {"training": {"optimizer": "muon"}}),
    "line by descent": (regress, RegressTask, SlowRegress, {"training": {"optimizer": "sgd", "batch": 1000}}),
    "curve": (regress, RegressTask, SlowRegress, {"model": {"depth": 2, "width": 16}, "loss": "huber"}),
}


@pytest.mark.parametrize("case", CASES)
def test_a_training_by_the_shorter_ways_is_the_training_by_autograd(case: str, tmp_path: Path) -> None:
    make, short, usual, sections = CASES[case]
    runs = []
    for name, kind in (("short", short), ("usual", usual)):
        task = make(kind, **sections)
        run = Run.create(tmp_path / name, task)
        trainer = Trainer(run, task)
        assert (trainer.learner.shortcut is not None) == (kind is short)
        trainer.train()
        runs.append(run)
    ours, theirs = runs
    for one, other in zip(lines(ours), lines(theirs), strict=True):
        assert one.keys() == other.keys()
        for key in {"loss", "gradient_norm"} & one.keys():
            assert one[key] == pytest.approx(other[key], rel=1e-3, abs=2e-5), (key, one, other)
    assert tensors(ours).keys() == tensors(theirs).keys()
    for name, value in tensors(theirs).items():
        if name.startswith(("model.", "average.")):
            torch.testing.assert_close(tensors(ours)[name], value, rtol=1e-3, atol=1e-5, msg=name)


@pytest.mark.parametrize("hooked", ["a module", "all modules", "a function mode", "a parameter"])
def test_who_listens_hears_every_module_and_changes_nothing(hooked: str, tmp_path: Path) -> None:
    plain = trainer_of(classify(ClassifyTask), tmp_path / "plain")
    plain.train()
    watched = trainer_of(classify(ClassifyTask), tmp_path / "watched")
    heard: list[object] = []
    model = watched.model
    handle: Any
    if hooked == "a module":
        handle = model.get_submodule("output").register_forward_hook(lambda *_: heard.append(1))
    elif hooked == "all modules":
        handle = nn.modules.module.register_module_forward_hook(lambda *_: heard.append(1))
    elif hooked == "a parameter":
        handle = next(model.parameters()).register_hook(lambda *_: heard.append(1))  # type: ignore[no-untyped-call]
    else:
        handle = Hearing(heard)
        handle.__enter__()
    try:
        watched.train()
    finally:
        handle.remove()
    assert len(heard) >= 30
    for name, value in plain.model.state_dict().items():
        assert torch.equal(watched.model.state_dict()[name], value), name


class Hearing(torch.overrides.TorchFunctionMode):
    """Hears each linear layer."""

    def __init__(self, heard: list[object]) -> None:
        super().__init__()
        self.heard = heard

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is nn.functional.linear:
            self.heard.append(func)
        return func(*args, **(kwargs or {}))

    def remove(self) -> None:
        self.__exit__(None, None, None)


class Changed(ClassifyTask):
    """Its loss is another, so that what was true of the gradients is true no more."""

    def loss(self, model: nn.Module, batch: Batch) -> Losses:
        losses = super().loss(model, batch)
        return Losses({name: 2 * part for name, part in losses.parts.items()}, losses.count)


def test_a_task_with_another_loss_takes_no_shortcut(tmp_path: Path) -> None:
    assert trainer_of(classify(Changed), tmp_path / "run").learner.shortcut is None


def test_a_loss_that_is_not_finite_stops_the_shorter_way_too(tmp_path: Path) -> None:
    task = classify(ClassifyTask)
    trainer = Trainer(Run.create(tmp_path / "run", task), task)
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    task._ready[:] = float("nan")  # type: ignore[index]
    with pytest.raises(TrainingError, match="step 1 gave a loss of nan"):
        trainer.train()
    for name, value in before.items():
        assert torch.equal(trainer.model.state_dict()[name], value), name


@pytest.mark.parametrize("make", [lambda: classify(ClassifyTask), lambda: regress(RegressTask)])
@pytest.mark.parametrize("first", [0, 1, 3])
def test_batches_cut_at_once_are_those_collated_one_by_one(
    make: Callable[[], Task], first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pellucid.data.cut.AT_ONCE", 500)  # two batches or so, that pieces meet
    task = make()
    for number in (0, 2):
        cut = list(task.batches(number, first))
        collated = [task.collate(examples) for examples in task.epoch(number)[first:]]
        assert len(cut) == len(collated) > 1
        for one, other in zip(cut, collated, strict=True):
            assert one.tensors.keys() == other.tensors.keys()
            assert all(torch.equal(one.tensors[name], other.tensors[name]) for name in one.tensors)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "gpt"])
def test_every_weight_of_a_language_model_has_a_gradient_as_flat_memory_takes_for_granted(cell: str) -> None:
    config = LanguageModelConfig.parse({"cell": cell, "width": 16, "layers": 2, "context": 8})
    model = build_language_model(config, 11)
    logits = model(torch.zeros(2, 8, dtype=torch.long))
    (logits[0] if isinstance(logits, tuple) else logits).sum().backward()
    assert [name for name, one in model.named_parameters() if one.grad is None] == []


def test_a_training_cut_in_the_middle_of_an_epoch_resumes_to_the_same_bits(tmp_path: Path) -> None:
    whole, cut = (Run.create(tmp_path / name, classify(ClassifyTask)) for name in ("whole", "cut"))
    Trainer(whole, classify(ClassifyTask)).train()
    for stop in (3, 11, 30):
        trainer = Trainer(cut, classify(ClassifyTask))
        trainer.should_stop = lambda trainer=trainer, stop=stop: trainer.counters.step >= stop
        trainer.train()
    ours, theirs = tensors(cut), tensors(whole)
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []
