"""First values of weights: PyTorch's own functions to the bit, and what stays as the network has it."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from pellucid.config import TrainingConfig
from pellucid.models.cnn import Cnn, CnnConfig, Shape
from pellucid.models.initialization import initialized
from pellucid.models.language import LanguageModelConfig, build_language_model
from pellucid.models.mlp import MLP, MLPConfig
from pellucid.models.parameters import weight_matrices
from pellucid.models.skipgram import SkipGram
from pellucid.models.translator import Translator, TranslatorConfig

NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "mlp": lambda: MLP(MLPConfig(width=6, depth=2, norm="layer"), 4, 3),
    "cnn": lambda: Cnn(CnnConfig(channels=[4]), Shape(1, 8, 8), 3),
    "translator": lambda: Translator(TranslatorConfig(d_model=8, heads=2, feed_forward=16), 20),
    "gpt": lambda: build_language_model(LanguageModelConfig.parse({"cell": "gpt", "width": 8, "heads": 2}), 20),
    "lstm": lambda: build_language_model(LanguageModelConfig.parse({"cell": "lstm", "width": 8}), 20),
    "word vectors": lambda: SkipGram(9, 4),
}
DRAWN: dict[str, Callable[[Tensor], Tensor]] = {
    "zeros": nn.init.zeros_,
    "normal": lambda weight: nn.init.normal_(weight, std=0.02),
    "xavier": nn.init.xavier_uniform_,
    "he": lambda weight: nn.init.kaiming_normal_(weight, nonlinearity="relu"),
}


@pytest.mark.parametrize("kind", DRAWN)
@pytest.mark.parametrize("network", NETWORKS)
def test_matrices_are_those_of_pytorchs_own_function_to_the_bit(network: str, kind: str) -> None:
    torch.manual_seed(1)
    before = NETWORKS[network]()
    state = torch.get_rng_state()
    after = initialized(before, TrainingConfig.parse({"initialization": kind, "initialization_std": 0.02}))
    torch.set_rng_state(state)
    found = weight_matrices(after)
    assert found
    for weight in found.values():
        assert torch.equal(weight, DRAWN[kind](torch.empty_like(weight)))


@pytest.mark.parametrize("network", ["mlp", "translator", "lstm"])
def test_biases_of_these_layers_become_zero_and_tables_and_norms_stay(network: str) -> None:
    torch.manual_seed(1)
    model = NETWORKS[network]()
    before = {name: one.detach().clone() for name, one in model.named_parameters()}
    initialized(model, TrainingConfig(initialization="he"))
    matrices = weight_matrices(model)
    for name, one in model.named_parameters():
        if name in matrices:
            continue
        of_matrix = name.removesuffix("bias") + "weight" in matrices
        assert torch.equal(one, torch.zeros_like(one) if of_matrix else before[name]), name


@pytest.mark.parametrize("network", NETWORKS)
def test_default_draws_nothing_and_changes_nothing(network: str) -> None:
    torch.manual_seed(1)
    model = NETWORKS[network]()
    before, state = {n: one.clone() for n, one in model.state_dict().items()}, torch.get_rng_state()
    assert initialized(model, TrainingConfig()) is model
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(before[name], one) for name, one in model.state_dict().items())


def test_with_zeros_all_hidden_neurons_get_the_same_gradient_and_stay_alike() -> None:
    model = initialized(
        MLP(MLPConfig(width=5, depth=1, activation="sigmoid"), 3, 2), TrainingConfig(initialization="zeros")
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    x, wanted = torch.randn(20, 3), torch.randint(2, (20,))
    for _ in range(5):
        nn.functional.cross_entropy(model(x), wanted).backward()
        optimizer.step()
        optimizer.zero_grad()
    hidden = model.layers[0].linear.weight
    assert (hidden == hidden[0]).all()
    assert (hidden != 0).any()
