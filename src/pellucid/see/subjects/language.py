"""One text seen through a language model: after each of its tokens, the share of every token that could come next.

The text begins as if after the end of a line, so that its first token is predicted as well. The loss is the mean
surprise at its tokens. A recurrent network is opened along time: each state has its address.

    logits, probabilities, loss
    recurrent.0.t3.from_input, .from_state, .sum, .h                   a plain recurrent network, at its fourth token
    recurrent.0.outputs.layer0.t3.forget_gate, .candidate, .c, .h      an LSTM or GRU, which PyTorch computes as one
    blocks.0.self_attention.queries, .scores, .weights, .heads ...     a GPT
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from pellucid.data.pieces import Pieces
from pellucid.generate.write import START
from pellucid.models.language import LanguageModel, LanguageModelConfig
from pellucid.run import Run
from pellucid.see.capture import Labels, capture
from pellucid.see.operation import Axis
from pellucid.see.subjects import Rows
from pellucid.see.tokens import readable, visible
from pellucid.see.trace import Trace, TraceError
from pellucid.see.translation import name_attentions, name_embedding
from pellucid.tasks.language import pieces_in
from pellucid.tasks.task import Batch

KIND = "language"
SHOWN = 24  # tokens of a stretch by which it is told
NOWHERE = -1  # where no stretch of the training text begins
LONGEST = 256  # tokens of a text that a recurrent network reads to be looked at: it has no limit of its own


def trace_of(run: Run, text: str, backward: bool = True) -> Trace:
    """The pass of one text through a run's model, with `backward` also the loss and all gradients.

    Raises TraceError if the text is empty or longer than the model looks back.
    """
    return trace_of_text(run.model, pieces_in(run.path), text, backward, run.name)


def trace_of_text(model: LanguageModel, pieces: Pieces, text: str, backward: bool = True, name: str = "") -> Trace:
    """The same with a model at hand."""
    read, asked = ids_of(model.config, pieces, text)
    labels = labels_of(pieces)
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    try:
        trace = capture(
            model,
            read[None].to(device),
            loss=_surprise(asked.to(device)) if backward else None,
            labels={"tokens": [labels[i] for i in read.tolist()], **dict.fromkeys(tables(model.config), labels)},
        )
    finally:
        model.train(was_training)
    trace.about = {"kind": KIND, "run": name, "text": text, "wanted": [labels[i] for i in asked.tolist()]}
    name_parts(trace)
    return trace


def rows_of_text(run: Run, text: str) -> Rows:
    """One text as training reads it, from a fresh state on."""
    run.expect("language")
    pieces, labels = pieces_in(run.path), labels_of(pieces_in(run.path))
    read, asked = ids_of(run.config.model, pieces, text)
    tokens = torch.cat([read[:1], asked])[None]
    batch = Batch({"tokens": tokens, "starts": torch.tensor([NOWHERE])}, padding=0.0)
    wanted = [labels[number] for number in asked.tolist()]
    return Rows(batch, [text], wanted, {"kind": KIND, "text": text, "wanted": wanted})


def names_of(task: Any, batch: Batch, examples: Sequence[int]) -> list[str]:
    """How the stretch of each row begins."""
    rows = batch.tensors["tokens"][:, :SHOWN].tolist()
    texts = ("".join(map(visible, task.pieces.decode(row))) for row in rows)
    return [f"{start % len(task.ids):,}: {text}" for start, text in zip(examples, texts, strict=True)]


def labels_of_run(run: Run) -> Labels:
    return dict.fromkeys(tables(run.config.model), labels_of(pieces_in(run.path)))


def tables(config: LanguageModelConfig) -> tuple[str, ...]:
    """The parameters that have a row for each token."""
    return ("embedding.weight", *(("output.weight", "output.bias") if config.cell != "gpt" else ()))


def ids_of(config: LanguageModelConfig, pieces: Pieces, text: str) -> tuple[Tensor, Tensor]:
    """The tokens that are read of a text, and those asked for after each. Raises TraceError if it is empty or long."""
    if not text:
        raise TraceError("the text is empty", "Give a text to read.")
    asked = pieces.encode(text).long()
    longest = config.context if config.cell == "gpt" else LONGEST
    read = torch.cat([pieces.encode(START)[:1].long(), asked])
    if len(read) > longest:
        raise TraceError(
            f"the text has {len(asked)} tokens, and at most {longest - 1} are read at once", "Give a shorter one."
        )
    return read, asked


def labels_of(pieces: Pieces) -> list[str]:
    """The label of every token by its id."""
    names = pieces.names()
    if pieces.kind == "characters":
        return [visible(name) for name in names]
    return [readable(name) for name in names]


def _surprise(asked: Tensor) -> Callable[[Tensor], Tensor]:
    """The loss: -mean_t log p(asked_t); the shares are computed as well, to be seen."""

    def loss(logits: Tensor) -> Tensor:
        logits.softmax(dim=-1)
        return F.cross_entropy(logits[0, :-1], asked)

    return loss


def name_parts(trace: Trace) -> None:
    """Give what no module of the model names the names that people have for it."""
    _name_times(trace)
    trace.name_axes()
    name_attentions(trace)
    name_embedding(trace, "tokens")
    logits = trace[trace.outputs[0]]
    for step in list(trace.steps):
        if step.op == "softmax" and step.operands["input"] is logits:
            trace.rename(step, "probabilities")
    trace.rename(logits, "logits")
    if trace.loss is not None:
        loss = trace[trace.loss]
        trace.rename(loss, "loss")
        trace.rename(loss.operands["input"], "logits_of_text")
        trace.rename(loss.operands["target"], "wanted")
        loss.operands["target"].axes = (Axis("position", tuple(trace.about["wanted"])),)


def _name_times(trace: Trace) -> None:
    """A recurrent layer's steps by their time; its outputs and its last state."""
    tokens = next(step for step in trace.steps if step.name == "tokens")
    batch, position = tokens.axes
    for layer in sorted({step.place for step in trace.steps if step.op in ("stack", "lstm", "gru") and step.place}):
        here = [step for step in trace.steps if step.place == layer or step.place == f"{layer}.from_state"]
        if any(step.op in ("lstm", "gru") for step in here):
            for step in here:
                if step.op in ("lstm", "gru"):
                    trace.rename(step, f"{layer}.{('outputs', 'last_h', 'last_c')[step.part or 0]}")
            continue
        named = {"unbind": "from_input", "linear": "from_state", "add": "sum", "tanh": "h"}
        times = dict.fromkeys(named, 0)
        fed = next(step for step in trace.steps if step.name == f"{layer}.from_input")
        for step in here:
            if step.op == "unbind" and fed not in step.operands.values():
                trace.rename(step, f"{layer}.before")
            elif step.op == "stack":
                whole = step.value.dim() == 3 and step.value.size(1) == tokens.value.size(1) and step.value.size(0) == 1
                first = f"{layer}.outputs" not in {one.name for one in trace.steps}
                if whole and first:
                    step.axes = (batch, position, Axis("unit"))
                trace.rename(step, f"{layer}.outputs" if first else f"{layer}.last")
            elif step.op in named:
                trace.rename(step, f"{layer}.t{times[step.op]}.{named[step.op]}")
                times[step.op] += 1
