"""Illnesses planted into trainings, in code or by their config, and what the doctor is to find of them."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from pellucid.tasks.task import Batch, Task
from tests.train.diagnosis import trainings
from tests.train.diagnosis.trainings import begun_with, curve, images, language, lengthened, table, translator, waves

Change = Callable[[nn.Module], None]
SIGMOIDS = {"activation": "sigmoid", "dropout": 0.0}


@dataclass(frozen=True)
class Plant:
    """A training made ill: its `illness` is to be found at `place` (its beginning) within so many steps.

    `plant` is done to the task again when it is trained with the cure. `gone` and `better` say what the first cure is
    to reach: that the illness is no longer found, that the held-out loss (or else the score named) is lower.
    """

    task: Callable[[Path], Task]
    illness: str
    place: str = ""
    within: int = 1
    plant: Callable[[Task], Task] = lambda task: task
    cured: bool = True
    gone: bool = True
    better: bool = True
    score: str = ""


def scaled(factor: float, part: str = "") -> Callable[[Task], Task]:
    """All weight matrices of a part of the network, times a factor."""
    return lambda task: begun_with(task, lambda model: each(model, part, lambda weight: weight.mul_(factor)))


def filled(value: float) -> Callable[[Task], Task]:
    """All weights with one value, all biases 0."""

    def change(model: nn.Module) -> None:
        each(model, "", lambda weight: weight.fill_(value))
        each(model, "", lambda bias: bias.zero_(), of="bias")

    return lambda task: begun_with(task, change)


def biased(value: float, part: str, share: float = 1.0) -> Callable[[Task], Task]:
    """The biases of (the first so many) units of a part of the network."""
    return lambda task: begun_with(
        task, lambda model: each(model, part, lambda bias: bias[: round(share * len(bias))].fill_(value), of="bias")
    )


def each(model: nn.Module, part: str, change: Callable[[torch.Tensor], object], of: str = "weight") -> None:
    """Change the weights or biases of all layers that multiply, in the part of that name."""
    for name, module in model.named_modules():
        if part in name and isinstance(module, nn.Linear | nn.Conv2d) and getattr(module, of) is not None:
            change(getattr(module, of))


def poisoned(step: int, times: float = 50.0) -> Callable[[Task], Task]:
    """One batch whose inputs are so many times too large."""

    def plant(task: Task) -> Task:
        collate, asked = task.collate, 0

        def wrong(examples: Sequence[int]) -> Batch:
            nonlocal asked
            asked += 1
            batch = collate(examples)
            if asked != step:
                return batch
            return Batch({**batch.tensors, "inputs": batch.tensors["inputs"] * times}, batch.padding)

        return one_by_one(task, wrong)

    return plant


def slow(task: Task) -> Task:
    """Reading each batch takes 20 ms."""
    collate = task.collate

    def slowly(examples: Sequence[int]) -> Batch:
        time.sleep(0.02)
        return collate(examples)

    return one_by_one(task, slowly)


def one_by_one(task: Task, collate: Callable[[Sequence[int]], Batch]) -> Task:
    """The task, its batches made by this function, each by itself."""
    task.collate = collate  # type: ignore[method-assign]
    task.batches = lambda number, first=0: Task.batches(task, number, first)  # type: ignore[method-assign]
    return task


def rate(value: float, **training: Any) -> dict[str, Any]:
    return {"training": {"learning_rate": value, **training}}


def of_curve(folder: Path, **training: Any) -> Task:
    return curve(folder, model={"depth": 0}, training={"optimizer": "sgd", "clip": 1e9, **training})


PLANTS: dict[str, Plant] = {
    "20 sigmoid layers": Plant(
        lambda folder: table(folder, model={"mlp": {"depth": 20, **SIGMOIDS}}),
        "vanishing_gradients",
        "layers.0",
    ),
    "12 tanh layers begun small": Plant(
        lambda folder: curve(folder, model={"depth": 12, "activation": "tanh"}),
        "vanishing_gradients",
        "layers.0",
        plant=scaled(0.3),
    ),
    "8 convolutions begun small": Plant(
        lambda folder: images(folder, model={"cnn": {"channels": [4, 4], "convolutions": 4, "norm": "none"}}),
        "vanishing_gradients",
        "stages.0",
        plant=scaled(0.1),
    ),
    "8 layers begun large": Plant(
        lambda folder: curve(folder, model={"depth": 8}), "exploding_gradients", plant=scaled(6.0)
    ),
    "first of two layers dead": Plant(table, "dead_relus", "layers.0", plant=biased(-10.0, "layers.0")),
    "third of four layers dead": Plant(
        lambda folder: table(folder, model={"mlp": {"depth": 4, "dropout": 0.0}}),
        "dead_relus",
        "layers.2",
        plant=biased(-5.0, "layers.2"),
    ),
    "most units of a layer dead": Plant(
        lambda folder: curve(folder, model={"width": 48}),
        "dead_relus",
        "layers.1",
        plant=biased(-20.0, "layers.1", 0.85),
    ),
    "a dead stage of an image network": Plant(
        lambda folder: images(folder, model={"cnn": {"norm": "none"}}),
        "dead_relus",
        "stages.1",
        plant=biased(-30.0, "stages.1"),
    ),
    "saturated tanhs": Plant(
        lambda folder: curve(folder, model={"activation": "tanh"}),
        "saturated_activations",
        "layers.0",
        plant=scaled(30.0),
    ),
    "saturated sigmoids in the middle": Plant(
        lambda folder: curve(folder, model={"depth": 3, "activation": "sigmoid"}),
        "saturated_activations",
        "layers.1",
        plant=biased(12.0, "layers.1"),
    ),
    "all zeros in the config": Plant(
        lambda folder: table(folder, training={"initialization": "zeros"}), "bad_initialization", "layers.0"
    ),
    "all weights equal": Plant(curve, "bad_initialization", "layers.0", plant=filled(0.05), cured=False),
    "all zeros in an image network": Plant(images, "bad_initialization", "stages.0", plant=filled(0.0), cured=False),
    "rate x 1000, a table": Plant(lambda folder: table(folder, **rate(3.0)), "learning_rate_too_high", within=20),
    "rate x 1000, images": Plant(lambda folder: images(folder, **rate(3.0)), "learning_rate_too_high", within=10),
    "rate x 1000, a curve": Plant(lambda folder: curve(folder, **rate(3.0)), "learning_rate_too_high", within=30),
    "gradient descent that diverges": Plant(
        lambda folder: curve(folder, **rate(10.0, optimizer="sgd", clip=1e9)), "learning_rate_too_high", within=30
    ),
    "linear regression that diverges": Plant(
        lambda folder: of_curve(folder, learning_rate=3.0), "learning_rate_too_high", within=30
    ),
    "rate / 1000, a table": Plant(lambda folder: table(folder, **rate(3e-6)), "learning_rate_too_low", within=200),
    "rate / 1000, images": Plant(lambda folder: images(folder, **rate(3e-6)), "learning_rate_too_low", within=100),
    "rate / 100, a curve": Plant(lambda folder: curve(folder, **rate(3e-5)), "learning_rate_too_low", within=300),
    "a schedule in steep steps": Plant(
        lambda folder: table(folder, training={"schedule": "step", "step_every": 0.15, "step_factor": 0.05}),
        "schedule_ends_early",
        within=80,
    ),
    "two sigmoid layers that stand still": Plant(
        lambda folder: table(folder, model={"mlp": {"depth": 2, **SIGMOIDS}}), "plateau", within=60
    ),
    "two sigmoid layers that stand still midway": Plant(
        lambda folder: table(folder, model={"mlp": {"depth": 2, **SIGMOIDS}}, training={"steps": 800}),
        "plateau_midway",
        within=200,
    ),
    "an outlier among the rows": Plant(
        lambda folder: curve(folder, data={"files": [str(trainings.with_outlier(waves(folder)))]}),
        "loss_spikes",
        within=300,
        gone=False,
        score="rmse",
    ),
    "one poisoned batch": Plant(table, "loss_spikes", within=90, plant=poisoned(90), gone=False, better=False),
    "a few sentences that are much longer": Plant(
        lambda folder: translator(
            folder,
            data={"files": [str(lengthened(trainings.pairs(folder)))]},
            training={"steps": 4, "batch_tokens": 8192, "evaluate_every": 4},
        ),
        "padding_dominates",
        better=False,
    ),
    "batches that are read slowly": Plant(
        lambda folder: curve(folder, training={"steps": 40}), "slow_data", plant=slow, cured=False
    ),
}
SLOW_PLANTS: dict[str, Plant] = {
    "attention begun large": Plant(
        lambda folder: language(folder, training={"steps": 80, "initialization": "normal", "initialization_std": 1.0}),
        "saturated_attention",
        "blocks.0.self_attention",
    ),
    "one saturated attention of two": Plant(
        lambda folder: language(folder, training={"steps": 60}),
        "saturated_attention",
        "blocks.1.self_attention",
        plant=scaled(100.0, "blocks.1.self_attention.query"),
        better=False,
    ),
    "post-norm without warm-up": Plant(
        lambda folder: translator(
            folder,
            model={"norm": "post", "encoder_layers": 4, "decoder_layers": 4},
            training={"warmup": 0.0, "optimizer": "adamw", "learning_rate": 5e-3, "steps": 100},
        ),
        "no_warmup",
    ),
    "a translator without residuals and norms": Plant(
        lambda folder: translator(
            folder,
            model={"norm": "none", "residual": False, "encoder_layers": 4, "decoder_layers": 4},
            training={"steps": 60},
        ),
        "vanishing_gradients",
        "decoder.0",
    ),
    "saturated attention of a translator": Plant(
        translator,
        "saturated_attention",
        "encoder.1.self_attention",
        plant=scaled(100.0, "encoder.1.self_attention.query"),
        better=False,
    ),
    "a feed-forward network that is dead": Plant(
        lambda folder: translator(folder, training={"steps": 80}),
        "dead_relus",
        "encoder.1.feed_forward",
        plant=biased(-20.0, "encoder.1.feed_forward.wide"),
        better=False,
    ),
    "recurrent weights begun large": Plant(
        lambda folder: language(folder, "rnn"), "exploding_gradients", plant=scaled(4.0, "from_state"), cured=False
    ),
    "saturated recurrent layer": Plant(
        lambda folder: language(folder, "rnn"),
        "saturated_activations",
        "recurrent.0",
        plant=scaled(20.0, "recurrent"),
        cured=False,
    ),
    "rate x 1000, a GPT": Plant(lambda folder: language(folder, **rate(8.0)), "learning_rate_too_high", within=10),
    "rate x 1000, a GRU": Plant(
        lambda folder: language(folder, "gru", **rate(4.0)), "learning_rate_too_high", within=20
    ),
    "rate x 1000, words": Plant(
        lambda folder: trainings.words(folder, **rate(30.0)), "learning_rate_too_high", within=20
    ),
    "rate x 1000, a translator": Plant(
        lambda folder: translator(folder, **rate(3.0)), "learning_rate_too_high", within=10
    ),
    "rate / 1000, words": Plant(
        lambda folder: trainings.words(folder, **rate(3e-5)), "learning_rate_too_low", within=240
    ),
    "rate / 100, a translator": Plant(
        lambda folder: translator(folder, **rate(3e-5)), "learning_rate_too_low", within=150
    ),
    "all zeros in a GPT": Plant(
        lambda folder: language(folder, training={"initialization": "zeros", "steps": 60}),
        "bad_initialization",
        "blocks.0",
    ),
    "all zeros in an LSTM": Plant(
        lambda folder: language(folder, "lstm", training={"initialization": "zeros", "steps": 60}),
        "bad_initialization",
        "recurrent.0",
        better=False,
    ),
}
