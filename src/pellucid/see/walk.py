"""The walk: a translation in eleven stages, each a question, a sentence with this model's own numbers, and its steps.

All is read from the trace of a translation (`translation.py`), so that a saved one can be walked without its model, and
whatever the model is: norms before or after, positions added or turned, any number of layers. Renderers draw it.
"""

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from pellucid.see.attention import Attention
from pellucid.see.trace import Trace, TraceError
from pellucid.see.translation import is_translation, labels_along, made_of
from pellucid.see.words import told

STAGES = (
    "tokens",
    "embeddings",
    "positions",
    "encoder_attention",
    "add_and_norm",
    "feed_forward",
    "keys_and_values",
    "decoder_attention",
    "cross_attention",
    "projection",
    "softmax",
)


@dataclass(frozen=True)
class Stage:
    """`steps` are addresses in the order in which they were computed; `facts` are the numbers of the sentence."""

    number: int
    key: str
    steps: tuple[str, ...]
    facts: dict[str, Any] = field(default_factory=dict)
    form: str = ""  # which of several sentences

    def title(self, language: str = "en") -> str:
        return told(f"{self.key}.title", language)

    def sentence(self, language: str = "en") -> str:
        return told(f"{self.key}.sentence{self.form}", language, **self.facts)


class Walk:
    """The eleven stages of a trace; attention is that of one layer, and with `head` its sentences are of that head.

    Raises TraceError if the trace is of something else, or there is no such layer or head. Where the encoder and the
    decoder have different numbers of layers, a layer that one of them lacks means its last.
    """

    def __init__(self, trace: Trace, layer: int = 0, head: int | None = None) -> None:
        if not is_translation(trace):
            raise TraceError(
                "the trace is not of a translation, so it has no eleven stages", "Give the address of a number to see."
            )
        self.trace, self.layer, self.head = trace, layer, head
        self.calls = {call.place: call for call in trace.attentions()}
        self.layers = {
            side: sum(place.startswith(f"{side}.") and place.endswith(".self_attention") for place in self.calls)
            for side in ("encoder", "decoder")
        }
        most = max(self.layers.values())
        if not 0 <= layer < most:
            raise TraceError(f"there is no layer {layer}", f"The layers are 0 to {most - 1}.")
        heads = self.call("encoder", "self_attention").scores.value.size(-3)
        if head is not None and not 0 <= head < heads:
            raise TraceError(f"there is no head {head}", f"The heads are 0 to {heads - 1}.")
        self.heads = heads

    def stages(self) -> list[Stage]:
        return [getattr(self, f"_{key}")(number) for number, key in enumerate(STAGES, 1)]

    def place(self, side: str, part: str) -> str:
        """The place of a part of the layer walked through."""
        return f"{side}.{min(self.layer, self.layers[side] - 1)}.{part}"

    def call(self, side: str, part: str) -> Attention:
        return self.calls[self.place(side, part)]

    # --- the stages ------------------------------------------------------------------------------------------------

    def _tokens(self, number: int) -> Stage:
        source, target = self.trace["source"], self.trace["target"]
        facts = {
            "source": source.value.size(1),
            "target": target.value.size(1),
            "vocabulary": self.vocabulary,
            "begin": labels_along(target, 1)[0],
        }
        return Stage(number, "tokens", ("source", "target", "wanted"), facts)

    def _embeddings(self, number: int) -> Stage:
        source, row = self.trace["source"], self.trace["source.embedding"]
        facts = {
            "token": labels_along(source, 1)[0],
            "id": int(source.value[0, 0]),
            "vocabulary": self.vocabulary,
            "width": row.value.size(-1),
            "row": float(row.value[0, 0, 0]),
        }
        if "source.scaled" not in self.trace:
            return Stage(number, "embeddings", ("source.embedding", "target.embedding"), facts, ".plain")
        scaled = self.trace["source.scaled"]
        facts |= {"scale": float(scaled.settings["other"]), "scaled": float(scaled.value[0, 0, 0])}
        steps = ("source.embedding", "source.scaled", "target.embedding", "target.scaled")
        return Stage(number, "embeddings", steps, facts)

    def _positions(self, number: int) -> Stage:
        labels = labels_along(self.trace["source"], 1)
        at = min(1, len(labels) - 1)
        facts: dict[str, Any] = {"token": labels[at], "position": at}
        if "source.positions" not in self.trace:
            call = self.call("encoder", "self_attention")
            before = self.trace[f"{call.place}.query"].value
            facts |= {"word": float(before[0, at, 0]), "turned": float(call.query.value[0, 0, at, 0])}
            return Stage(number, "positions", (f"{call.place}.query", call.query.name, call.key.name), facts, ".rotary")
        vectors, total = self.trace["source.positions"], self.trace["source.embedded"]
        word = next(step for step in total.operands.values() if step is not vectors)
        facts |= {
            "word": float(word.value[0, at, 0]),
            "vector": float(vectors.value[at, 0]),
            "sum": float(total.value[0, at, 0]),
        }
        learned = any(step.op == "parameter" for step in (vectors, *vectors.operands.values()))
        steps = ("source.positions", "source.embedded", "target.positions", "target.embedded")
        return Stage(number, "positions", steps, facts, ".learned" if learned else ".sinusoidal")

    def _encoder_attention(self, number: int) -> Stage:
        call = self.call("encoder", "self_attention")
        d_k = call.query.value.size(-1)
        facts = {
            **self.layer_facts("encoder"),
            **self.look(call),
            "heads": self.heads,
            "d_k": d_k,
            "root": math.sqrt(d_k),
        }
        return Stage(number, "encoder_attention", steps_of(call), facts)

    def _add_and_norm(self, number: int) -> Stage:
        sum_of_both = f"{self.place('encoder', 'self_attention_residual')}.add"
        is_added = sum_of_both in self.trace  # not where the network has no residual connections
        added = self.trace[sum_of_both if is_added else self.place("encoder", "self_attention")]
        norm = made_of(self.trace, added, "layer_norm") or made_of(self.trace, added, "rms_norm")
        before, after = added.value[0, 0], (norm or added).value[0, 0]
        facts = {
            "token": labels_along(self.trace["source"], 1)[0],
            "mean": float(before.mean()),
            "deviation": float(before.std(correction=0)),
            "mean_after": float(after.mean()),
            "deviation_after": float(after.std(correction=0)),
        }
        form = "" if is_added and norm else ".added" if is_added else ".alone"
        return Stage(number, "add_and_norm", tuple(step.name for step in (added, norm) if step), facts, form)

    def _feed_forward(self, number: int) -> Stage:
        place = self.place("encoder", "feed_forward")
        narrow = self.trace[f"{place}.narrow"]
        active = narrow.operands["input"]
        facts = {
            "inner": active.value.size(-1),
            "width": narrow.value.size(-1),
            "activation": active.op,
            "active": int((active.value > 0).sum()),
            "all": active.value.numel(),
        }
        return Stage(number, "feed_forward", (f"{place}.wide", active.name, narrow.name), facts)

    def _keys_and_values(self, number: int) -> Stage:
        call, memory = self.call("decoder", "cross_attention"), self.trace["memory"]
        facts = {
            **self.layer_facts("decoder"),
            "source": memory.value.size(1),
            "width": memory.value.size(-1),
            "heads": self.heads,
            "d_k": call.key.value.size(-1),
        }
        return Stage(number, "keys_and_values", (memory.name, call.key.name, call.value.name), facts)

    def _decoder_attention(self, number: int) -> Stage:
        call = self.call("decoder", "self_attention")
        hidden = call.hidden[0, 0]
        facts = {
            **self.layer_facts("decoder"),
            **self.look(call),
            "hidden": int(hidden.sum()),
            "all": hidden.numel(),
        }
        return Stage(number, "decoder_attention", steps_of(call), facts)

    def _cross_attention(self, number: int) -> Stage:
        call = self.call("decoder", "cross_attention")
        facts = {**self.layer_facts("decoder"), **self.look(call), "source": call.key.value.size(-2)}
        return Stage(number, "cross_attention", steps_of(call), facts)

    def _projection(self, number: int) -> Stage:
        logits = self.trace["logits"]
        states = logits.operands["input"]
        best = int(logits.value[0, 0].argmax())
        facts = {
            "vocabulary": self.vocabulary,
            "width": states.value.size(-1),
            "query": labels_along(self.trace["target"], 1)[0],
            "best": labels_along(logits, -1)[best],
            "logit": float(logits.value[0, 0, best]),
        }
        return Stage(number, "projection", (states.name, "logits"), facts)

    def _softmax(self, number: int) -> Stage:
        shares, wanted = self.trace["probabilities"], self.trace["wanted"]
        best = int(shares.value[0, 0].argmax())
        facts = {
            "vocabulary": self.vocabulary,
            "query": labels_along(self.trace["target"], 1)[0],
            "best": labels_along(shares, -1)[best],
            "share": float(shares.value[0, 0, best]),
            "wanted": labels_along(wanted, 0)[0],
            "wanted_share": float(shares.value[0, 0, int(wanted.value[0])]),
            "loss": float(self.trace["loss"].value),
        }
        return Stage(number, "softmax", ("probabilities", "loss"), facts)

    # --- what several of them say ----------------------------------------------------------------------------------

    @property
    def vocabulary(self) -> int:
        return self.trace["logits"].value.size(-1)

    def layer_facts(self, side: str) -> dict[str, int]:
        return {"layer": min(self.layer, self.layers[side] - 1), "layers": self.layers[side]}

    def look(self, call: Attention) -> dict[str, Any]:
        """The strongest look of a query at a key other than itself, in the head walked through or in any."""
        shares = call.weights.value[0]
        if self.head is not None:
            shares = shares[self.head : self.head + 1]
        head, query, key = strongest(shares, apart=not call.place.endswith("cross_attention"))
        return {
            "head": head if self.head is None else self.head,
            "query": labels_along(call.weights, -2)[query],
            "key": labels_along(call.weights, -1)[key],
            "share": float(shares[head, query, key]),
        }


def steps_of(call: Attention) -> tuple[str, ...]:
    """The steps of one attention, without those that are one and the same."""
    heads = call.heads.inside[-1] if call.heads.inside else call.heads  # of a fused kernel, its last step
    steps = [call.query, call.key, call.value, call.scores, call.scaled, call.masked, call.weights, heads]
    return tuple(step.name for step in dict.fromkeys([*steps, *([call.output] if call.output else [])]))


def strongest(shares: Tensor, apart: bool) -> tuple[int, int, int]:
    """The head, query and key of the largest share; with `apart` that of another position, where there is one."""
    if apart and shares.size(-1) > 1:
        shares = shares.masked_fill(torch.eye(shares.size(-1), dtype=torch.bool, device=shares.device), -1.0)
    place = int(shares.argmax())
    head, rest = divmod(place, shares.size(-2) * shares.size(-1))
    return head, *divmod(rest, shares.size(-1))
