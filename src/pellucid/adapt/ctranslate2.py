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
LARGEST = 63  # of a weight in 8 bits; see write_ctranslate2


def write_ctranslate2(model: Translator, tokenizer: Tokenizer, quantize: Quantization, folder: Path) -> None:
    """Write model.bin, the vocabulary and tokenizer.json into `folder`. Raises ConfigError without ctranslate2.

    Quantization to int8 is per output row, symmetric: q = round(63 w / max|w|); activations are quantized while it
    runs. It stops at 63 of the 127 that fit because a processor without VNNI adds products in pairs in 16 bits, which
    127 overflows: there the finer numbers gave a mean difference of 0.18 in log p, where these give 0.04.
    """
    require("ctranslate2", "fast")
    spec = _specification(model, tokenizer, quantize)
    spec.validate()
    spec.optimize()
    spec.save(str(folder))
    tokenizer.save(folder / "tokenizer.json")


def _specification(model: Translator, tokenizer: Tokenizer, quantize: Quantization) -> Any:
    from ctranslate2.specs import TransformerSpec
    from ctranslate2.specs.common_spec import Activation

    config = model.config
    spec = TransformerSpec.from_config(
        (config.encoder_layers, config.decoder_layers),
        config.heads,
        pre_norm=config.norm == "pre",
        activation=Activation[ACTIVATIONS[config.activation]],
    )
    positions = _array(model.positions.table)
    for there in (spec.encoder.embeddings[0], spec.decoder.embeddings, spec.decoder.projection):
        _matrix(there, model.embedding.weight, quantize)
    spec.encoder.position_encodings.encodings = spec.decoder.position_encodings.encodings = positions
    if config.norm == "pre":
        _norm(spec.encoder.layer_norm, model.encoder_norm)
        _norm(spec.decoder.layer_norm, model.decoder_norm)
    for there, here in zip(spec.encoder.layer, model.encoder, strict=True):
        _self_attention(there.self_attention, here, quantize)
        _feed_forward(there.ffn, here, quantize)
    for there, here in zip(spec.decoder.layer, model.decoder_blocks(), strict=True):
        _self_attention(there.self_attention, here, quantize)
        _linear(there.attention.linear[0], here.cross_attention.query, quantize=quantize)
        _linear(there.attention.linear[1], here.cross_attention.key, here.cross_attention.value, quantize=quantize)
        _linear(there.attention.linear[2], here.cross_attention.output, quantize=quantize)
        _norm(there.attention.layer_norm, here.cross_attention_residual.norm)
        _feed_forward(there.ffn, here, quantize)
    tokens = tokenizer.names()
    spec.register_source_vocabulary(tokens)
    spec.register_target_vocabulary(tokens)
    spec.config.bos_token = spec.config.decoder_start_token = tokens[BOS]
    spec.config.eos_token = tokens[EOS]
    spec.config.unk_token = tokens[0]  # never met: every id has a token
    spec.config.layer_norm_epsilon = 1e-5  # nn.LayerNorm's
    return spec


def _self_attention(there: Any, block: Any, quantize: Quantization) -> None:
    attention = block.self_attention
    _linear(there.linear[0], attention.query, attention.key, attention.value, quantize=quantize)
    _linear(there.linear[1], attention.output, quantize=quantize)
    _norm(there.layer_norm, block.self_attention_residual.norm)


def _feed_forward(there: Any, block: Any, quantize: Quantization) -> None:
    _linear(there.linear_0, block.feed_forward.wide, quantize=quantize)
    _linear(there.linear_1, block.feed_forward.narrow, quantize=quantize)
    _norm(there.layer_norm, block.feed_forward_residual.norm)


def _linear(there: Any, *layers: nn.Linear, quantize: Quantization) -> None:
    """One layer, or several that read the same input, one under the other."""
    _matrix(there, torch.cat([layer.weight for layer in layers]), quantize)
    there.bias = _array(torch.cat([layer.bias for layer in layers]))


def _matrix(there: Any, weight: Tensor, quantize: Quantization) -> None:
    if quantize == "none":
        there.weight = _array(weight)
        return
    whole = weight.detach().float().cpu()
    scale = LARGEST / whole.abs().amax(dim=1).clamp(min=1e-30)  # a row of zeros must not divide by them
    there.weight = (whole * scale[:, None]).round().to(torch.int8).numpy()
    there.weight_scale = scale.numpy()


def _norm(there: Any, norm: Any) -> None:
    there.gamma, there.beta = _array(norm.weight), _array(norm.bias)


def _array(tensor: Tensor) -> Any:
    return tensor.detach().float().cpu().numpy()
