"""Recurrent networks, opened step by step in time: what came before goes in again with each new input.

To PyTorch a whole LSTM is one operation; here each gate of each time step has its address.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from pellucid.see.operation import Adding, Axis, Call, NotOpenedError, Opened, Operation, Step

HIDDEN = Axis("hidden")


class Recurrent(Opened):
    """Layers, directions and time steps; the cell says what happens in one step."""

    gates = ""  # a letter for each part of what is computed at once
    states = 1

    def operand_axes(self, call: Call) -> dict[Step, tuple[Axis, ...]]:
        """Time comes first where the batch does not, which an input's shape alone cannot tell; and what a state is."""
        found: dict[Step, tuple[Axis, ...]] = {}
        x = call.operand("input")
        whole = len(x.shape) == 3
        if not whole or not call.batch_first:
            names = {"batch": "position", "position": "batch"} if whole else {"batch": "position"}
            for step in fed_by(x):
                found[step] = tuple(Axis(names.get(axis.name, axis.name), axis.labels) for axis in step.axes)
        for number in range(self.states):
            found[self.state(call, number)] = self.axes_of_state(call, found.get(x, x.axes))
        return found

    def axes(self, call: Call) -> tuple[Axis, ...]:
        x = call.operand("input")
        return self.axes_of_state(call, x.axes) if call.step.part else (*x.axes[:-1], HIDDEN)

    def axes_of_state(self, call: Call, axes: tuple[Axis, ...]) -> tuple[Axis, ...]:
        """Of h and c, one for each layer and direction, by the axes of the input."""
        names = [at(layer, way) for layer in range(call.num_layers) for way in range(2 if call.bidirectional else 1)]
        rows = [axis for axis in axes[:-1] if axis.name == "batch"] if len(axes) == 3 else []
        return (Axis("layer", tuple(names)), *rows, HIDDEN)

    def bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        if len(args) > 1 and isinstance(args[1], Step) and not args[1].value.is_floating_point():
            raise NotOpenedError("a packed sequence")
        return super().bind(args, kwargs)

    def forward(
        self,
        input: Tensor,
        hx: Any,
        weights: Sequence[Tensor],
        has_biases: bool,
        num_layers: int,
        dropout: float,
        training: bool,
        bidirectional: bool,
        batch_first: bool,
        drawn: Sequence[Tensor] = (),
    ) -> Any:
        """`drawn` are the masks of the dropout between layers, from the capture; without them dropout draws anew."""
        function: dict[str, Any] = {
            "lstm": torch.lstm,
            "gru": torch.gru,
            "rnn_tanh": torch.rnn_tanh,
            "rnn_relu": torch.rnn_relu,
        }
        return function[self.names[0]](
            input, hx, weights, has_biases, num_layers, dropout, training, bidirectional, batch_first
        )

    def open(self, add: Adding, call: Call) -> Step:
        if call.dropout and call.training and len(call.drawn) < call.num_layers - 1:
            raise NotOpenedError("dropout between layers, whose masks are not known")
        directions = 2 if call.bidirectional else 1
        per_layer = len(call.weights) // (call.num_layers * directions)
        time_dim = (1 if call.batch_first else 0) if call.input.dim() == 3 else 0
        inputs = [
            add(f"t{t}.input", "select", given=(call.operand("input"), time_dim, t))
            for t in range(call.input.size(time_dim))
        ]
        finals: list[tuple[Step, ...]] = []
        for layer in range(call.num_layers):
            outputs: list[list[Step]] = []
            for direction in range(directions):
                number = layer * directions + direction
                weights = [self.weight(call, number * per_layer + i) for i in range(per_layer)]
                state = tuple(
                    add(f"{at(layer, direction)}.{name}0", "select", given=(self.state(call, s), 0, number))
                    for s, name in zip(range(self.states), "hc", strict=False)
                )
                found: list[Step] = []
                order = range(len(inputs)) if direction == 0 else reversed(range(len(inputs)))
                for t in order:
                    state = self.cell(add, f"{at(layer, direction)}.t{t}.", inputs[t], state, weights)
                    found.append(state[0])
                finals.append(state)
                outputs.append(found if direction == 0 else found[::-1])
            inputs = (
                outputs[0]
                if directions == 1
                else [
                    add(f"layer{layer}.t{t}.both", "cat", given=([one[t] for one in outputs],), dim=-1)
                    for t in range(len(inputs))
                ]
            )
            if call.drawn and layer < call.num_layers - 1:
                inputs = [self.dropped(add, call, layer, t, one) for t, one in enumerate(inputs)]
        if call.step.part:
            state_number = call.step.part - 1
            final = add("final", "stack", given=([state[state_number] for state in finals],))
            final.axes = self.axes(call)
            return final
        output = add("output", "stack", given=(inputs,), dim=time_dim)
        output.axes = self.axes(call)
        return output

    def dropped(self, add: Adding, call: Call, layer: int, t: int, x: Step) -> Step:
        """What one layer tells the next at a time, with some of it switched off."""
        mask = add.constant(f"layer{layer}.t{t}.mask", call.drawn[layer][t].view(x.value.shape), x.axes)
        return add(f"layer{layer}.t{t}.dropped", "mul", input=x, other=mask)

    def weight(self, call: Call, number: int) -> Step:
        return call.step.operands[f"weights.{number}"]

    def state(self, call: Call, number: int) -> Step:
        return call.step.operands["hx" if self.states == 1 else f"hx.{number}"]

    def cell(self, add: Adding, at: str, x: Step, state: tuple[Step, ...], weights: list[Step]) -> tuple[Step, ...]:
        """The state after one time step."""
        raise NotImplementedError


def masks_between_layers(args: Sequence[Any], state: Tensor) -> list[Tensor]:
    """The dropout masks (time, batch, hidden) that a recurrent network of these arguments drew from a random state."""
    x, hidden, layers, rate = args[0], args[1], args[4], args[5]
    first = hidden[0] if isinstance(hidden, tuple | list) else hidden
    times = x.size(1 if args[8] and x.dim() == 3 else 0)
    batch = first.size(1) if first.dim() == 3 else 1
    width = first.size(-1) * (2 if args[7] else 1)
    now = torch.get_rng_state()
    torch.set_rng_state(state)
    masks = [F.dropout(x.new_ones(times, batch, width), rate, training=True) for _ in range(layers - 1)]
    torch.set_rng_state(now)
    return masks


def rate_between_layers(name: str, args: Sequence[Any]) -> float:
    """The dropout between the layers of a recurrent network that is training."""
    whole = name in ("lstm", "gru", "rnn_tanh", "rnn_relu") and len(args) == 9 and not isinstance(args[2], Tensor)
    return float(args[5]) if whole and isinstance(args[3], bool) and args[6] and args[4] > 1 else 0.0


def fed_by(x: Step) -> Iterator[Step]:
    """An input of (time, batch, ...) and what it was made from position by position, such as its tokens."""
    while [axis.name for axis in x.axes[:2]] in (["batch", "position"], ["batch", "feature"]):
        yield x
        before = x.operands.get("input")
        if before is None or before.shape[:2] != x.shape[:2]:
            return
        x = before


def at(layer: int, direction: int) -> str:
    return f"layer{layer}" + ("_reverse" if direction else "")


def both(add: Adding, at: str, x: Step, hidden: Step, weights: list[Step], gates: str = "") -> tuple[Step, Step]:
    """What comes from the input, and what comes from the state before: for all `gates` at once, or for the state."""
    bias = weights[2:4] if len(weights) > 3 else [None, None]
    new = add(at + "from_input", "linear", input=x, weight=weights[0], bias=bias[0])
    old = add(at + "from_state", "linear", input=hidden, weight=weights[1], bias=bias[1])
    size = new.shape[-1] // max(len(gates), 1)
    last = Axis("gate", tuple(f"{gate}{i}" for gate in gates for i in range(size))) if gates else HIDDEN
    new.axes, old.axes = (*x.axes[:-1], last), (*hidden.axes[:-1], last)
    return new, old


def parted(add: Adding, at: str, whole: Step, names: Sequence[str]) -> list[Step]:
    """Equal parts along the last axis."""
    size = whole.value.size(-1) // len(names)
    found = [add(at + name, "narrow", given=(whole, -1, i * size, size)) for i, name in enumerate(names)]
    for one in found:
        one.axes = (*whole.axes[:-1], HIDDEN)
    return found


class LSTM(Recurrent):
    """Gates decide what is forgotten, written and shown.

    Source: Hochreiter and Schmidhuber, "Long Short-Term Memory", 1997; forget gate: Gers et al., 2000.
    """

    names = ("lstm",)
    formula = r"c_t = f_t c_{t-1} + i_t g_t,\quad h_t = o_t \tanh c_t"
    text = "c = f c_before + i g and h = o tanh(c), with i, f, o = sigmoid and g = tanh of W x + U h_before + b"
    gates, states = "ifgo", 2

    def cell(self, add: Adding, at: str, x: Step, state: tuple[Step, ...], weights: list[Step]) -> tuple[Step, ...]:
        hidden, memory = state
        new, old = both(add, at, x, hidden, weights, self.gates)
        gates = add(at + "gates", "add", input=new, other=old)
        i, f, g, o = parted(add, at, gates, ("to_input", "to_forget", "to_candidate", "to_output"))
        i, f, o = (
            add(at + name, "sigmoid", input=one)
            for name, one in (("input_gate", i), ("forget_gate", f), ("output_gate", o))
        )
        g = add(at + "candidate", "tanh", input=g)
        kept = add(at + "kept", "mul", input=f, other=memory)
        written = add(at + "written", "mul", input=i, other=g)
        memory = add(at + "c", "add", input=kept, other=written)
        shown = add(at + "squashed", "tanh", input=memory)
        hidden = add(at + ("h" if len(weights) % 2 == 0 else "unprojected"), "mul", input=o, other=shown)
        if len(weights) % 2:  # proj_size: one matrix more, which makes the state smaller
            hidden = add(at + "h", "linear", input=hidden, weight=weights[-1])
            hidden.axes = (*hidden.axes[:-1], HIDDEN)
        return hidden, memory


class GRU(Recurrent):
    """Two gates and no memory beside the state. Source: Cho et al., 2014."""

    names = ("gru",)
    formula = r"h_t = (1 - z_t) n_t + z_t h_{t-1},\quad n_t = \tanh(W x_t + r_t (U h_{t-1}))"
    text = "h = (1 - z) n + z h_before, with r, z = sigmoid and n = tanh(W x + r (U h_before))"
    gates = "rzn"

    def cell(self, add: Adding, at: str, x: Step, state: tuple[Step, ...], weights: list[Step]) -> tuple[Step, ...]:
        (hidden,) = state
        new, old = both(add, at, x, hidden, weights, self.gates)
        new_r, new_z, new_n = parted(add, at, new, ("r_input", "z_input", "n_input"))
        old_r, old_z, old_n = parted(add, at, old, ("r_state", "z_state", "n_state"))
        r = add(at + "reset_gate", "sigmoid", input=add(at + "r", "add", input=new_r, other=old_r))
        z = add(at + "update_gate", "sigmoid", input=add(at + "z", "add", input=new_z, other=old_z))
        recalled = add(at + "recalled", "mul", input=r, other=old_n)
        n = add(at + "candidate", "tanh", input=add(at + "n", "add", input=new_n, other=recalled))
        share = add(at + "share", "rsub", input=z, other=1.0)
        written = add(at + "written", "mul", input=share, other=n)
        kept = add(at + "kept", "mul", input=z, other=hidden)
        return (add(at + "h", "add", input=written, other=kept),)


class RNN(Recurrent):
    """One layer that also sees its own last output. Source: Elman, 1990."""

    formula = r"h_t = g(W_{xh} x_t + W_{hh} h_{t-1} + b)"
    text = "h = g(W x + U h_before + b)"

    def __init__(self, name: str, activation: str) -> None:
        self.names, self.activation = (name,), activation

    def cell(self, add: Adding, at: str, x: Step, state: tuple[Step, ...], weights: list[Step]) -> tuple[Step, ...]:
        new, old = both(add, at, x, state[0], weights)
        summed = add(at + "sum", "add", input=new, other=old)
        return (add(at + "h", self.activation, input=summed),)


class CellCall(Opened):
    """One time step that a person's own loop takes: nn.LSTMCell, nn.GRUCell, nn.RNNCell."""

    def __init__(self, recurrent: Recurrent, name: str) -> None:
        self.names, self.recurrent = (name,), recurrent
        self.formula, self.text = recurrent.formula, recurrent.text

    def forward(
        self, input: Tensor, hx: Any, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Any = None
    ) -> Any:
        return getattr(torch, self.names[0])(input, hx, w_ih, w_hh, b_ih, b_hh)

    def operand_axes(self, call: Call) -> dict[Step, tuple[Axis, ...]]:
        axes = self.axes(call)
        return {one: axes for role, one in call.step.operands.items() if role.startswith("hx")}

    def axes(self, call: Call) -> tuple[Axis, ...]:
        return (*call.operand("input").axes[:-1], HIDDEN)

    def open(self, add: Adding, call: Call) -> Step:
        operands = call.step.operands
        weights = [operands[role] for role in ("w_ih", "w_hh", "b_ih", "b_hh") if role in operands]
        state = tuple(one for role, one in operands.items() if role.startswith("hx"))
        return self.recurrent.cell(add, "", operands["input"], state, weights)[call.step.part or 0]


OPERATIONS: tuple[Operation, ...] = (
    LSTM(),
    GRU(),
    RNN("rnn_tanh", "tanh"),
    RNN("rnn_relu", "relu"),
    CellCall(LSTM(), "lstm_cell"),
    CellCall(GRU(), "gru_cell"),
    CellCall(RNN("rnn_tanh", "tanh"), "rnn_tanh_cell"),
    CellCall(RNN("rnn_relu", "relu"), "rnn_relu_cell"),
)
