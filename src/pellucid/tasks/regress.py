"""Regress: rows of a table become a number each, by linear regression or by a multilayer perceptron.

Joins data/ (tables, columns, sides, curves), models/mlp.py, the squared, absolute or Huber loss, and what stands beside
it: the closed form with its standard errors, the mean of the training rows, the valley that the descent went through.
What the trainer needs of it is the Task protocol of tasks/task.py.
"""

import copy
import hashlib
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path as FilePath
from typing import Any, Literal, cast

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from pellucid.config import Config, ExampleTraining, RunConfig
from pellucid.data.columns import Table, joined, read_table, whole_table
from pellucid.data.curves import Y, curve_of, curve_table, is_curve
from pellucid.data.cut import cut_batches
from pellucid.data.diabetes import TARGET, diabetes_table
from pellucid.data.noise import Marked, with_noise
from pellucid.data.rows import Sides, row_batches, row_order, split_rows
from pellucid.data.schema import Column, Meaning, Missing, Schema, fitted, places, usable_rows
from pellucid.errors import ConfigError, DataError
from pellucid.models.initialization import initialized
from pellucid.models.mlp import MLP, MLPConfig, has_norms
from pellucid.models.mlp_gradient import MLPGradient
from pellucid.models.side_by_side import SideBySide
from pellucid.nn.loss import with_gradient
from pellucid.tasks.descent import Path, Weight, surface
from pellucid.tasks.fit import scores
from pellucid.tasks.least_squares import LeastSquares, least_squares
from pellucid.tasks.task import Batch, Evaluation, Losses, Sample, Shortcut, SideName, Task, some

COLUMNS = "columns.json"
SAMPLES = {"sample:diabetes": (diabetes_table, TARGET)}  # tables to begin with, and what is predicted in them
FEWEST_ROWS = 20  # fewer cannot be split into sides that mean anything
SIZES = (1, 2, 4, 8, 16, 32, 64)  # neurons of the networks that are fitted to a curve side by side
EVALUATIONS = 10  # of a training whose steps are known beforehand
SHOWN_POINTS = 400  # of a scatter plot
CURVE_POINTS = 201  # at which a fitted curve is drawn
BINS = 12  # of a histogram
SURFACE_ROWS = 2000  # of the training rows, from which the loss surface is computed
WORST = 10  # rows that the report names
FLAT = 1e-6  # a direction that is curved less than this share of the steepest does not change a prediction
ARRIVED = 50.0  # halvings (by e) of the distance in the slowest direction within the steps, where the rate allows

# What suits each kind of network, where the person says nothing else.
DESCENT = {"optimizer": "sgd", "schedule": "constant", "warmup": 0.0, "weight_decay": 0.0, "clip": 1e6, "batch": 8192}
DESCENT |= {"steps": 5000, "patience": 10_000, "learning_rate": None}
CURVE = {"learning_rate": 0.01, "weight_decay": 0.0, "clip": 1e6, "batch": 1024, "steps": 5000, "patience": 10_000}
NETWORK = {"learning_rate": 0.003, "batch": 32, "steps": 3000, "patience": 8}


class RegressData(Config):
    """Which table, what is predicted from what, how missing values are taken, how much is held out."""

    files: list[str] = Field(
        default_factory=list, description="tables (CSV, TSV, Parquet), folders, globs, sample:NAME, or curve:NAME"
    )
    target: str | None = Field(None, description="the column to predict")
    delimiter: str | None = Field(None, description="between the cells of a text file; detected when not given")
    categorical: list[str] = Field(default_factory=list, description="columns of numbers to be taken as names")
    leave_out: list[str] = Field(default_factory=list, description="columns that the network may not read")
    missing: Missing = Field(
        "refuse", description="a missing value: refuse the table, drop its row, or fill in the mean"
    )
    held_out: float = Field(
        0.15, gt=0, lt=0.5, description="share of the rows for development, and as much for the test"
    )
    split_seed: int = Field(0, ge=0, description="which rows are held out")
    points: int = Field(400, ge=FEWEST_ROWS, description="of a curve")
    noise: float = Field(0.1, ge=0, description="standard deviation of the noise on a curve")
    fingerprint: str | None = Field(None, description="SHA-256 of the table as read; written by training")


class RegressModel(MLPConfig):
    """A multilayer perceptron, linear at first; or several side by side."""

    depth: int = Field(0, ge=0, le=1000, description="hidden layers; 0: linear regression")
    sizes: list[int] = Field(
        default_factory=list, description="train networks with one hidden layer of so many neurons side by side"
    )


class RegressTraining(ExampleTraining):
    """How the network is trained; what is not given is chosen by its kind."""

    threads: int | None = Field(
        1, ge=1, description="CPU threads of each worker; networks of this size gain nothing from a second"
    )


class RegressConfig(RunConfig):
    """All of one regression run: data, model, loss and training."""

    task: Literal["regress"] = Field("regress", description="what the network is for")
    data: RegressData = Field(default_factory=RegressData)
    model: RegressModel = Field(default_factory=RegressModel)
    training: RegressTraining = Field(default_factory=RegressTraining)
    loss: Literal["squared", "absolute", "huber"] = Field("squared", description="what is minimized")
    huber_delta: float = Field(
        1.0, gt=0, description="error from which Huber's loss is linear, in standard deviations of the target"
    )
    surface: list[str] = Field(
        default_factory=list,
        max_length=2,
        description="two weights whose loss surface is drawn: input columns, or places such as output.weight[0,1]",
    )


class RegressTask(Task):
    """The Task protocol for regression, built from a config and, when a run already has one, its schema."""

    item = "example"
    config: RegressConfig

    def __init__(self, config: RegressConfig, schema: Schema | None = None) -> None:
        table, target = read_data(config.data)
        fingerprint = _fingerprint(table)
        if config.data.fingerprint and config.data.fingerprint != fingerprint:
            raise DataError(
                f"{', '.join(config.data.files)}: the table is not the one that this run was trained on",
                mend="Put the old file back, or train a new run on the new one.",
            )
        meaning = Meaning(target, "number", config.data.categorical, config.data.leave_out, config.data.missing)
        self.read = len(table)
        self.table = usable_rows(table, meaning)
        if len(self.table) < FEWEST_ROWS:
            raise DataError(
                f"{', '.join(config.data.files)}: {len(self.table)} usable rows of {self.read}; "
                f"training needs at least {FEWEST_ROWS}",
                mend="Add rows" + (", or use --missing mean." if len(self.table) < self.read else "."),
            )
        self.sides = split_rows(self.table, config.data.split_seed, config.data.held_out)
        if not all((self.sides.train, self.sides.dev, self.sides.test)):
            raise DataError(
                f"{', '.join(config.data.files)}: too few different rows to hold some out", mend="Add rows."
            )
        self.schema = schema or fitted(self.table.rows(self.sides.train), self.table, meaning)
        self.numbers = self.schema.numbers(self.table)  # row, input; in their own units
        self.truth = self.schema.targets(self.table)
        inputs = self.schema.standardized(self.numbers).float()
        targets = ((self.truth - self.schema.target.mean) / self.schema.target.deviation).float()
        self._whole = {name: (inputs[rows], targets[rows]) for name, rows in _named(self.sides).items()}
        self._batch: Batch | None = None
        self.config = config.changed(
            data={**config.data.model_dump(), "target": target, "fingerprint": fingerprint},
            training={**config.training.model_dump(), "learning_rate": self._rate(config)},
        )
        self.path = Path(self.chosen_weights())

    @classmethod
    def proposed(cls, config: RegressConfig) -> RegressConfig:
        """What suits the kind of network, for all that the person did not say."""
        if not config.data.files:
            raise ConfigError("no data to train on", mend="Name a table, such as houses.csv, or sample:diabetes.")
        model, training = config.model, config.training
        said = model.model_fields_set
        if is_curve(config.data.files[0]) and not said & {"depth", "width", "sizes"}:
            straight = config.data.files[0] == "curve:line"
            model = model.changed(sizes=[] if straight else list(SIZES), depth=0)
        if model.sizes:
            widest = {"depth": 1, "width": max(model.sizes)}
            model = model.changed(**widest, **({} if "activation" in said else {"activation": "tanh"}))
        suits = dict(CURVE if model.sizes else NETWORK if model.depth else DESCENT)
        if not model.depth and config.loss != "squared":
            suits["schedule"] = "cosine"  # where the loss has a kink, only a shrinking step settles
        if training.model_fields_set & set(training.lengths()):
            suits.pop("steps")
        chosen = {name: value for name, value in suits.items() if name not in training.model_fields_set}
        training = training.changed(**chosen)
        if training.steps and training.evaluate_every is None:
            training = training.changed(evaluate_every=math.ceil(training.steps / EVALUATIONS))
        return config.changed(model=model.model_dump(), training=training.model_dump())

    @classmethod
    def fetch(cls, config: RegressConfig) -> None:
        for name in filter(is_sample, config.data.files):
            sample_of(name)[0]()

    @classmethod
    def open(cls, config: RegressConfig, folder: FilePath | None = None) -> "RegressTask":
        return cls(config, Schema.load(folder / COLUMNS) if folder else None)

    @classmethod
    def network(cls, config: RegressConfig, folder: FilePath) -> nn.Module:
        return network_of(config.model, Schema.load(folder / COLUMNS).width)

    def keep(self, folder: FilePath) -> None:
        self.schema.save(folder / COLUMNS)

    @property
    def name(self) -> str:
        first = self.config.data.files[0]
        stem = first.partition(":")[2] if is_sample(first) else first if is_curve(first) else FilePath(first).stem
        return re.sub(r"[^\w.-]+", "-", stem).strip("-.") or "table"

    @property
    def training(self) -> RegressTraining:
        return self.config.training

    def fingerprint(self) -> str:
        """SHA-256 of all that training depends on: the configuration, the schema, the rows in their order."""
        digest = hashlib.sha256(json.dumps([self.config.model_dump_json(), self.schema.model_dump_json()]).encode())
        for inputs, targets in self._whole.values():
            digest.update(inputs.numpy().tobytes() + targets.numpy().tobytes())
        return digest.hexdigest()

    def build_model(self) -> nn.Module:
        return initialized(network_of(self.config.model, self.schema.width), self.training)

    def epoch(self, number: int) -> Sequence[Sequence[int]]:
        rows = len(self.sides.train)
        batches = row_batches(rows, self.training.batch, self.training.seed, number)
        return Marked(batches, number, rows) if self.training.noise else batches

    def collate(self, examples: Sequence[int]) -> Batch:
        inputs, targets = self._whole["train"]
        if self.training.noise:
            numbers = torch.tensor(examples)
            rows = numbers % len(inputs)
            noisy = with_noise(inputs[rows], self.training.noise, self.training.seed, numbers)
            return Batch({"inputs": noisy, "targets": targets[rows]}, padding=0.0)
        if len(examples) < len(inputs):
            rows = torch.tensor(examples)
            return Batch({"inputs": inputs[rows], "targets": targets[rows]}, padding=0.0)
        if self._batch is None:  # all of them, made once: half of a step's time on a small table
            self._batch = Batch({"inputs": inputs, "targets": targets}, padding=0.0)
        return self._batch

    def origin(self, example: int) -> str:
        return self.table.lines[self.sides.train[example % len(self.sides.train)]]

    def sample(self, side: SideName, most: int) -> Sample:
        whole: list[int] = getattr(self.sides, side)
        places = some(len(whole), most)
        inputs, targets = (tensor[torch.tensor(places)] for tensor in self._whole[side])
        return Sample(inputs, targets, lambda place: self.table.lines[whole[places[place]]])

    def losses(self, model: nn.Module, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Of networks side by side those of the last, the largest, by which the run predicts."""
        return error(self.config, model(inputs)[:, -1], targets, reduction="none"), torch.ones(len(targets))

    def uninformed(self, targets: Tensor) -> Tensor:
        """Of the number that is the best for all training rows: their mean or, of absolute errors, their median."""
        known = self._whole["train"][1]
        guess = known.median() if self.config.loss == "absolute" else known.mean()
        return error(self.config, guess.expand_as(targets), targets, reduction="none")

    def share(self, share: float) -> "RegressTask":
        part = copy.copy(self)
        rows = some(len(self.sides.train), max(round(share * len(self.sides.train)), 1))
        part.sides = replace(self.sides, train=[self.sides.train[row] for row in rows])
        inputs, targets = self._whole["train"]
        part._whole = {**self._whole, "train": (inputs[torch.tensor(rows)], targets[torch.tensor(rows)])}
        part._batch, part.path = None, Path(self.path.weights)
        return part

    def loss(self, model: nn.Module, batch: Batch) -> Losses:
        """The mean loss over the batch; of networks side by side each its own part."""
        inputs, targets = batch.tensors["inputs"], batch.tensors["targets"]
        outputs = model(inputs)
        if self.config.model.sizes:
            names = [f"neurons_{size}" for size in self.config.model.sizes]
            each = [error(self.config, output, targets) for output in outputs.unbind(dim=1)]
            return Losses(dict(zip(names, each, strict=True)), count=len(targets))
        losses = Losses({self.config.loss: error(self.config, outputs[:, 0], targets)}, count=len(targets))
        if model.training and self.path.weights:
            self.path.note(model, losses.total)
        return losses

    def batches(self, number: int, first: int = 0) -> Iterable[Batch]:
        inputs, targets = self._whole["train"]
        if self.training.batch >= len(inputs) or self.training.noise:  # one batch that is made once; or each by itself
            return super().batches(number, first)
        order = row_order(len(inputs), self.training.seed, number)
        cut = cut_batches({"inputs": inputs, "targets": targets}, order, self.training.batch, first)
        return (Batch(tensors, padding=0.0) for tensors in cut)

    def shortcut(self, model: nn.Module) -> Shortcut | None:
        """For a single network: its own gradients, and those of the error with respect to its outputs."""
        if not isinstance(model, MLP) or has_norms(model) or type(self).loss is not RegressTask.loss:
            return None
        perceptron = MLPGradient(model)

        def backward(batch: Batch, factor: float, add: bool) -> tuple[Tensor, int]:
            targets = batch.tensors["targets"]
            outputs = perceptron.forward(batch.tensors["inputs"])
            loss, upstream = with_gradient(lambda y: error(self.config, y[:, 0], targets), outputs)
            if model.training:
                self.path.note(model, loss)
            perceptron.backward(upstream if factor == 1 else upstream * factor, add)
            return loss, targets.size(0)

        return backward

    def evaluate(self, model: nn.Module) -> Evaluation:
        """The loss on the development rows and how near the predictions come; the path since the last evaluation.

        What picks the best of linear regression is its loss in training, which has one minimum and no more; of networks
        it is the loss on the development rows.
        """
        loss = self._loss_on(model, "dev")
        predicted = self.predicted(model, self._whole["dev"][0])
        truth = self.truth[self.sides.dev]
        found = scores(predicted[:, -1], truth)
        if self.config.model.sizes:
            errors = {f"rmse_{n}": scores(p, truth)["rmse"] for n, p in self._each(predicted)}
            found = {"r2": found["r2"], **errors}
        linear = not self.config.model.depth
        samples = [{"path": self.path.take()}] if self.path.weights else []
        return Evaluation(
            loss=loss,
            scores=found,
            headline=-(self._loss_on(model, "train") if linear else loss),
            samples=cast(list[dict[str, Any]], samples),
        )

    def test(self, model: nn.Module, side: Literal["test", "dev"] = "test") -> dict[str, Any]:
        """The model, the closed form and the mean of the training rows on a held-out side, and what they look like."""
        rows = self.sides.test if side == "test" else self.sides.dev
        closed = self.closed_form()
        systems = {
            "model": self.predicted(model, self._whole[side][0])[:, -1],
            "closed_form": closed.predict(self.numbers[rows]),
            "mean": torch.full((len(rows),), self.schema.target.mean, dtype=torch.float64),
        }
        truth = self.truth[rows]
        trained = self.predicted(model, self._whole["train"][0])[:, -1]
        result: dict[str, Any] = {
            "split": side,
            "rows": len(rows),
            "target": self.schema.target.name,
            "loss": self.config.loss,
            "systems": {name: scores(predicted, truth, intervals=True) for name, predicted in systems.items()},
            "train": {
                "model": scores(trained, self.truth[self.sides.train]),
                "closed_form": scores(closed.predict(self.numbers[self.sides.train]), self.truth[self.sides.train]),
            },
            "predictions": self._predictions(rows, systems["model"]),
            "residual_deviation": closed.residual_deviation,
            "degrees": closed.degrees,
            "coefficients": self._coefficients(model, closed),
        }
        if self.config.model.sizes:
            each = self._each(self.predicted(model, self._whole[side][0]))
            result["networks"] = [{"neurons": n, "scores": scores(p, truth)} for n, p in each]
        if self.schema.width == 1:
            result["curve"] = self._curve(model, closed)
        if "distances" in result.get("curve", {}):
            for network, distance in zip(result.get("networks", []), result["curve"]["distances"], strict=False):
                network["distance"] = distance
        if self.path.weights:
            result["surface"] = self._surface(model, closed)
        return result

    def test_on(self, model: nn.Module, files: Sequence[str]) -> dict[str, Any]:
        """The same on the rows of other tables, which must hold the target and the columns that the network reads."""
        meaning = Meaning(self.schema.target.name, "number", missing=self.schema.missing)
        asked = self.schema.only(whole_table([read_any(file, self.config.data) for file in files], files))
        more = usable_rows(asked, self.schema.as_taken(meaning))
        count = len(self.table)
        numbers, truth = self.schema.numbers(more), self.schema.targets(more)
        inputs = self.schema.standardized(numbers).float()
        targets = ((truth - self.schema.target.mean) / self.schema.target.deviation).float()
        there = copy.copy(self)
        there.table = joined(self.schema.only(self.table), more, FilePath(files[0]))
        there.numbers, there.truth = torch.cat([self.numbers, numbers]), torch.cat([self.truth, truth])
        there.sides = Sides(self.sides.train, self.sides.dev, list(range(count, count + len(more))))
        there._whole = {**self._whole, "test": (inputs, targets)}
        return {**there.test(model), "split": " ".join(files)}

    def describe(self) -> dict[str, Any]:
        sides = _named(self.sides)
        return {
            "files": self.config.data.files,
            "target": self.schema.target.name,
            "inputs": self.schema.width,
            "read": self.read,
            "dropped": self.read - len(self.table),
            "left_out": self.schema.left_out,
            **{name: len(rows) for name, rows in sides.items()},
            "columns": [self._described(column) for column in (*self.schema.inputs, self.schema.target)],
            "samples": [self.table.row(number) for number in self.sides.train[:5]],
        }

    def carried(self) -> dict[str, Tensor]:
        return self.path.state() if self.path.weights else {}

    def apart(self) -> "RegressTask":
        """Without a path that the passes would be noted in."""
        there = copy.copy(self)
        there.path = Path([])
        return there

    def carry(self, carried: Mapping[str, Tensor]) -> None:
        self.path.put_back(carried)

    @classmethod
    def predict(cls, run: Any, file: str | FilePath) -> list[dict[str, Any]]:
        """For each row of a table what the run's network predicts, without reading the data it was trained on.

        Where the table has the target as well, the row's own value stands beside it. Raises DataError for a table
        without the columns that the network reads, or with cells that it cannot.
        """
        config: RegressConfig = run.config
        schema = Schema.load(run.path / COLUMNS)
        table = read_any(str(file), config.data)
        predicted = in_units(schema, run.model, schema.encode(table))[:, -1].tolist()
        target = schema.target.name
        there = table.column(target) if target in table.names else [None] * len(table)
        return [
            {"line": line, "prediction": _rounded(value), **({} if known is None else {target: known})}
            for line, value, known in zip(table.lines, predicted, there, strict=True)
        ]

    def predicted(self, model: nn.Module, inputs: Tensor) -> Tensor:
        return in_units(self.schema, model, inputs)

    def closed_form(self) -> LeastSquares:
        """Linear regression on the training rows, inputs and target in their own units."""
        return least_squares(self.numbers[self.sides.train], self.truth[self.sides.train])

    def chosen_weights(self) -> list[Weight]:
        """The two weights whose way is noted: those asked for, or the two inputs whose closed form weighs most.

        With a single input they are its weight and the bias; of deeper networks the output's first two weights.
        Networks side by side have none unless asked for. Raises ConfigError for what the network does not have.
        """
        with torch.random.fork_rng():
            model = self.build_model()
        asked = self.config.surface
        if asked:
            if len(asked) != 2:
                raise ConfigError(f"surface names {len(asked)} weight", mend="Name two, such as --surface bmi,age.")
            return [self._weight(text, model) for text in asked]
        if self.config.model.sizes:
            return []
        if self.config.model.depth:
            first = Weight("output.weight", (0, 0))
            return [
                first,
                Weight("output.weight", (0, 1)) if self.config.model.width > 1 else Weight("output.bias", (0,)),
            ]
        if self.schema.width == 1:
            return [Weight("output.weight", (0, 0)), Weight("output.bias", (0,))]
        standardized = self.closed_form().coefficients[1:] * self.schema.deviations
        return [
            Weight("output.weight", (0, place)) for place in standardized.abs().topk(2).indices.sort().values.tolist()
        ]

    def label(self, weight: Weight) -> str:
        """What people call a weight: the input it weighs, where the network is linear."""
        if self.config.model.depth == 0 and weight.parameter == "output.weight":
            return self.schema.input_names[weight.place[1]]
        return "bias" if weight.parameter == "output.bias" else weight.address

    def _weight(self, text: str, model: nn.Module) -> Weight:
        if self.config.model.depth == 0:
            if text in self.schema.input_names:
                return Weight("output.weight", (0, self.schema.input_names.index(text)))
            if text == "bias":
                return Weight("output.bias", (0,))
            if "." not in text:
                known = ", ".join(self.schema.input_names)
                raise ConfigError(f"surface: there is no input {text!r}", mend=f"There are {known}, and bias.")
        return Weight.parse(text, model)

    def _loss_on(self, model: nn.Module, side: str) -> float:
        inputs, targets = self._whole[side]
        device = next(model.parameters()).device
        was_training = model.training
        model.eval()
        with torch.inference_mode():
            losses = self.loss(model, Batch({"inputs": inputs, "targets": targets}, padding=0.0).to(device))
        model.train(was_training)
        return float(losses.total)

    def _rate(self, config: RegressConfig) -> float | None:
        """Of the descent of linear regression: as fast as its steepest direction allows, and no faster than it takes.

        The squared loss has the second derivative H = 2 [x 1]^T [x 1] / rows everywhere. With a rate above
        2 / largest eigenvalue the descent would swing ever wider in that direction; its slowest direction comes nearer
        by e^-(rate eigenvalue) a step. Where all are alike, it would arrive with one jump, and there would be no path.
        """
        training = config.training
        if training.learning_rate is not None or config.model.depth or training.optimizer != "sgd":
            return training.learning_rate
        inputs = self._whole["train"][0].double()
        widened = torch.cat([inputs, torch.ones(len(inputs), 1, dtype=torch.float64)], dim=1)
        curvatures = 2 * torch.linalg.svdvals(widened).square() / len(inputs)
        fastest = 1 / curvatures.max().item()
        slowest = curvatures[curvatures > curvatures.max() * FLAT].min().item()
        enough = ARRIVED / (slowest * (training.steps or 1))
        return float(f"{min(fastest, enough):.3g}")

    def _each(self, predicted: Tensor) -> list[tuple[int, Tensor]]:
        """Of networks side by side each one's size and predictions."""
        return list(zip(self.config.model.sizes, predicted.unbind(dim=1), strict=True))

    def _predictions(self, rows: Sequence[int], predicted: Tensor) -> dict[str, Any]:
        """True against predicted, for a picture, and the rows that are furthest off."""
        truth = self.truth[rows]
        off = (predicted - truth).abs()
        some = slice(None, None, math.ceil(len(rows) / SHOWN_POINTS))
        worst = off.topk(min(WORST, len(rows))).indices.tolist()
        return {
            "truth": _listed(truth[some]),
            "predicted": _listed(predicted[some]),
            "worst": [
                {
                    "line": self.table.lines[rows[i]],
                    "truth": _rounded(truth[i].item()),
                    "predicted": _rounded(predicted[i].item()),
                    "row": self.table.row(rows[i]),
                }
                for i in worst
            ],
        }

    def _coefficients(self, model: nn.Module, closed: LeastSquares) -> list[dict[str, Any]]:
        """The closed form's and, of a linear network, those that the descent found, in the columns' own units."""
        descended = self.descended(model) if not self.config.model.depth else None
        names = ["(intercept)", *self.schema.input_names]
        scale = torch.cat([torch.ones(1, dtype=torch.float64), self.schema.deviations]) / self.schema.target.deviation
        return [
            {
                "name": name,
                "closed_form": closed.coefficients[i].item(),
                "standard_error": _finite(closed.standard_errors[i].item()),
                "t": _finite(closed.t_values[i].item()),
                "p": _finite(closed.p_values[i]),
                "standardized": (closed.coefficients[i] * scale[i]).item() if i else None,
                "descent": None if descended is None else descended[i].item(),
            }
            for i, name in enumerate(names)
        ]

    def descended(self, model: nn.Module) -> Tensor:
        """A linear network's intercept and coefficients in the columns' own units, as the closed form has them.

        Of each one-hot the closed form sets the last place to 0, and the network need not: what it gives to that place
        is moved into the intercept, which changes no prediction.
        """
        output = cast(MLP, model).output
        weights = output.weight.detach()[0].double() * self.schema.target.deviation / self.schema.deviations
        intercept = self.schema.target.mean + output.bias.detach()[0].double() * self.schema.target.deviation
        intercept = intercept - self.schema.means @ weights
        start = 0
        for column in self.schema.inputs:
            end = start + len(places(column))
            if column.kind == "category":
                last = weights[end - 1].clone()
                weights[start:end] -= last
                intercept = intercept + last
            start = end
        return torch.cat([intercept[None], weights])

    def _curve(self, model: nn.Module, closed: LeastSquares) -> dict[str, Any]:
        """Of networks with one input: the points, the line of the closed form, and each network's curve."""
        (column,) = self.schema.inputs
        everything = self.numbers[:, 0]
        x = torch.linspace(everything.min().item(), everything.max().item(), CURVE_POINTS, dtype=torch.float64)
        curves = in_units(self.schema, model, self.schema.standardized(x[:, None]).float()).T
        some = self.sides.train[:: math.ceil(len(self.sides.train) / SHOWN_POINTS)]
        curve: dict[str, Any] = {
            "input": column.name,
            "x": _listed(x),
            "points": {"x": _listed(everything[some]), "y": _listed(self.truth[some])},
            "line": _listed(closed.predict(x[:, None])),
            "networks": [_listed(y) for y in curves],
        }
        first = self.config.data.files[0]
        if is_curve(first):
            function = curve_of(first)
            truth = torch.tensor([function.function(value) for value in x.tolist()], dtype=torch.float64)
            distances = (curves - truth).square().mean(dim=1).sqrt()
            curve |= {"function": _listed(truth), "text": function.text, "noise": self.config.data.noise}
            curve["distances"] = _listed(distances)
        return curve

    def _surface(self, model: nn.Module, closed: LeastSquares) -> dict[str, Any]:
        """The loss on the training rows around the way from the first weights, drawn anew from the seed."""
        inputs, targets = (tensor[:SURFACE_ROWS] for tensor in self._whole["train"])
        with torch.random.fork_rng():
            torch.manual_seed(self.training.seed)
            first = self.build_model()
        start = [weight.of(first).item() for weight in self.path.weights]
        batch = Batch({"inputs": inputs, "targets": targets}, padding=0.0)
        found = surface(model, self.path.weights, start, lambda moved: self.loss(moved, batch).total)
        return {"names": [self.label(weight) for weight in self.path.weights], "start": start, **found}

    def _described(self, column: Column) -> dict[str, Any]:
        described = column.model_dump(mode="json", exclude_defaults=True)
        if column.kind == "number":
            is_target = column.name == self.schema.target.name
            cells = self.truth if is_target else self.numbers[:, self.schema.input_names.index(column.name)]
            edges = torch.linspace(cells.min().item(), cells.max().item(), BINS + 1, dtype=torch.float64)
            counts = torch.bucketize(cells.contiguous(), edges[1:-1].contiguous(), right=True).bincount(minlength=BINS)
            described["histogram"] = {"edges": _listed(edges), "counts": counts.tolist()}
        return described


def error(
    config: RegressConfig, predicted: Tensor, truth: Tensor, reduction: Literal["mean", "none"] = "mean"
) -> Tensor:
    """The mean loss of predictions: squared e^2, absolute |e|, or Huber's e^2 / 2 up to a delta and linear from there.

    With the reduction "none" the loss of each.

    Source: Huber, "Robust estimation of a location parameter", 1964.
    """
    if config.loss == "squared":
        return F.mse_loss(predicted, truth, reduction=reduction)
    if config.loss == "absolute":
        return F.l1_loss(predicted, truth, reduction=reduction)
    return F.huber_loss(predicted, truth, delta=config.huber_delta, reduction=reduction)


def network_of(config: RegressModel, inputs: int) -> nn.Module:
    """The network that a config names: one, or several side by side."""
    fields = config.model_dump(exclude={"sizes"})
    if config.sizes:
        return SideBySide([MLPConfig.parse({**fields, "width": size, "depth": 1}) for size in config.sizes], inputs)
    return MLP(MLPConfig.parse(fields), inputs, 1)


def read_data(config: RegressData) -> tuple[Table, str]:
    """The table and the name of its target. Raises DataError if the target is not said and cannot be known."""
    first = config.files[0]
    if len(config.files) > 1 and any(is_curve(name) or is_sample(name) for name in config.files):
        raise DataError(f"{' '.join(config.files)}: samples and curves are read alone", mend="Name one.")
    if is_curve(first):
        curve_of(first)
        return curve_table(first, config.points, config.noise, config.split_seed), config.target or Y
    if is_sample(first):
        read, usual = sample_of(first)
        return read(), config.target or usual
    table = read_table(config.files, config.delimiter)
    if config.target is None:
        raise DataError(
            f"{', '.join(config.files)}: which column is to be predicted is not said",
            mend=f"Give --target with one of: {', '.join(table.names)}.",
        )
    return table, config.target


def read_any(file: str, config: RegressData) -> Table:
    """A table to predict from: a file, or one of the names that training takes as well."""
    if is_curve(file):
        return curve_table(file, config.points, config.noise, config.split_seed)
    return sample_of(file)[0]() if is_sample(file) else read_table([file], config.delimiter)


def is_sample(name: str) -> bool:
    return name.startswith("sample:")


def sample_of(name: str) -> tuple[Callable[[], Table], str]:
    """What reads a sample, and its target. Raises DataError, naming those there are, if there is none of that name."""
    if name not in SAMPLES:
        raise DataError(f"{name}: there is no such table", mend=f"There is {', '.join(SAMPLES)}.")
    return SAMPLES[name]


def in_units(schema: Schema, model: nn.Module, inputs: Tensor) -> Tensor:
    """What a network predicts of standardized rows, in the target's own units: (row, output), float64, on the CPU."""
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    with torch.inference_mode():
        outputs = model(inputs.to(device)).double().cpu()
    model.train(was_training)
    return cast(Tensor, outputs * schema.target.deviation + schema.target.mean)


def _named(sides: Sides) -> dict[str, list[int]]:
    return {"train": sides.train, "dev": sides.dev, "test": sides.test}


def _fingerprint(table: Table) -> str:
    return hashlib.sha256(json.dumps([table.names, table.columns]).encode()).hexdigest()


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")


def _listed(values: Tensor) -> list[float]:
    return [_rounded(value) for value in values.tolist()]


def _finite(value: float) -> float | None:
    """JSON has no word for what is not a number."""
    return value if math.isfinite(value) else None
