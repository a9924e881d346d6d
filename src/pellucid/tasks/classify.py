"""Classify: which class is it? Rows of a table by a multilayer perceptron, images by a convolutional network.

Joins tasks/examples.py (files, sides), data/augment.py, models/mlp.py and models/cnn.py, the cross-entropy and the
scores of tasks/classes.py. What the trainer needs of it is the Task protocol of tasks/task.py.
"""

import copy
import hashlib
import math
import random
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from pellucid.config import Config, ExampleTraining, RunConfig
from pellucid.data.augment import AugmentationConfig, augmented, check_installed
from pellucid.data.cut import cut_batches
from pellucid.data.images import Colours, is_image_place
from pellucid.data.noise import with_noise
from pellucid.data.png import png_text, sheet, thumbnail
from pellucid.data.samples import fetch_sample
from pellucid.data.schema import Missing
from pellucid.errors import ConfigError, DataError
from pellucid.models.cnn import Cnn, CnnConfig, fully_connected_parameters
from pellucid.models.initialization import initialized
from pellucid.models.mlp import MLP, MLPConfig, has_norms
from pellucid.models.mlp_gradient import MLPGradient
from pellucid.models.parameters import count_parameters
from pellucid.nn.loss import cross_entropy_and_gradient, with_gradient
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
from pellucid.tasks.examples import (
    Examples,
    Form,
    examples_of_images,
    examples_of_table,
    other_examples,
    shown_row,
    with_others,
)
from pellucid.tasks.predict import predict
from pellucid.tasks.task import Batch, Evaluation, Losses, Sample, Shortcut, SideName, Task, some

EPOCHS = 40  # unless said otherwise
EVALUATIONS = 12  # in a training that goes by epochs
ALONE = 1 << 16  # numbers of a batch up to which one thread is faster: several spend their time waiting for each other
AT_ONCE = 256  # examples of a held-out side in one pass; no gradients are kept
READY = 64 << 20  # numbers of all training images that are kept standardized; more are made batch by batch
OF_TABLES, OF_IMAGES = ("target", "delimiter", "categorical", "left_out", "missing"), ("size", "colours")
SHEET_IMAGES, SHEET_EPOCHS = 8, 9  # of the contact sheet: rows and, beside the image itself, epochs
SHOWN_SIDE = 96  # pixels of an image in a report; a larger one is made smaller
SHOWN_WRONG, FEWEST_SHOWN = 40, 8  # examples it is most wrong about
SURE = 0.99  # of its class: such an example is not worth showing
SHOWN_PER_CLASS = 10
NEAREST_OF = 10_000  # training examples that the nearest neighbour is looked for among

Network = Literal["auto", "mlp", "cnn"]


class ClassifyData(Config):
    """Which examples: a table, a place of images or a sample, and how much of it is held out."""

    files: list[str] = Field(
        default_factory=list, description="tables, a folder of class folders, .npz, IDX files, or sample:NAME"
    )
    target: str | None = Field(None, description="tables: the column that holds the class")
    delimiter: str | None = Field(None, description="tables: between the columns; told by the file when not given")
    categorical: list[str] = Field(default_factory=list, description="tables: numbers that are names of categories")
    left_out: list[str] = Field(default_factory=list, description="tables: columns the network does not read")
    missing: Missing = Field("refuse", description="tables: what becomes of missing values: refuse, drop or mean")
    size: str | None = Field(
        None, description="images: width x height in pixels, such as 64x48; their own if not given"
    )
    colours: Colours = Field("auto", description="images: gray, rgb, or auto: rgb if any image has colours")
    held_out: float = Field(0.15, gt=0, lt=0.5, description="share held out for development, and as much for the test")
    split_seed: int = Field(1, ge=0, description="of what is held out")
    fingerprint: str | None = Field(None, description="SHA-256 of the examples as read; written by training")


class ClassifierMLP(MLPConfig):
    """The size and kind of a multilayer perceptron that tells classes apart."""

    depth: int = Field(1, ge=0, le=1000, description="hidden layers; 0: linear in the inputs")
    dropout: float = Field(0.2, ge=0, lt=1, description="share of neurons switched off during training")


class ClassifierConfig(Config):
    """Which network. Each kind has a section of its own; the one that is not used says nothing."""

    kind: Network = Field("auto", description="mlp, cnn, or auto: cnn for images, mlp for tables")
    mlp: ClassifierMLP = Field(default_factory=ClassifierMLP)
    cnn: CnnConfig = Field(default_factory=CnnConfig)


class ClassifyTraining(ExampleTraining):
    """How a classifier is trained: for so many epochs, unless a budget or steps are given."""

    batch: int = Field(64, ge=1, description="examples in one batch, of all workers together")
    learning_rate: float | None = Field(3e-3, gt=0, description="the highest learning rate of the schedule")
    weight_decay: float = Field(
        0.05,
        ge=0,
        description="decay of all weights; decoupled from the gradient (muon, adamw) or added to it (the others)",
    )

    @model_validator(mode="before")
    @classmethod
    def _by_epochs(cls, values: Any) -> Any:
        """Small sets are trained on until they are learned, however fast the machine is."""
        if not isinstance(values, Mapping) or any(values.get(name) is not None for name in cls.lengths()):
            return values
        return {**values, "epochs": EPOCHS}


class ClassifyConfig(RunConfig):
    """All of one classification run: data, augmentation, model and training."""

    task: Literal["classify"] = Field("classify", description="what the network is for")
    data: ClassifyData = Field(default_factory=ClassifyData)
    augmentation: AugmentationConfig = Field(default_factory=AugmentationConfig)
    model: ClassifierConfig = Field(default_factory=ClassifierConfig)
    training: ClassifyTraining = Field(default_factory=ClassifyTraining)
    class_weights: Literal["none", "balanced"] | dict[str, float] = Field(
        "none", description="how much each class counts in the loss; balanced: rare ones as much as frequent ones"
    )
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="share of certainty given to all other classes")


class ClassifyTask(Task):
    """The Task protocol for classification, built from a config and, when a run already exists, its form."""

    item = "example"

    def __init__(self, config: ClassifyConfig, form: Form | None = None) -> None:
        self.data = examples_of(config.data, form)
        if config.data.fingerprint and config.data.fingerprint != self.data.fingerprint:
            raise DataError(
                f"{', '.join(config.data.files)}: the examples are not those that this run was trained on",
                mend="Put the old files back, or train a new run on the new ones.",
            )
        self.form = self.data.form
        self.config = settled(config, self.data)
        self._train = torch.tensor(self.data.sides.train)
        self._labels = self.data.labels[self._train]
        self._weights = class_weights(self.config, self.data)
        if self.form.image is not None:
            check_installed(config.augmentation)
        self._ready: Tensor | None = None  # training inputs as the network reads them, where nothing changes them
        if not self.config.augmentation.changes and self.data.inputs[self._train].numel() <= READY:
            self._ready = self.inputs(self.data.sides.train)

    @classmethod
    def proposed(cls, config: ClassifyConfig) -> ClassifyConfig:
        """As it is: nothing of it depends on the budget. Raises ConfigError if no data is named."""
        if not config.data.files:
            raise ConfigError("no data to train on", mend="Name a table, a folder of class folders, or sample:digits.")
        return config

    @classmethod
    def fetch(cls, config: ClassifyConfig) -> None:
        for file in config.data.files:
            if file.startswith("sample:"):
                fetch_sample(file)

    @classmethod
    def open(cls, config: ClassifyConfig, folder: Path | None = None) -> "ClassifyTask":
        return cls(config, Form.load(folder) if folder else None)

    @classmethod
    def network(cls, config: ClassifyConfig, folder: Path) -> nn.Module:
        return network_of(config.model, Form.load(folder))

    def keep(self, folder: Path) -> None:
        self.form.save(folder)

    @property
    def name(self) -> str:
        first = self.config.data.files[0]
        return first.removeprefix("sample:") if first.startswith("sample:") else Path(first).name.split(".")[0] or "run"

    @property
    def training(self) -> ClassifyTraining:
        return self.config.training

    def build_model(self) -> nn.Module:
        return initialized(network_of(self.config.model, self.form), self.training)

    def fingerprint(self) -> str:
        """SHA-256 of all that training depends on: the configuration and the examples."""
        return hashlib.sha256((self.config.model_dump_json() + self.data.fingerprint).encode()).hexdigest()

    def epoch(self, number: int) -> Sequence[Sequence[int]]:
        """Every training example once, in an order of the epoch's own.

        An example is told by its place plus the epoch times how many there are, so that what augmentation draws for it
        depends on both and on nothing else.
        """
        count, batch = len(self._train), self.config.training.batch
        order = (self._order(number) + number * count).tolist()
        return [order[start : start + batch] for start in range(0, count, batch)]

    def _order(self, number: int) -> Tensor:
        """Of the training examples in an epoch."""
        draw = torch.Generator().manual_seed(random.Random(f"{self.config.training.seed} {number}").getrandbits(32))
        return torch.randperm(len(self._train), generator=draw)

    def batches(self, number: int, first: int = 0) -> Iterable[Batch]:
        if self._ready is None or self.training.noise:
            return super().batches(number, first)
        rows = {"inputs": self._ready, "labels": self._labels}
        cut = cut_batches(rows, self._order(number), self.config.training.batch, first)
        return (Batch(tensors, padding=0.0) for tensors in cut)

    def collate(self, examples: Sequence[int]) -> Batch:
        numbers = torch.tensor(examples)
        places = numbers % len(self._train)
        chosen = self._train[places]
        inputs = self._ready[places] if self._ready is not None else self._read(chosen, numbers)
        if self.training.noise:
            inputs = with_noise(inputs, self.training.noise, self.training.seed, numbers)
        return Batch({"inputs": inputs, "labels": self.data.labels[chosen]}, padding=0.0)

    def origin(self, example: int) -> str:
        return self.data.origins[int(self._train[example % len(self._train)])]

    def sample(self, side: SideName, most: int) -> Sample:
        whole: list[int] = getattr(self.data.sides, side)
        numbers = [whole[place] for place in some(len(whole), most)]
        return Sample(
            self.inputs(numbers),
            self.data.labels[torch.tensor(numbers)],
            lambda place: self.data.origins[numbers[place]],
        )

    def losses(self, model: nn.Module, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        return F.cross_entropy(model(inputs), targets, reduction="none"), torch.ones(len(targets))

    def uninformed(self, targets: Tensor) -> Tensor:
        """-log of the share that an example's class has of the training side; of weighted classes, all alike."""
        if self._weights is not None:
            return torch.full((len(targets),), math.log(len(self.form.classes)))
        counts = self.data.labels[self._train].bincount(minlength=len(self.form.classes))
        return -(counts / counts.sum()).log()[targets]

    def share(self, share: float) -> "ClassifyTask":
        part = copy.copy(self)
        places = torch.tensor(some(len(self._train), max(round(share * len(self._train)), 1)))
        part._train, part._labels = self._train[places], self._labels[places]
        part._ready = None if self._ready is None else self._ready[places]
        return part

    def inputs(self, numbers: Sequence[int]) -> Tensor:
        """What the network reads of these examples, of any side, unchanged by augmentation."""
        return self._read(torch.tensor(numbers, dtype=torch.int64), None)

    def _read(self, chosen: Tensor, keys: Tensor | None) -> Tensor:
        inputs = self.data.inputs[chosen]
        form = self.form.image
        if form is None:
            return inputs
        brightness = inputs.float() / 255
        if keys is not None and self.config.augmentation.changes:
            brightness = augmented(brightness, self.config.augmentation, self.config.training.seed, keys)
        return form.standardized(brightness)

    def loss(self, model: nn.Module, batch: Batch) -> Losses:
        """L = -mean_i w_y log p(y_i | x_i), with label smoothing if asked for; the weights' mean is 1."""
        labels = batch.tensors["labels"]
        return Losses({"cross_entropy": self._error(model(batch.tensors["inputs"]), labels)}, count=len(labels))

    def _error(self, logits: Tensor, labels: Tensor) -> Tensor:
        smoothing = self.config.label_smoothing
        if self._weights is None:
            return F.cross_entropy(logits, labels, label_smoothing=smoothing)
        weights = self._weights.to(logits.device)
        return F.cross_entropy(logits, labels, weights, reduction="sum", label_smoothing=smoothing) / len(labels)

    def shortcut(self, model: nn.Module) -> Shortcut | None:
        """For a perceptron: its own gradients, and those of the loss with respect to the logits."""
        perceptron = perceptron_in(model)
        if perceptron is None or type(self).loss is not ClassifyTask.loss:
            return None
        gradient = MLPGradient(perceptron)
        is_plain = self._weights is None and not self.config.label_smoothing

        def backward(batch: Batch, factor: float, add: bool) -> tuple[Tensor, int]:
            labels = batch.tensors["labels"]
            logits = gradient.forward(batch.tensors["inputs"].flatten(1))
            if is_plain:
                loss, upstream = cross_entropy_and_gradient(logits, labels)
            else:
                loss, upstream = with_gradient(lambda z: self._error(z, labels), logits)
            gradient.backward(upstream if factor == 1 else upstream * factor, add)
            return loss, labels.size(0)

        return backward

    def evaluate(self, model: nn.Module) -> Evaluation:
        """Accuracy and mean F1 on the development side; of two equal accuracies the smaller loss is better.

        Where classes have weights, the accuracy that picks the best model has them too: the plain one would pick the
        model that always names the most frequent class.
        """
        numbers = self.data.sides.dev
        probabilities, loss = self.judged(model, numbers)
        truth = self.data.labels[torch.tensor(numbers)]
        table = confusion(truth, probabilities.argmax(1), len(self.form.classes))
        accuracy = 100 * int(table.diag().sum()) / len(numbers)
        judged = accuracy if self._weights is None else self._weighted(table)
        return Evaluation(
            loss,
            {"accuracy": round(accuracy, 2), "f1": macro(by_class(table))["f1"]},
            headline=judged - 100 / len(numbers) * loss / (1 + loss),
        )

    def _weighted(self, table: Tensor) -> float:
        """The accuracy in percent by a confusion table, each example counting as its class does."""
        assert self._weights is not None, "asked of weighted classes only"
        return 100 * float((table.diag() * self._weights).sum() / (table.sum(1) * self._weights).sum().clamp(min=1e-9))

    def judged(self, model: nn.Module, numbers: Sequence[int]) -> tuple[Tensor, float]:
        """The probabilities of all classes for these examples, and the mean cross-entropy in nats."""
        device = next(model.parameters()).device
        was_training = model.training
        model.eval()
        with torch.inference_mode():
            parts = [numbers[start : start + AT_ONCE] for start in range(0, len(numbers), AT_ONCE)]
            logits = torch.cat([model(self.inputs(part).to(device)).cpu().float() for part in parts])
        model.train(was_training)
        return logits.softmax(1), float(F.cross_entropy(logits, self.data.labels[torch.tensor(numbers)]))

    def test(self, model: nn.Module, side: Literal["test", "dev"] = "test") -> dict[str, Any]:
        """Everything that is said of a classifier on a held-out side; the `test` line of metrics.jsonl."""
        numbers = self.data.sides.test if side == "test" else self.data.sides.dev
        probabilities, loss = self.judged(model, numbers)
        truth = self.data.labels[torch.tensor(numbers)]
        predicted = probabilities.argmax(1)
        table = confusion(truth, predicted, len(self.form.classes))
        scores = by_class(table)
        frequent = self.data.labels[self._train].bincount().argmax()
        right = {"model": predicted, "nearest": self._nearest(numbers), "frequent": frequent}
        return {
            "split": side,
            "examples": len(numbers),
            "systems": {name: share(int((said == truth).sum()), len(numbers)) for name, said in right.items()},
            "cross_entropy": round(loss, 4),
            "classes": list(self.form.classes),
            "confusion": table.tolist(),
            "by_class": scores,
            "macro": macro(scores),
            "calibration": calibration(probabilities, truth),
            "parameters": count_parameters(model),
            "fully_connected": self._fully_connected(model),
            "wrong": self._wrong(numbers, probabilities, truth),
        }

    def test_on(self, model: nn.Module, files: Sequence[str]) -> dict[str, Any]:
        """The same on the examples of other files, whose classes must be the run's."""
        config = self.config.data
        there = copy.copy(self)
        there.data = with_others(self.data, other_examples(files, self.form, config.delimiter, config.missing))
        return {**there.test(model), "split": " ".join(files)}

    def describe(self) -> dict[str, Any]:
        data, form = self.data, self.form
        return {
            "files": [{"path": file, "kind": data.kind} for file in self.config.data.files],
            "read": data.read,
            "left_out_rows": data.read - len(data.labels),
            "train": len(data.sides.train),
            "dev": len(data.sides.dev),
            "test": len(data.sides.test),
            "classes": data.counts(),
            "network": kind_of_network(self.config.model.kind, form),
            "shape": form.image.shape.as_list() if form.image else [form.table.width],  # type: ignore[union-attr]
            "target": form.table.target.name if form.table else None,
            "columns": form.table.input_names if form.table else None,
            "left_out": dict(form.table.left_out) if form.table else {},
            "notes": data.notes,
            "batches": len(self.epoch(0)),
            "samples": self._class_sheet(),
            "augmentation": self.config.augmentation.model_dump(),
            "augmented": self._contact_sheet(),
        }

    @classmethod
    def predict(cls, run: Any, file: str | Path) -> list[dict[str, Any]]:
        """The class of each example in a file, with the probability of every class."""
        return predict(run, str(file))

    def _wrong(self, numbers: Sequence[int], probabilities: Tensor, truth: Tensor) -> list[dict[str, Any]]:
        """The worst mistakes, and what it was right but not sure about; a few whatever they are."""
        found = [self._judgement(numbers[n], probabilities[n]) for n in most_wrong(probabilities, truth, SHOWN_WRONG)]
        return [one for place, one in enumerate(found) if place < FEWEST_SHOWN or one["of_truth"] < SURE]

    def _judgement(self, number: int, probabilities: Tensor) -> dict[str, Any]:
        """An example, what the network says it is, and what it is."""
        data, classes = self.data, self.form.classes
        predicted, truth = int(probabilities.argmax()), int(data.labels[number])
        told: dict[str, Any] = {
            "origin": data.origins[number],
            "truth": classes[truth],
            "predicted": classes[predicted],
            "probability": round(float(probabilities[predicted]), 4),
            "of_truth": round(float(probabilities[truth]), 4),
        }
        if data.table is not None:
            return {**told, "row": shown_row(data.table, number)}
        return {**told, "image": png_text(thumbnail(data.inputs[number], SHOWN_SIDE))}

    def _nearest(self, numbers: Sequence[int]) -> Tensor:
        known = self._train[:: -(-len(self._train) // NEAREST_OF)]
        inputs = self.inputs(known.tolist()).flatten(1)
        parts = [numbers[start : start + AT_ONCE] for start in range(0, len(numbers), AT_ONCE)]
        return torch.cat([nearest(inputs, self.data.labels[known], self.inputs(part).flatten(1)) for part in parts])

    def _fully_connected(self, model: nn.Module) -> int | None:
        """Parameters of a fully connected network with as many neurons in each layer as the CNN has."""
        if not isinstance(model, Cnn) or self.form.image is None:
            return None
        return fully_connected_parameters(self.config.model.cnn, self.form.image.shape, len(self.form.classes))

    def _contact_sheet(self) -> str | None:
        """Some training images as they are and, to their right, as the first epochs will see them."""
        config = self.config.augmentation
        if self.form.image is None or not config.changes:
            return None
        count = len(self._train)
        places = torch.arange(0, count, max(count // SHEET_IMAGES, 1))[:SHEET_IMAGES]
        brightness = self.data.inputs[self._train[places]].float() / 255
        columns = [brightness]
        for epoch in range(SHEET_EPOCHS):
            columns.append(augmented(brightness, config, self.config.training.seed, places + epoch * count))
        return _drawn(torch.stack(columns, dim=1))

    def _class_sheet(self) -> str | None:
        """A row of training images of each class."""
        if self.form.image is None:
            return None
        labels, rows = self.data.labels[self._train], []
        for number in range(len(self.form.classes)):
            there = self._train[(labels == number).nonzero().flatten()]
            chosen = there[torch.linspace(0, len(there) - 1, SHOWN_PER_CLASS).round().long()]
            rows.append(self.data.inputs[chosen].float() / 255)
        return _drawn(torch.stack(rows))


def examples_of(data: ClassifyData, form: Form | None = None) -> Examples:
    """Read what the config names; with `form`, as a run has read before. Raises DataError, saying how to mend it."""
    check_fields(data)
    if is_image_place(data.files[0]):
        return examples_of_images(data.files, data.size, data.colours, data.held_out, data.split_seed, form)
    return examples_of_table(
        data.files,
        data.target,
        data.delimiter,
        data.categorical,
        data.left_out,
        data.missing,
        data.held_out,
        data.split_seed,
        form,
    )


def check_fields(data: ClassifyData) -> None:
    """Raises ConfigError if a field is set that these examples have no use for."""
    images = is_image_place(data.files[0])
    for name in OF_TABLES if images else OF_IMAGES:
        value = getattr(data, name)
        if value not in (None, [], ClassifyData.model_fields[name].default):
            own, holds = ("tables", "images") if images else ("images", "a table")
            raise ConfigError(
                f"data.{name} is {value!r}, which is for {own} only, and {data.files[0]} holds {holds}",
                mend="Leave it out." + " Folders or labels say the class of an image." * images,
            )


def settled(config: ClassifyConfig, data: Examples) -> ClassifyConfig:
    """The config with its fingerprint, target, kind of network and, if all is small, threads written out."""
    table = data.form.table
    found = {"fingerprint": data.fingerprint, "target": table.target.name if table else None}
    kind = kind_of_network(config.model.kind, data.form)
    training = config.training
    if training.threads is None and training.batch * data.inputs[0].numel() <= ALONE and training.device == "cpu":
        training = training.changed(threads=1)
    if training.epochs and training.evaluate_every is None:
        # Told by the steps and not by a clock, so that the best weights are found at the same steps on any machine.
        batches = -(-len(data.sides.train) // training.batch)
        steps = max(round(training.epochs * batches / training.accumulate), 1)
        training = training.changed(evaluate_every=-(-steps // EVALUATIONS))
    return config.changed(
        data={**config.data.model_dump(), **found},
        model={**config.model.model_dump(), "kind": kind},
        training=training.model_dump(),
    )


def network_of(config: ClassifierConfig, form: Form) -> nn.Module:
    """Raises ConfigError for a CNN that is to read a table, or of more stages than the images bear."""
    kind, classes = kind_of_network(config.kind, form), len(form.classes)
    if form.image is None:
        assert form.table is not None, "a form is of images or of a table"
        return MLP(config.mlp, form.table.width, classes)
    if kind == "cnn":
        return Cnn(config.cnn, form.image.shape, classes)
    return nn.Sequential(OrderedDict(flat=nn.Flatten(), mlp=MLP(config.mlp, form.image.shape.numbers, classes)))


def perceptron_in(model: nn.Module) -> MLP | None:
    """The multilayer perceptron that `network_of` made, if it made one, and one without norms."""
    inside = model.get_submodule("mlp") if isinstance(model, nn.Sequential) else model
    return inside if isinstance(inside, MLP) and not has_norms(inside) else None


def kind_of_network(kind: Network, form: Form) -> Literal["mlp", "cnn"]:
    """Raises ConfigError for a CNN that is to read a table."""
    if kind == "cnn" and form.image is None:
        raise ConfigError("model.kind is 'cnn', but the data is a table", mend="A table is read by an mlp.")
    if kind == "auto":
        return "cnn" if form.image is not None else "mlp"
    return kind


def class_weights(config: ClassifyConfig, data: Examples) -> Tensor | None:
    """The weight of each class, or None where all count alike. Raises ConfigError for a class that there is not."""
    wanted, classes = config.class_weights, data.form.classes
    if wanted == "none":
        return None
    if wanted == "balanced":
        return balanced_weights(data.labels[torch.tensor(data.sides.train)], len(classes))
    for name, weight in wanted.items():
        if name not in classes:
            raise ConfigError(f"class_weights: there is no class {name!r}", mend=f"There are {', '.join(classes)}.")
        if not weight >= 0:
            raise ConfigError(f"class_weights: {name} has weight {weight}", mend="Give a number from 0.")
    return torch.tensor([float(wanted.get(name, 1.0)) for name in classes])


def _drawn(rows: Tensor) -> str:
    """Brightness (row, column, channel, height, width) as one picture, its parts made smaller if they are large."""
    high, wide = rows.shape[:2]
    parts = [thumbnail(one, SHOWN_SIDE) for one in (rows.flatten(0, 1) * 255).round().to(torch.uint8)]
    return png_text(sheet(torch.stack(parts).view(high, wide, *parts[0].shape)))
