"""Recurrent layers: the same step again at each time, with what came out of the step before as a second input.

Each is written out as in the textbook. The step is what generation takes, one token at a time; over many times the
input's share of all steps is one matrix product, and where PyTorch's fused kernel is faster than the loop
(`bench/ladder_quality_language.py --layers` shows it: for the gated layers; the plain one's loop is as fast to within a
tenth) the same weights go through that.
Stands between the embedding and the output layer of a language model.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Recurrent(nn.Module):
    """What the three layers share: two matrices, and a loop over time.

        state_t = step(W_x x_t + b_x, state_{t-1})

    Shapes: x (batch, time, input), state (states, batch, hidden) -> outputs (batch, time, hidden) and the last state.
    W_x and W_h hold one block of rows for each of the step's `gates`, in PyTorch's order.
    """

    gates = 1
    states = 1

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.from_input = nn.Linear(inputs, self.gates * hidden)
        self.from_state = nn.Linear(hidden, self.gates * hidden)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Xavier for the input's matrices; for the state's orthogonal ones, which keep lengths (Saxe et al., 2013)."""
        for block in self.from_input.weight.chunk(self.gates):
            nn.init.xavier_uniform_(block)
        for block in self.from_state.weight.chunk(self.gates):
            nn.init.orthogonal_(block)
        nn.init.zeros_(self.from_input.bias)
        nn.init.zeros_(self.from_state.bias)

    def forward(
        self, x: Float[Tensor, "batch time input"], state: Float[Tensor, "states batch hidden"]
    ) -> tuple[Float[Tensor, "batch time hidden"], Float[Tensor, "states batch hidden"]]:
        return self.unrolled(x, state)

    def unrolled(
        self, x: Float[Tensor, "batch time input"], state: Float[Tensor, "states batch hidden"]
    ) -> tuple[Float[Tensor, "batch time hidden"], Float[Tensor, "states batch hidden"]]:
        """The loop over time, step by step."""
        parts = state.unbind()
        outputs = []
        for fed in self.from_input(x).unbind(1):  # one product for all times
            parts = self.step(fed, parts)
            outputs.append(parts[0])
        return torch.stack(outputs, dim=1), torch.stack(parts)

    def step(self, fed: Float[Tensor, "batch gates"], state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """The state after one time, from W_x x_t + b_x and the state before."""
        raise NotImplementedError

    def weights(self) -> list[Tensor]:
        """In the order in which PyTorch's kernels take them."""
        return [self.from_input.weight, self.from_state.weight, self.from_input.bias, self.from_state.bias]


class RNN(Recurrent):
    """A layer that also sees its own last output.

        h_t = tanh(W_xh x_t + b_x + W_hh h_{t-1} + b_h)

    Its gradient back through k steps is a product of k matrices W_hh^T diag(1 - h^2): it dies away or explodes.
    Sources: Elman, "Finding Structure in Time", 1990; Bengio et al., 1994 (the gradient).
    """

    def step(self, fed: Float[Tensor, "batch hidden"], state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        (hidden,) = state
        return (torch.tanh(fed + self.from_state(hidden)),)


class LSTM(Recurrent):
    """A memory c beside the output h; gates decide what is forgotten, written and shown.

        i, f, g, o = W_x x_t + b_x + W_h h_{t-1} + b_h
        c_t = sigmoid(f) c_{t-1} + sigmoid(i) tanh(g),    h_t = sigmoid(o) tanh(c_t)

    Along c the gradient is multiplied by the forget gate alone, which can stay near 1.
    Sources: Hochreiter & Schmidhuber, "Long Short-Term Memory", 1997; Gers et al., 2000 (forget gate).
    """

    gates = 4
    states = 2

    def reset_parameters(self) -> None:
        """Besides, the forget gate begins open: with a bias of 1 (Jozefowicz et al., 2015)."""
        super().reset_parameters()
        with torch.no_grad():
            self.from_input.bias[self.hidden : 2 * self.hidden] = 1.0

    def forward(
        self, x: Float[Tensor, "batch time input"], state: Float[Tensor, "states batch hidden"]
    ) -> tuple[Float[Tensor, "batch time hidden"], Float[Tensor, "states batch hidden"]]:
        hidden, memory = state[:1], state[1:]
        outputs, hidden, memory = torch.lstm(
            x, (hidden, memory), self.weights(), True, 1, 0.0, self.training, False, True
        )
        return outputs, torch.cat([hidden, memory])

    def step(self, fed: Float[Tensor, "batch gates"], state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        hidden, memory = state
        i, f, g, o = (fed + self.from_state(hidden)).chunk(4, dim=-1)
        memory = f.sigmoid() * memory + i.sigmoid() * g.tanh()
        return o.sigmoid() * memory.tanh(), memory


class GRU(Recurrent):
    """Two gates and no memory beside the output.

        r = sigmoid(W_xr x_t + b_xr + W_hr h_{t-1} + b_hr),    z alike
        n = tanh(W_xn x_t + b_xn + r (W_hn h_{t-1} + b_hn)),    h_t = (1 - z) n + z h_{t-1}

    Source: Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder", 2014.
    """

    gates = 3

    def forward(
        self, x: Float[Tensor, "batch time input"], state: Float[Tensor, "states batch hidden"]
    ) -> tuple[Float[Tensor, "batch time hidden"], Float[Tensor, "states batch hidden"]]:
        return torch.gru(x, state, self.weights(), True, 1, 0.0, self.training, False, True)

    def step(self, fed: Float[Tensor, "batch gates"], state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        (hidden,) = state
        new_r, new_z, new_n = fed.chunk(3, dim=-1)
        old_r, old_z, old_n = self.from_state(hidden).chunk(3, dim=-1)
        r, z = (new_r + old_r).sigmoid(), (new_z + old_z).sigmoid()
        n = (new_n + r * old_n).tanh()
        return ((1 - z) * n + z * hidden,)


CELLS: dict[str, type[Recurrent]] = {"rnn": RNN, "lstm": LSTM, "gru": GRU}
