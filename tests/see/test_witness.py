"""Every float operation has an address: the kernels that PyTorch really ran are held against what the trace shows."""

import pytest
import torch
from torch import Tensor, nn

from pellucid.see.capture import capture
from tests.see.networks import NETWORKS, Network
from tests.see.witnesses import Kernels, unfound

# Inside one function, kernels that come to the same result by other steps than the textbook's, which the glass shows.
LABEL_SMOOTHING = {
    "nll_loss_forward",
    "sum",
    "neg",
    "masked_fill_",
    "div",
    "mul",
}  # both parts of the loss by themselves
OF_ALL_TIMES_AT_ONCE = {"mm", "_unsafe_view"}  # W x before its bias is added
ARRANGED_OTHERWISE = {
    "RNN": OF_ALL_TIMES_AT_ONCE,
    "LSTM": OF_ALL_TIMES_AT_ONCE,
    "GRU": OF_ALL_TIMES_AT_ONCE | {"sub", "clone", "mul_"},  # n + z (h - n) for (1 - z) n + z h
    "translator": LABEL_SMOOTHING,
    "translator in evaluation": LABEL_SMOOTHING,
    "post-norm translator": LABEL_SMOOTHING,
    "Llama": {"neg", "cat", "mul"},  # a rotation is one step: x cos + turned(x) sin
    "nn.Transformer": {"mul", "expand", "view"},  # Q and K each by the root of the scale
}


def executed(network: Network, with_loss: bool = True) -> list[tuple[str, Tensor]]:
    """What the kernels of a plain pass, which nobody sees, computed from inputs, parameters and buffers."""
    model, inputs = network.made(torch.float64)
    torch.manual_seed(1)
    floats = [one for one in inputs if one.is_floating_point()]
    with Kernels([*model.parameters(), *model.buffers(), *floats]) as kernels:
        output = model(*inputs, **network.settings)
        if with_loss:
            network.loss(output)
    return kernels.found


def shown(network: Network) -> list[Tensor]:
    model, inputs = network.made(torch.float64)
    torch.manual_seed(1)
    trace = capture(model, *inputs, loss=network.loss, **network.settings)
    return [step.value for step in trace.flat() if step.value.is_floating_point()]


@pytest.mark.parametrize("name", NETWORKS)
def test_every_number_that_a_kernel_computes_has_an_address(name: str) -> None:
    kernels = executed(NETWORKS[name])
    assert len(kernels) > 5
    assert unfound(kernels, shown(NETWORKS[name]), 1e-11) == ARRANGED_OTHERWISE.get(name, set())


def test_the_witness_sees_an_operation_that_is_not_shown() -> None:
    """Held against another network's numbers, every kernel of this one is missing."""
    kernels = executed(NETWORKS["MLP"])
    assert unfound(kernels, shown(NETWORKS["neuron"]), 1e-11) >= {"addmm", "gelu", "native_layer_norm"}


def test_the_fast_path_of_evaluation_is_seen_through() -> None:
    """Without gradients a Transformer in evaluation runs as one kernel a layer, past all functions and hooks."""
    network = NETWORKS["nn.Transformer in evaluation"]
    with torch.no_grad():
        kernels = executed(network, with_loss=False)
        model, inputs = network.made(torch.float64)
        fused = model(*inputs)
        trace = capture(model, *inputs)
    fast = [result for name, result in kernels if name == "_transformer_encoder_layer_fwd"]
    assert len(fast) == 2
    values = [step.value for step in trace.flat() if step.value.is_floating_point()]
    assert unfound(kernels, values, 1e-11) == set()
    for layer, result in enumerate(fast):
        torch.testing.assert_close(trace[f"encoder.layers.{layer}.norm2"].value, result, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(trace[trace.outputs[0]].value, fused, rtol=1e-12, atol=1e-12)
    assert [call.weights.value.shape[-2:] for call in trace.attentions()] == [(4, 4)] * 2 + [(3, 3), (3, 4)] * 2
    assert torch.backends.mha.get_fastpath_enabled()


def test_attention_that_returns_its_weights_is_the_same_number_by_number() -> None:
    """nn.MultiheadAttention computes otherwise where its weights are asked for; the glass finds them either way."""
    torch.manual_seed(0)
    layer, x = nn.MultiheadAttention(8, 2, batch_first=True).double(), torch.randn(2, 3, 8, dtype=torch.float64)
    _, expected = layer(x, x, x, average_attn_weights=False)
    for asked in (True, False):
        trace = capture(layer, x, x, x, need_weights=asked, average_attn_weights=False)
        (call,) = trace.attentions()
        found = call.weights.value.view(expected.shape)
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
