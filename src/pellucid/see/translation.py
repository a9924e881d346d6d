"""One translation seen through: a run, a text and a target become a trace whose parts have the names people call them.

The target is read whole, as in training (teacher forcing): after each of its tokens the model says what comes next, and
the loss is how surprised it is by the token that does. Axes carry the tokens, the vocabulary's too. What the terminal,
a notebook and a page show of a translation comes from this trace.

    source.embedding, source.positions, source.embedded    what goes into the encoder; target.* into the decoder
    encoder.0.self_attention.queries, keys, values, scores, scaled, masked, weights, heads, concatenated, output
    memory                                                 what the encoder found
    logits, probabilities, loss                            what comes out
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from pellucid.data.slots import take_out, take_out_same
from pellucid.data.tokenizer import BOS, EOS
from pellucid.generate.text import text_of
from pellucid.run import Run
from pellucid.see.capture import capture
from pellucid.see.operation import Axis, Step
from pellucid.see.tokens import labels_of
from pellucid.see.trace import Trace, TraceError
from pellucid.tasks.task import Batch

KIND = "translation"


@dataclass(frozen=True)
class Sentence:
    """What goes through a translator: the ids of the source with its end token, of the target without any."""

    source: str
    target: str
    source_ids: tuple[int, ...]
    target_ids: tuple[int, ...]
    strings: tuple[str, ...]  # what was taken out of the source, to be copied
    given: bool  # whether the target was given, rather than decoded


def trace_of(run: Run, text: str, target: str | None = None) -> Trace:
    """The pass of one sentence through a run's model, with the loss and all gradients.

    Without `target` it is what the run's own `translate` decodes. Raises TraceError if a text is empty or longer than
    the model's longest sentence.
    """
    return trace_of_sentence(run, sentence_of(run, text, target))


def sentence_of(run: Run, text: str, target: str | None = None) -> Sentence:
    """Both sides as ids. Raises TraceError if one is empty or too long."""
    if not text.strip():
        raise TraceError("the text is empty", "Give a sentence to translate.")
    if target is not None and not target.strip():
        raise TraceError("the target is empty", "Give a translation, or leave it out: the run then makes its own.")
    tokenizer, longest = run.tokenizer, run.config.model.max_length
    slotted = take_out(text.strip(), tokenizer.is_word)
    source = (*tokenizer.encode(slotted.text), EOS)
    _check_length("text", len(source), longest)
    if target is not None:
        found = tuple(tokenizer.encode(take_out_same(target.strip(), slotted.strings)))
        _check_length("target", len(found) + 1, longest)
        return Sentence(text.strip(), target.strip(), source, found, slotted.strings, given=True)
    (hypotheses,) = run.engine("auto", run.decoding).translate_ids([source], run.decoding)
    tokens = hypotheses[0].tokens
    translation = text_of(tokenizer.decode(tokens), slotted.strings)
    return Sentence(text.strip(), translation, source, tokens, slotted.strings, given=False)


def _check_length(what: str, count: int, longest: int) -> None:
    if count > longest:
        raise TraceError(
            f"the {what} has {count} tokens with its end, and the model reads at most {longest}", "Give a shorter one."
        )


def batch_of(sentence: Sentence) -> Batch:
    """The pair as the training would read it, were it all of a batch."""
    target = (BOS, *sentence.target_ids, EOS)
    return Batch({"source": torch.tensor([sentence.source_ids]), "target": torch.tensor([target])}, padding=0.0)


def trace_of_sentence(run: Run, sentence: Sentence) -> Trace:
    """The same from ids, however they were made."""
    labels = labels_of(run.tokenizer, sentence.strings)
    read, wanted = (BOS, *sentence.target_ids), (*sentence.target_ids, EOS)
    model = run.model
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    try:
        trace = capture(
            model,
            torch.tensor([sentence.source_ids], device=device),
            torch.tensor([read], device=device),
            loss=surprise(torch.tensor(wanted, device=device)),
            labels={
                "source": [labels[token] for token in sentence.source_ids],
                "target": [labels[token] for token in read],
                "embedding.weight": labels,
            },
        )
    finally:
        model.train(was_training)
    trace.about = {
        "kind": KIND,
        "run": run.name,
        "source": sentence.source,
        "target": sentence.target,
        "given": sentence.given,
        "wanted": [labels[token] for token in wanted],
    }
    name_parts(trace)
    return trace


def surprise(wanted: Tensor) -> Callable[[Tensor], Tensor]:
    """The loss of a translator's logits: -mean_t log p(wanted_t); the shares are computed as well, to be seen."""

    def loss(logits: Tensor) -> Tensor:
        logits.softmax(dim=-1)
        return F.cross_entropy(logits[0], wanted)

    return loss


def name_parts(trace: Trace) -> None:
    """Give what no module of the model names the names that people have for it."""
    for side in ("source", "target"):
        name_embedding(trace, side)
    name_attentions(trace)
    (logits,) = (trace[name] for name in trace.outputs)
    trace.rename(logits, "logits")
    for step in trace.steps:
        if step.op == "softmax" and step.operands["input"] is logits:
            trace.rename(step, "probabilities")
    assert trace.loss is not None
    loss = trace[trace.loss]
    trace.rename(loss, "loss")
    trace.rename(loss.operands["input"], "logits_of_sentence")
    trace.rename(loss.operands["target"], "wanted")
    loss.operands["target"].axes = (Axis("position", tuple(trace.about["wanted"])),)
    memory = trace["decoder.0.cross_attention.key"].operands["input"]
    trace.aliases["memory"] = memory.name


def name_attentions(trace: Trace) -> None:
    """Queries, keys, values, the heads side by side, and the mask of every attention."""
    for call in trace.attentions():
        for step in (call.query, call.key, call.value, call.scores, call.scaled, call.masked, call.weights, call.heads):
            name_head(step)
        for step, name in ((call.query, "queries"), (call.key, "keys"), (call.value, "values")):
            trace.rename(step, f"{call.place}.{name}")
        if call.output is not None:
            trace.rename(call.output.operands["input"], f"{call.place}.concatenated")
        for operand in call.masked.operands.values():
            if operand.value.dtype == torch.bool:
                trace.rename(operand, f"{call.place}.mask")
                operand.axes = call.masked.axes[-operand.value.dim() :]


def name_head(step: Step) -> None:
    """Where there is one head only, nothing shows that the axis is that of heads."""
    if step.value.dim() == 4 and step.value.size(1) == 1:
        batch, _, position, last = step.axes
        step.axes = (batch, Axis("head"), position, Axis("d_k") if last.name == "model" else last)


def name_embedding(trace: Trace, side: str) -> None:
    """The way of one side's tokens into the network: row of the table, scaled, position added."""
    ids = trace[side]
    embedding = next(step for step in trace.steps if step.op == "embedding" and step.operands["input"] is ids)
    scaled = made_of(trace, embedding, "mul")
    trace.rename(embedding, f"{side}.embedding")
    if scaled is None:
        return
    trace.rename(scaled, f"{side}.scaled")
    total = made_of(trace, scaled, "add")
    if total is None or total.place != scaled.place:  # positions are told within attention
        return
    positions = total.operands["other"]
    trace.rename(total, f"{side}.embedded")
    trace.rename(positions, f"{side}.positions")
    positions.axes = scaled.axes[-2:]
    table = positions.operands.get("given.0")
    if table is not None:
        table.axes = (Axis("position"), Axis("model"))


def made_of(trace: Trace, step: Step, op: str) -> Step | None:
    """The first step of a kind into which this one went."""
    return next((one for one in trace.steps if one.op == op and step in one.operands.values()), None)


def is_translation(trace: Trace) -> bool:
    """Whether the trace is one that `trace_of` took."""
    return trace.about.get("kind") == KIND


def labels_along(step: Step, axis: int) -> Sequence[str]:
    """The labels of an axis; the numbers of its positions where it has none."""
    found = step.axes[axis].labels
    return found if found is not None else [str(number) for number in range(step.value.size(axis))]
