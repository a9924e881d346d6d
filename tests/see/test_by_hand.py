"""Small sums that a person can do on paper, done by the glass."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pellucid.see.capture import capture
from pellucid.see.chain import paths
from pellucid.see.diff import diff
from pellucid.see.replay import replay
from pellucid.see.trace import TraceError

W_QUERY = torch.tensor([[1.0, 0, 1, 0], [0, 1, 0, -1], [0, 0, 0, 1], [0, 0, 1, 1]])
W_KEY = torch.tensor([[0.0, 0, 0, 0], [1, 0, 1, 1], [-1, -1, 0, 0], [-1, -1, 0, 0]])
TOKENS = torch.tensor([[1.0, 0, 1, 0], [0, 2, 0, 2]])


class TwoTokens(nn.Module):
    """x W_Q and x W_K in one head, or cut into several."""

    def __init__(self, heads: int = 1) -> None:
        super().__init__()
        self.heads = heads
        self.output = nn.Linear(4, 4, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = (y.view(2, self.heads, -1).transpose(0, 1) for y in (x @ W_QUERY, x @ W_KEY, x))
        heads = F.scaled_dot_product_attention(query, key, value)
        return self.output(heads.transpose(0, 1).reshape(2, 4))


def test_two_tokens_attend_as_on_paper() -> None:
    (call,) = capture(TwoTokens(), TOKENS).attentions()
    assert call.scores.value[0].tolist() == [[-1.0, 4.0], [-2.0, 0.0]]
    assert call.scaled.value[0].tolist() == [[-0.5, 2.0], [-1.0, 0.0]]
    assert float(call.scaled.value[0, 0, 1] - call.scaled.value[0, 0, 0]) == 2.5
    assert [round(share, 3) for share in call.weights.value[0, 0].tolist()] == [0.076, 0.924]
    assert float(call.weights.value[0, 0, 0]) == pytest.approx(1 / (1 + math.exp(2.5)))


def test_two_heads_are_joined_and_projected_back() -> None:
    model = TwoTokens(heads=2)
    trace = capture(model, TOKENS)
    (call,) = trace.attentions()
    assert call.query.value.shape == (2, 2, 2)  # head, token, d_k
    query, key = TOKENS @ W_QUERY, TOKENS @ W_KEY
    for head, columns in enumerate((slice(0, 2), slice(2, 4))):
        expected = torch.softmax(query[:, columns] @ key[:, columns].T / math.sqrt(2), dim=-1)
        torch.testing.assert_close(call.weights.value[head], expected)
        torch.testing.assert_close(call.heads.value[head], expected @ TOKENS[:, columns])
    joined = torch.cat([call.heads.value[0], call.heads.value[1]], dim=-1)
    assert joined.shape == TOKENS.shape  # n x d_model
    torch.testing.assert_close(trace["output"].value, joined @ model.output.weight.T)
    shares = call.shares()
    assert shares is not None
    torch.testing.assert_close(shares[0], joined[:, :2] @ model.output.weight.T[:2])
    torch.testing.assert_close(shares.sum(0), trace["output"].value)


class TwoWays(nn.Module):
    """Three layers and four weights: h = tanh(w1 x), then u = tanh(w2 h) and v = tanh(w3 h), then y = u + w4 v."""

    def __init__(self) -> None:
        super().__init__()
        self.w1, self.w2, self.w3, self.w4 = (nn.Parameter(torch.tensor(w)) for w in (0.5, -1.2, 0.8, 0.3))

    def forward(self, x: Tensor) -> Tensor:
        h = torch.tanh(self.w1 * x)
        return torch.tanh(self.w2 * h) + self.w4 * torch.tanh(self.w3 * h)


def test_the_ways_from_the_first_weight_to_the_loss_add_up_to_its_gradient() -> None:
    model, x = TwoWays().double(), torch.tensor(0.7, dtype=torch.float64)
    trace = capture(model, x, loss=lambda y: (y - 1) ** 2)
    w1, w2, w3, w4 = (float(one) for one in model.parameters())
    h = math.tanh(w1 * 0.7)
    u, v = math.tanh(w2 * h), math.tanh(w3 * h)
    common = 2 * (u + w4 * v - 1) * (1 - h * h) * 0.7
    expected = [common * (1 - u * u) * w2, common * (1 - v * v) * w3 * w4]
    assert [path.product for path in paths(trace, "w1")] == pytest.approx(expected, rel=1e-12)
    (gradient,) = torch.autograd.grad((model(x) - 1) ** 2, [model.w1])
    assert sum(path.product for path in paths(trace, "w1")) == pytest.approx(float(gradient), rel=1e-12)
    assert float(trace.gradients[trace["w1"]]) == pytest.approx(float(gradient), rel=1e-12)
    for name, count in (("w2", 1), ("w3", 1), ("w4", 1), ("x", 2)):
        found = paths(trace, name)
        assert len(found) == count
        assert sum(path.product for path in found) == pytest.approx(float(trace[name].gradient), rel=1e-12)


class ThreeLayers(nn.Module):
    """y = w3 tanh(w2 tanh(w1 x)) + w4 x: two ways from w1's neighbor w4 on, one from w1."""

    def __init__(self) -> None:
        super().__init__()
        self.w1, self.w2, self.w3, self.w4 = (nn.Parameter(torch.tensor([w])) for w in (0.5, -1.2, 0.8, 0.3))

    def forward(self, x: Tensor) -> Tensor:
        return self.w3 * torch.tanh(self.w2 * torch.tanh(self.w1 * x)) + self.w4 * x


def test_the_chain_of_partial_derivatives_to_the_first_weight() -> None:
    model = ThreeLayers().double()
    x = torch.tensor([0.7], dtype=torch.float64)
    trace = capture(model, x, loss=lambda y: ((y - 1) ** 2).sum())
    (path,) = paths(trace, "w1[0]")
    a = torch.tanh(model.w1 * x)
    b = torch.tanh(model.w2 * a)
    y = model.w3 * b + model.w4 * x
    expected = [x, 1 - a**2, model.w2, 1 - b**2, model.w3, torch.ones(1), torch.ones(1), 2 * (y - 1), torch.ones(1)]
    assert list(path.partials) == pytest.approx([one.item() for one in expected])
    gradient = trace["w1"].gradient
    assert gradient is not None
    assert path.product == pytest.approx(float(gradient))
    assert path.text().endswith(f"= {path.product:.4g}")


def test_the_paths_of_an_input_add_up_to_its_gradient() -> None:
    trace = capture(ThreeLayers().double(), torch.tensor([0.7], dtype=torch.float64), loss=lambda y: (y * y).sum())
    found = paths(trace, "x[0]")
    gradient = trace["x"].gradient
    assert gradient is not None
    assert len(found) == 2  # through the layers, and past them
    assert sum(path.product for path in found) == pytest.approx(float(gradient))


def test_too_many_paths_are_not_listed() -> None:
    model = nn.Sequential(*(layer for _ in range(4) for layer in (nn.Linear(20, 20), nn.Tanh())))
    trace = capture(model, torch.randn(2, 20), loss=torch.sum)
    with pytest.raises(TraceError, match="more than 300 paths"):
        paths(trace, "0.weight[0, 0]")


@pytest.mark.parametrize("d_k", [1, 4, 16, 64])
def test_scaling_keeps_the_variance_of_a_score_at_one(d_k: int) -> None:
    """Measured on 100,000 draws; four standard deviations of what such a measurement is off by are allowed."""
    torch.manual_seed(0)
    query, key = torch.randn(100_000, 1, d_k), torch.randn(100_000, 1, d_k)
    (call,) = capture(Attend(), query, key, key).attentions()
    off = 4 * math.sqrt((2 + 6 / d_k) / 100_000)
    assert float(call.scores.value.var()) == pytest.approx(d_k, rel=off)
    assert float(call.scaled.value.var()) == pytest.approx(1, rel=off)


class Attend(nn.Module):
    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(query, key, value)


def test_the_gradient_of_softmax_vanishes_where_its_input_is_large() -> None:
    class Shares(nn.Module):
        def forward(self, scores: Tensor) -> Tensor:
            return scores.softmax(-1)

    def norms(size: float) -> tuple[float, float]:
        scores = size * torch.tensor([0.3, -0.2, 1.0, 0.5], dtype=torch.float64)
        trace = capture(Shares(), scores, loss=lambda shares: shares.max())
        shares = torch.softmax(scores, dim=0)
        jacobian = torch.diag(shares) - torch.outer(shares, shares)
        return float(trace.gradients[trace["scores"]].norm()), float(jacobian[2].norm())

    found = [norms(size) for size in (1, 5, 10, 20, 50, 100)]
    for ours, closed_form in found:
        assert ours == pytest.approx(closed_form, rel=1e-9)
    ours = [one for one, _ in found]
    assert ours == sorted(ours, reverse=True)
    assert ours[0] > 0.1
    assert ours[-1] < 1e-20


def test_without_scaling_attention_is_sharper() -> None:
    trace = capture(TwoTokens(), TOKENS)
    unscaled = replay(trace, skip=["scaled"])
    assert sorted(unscaled.value("weights")[0, 0].tolist()) == pytest.approx([0.0067, 0.9933], abs=1e-4)
    assert "output" in unscaled.differences


def test_the_first_divergence_of_two_passes_is_named() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 2)).eval()
    x = torch.randn(3, 4)
    before = capture(model, x)
    assert diff(before, capture(model, x)) is None
    with torch.no_grad():
        model[2].bias[4] += 0.5
    found = diff(before, capture(model, x))
    assert found is not None
    assert found.address.startswith("2[")
    assert "unit=4" in found.address
    assert found.difference == pytest.approx(0.5)
