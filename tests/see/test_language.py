"""A language model seen through: our gradients are autograd's, opened values the fused ones, axes carry the tokens."""

import pytest
import torch
from torch.nn import functional as F

from pellucid.data.pieces import Pieces
from pellucid.models.language import LanguageModel, LanguageModelConfig, build_language_model
from pellucid.see.subjects.language import trace_of_text
from pellucid.see.trace import Trace, TraceError

TEXT = "To be, or not to be: that is the question.\n" * 8
PIECES = Pieces.train(TEXT, "characters")
SHOWN = "To be"


def seen(cell: str, **settings: object) -> tuple[LanguageModel, Trace]:
    torch.manual_seed(1)
    size = {"cell": cell, "width": 8, "heads": 2, "layers": 2, "context": 24, **settings}
    model = build_language_model(LanguageModelConfig.parse(size), PIECES.size)
    return model, trace_of_text(model, PIECES, SHOWN)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "gpt"])
def test_our_backpropagation_gives_autograds_gradients(cell: str) -> None:
    model, trace = seen(cell)
    ids = PIECES.encode("\n" + SHOWN).long()
    F.cross_entropy(model(ids[None])[0, :-1], ids[1:]).backward()
    parameters = dict(model.named_parameters())
    compared = 0
    for step, gradient in trace.gradients.items():
        if step.name in parameters:
            torch.testing.assert_close(gradient, parameters[step.name].grad, atol=1e-6, rtol=1e-5)
            compared += 1
    assert compared == len(parameters)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "gpt"])
def test_logits_and_shares_carry_the_text_and_the_vocabulary(cell: str) -> None:
    _, trace = seen(cell)
    shares = trace["probabilities"]
    assert shares.axes[1].labels == ("\\n", "T", "o", "␣", "b", "e")
    assert shares.axes[2].labels is not None
    assert set(shares.axes[2].labels) >= {"T", "␣", "\\n", "�"}
    torch.testing.assert_close(shares.value.sum(-1), torch.ones(1, 6))
    asked = PIECES.encode(SHOWN).long()
    mean = -shares.value[0, :-1].gather(1, asked[:, None]).log().mean()
    torch.testing.assert_close(trace["loss"].value, mean)
    assert trace["wanted"].axes[0].labels == ("T", "o", "␣", "b", "e")


def test_a_plain_networks_state_has_an_address_at_each_time() -> None:
    model, trace = seen("rnn")
    layer = model.recurrent[1]
    for time in range(6):
        before = trace[f"recurrent.1.t{time - 1}.h"].value if time else torch.zeros(1, 8)
        fed = trace[f"recurrent.1.t{time}.from_input"].value
        textbook = torch.tanh(fed + before @ layer.from_state.weight.T + layer.from_state.bias)
        torch.testing.assert_close(trace[f"recurrent.1.t{time}.h"].value, textbook)
    assert trace["recurrent.1.outputs"].axes[1].labels == ("\\n", "T", "o", "␣", "b", "e")


@pytest.mark.parametrize(("cell", "gate"), [("lstm", "forget_gate"), ("gru", "update_gate")])
def test_a_fused_layer_opens_into_its_gates_along_time(cell: str, gate: str) -> None:
    _, trace = seen(cell)
    for time in range(6):
        value = trace[f"recurrent.0.outputs.layer0.t{time}.{gate}"].value
        assert bool(((value > 0) & (value < 1)).all())
    assert trace["recurrent.0.outputs"].difference < 1e-6


def test_a_gpts_attention_shows_whom_each_token_looks_at_and_none_after_it() -> None:
    _, trace = seen("gpt")
    (first, _) = trace.attentions()
    weights = first.weights.value
    assert weights.shape == (1, 2, 6, 6)
    assert float(weights.triu(1).abs().max()) == 0
    assert trace["tokens.embedded"].axes[1].labels == ("\\n", "T", "o", "␣", "b", "e")


def test_without_backward_there_is_no_loss() -> None:
    model, _ = seen("gpt")
    assert trace_of_text(model, PIECES, SHOWN, backward=False).loss is None


@pytest.mark.parametrize(("given", "message"), [("", "the text is empty"), ("to be " * 9, "at most 23 are read")])
def test_a_text_that_cannot_be_read_is_said(given: str, message: str) -> None:
    model, _ = seen("gpt")
    with pytest.raises(TraceError, match=message):
        trace_of_text(model, PIECES, given)
