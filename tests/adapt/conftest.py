"""Small random models and their exports, each written once for all tests."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from pellucid.adapt.export import Exportable, write_export
from pellucid.data.tokenizer import EOS, Tokenizer
from pellucid.generate.config import DecodingConfig
from pellucid.generate.exported import FormatName, Quantization
from pellucid.models.translator import Translator, TranslatorConfig
from tests.conftest import shapes_unchecked

PAIRS = Path(__file__).parents[2] / "examples" / "pairs.tsv"
# Both norms, all activations, encoder and decoder of different depths.
MODELS: dict[str, dict[str, object]] = {
    "pre, relu": {"norm": "pre", "activation": "relu", "encoder_layers": 1, "decoder_layers": 3},
    "post, gelu": {"norm": "post", "activation": "gelu", "encoder_layers": 2, "decoder_layers": 1},
    "pre, silu": {"norm": "pre", "activation": "silu", "encoder_layers": 2, "decoder_layers": 1},
    "post, relu": {"norm": "post", "activation": "relu", "encoder_layers": 1, "decoder_layers": 2},
    "pre, gelu": {"norm": "pre", "activation": "gelu", "encoder_layers": 1, "decoder_layers": 1},
    "post, silu": {"norm": "post", "activation": "silu", "encoder_layers": 1, "decoder_layers": 1},
    "learned": {"positions": "learned", "encoder_layers": 1, "decoder_layers": 1},
}
END_RAISED = 5.5  # in logits

Export = Callable[..., Path]


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return Tokenizer.train(PAIRS.read_text(encoding="utf-8").replace("\t", "\n").split("\n"), 500)


def random_model(name: str, vocabulary: int) -> Translator:
    """Every weight random, biases and norms too, so that none can stand in another's place unseen."""
    torch.manual_seed(7)
    size = {"d_model": 24, "heads": 3, "feed_forward": 40, "dropout": 0.3, "max_length": 48}
    model = Translator(TranslatorConfig.parse({**size, **MODELS[name]}), vocabulary)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
        # The end token's score is raised for all positions, so that some translations end before they must.
        block: Any = model.decoder[-1]
        last: Any = model.decoder_norm if model.config.norm == "pre" else block.feed_forward_residual.norm
        end = model.embedding.weight[EOS]
        last.bias.add_(END_RAISED * end / end.square().sum())
    return model.eval()


def sources(vocabulary: int, lengths: list[int]) -> list[list[int]]:
    generator = torch.Generator().manual_seed(1)
    return [[*torch.randint(3, vocabulary, (length,), generator=generator).tolist(), EOS] for length in lengths]


@pytest.fixture(scope="session")
def exported(tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Export:
    """`exported(to, model's name, quantize)`: a folder to read from, not to change."""
    made: dict[tuple[FormatName, str, Quantization], Path] = {}

    def export(to: FormatName, name: str, quantize: Quantization = "none") -> Path:
        if (to, name, quantize) not in made:
            folder = tmp_path_factory.mktemp("exports") / to
            with shapes_unchecked():
                write_export(exportable(random_model(name, tokenizer.size), tokenizer), to, folder, quantize)
            made[to, name, quantize] = folder
        return made[to, name, quantize]

    return export


def exportable(model: Translator, tokenizer: Tokenizer, weights: str = "") -> Exportable:
    return Exportable(model, tokenizer, DecodingConfig(), weights)
