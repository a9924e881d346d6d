"""One example seen through a classifier: an image's windows and feature maps, a row's neurons, and the class they say.

image, or inputs                              what the network reads, standardized
stages.0.convolutions.0.convolution, .norm    feature maps: channel, row, column
stages.0.pooling                              the maps, made smaller
logits, probabilities, loss                   a score for each class, its share, the surprise at the true class
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from pellucid.errors import DataError
from pellucid.run import Run
from pellucid.see.capture import Labels, capture
from pellucid.see.operation import Axis
from pellucid.see.subjects import Rows
from pellucid.see.trace import Trace, TraceError
from pellucid.tasks.examples import Form
from pellucid.tasks.predict import read_inputs
from pellucid.tasks.task import Batch

KIND = "classify"


@dataclass(frozen=True)
class Example:
    """What goes through a classifier: one row of inputs, where it stood, and its class if that is known."""

    inputs: Tensor
    origin: str
    truth: str | None


def trace_of(run: Run, text: str = "0", backward: bool = True) -> Trace:
    """The pass of one example through a run's model, with `backward` also the loss and all gradients.

    `text` is the number of a held-out example, or a file: a picture, or a table, of which the first row is taken. The
    loss is the surprise at the example's own class, where that is known, else at the class that the model says.
    Raises TraceError if there is no such example, DataError if the file cannot be read.
    """
    example = example_of(run, text)
    return trace_of_example(run, example, backward)


def example_of(run: Run, text: str) -> Example:
    """A held-out example by its number, or the first of a file."""
    text = text.strip() or "0"
    if text.isdigit():
        task = run.task
        numbers = task.data.sides.test
        if int(text) >= len(numbers):
            raise TraceError(
                f"there is no held-out example {text}; they are numbered 0 to {len(numbers) - 1}", "Give a smaller one."
            )
        number = numbers[int(text)]
        truth = task.form.classes[int(task.data.labels[number])]
        return Example(task.inputs([number]), task.data.origins[number], truth)
    form = Form.load(run.path)
    try:
        inputs, names, truths = read_inputs(text, form, run.config.data.delimiter)
    except DataError as error:
        raise TraceError(error.message, f"{error.mend} Or give the number of a held-out example, such as 0.") from None
    return Example(inputs[:1], names[0], truths[0])


def rows_of_text(run: Run, text: str) -> Rows:
    """One example as training reads it. Raises TraceError if its class is not told."""
    example, form = example_of(run, text), Form.load(run.path)
    if example.truth not in form.classes:
        raise TraceError(
            f"{example.origin}: its class is not known, so there is no loss", "Give a held-out example's number."
        )
    labels = torch.tensor([form.classes.index(example.truth)])
    name = f"{example.origin}, {example.truth}"
    about = {"kind": KIND, "origin": example.origin, "truth": example.truth, "wanted": example.truth}
    batch = Batch({"inputs": example.inputs, "labels": labels}, padding=0.0)
    return Rows(batch, [name], about={**about, "classes": list(form.classes)})


def names_of(task: Any, batch: Batch, examples: Sequence[int]) -> list[str]:
    """Where each example stands, and its class."""
    data, train = task.data, task.data.sides.train
    numbers = [train[number % len(train)] for number in examples]
    return [f"{data.origins[n]}, {data.form.classes[int(data.labels[n])]}" for n in numbers]


def labels_of_run(run: Run) -> Labels:
    form = Form.load(run.path)
    with torch.random.fork_rng():
        named = labels_of(run.network(), form)
    columns = {"inputs": form.table.input_names} if form.table is not None else {}
    return {**{name: labels for name, labels in named.items() if name != "x"}, **columns}


def trace_of_example(run: Run, example: Example, backward: bool = True) -> Trace:
    """The same of an example at hand."""
    model, form = run.model, Form.load(run.path)
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    inputs = example.inputs.to(device)
    with torch.inference_mode():
        said = int(model(inputs).argmax())
    wanted = form.classes.index(example.truth) if example.truth in form.classes else said
    try:
        trace = capture(model, inputs, loss=surprise(wanted) if backward else None, labels=labels_of(model, form))
    finally:
        model.train(was_training)
    trace.about = {
        "kind": KIND,
        "run": run.name,
        "origin": example.origin,
        "truth": example.truth,
        "predicted": form.classes[said],
        "wanted": form.classes[wanted],
        "classes": list(form.classes),
    }
    name_parts(trace, form.classes)
    return trace


def surprise(wanted: int) -> Callable[[Tensor], Tensor]:
    """The loss: -log p(wanted); the shares are computed as well, to be seen."""

    def loss(logits: Tensor) -> Tensor:
        logits.softmax(dim=-1)
        return F.cross_entropy(logits, torch.tensor([wanted], device=logits.device))

    return loss


def labels_of(model: torch.nn.Module, form: Form) -> dict[str, Sequence[str]]:
    """The classes, for the rows of the last layer; the names of the columns, for what a table's network reads."""
    last = next(name for name, _ in reversed(list(model.named_parameters())) if name.endswith("output.weight"))
    labels: dict[str, Sequence[str]] = {last: form.classes, last.removesuffix("weight") + "bias": form.classes}
    if form.table is not None:
        labels["x"] = form.table.input_names
    return labels


def name_parts(trace: Trace, classes: Sequence[str]) -> None:
    """Give what no module of the model names the names that people have for it."""
    trace.name_axes()
    logits = trace[trace.outputs[0]]
    for step in list(trace.steps):
        if step.op == "softmax" and step.operands["input"] is logits:
            trace.rename(step, "probabilities")
            step.axes = (Axis("batch"), Axis("class", tuple(classes)))
    trace.rename(logits, "logits")
    logits.axes = (Axis("batch"), Axis("class", tuple(classes)))
    if trace.loss is not None:
        loss = trace[trace.loss]
        trace.rename(loss, "loss")
        trace.rename(loss.operands["target"], "wanted")
        loss.operands["target"].axes = (Axis("batch", (str(trace.about["wanted"]),)),)
