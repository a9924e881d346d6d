"""Losses: how far a prediction is from what was wanted, as one number."""

from typing import Any

from torch import Tensor
from torch.nn import functional as F

from pellucid.see.operation import Adding, Axis, Call, NotOpenedError, Opened, Operation, Step


def reduced(add: Adding, each: Step, reduction: str, count: float | None = None) -> Step:
    """The mean (over `count`, if it is not all of them), the sum, or each by itself."""
    if reduction == "none":
        return each
    total = add("total", "sum", input=each)
    if reduction == "sum":
        return total
    return add("mean", "div", input=total, other=float(each.value.numel() if count is None else count))


class AbsoluteError(Opened):
    names = ("l1_loss",)
    formula = r"L = \frac{1}{n}\sum_i |y_i - t_i|"
    text = "L = mean_i |y[i] - t[i]|"

    def forward(
        self, input: Tensor, target: Tensor, size_average: Any = None, reduce: Any = None, reduction: str = "mean",
        weight: Any = None,
    ) -> Tensor:  # fmt: skip
        return F.l1_loss(input, target, reduction=reduction)

    def open(self, add: Adding, call: Call) -> Step:
        error = add("error", "sub", input=call.operand("input"), other=call.operand("target"))
        return reduced(add, add("absolute_error", "abs", input=error), call.reduction)


class SquaredError(Opened):
    names = ("mse_loss",)
    formula = r"L = \frac{1}{n}\sum_i (y_i - t_i)^2"
    text = "L = mean_i (y[i] - t[i])^2"

    def forward(
        self, input: Tensor, target: Tensor, size_average: Any = None, reduce: Any = None, reduction: str = "mean",
        weight: Any = None,
    ) -> Tensor:  # fmt: skip
        return F.mse_loss(input, target, reduction=reduction)

    def open(self, add: Adding, call: Call) -> Step:
        error = add("error", "sub", input=call.operand("input"), other=call.operand("target"))
        return reduced(add, add("squared_error", "square", input=error), call.reduction)


class Huber(Opened):
    """Squared near zero, absolute beyond delta: an outlier pulls no harder than its neighbor. Source: Huber, 1964."""

    names = ("huber_loss",)
    formula = r"L = \frac{1}{n}\sum_i \tfrac12 e_i^2 \text{ if } |e_i| \le \delta,\; \delta(|e_i| - \tfrac12\delta)"
    text = "L = mean_i (e^2 / 2 if |e| <= delta else delta (|e| - delta / 2)), with e = y[i] - t[i]"

    def forward(
        self, input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0, weight: Any = None
    ) -> Tensor:
        return F.huber_loss(input, target, reduction, delta)

    def open(self, add: Adding, call: Call) -> Step:
        return reduced(add, huber(add, call, call.delta, 1.0), call.reduction)


class SmoothL1(Huber):
    """Huber's loss divided by its delta (here beta). Source: Girshick, "Fast R-CNN", 2015."""

    names = ("smooth_l1_loss",)

    def forward(  # type: ignore[override]
        self, input: Tensor, target: Tensor, size_average: Any = None, reduce: Any = None, reduction: str = "mean",
        beta: float = 1.0,
    ) -> Tensor:  # fmt: skip
        return F.smooth_l1_loss(input, target, reduction=reduction, beta=beta)

    def open(self, add: Adding, call: Call) -> Step:
        return reduced(add, huber(add, call, call.beta, call.beta), call.reduction)


def huber(add: Adding, call: Call, delta: float, divided: float) -> Step:
    error = add("error", "sub", input=call.operand("input"), other=call.operand("target"))
    distance = add("distance", "abs", input=error)
    near = add("near", "mul", input=add("squared", "square", input=error), other=0.5 / divided)
    beyond = add("beyond", "sub", input=distance, other=0.5 * delta)
    far = add("far", "mul", input=beyond, other=delta / divided)
    return add("each", "where", given=(add.constant("is_near", distance.value <= delta), near, far))


class BinaryCrossEntropy(Opened):
    names = ("binary_cross_entropy",)
    formula = r"L = -\frac{1}{n}\sum_i t_i \ln p_i + (1 - t_i)\ln(1 - p_i)"
    text = "L = -mean_i (t[i] log p[i] + (1 - t[i]) log(1 - p[i]))"

    def forward(
        self, input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: Any = None,
        reduce: Any = None, reduction: str = "mean",
    ) -> Tensor:  # fmt: skip
        return F.binary_cross_entropy(input, target, weight, reduction=reduction)

    def open(self, add: Adding, call: Call) -> Step:
        p, t = call.operand("input"), call.operand("target")
        yes = add("log_p", "clamp", input=add("log", "log", input=p), min=-100.0)  # PyTorch bounds it so
        other = add("one_less_p", "rsub", input=p, other=1.0)
        no = add("log_one_less_p", "clamp", input=add("log_other", "log", input=other), min=-100.0)
        return binary(add, yes, no, t, call.operand("weight"), call.reduction)


class BinaryCrossEntropyWithLogits(Opened):
    names = ("binary_cross_entropy_with_logits",)
    formula = r"L = -\frac{1}{n}\sum_i t_i \ln \sigma(z_i) + (1 - t_i)\ln \sigma(-z_i)"
    text = "L = -mean_i (t[i] log sigmoid(z[i]) + (1 - t[i]) log sigmoid(-z[i]))"

    def forward(
        self, input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: Any = None,
        reduce: Any = None, reduction: str = "mean", pos_weight: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        return F.binary_cross_entropy_with_logits(input, target, weight, reduction=reduction, pos_weight=pos_weight)

    def open(self, add: Adding, call: Call) -> Step:
        z, t = call.operand("input"), call.operand("target")
        yes = add("log_p", "log", input=add("p", "sigmoid", input=z))
        no = add("log_one_less_p", "log", input=add("one_less_p", "sigmoid", input=add("negated", "neg", input=z)))
        if call.pos_weight is not None:
            yes = add("weighted_log_p", "mul", input=yes, other=call.operand("pos_weight"))
        return binary(add, yes, no, t, call.operand("weight"), call.reduction)


def binary(add: Adding, yes: Step, no: Step, target: Step, weight: Step | None, reduction: str) -> Step:
    first = add("if_yes", "mul", input=target, other=yes)
    second = add("if_no", "mul", input=add("one_less_target", "rsub", input=target, other=1.0), other=no)
    each = add("surprise", "neg", input=add("log_likelihood", "add", input=first, other=second))
    if weight is not None:
        each = add("weighted", "mul", input=each, other=weight)
    return reduced(add, each, reduction)


class Divergence(Opened):
    """How far one distribution is from another. `input` holds logarithms. Source: Kullback and Leibler, 1951."""

    names = ("kl_div",)
    formula = r"L = \frac{1}{n}\sum_i t_i (\ln t_i - x_i)"
    text = "L = mean_i t[i] (log t[i] - x[i])"

    def forward(
        self, input: Tensor, target: Tensor, size_average: Any = None, reduce: Any = None, reduction: str = "mean",
        log_target: bool = False,
    ) -> Tensor:  # fmt: skip
        return F.kl_div(input, target, reduction=reduction, log_target=log_target)

    def open(self, add: Adding, call: Call) -> Step:
        target = call.operand("target")
        if not call.log_target and bool((call.target <= 0).any()):
            raise NotOpenedError("a logarithm of nothing")
        shares = add("target", "exp", input=target) if call.log_target else target
        logs = target if call.log_target else add("log_target", "log", input=target)
        apart = add("apart", "sub", input=logs, other=call.operand("input"))
        each = add("each", "mul", input=shares, other=apart)
        batch = call.reduction == "batchmean"
        return reduced(add, each, "mean" if batch else call.reduction, float(call.input.size(0)) if batch else None)


class CosineSimilarity(Opened):
    names = ("cosine_similarity",)
    formula = r"y = \frac{a \cdot b}{\max(|a|, \epsilon)\max(|b|, \epsilon)}"
    text = "y = a . b / (max(|a|, eps) max(|b|, eps))"

    def forward(self, x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
        return F.cosine_similarity(x1, x2, dim, eps)

    def open(self, add: Adding, call: Call) -> Step:
        x1, x2 = call.operand("x1"), call.operand("x2")
        dot = add("dot", "sum", input=add("products", "mul", input=x1, other=x2), dim=call.dim)
        lengths = []
        for number, x in enumerate((x1, x2), start=1):
            total = add(f"total{number}", "sum", input=add(f"squares{number}", "square", input=x), dim=call.dim)
            if bool((total.value <= call.eps**2).any()):
                raise NotOpenedError("a vector of no length")
            lengths.append(add(f"length{number}", "sqrt", input=total))
        below = add("lengths", "mul", input=lengths[0], other=lengths[1])
        return add("cosine", "div", input=dot, other=below)


class CrossEntropy(Opened):
    """How surprised the model is by the right class. Smoothing gives a share of the right answer to all classes.

    Source of label smoothing: Szegedy et al., 2015, section 7.
    """

    names: tuple[str, ...] = ("cross_entropy",)
    formula = r"L = -\frac{1}{n}\sum_t \sum_c q_{tc} \ln p_{tc}"
    text = "L = -mean_t sum_c q[t,c] log p[t,c], with q = (1 - e) onehot(target) + e / C"
    normalized = False

    def forward(
        self, input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: Any = None,
        ignore_index: int = -100, reduce: Any = None, reduction: str = "mean", label_smoothing: float = 0.0,
    ) -> Tensor:  # fmt: skip
        return F.cross_entropy(
            input, target, weight, ignore_index=ignore_index, reduction=reduction, label_smoothing=label_smoothing
        )

    def open(self, add: Adding, call: Call) -> Step:
        scores, target, dim = call.operand("input"), call.target, 1 if call.input.dim() > 1 else 0
        logs = scores if self.normalized else add("log_shares", "log_softmax", input=scores, dim=dim)
        smoothing = call.given.get("label_smoothing", 0.0)
        classes = call.input.size(dim)
        weights = call.weight if call.weight is not None else call.input.new_ones(classes)
        shape = [classes if d == dim else 1 for d in range(call.input.dim())]
        if target.is_floating_point():  # shares of the classes, through which gradients pass as well
            shares = add("kept_target", "mul", input=call.operand("target"), other=1 - smoothing)
            shares = add("smoothed_target", "add", input=shares, other=smoothing / classes)
            class_weights = add.constant("class_weights", weights.view(shape))
            wanted, counts = add("wanted", "mul", input=shares, other=class_weights), None
        else:
            kept = target != call.ignore_index
            hot = F.one_hot(target.where(kept, 0), classes).movedim(-1, dim).to(call.input.dtype)
            shares_of_classes = ((1 - smoothing) * hot + smoothing / classes) * kept.unsqueeze(dim)
            wanted = add.constant("wanted", shares_of_classes * weights.view(shape), logs.axes)
            counts = float((weights[target.where(kept, 0)] * kept).sum())
        parts = add("parts", "mul", input=logs, other=wanted)
        each = add("surprise", "neg", input=add("log_likelihood", "sum", input=parts, dim=dim))
        if counts is None:
            counts = float(each.value.numel())
        return reduced(add, each, call.reduction, counts)


class NegativeLogLikelihood(CrossEntropy):
    """Cross-entropy of logarithms of shares."""

    names = ("nll_loss",)
    normalized = True

    def forward(  # type: ignore[override]
        self, input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: Any = None,
        ignore_index: int = -100, reduce: Any = None, reduction: str = "mean",
    ) -> Tensor:  # fmt: skip
        return F.nll_loss(input, target, weight, ignore_index=ignore_index, reduction=reduction)


class ProjectedCrossEntropy(Opened):
    """Cross-entropy fused with the projection to the vocabulary, as training takes it (nn/loss.py)."""

    names = ("_ProjectedCrossEntropy",)
    formula = CrossEntropy.formula
    text = CrossEntropy.text + " and z = h W^T"

    def forward(self, hidden: Tensor, weight: Tensor, target: Tensor, smoothing: float) -> Tensor:
        return F.cross_entropy((hidden @ weight.T).float(), target, label_smoothing=smoothing)

    def open(self, add: Adding, call: Call) -> Step:
        logits = add("logits", "linear", input=call.operand("hidden"), weight=call.operand("weight"))
        logits.axes = (logits.axes[0], Axis("token", call.operand("weight").axes[0].labels))
        return add(
            "loss", "cross_entropy", input=logits, target=call.operand("target"), label_smoothing=call.smoothing,
            weight=None, ignore_index=-100, reduction="mean",
        )  # fmt: skip


OPERATIONS: tuple[Operation, ...] = (
    AbsoluteError(),
    SquaredError(),
    Huber(),
    SmoothL1(),
    BinaryCrossEntropy(),
    BinaryCrossEntropyWithLogits(),
    Divergence(),
    CosineSimilarity(),
    CrossEntropy(),
    NegativeLogLikelihood(),
    ProjectedCrossEntropy(),
)
