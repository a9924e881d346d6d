"""Export to CTranslate2: the same network for a C++ engine without PyTorch, on request with weights in 8 bits.

Every weight goes to the place that CTranslate2's own description of a Transformer gives it; nothing is trained or
changed but the number format. The folder holds model.bin, the vocabulary, tokenizer.json and pellucid.json.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pellucid.data.tokenizer import BOS, EOS, Tokenizer
from pellucid.generate.exported import Quantization, require
from pellucid.models.translator import Translator

ACTIVATIONS = {"relu": "RELU", "gelu": "GELU", "silu": "SWISH"}  # names of ctranslate2's enumeration


def write_ctranslate2(model: Translator, tokenizer: Tokenizer, quantize: Quantization, folder: Path) -> None:
    """Write model.bin, the vocabulary and tokenizer.json into `folder`. Raises ConfigError without ctranslate2.

    Quantization to int8 is per output row, symmetric: q = round(127 w / max|w|); activations are quantized while it
    runs.
    """
    require("ctranslate2", "fast")
    spec = _specification(model, tokenizer)
    spec.validate()
    spec.optimize(quantization=None if quantize == "none" else quantize)
    spec.save(str(folder))
    tokenizer.save(folder / "tokenizer.json")


def _specification(model: Translator, tokenizer: Tokenizer) -> Any:
    from ctranslate2.specs import TransformerSpec
    from ctranslate2.specs.common_spec import Activation

    config = model.config
    spec = TransformerSpec.from_config(
        (config.encoder_layers, config.decoder_layers),
        config.heads,
        pre_norm=config.norm == "pre",
        activation=Activation[ACTIVATIONS[config.activation]],
    )
    embedding = _array(model.embedding.weight)
    positions = _array(model.positions.table)
    spec.encoder.embeddings[0].weight = spec.decoder.embeddings.weight = spec.decoder.projection.weight = embedding
    spec.encoder.position_encodings.encodings = spec.decoder.position_encodings.encodings = positions
    if config.norm == "pre":
        _norm(spec.encoder.layer_norm, model.encoder_norm)
        _norm(spec.decoder.layer_norm, model.decoder_norm)
    for there, here in zip(spec.encoder.layer, model.encoder, strict=True):
        _self_attention(there.self_attention, here)
        _feed_forward(there.ffn, here)
    for there, here in zip(spec.decoder.layer, model.decoder_blocks(), strict=True):
        _self_attention(there.self_attention, here)
        _linear(there.attention.linear[0], here.cross_attention.query)
        _linear(there.attention.linear[1], here.cross_attention.key, here.cross_attention.value)
        _linear(there.attention.linear[2], here.cross_attention.output)
        _norm(there.attention.layer_norm, here.cross_attention_residual.norm)
        _feed_forward(there.ffn, here)
    tokens = tokenizer.names()
    spec.register_source_vocabulary(tokens)
    spec.register_target_vocabulary(tokens)
    spec.config.bos_token = spec.config.decoder_start_token = tokens[BOS]
    spec.config.eos_token = tokens[EOS]
    spec.config.unk_token = tokens[0]  # never met: every id has a token
    spec.config.layer_norm_epsilon = 1e-5  # nn.LayerNorm's
    return spec


def _self_attention(there: Any, block: Any) -> None:
    attention = block.self_attention
    _linear(there.linear[0], attention.query, attention.key, attention.value)
    _linear(there.linear[1], attention.output)
    _norm(there.layer_norm, block.self_attention_residual.norm)


def _feed_forward(there: Any, block: Any) -> None:
    _linear(there.linear_0, block.feed_forward.wide)
    _linear(there.linear_1, block.feed_forward.narrow)
    _norm(there.layer_norm, block.feed_forward_residual.norm)


def _linear(there: Any, *layers: nn.Linear) -> None:
    """One layer, or several that read the same input, one under the other."""
    there.weight = _array(torch.cat([layer.weight for layer in layers]))
    there.bias = _array(torch.cat([layer.bias for layer in layers]))


def _norm(there: Any, norm: Any) -> None:
    there.gamma, there.beta = _array(norm.weight), _array(norm.bias)


def _array(tensor: Tensor) -> Any:
    return tensor.detach().float().cpu().numpy().copy()  # quantization changes it in place
