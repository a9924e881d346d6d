"""One row of a table seen through a regression: its standardized columns, each neuron, the prediction, its error.

The row is one of the held-out side, by its number, or the first of a file. The loss is the error of this row alone, in
standard deviations of the target, as training computes it.

    x                                  the row, a number for each input, named as the columns are
    layers.0.linear, layers.0          the first hidden layer before and after its activation
    output, prediction                 what the network says, in deviations of the target and in its own units
    loss
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from pellucid.data.columns import Table
from pellucid.data.schema import Schema
from pellucid.run import Run
from pellucid.see.capture import Labels, capture
from pellucid.see.operation import Axis, Step
from pellucid.see.subjects import Rows
from pellucid.see.trace import Trace, TraceError
from pellucid.tasks.regress import COLUMNS, RegressConfig, error, read_any
from pellucid.tasks.task import Batch

KIND = "regression"


def trace_of(run: Run, text: str = "0", backward: bool | None = None) -> Trace:
    """The pass of one row through a run's model; with `backward` also its loss and all gradients, which are there of
    every row whose target is known unless `backward` says otherwise.

    `text` is the number of a held-out row, from 0, or a file of which the first row is taken. Raises TraceError if
    there is no such row, or if gradients are asked for a row whose target is not known; DataError for faulty cells.
    """
    run.expect("regress")
    row = asked(run, text)
    schema = Schema.load(run.path / COLUMNS)
    return trace_of_row(run, schema, row, schema.target.name in row.names if backward is None else backward)


def asked(run: Run, text: str) -> Table:
    """The one row that a text names. Raises TraceError if there is none."""
    if not text.strip().isdigit():
        config: RegressConfig = run.config
        if not Path(text).exists():
            raise TraceError(f"{text!r} is neither the number of a held-out row nor a file", "Give such as 0.")
        return read_any(text, config.data).rows([0])
    task = run.task
    number, held_out = int(text), task.sides.test
    if number >= len(held_out):
        raise TraceError(
            f"there is no held-out row {number}; they are numbered 0 to {len(held_out) - 1}", "Give a smaller one."
        )
    table: Table = task.table
    return table.rows([held_out[number]])


def rows_of_text(run: Run, text: str) -> Rows:
    """One row as training reads it. Raises TraceError if its target is not known."""
    run.expect("regress")
    row, schema = asked(run, text), Schema.load(run.path / COLUMNS)
    name = schema.target.name
    if name not in row.names:
        raise TraceError(
            f"{row.lines[0]}: its {name} is not known, so there is no loss", "Give a held-out row's number."
        )
    truth = (schema.targets(row) - schema.target.mean) / schema.target.deviation
    batch = Batch({"inputs": schema.encode(row), "targets": truth.float()}, padding=0.0)
    about = {"kind": KIND, "line": row.lines[0], "row": row.row(0), "target": name}
    return Rows(batch, [row.lines[0]], about=about)


def names_of(task: Any, batch: Batch, examples: Sequence[int]) -> list[str]:
    """Where each row stands."""
    return [task.table.lines[task.sides.train[number % len(task.sides.train)]] for number in examples]


def labels_of_run(run: Run) -> Labels:
    return {"inputs": Schema.load(run.path / COLUMNS).input_names}


def trace_of_row(run: Run, schema: Schema, row: Table, backward: bool) -> Trace:
    """The same with the row at hand."""
    name = schema.target.name
    known = name in row.names
    if backward and not known:
        raise TraceError(f"{row.lines[0]}: its {name} is not known, so there is no error", "Look at it forward only.")
    model = run.model
    device = next(model.parameters()).device
    inputs = schema.encode(row).to(device)
    loss = None
    if backward:
        truth = (schema.targets(row) - schema.target.mean) / schema.target.deviation
        loss = error_of(run.config, truth.float().to(device))

    def predicted(x: Tensor) -> Tensor:
        """The network's outputs; in the target's own units they are computed as well, to be seen."""
        outputs: Tensor = model(x)
        outputs * schema.target.deviation + schema.target.mean
        return outputs

    was_training = model.training
    model.eval()
    try:
        trace = capture(model, inputs, loss=loss, labels={"x": schema.input_names}, objective=predicted)
    finally:
        model.train(was_training)
    trace.about = {
        "kind": KIND,
        "run": run.name,
        "line": row.lines[0],
        "row": row.row(0),
        "target": name,
        "unit": {"mean": schema.target.mean, "deviation": schema.target.deviation},
    }
    name_parts(trace, schema, run.config, row.lines[0])
    return trace


def error_of(config: RegressConfig, truth: Tensor) -> Callable[[Tensor], Tensor]:
    """The loss of a network's outputs: of networks side by side the sum of their errors, as in training."""

    def loss(outputs: Tensor) -> Tensor:
        total = error(config, outputs[0], truth.expand(outputs.size(1)))
        return total * outputs.size(1) if config.model.sizes else total

    return loss


def name_parts(trace: Trace, schema: Schema, config: RegressConfig, line: str) -> None:
    """Columns along the axes that they stand on, sizes along that of networks, and names for what comes out."""
    row, columns = Axis("row", (line,)), Axis("column", tuple(schema.input_names))
    networks = Axis("network", tuple(f"{size} neurons" for size in config.model.sizes) or (schema.target.name,))
    for step in trace.steps:
        if step.leaf and step.op == "input" and step.value.dim() == 2:
            step.axes = (row, columns)
        elif step.op == "parameter" and reads_columns(step, config):
            step.axes = (Axis("unit"), columns)
    (output,) = (trace[name] for name in trace.outputs)
    output.axes = (row, networks)
    for step in trace.steps:
        if output in step.operands.values() and step.op == "mul":
            scaled = step
            scaled.axes = output.axes
            trace.rename(scaled, "scaled")
        elif step.op == "add" and any(operand.name == "scaled" for operand in step.operands.values()):
            step.axes = output.axes
            trace.rename(step, "prediction")
    if trace.loss is not None:
        trace.rename(trace[trace.loss], "loss")


def reads_columns(step: Step, config: RegressConfig) -> bool:
    """Whether a parameter is the matrix of a layer that reads the row itself."""
    place = step.name.rsplit("networks.", 1)[-1].partition(".")[2] if config.model.sizes else step.name
    return place == ("layers.0.linear.weight" if config.model.depth else "output.weight")
