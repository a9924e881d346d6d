"""Export for Hugging Face transformers: the same network as a folder that `from_pretrained` loads as it is.

Post-norm is what they call Marian, pre-norm what they call Pegasus. Both order the columns of a position vector in
another way, all sines before all cosines, so every axis of the residual stream is put into that order here: the model
computes the same numbers, some of them in another place. Nothing here needs transformers.
"""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Regex
from tokenizers import Tokenizer as Engine
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.decoders import Sequence as Decoders
from tokenizers.decoders import Strip
from tokenizers.pre_tokenizers import ByteLevel, Metaspace, Split
from tokenizers.pre_tokenizers import Sequence as PreTokenizers
from tokenizers.processors import TemplateProcessing
from torch import Tensor, nn

from pellucid.data.tokenizer import BOS, EOS, PAD, SPECIAL, WITHOUT_SPACES, Tokenizer
from pellucid.errors import ConfigError
from pellucid.generate.config import DecodingConfig
from pellucid.models.translator import Translator

FAMILY = {"post": ("marian", "MarianMTModel"), "pre": ("pegasus", "PegasusForConditionalGeneration")}


def write_huggingface(model: Translator, tokenizer: Tokenizer, decoding: DecodingConfig, folder: Path) -> None:
    """Write model.safetensors, config.json, generation_config.json, tokenizer.json and tokenizer_config.json.

    Raises ConfigError if no model of transformers computes what `model` computes: none has learned positions as ours.
    """
    if model.config.positions != "sinusoidal":
        raise ConfigError(
            f"--to safetensors-hf: no model of transformers has model.positions = {model.config.positions!r}",
            mend='Export with --to onnx or --to ctranslate2, or train with model.positions = "sinusoidal".',
        )
    whole = {name: tensor.detach().float().cpu().contiguous() for name, tensor in tensors(model).items()}
    save_file(whole, str(folder / "model.safetensors"), metadata={"format": "pt"})
    _write(folder / "config.json", configuration(model))
    _write(folder / "generation_config.json", generation(model, decoding))
    with_end(tokenizer).save(str(folder / "tokenizer.json"))
    _write(folder / "tokenizer_config.json", tokenizer_configuration(model.config.max_length))


def tensors(model: Translator) -> dict[str, Tensor]:
    """Every weight under the name that Marian and Pegasus give it, the residual stream in their order."""
    width = model.config.d_model
    order = torch.cat([torch.arange(0, width, 2), torch.arange(1, width, 2)])  # sines stand at even columns here
    positions = model.positions.table.to("cpu")[:, order]
    found = {"model.shared.weight": model.embedding.weight.cpu()[:, order]}
    for side, blocks, norm in (
        ("encoder", model.encoder, model.encoder_norm),
        ("decoder", model.decoder, model.decoder_norm),
    ):
        found[f"model.{side}.embed_positions.weight"] = positions.clone()
        if isinstance(norm, nn.LayerNorm):
            found |= _norm(f"model.{side}.layer_norm", norm, order)
        for number, block in enumerate(blocks):
            found |= _block(f"model.{side}.layers.{number}", block, order)
    found["final_logits_bias"] = torch.zeros(1, model.embedding.num_embeddings)
    return found


def _block(name: str, block: Any, order: Tensor) -> dict[str, Tensor]:
    found = _attention(f"{name}.self_attn", block.self_attention, order)
    found |= _norm(f"{name}.self_attn_layer_norm", block.self_attention_residual.norm, order)
    if hasattr(block, "cross_attention"):
        found |= _attention(f"{name}.encoder_attn", block.cross_attention, order)
        found |= _norm(f"{name}.encoder_attn_layer_norm", block.cross_attention_residual.norm, order)
    found |= _reading(f"{name}.fc1", block.feed_forward.wide, order)
    found |= _writing(f"{name}.fc2", block.feed_forward.narrow, order)
    return found | _norm(f"{name}.final_layer_norm", block.feed_forward_residual.norm, order)


def _attention(name: str, attention: Any, order: Tensor) -> dict[str, Tensor]:
    return (
        _reading(f"{name}.q_proj", attention.query, order)
        | _reading(f"{name}.k_proj", attention.key, order)
        | _reading(f"{name}.v_proj", attention.value, order)
        | _writing(f"{name}.out_proj", attention.output, order)
    )


def _reading(name: str, layer: nn.Linear, order: Tensor) -> dict[str, Tensor]:
    """A layer whose input is the residual stream."""
    return {f"{name}.weight": layer.weight.cpu()[:, order], f"{name}.bias": layer.bias.cpu()}


def _writing(name: str, layer: nn.Linear, order: Tensor) -> dict[str, Tensor]:
    """A layer whose output is added to the residual stream."""
    return {f"{name}.weight": layer.weight.cpu()[order], f"{name}.bias": layer.bias.cpu()[order]}


def _norm(name: str, norm: nn.LayerNorm, order: Tensor) -> dict[str, Tensor]:
    return {f"{name}.weight": norm.weight.cpu()[order], f"{name}.bias": norm.bias.cpu()[order]}


def configuration(model: Translator) -> dict[str, Any]:
    config = model.config
    family, architecture = FAMILY[config.norm]
    return {
        "architectures": [architecture],
        "model_type": family,
        "vocab_size": model.embedding.num_embeddings,
        "d_model": config.d_model,
        "max_position_embeddings": config.max_length,
        "encoder_layers": config.encoder_layers,
        "decoder_layers": config.decoder_layers,
        "encoder_attention_heads": config.heads,
        "decoder_attention_heads": config.heads,
        "encoder_ffn_dim": config.feed_forward,
        "decoder_ffn_dim": config.feed_forward,
        "activation_function": config.activation,
        "dropout": config.dropout,
        "activation_dropout": config.dropout,
        "attention_dropout": 0.0,
        "scale_embedding": True,
        "tie_word_embeddings": True,
        "is_encoder_decoder": True,
        "pad_token_id": PAD,
        "bos_token_id": BOS,
        "eos_token_id": EOS,
        "decoder_start_token_id": BOS,
        "forced_eos_token_id": None,
        "torch_dtype": "float32",
    }


def generation(model: Translator, decoding: DecodingConfig) -> dict[str, Any]:
    """How `generate` decodes unless told otherwise: as the run does, but for the longest length, which it has fixed."""
    return {
        "max_length": model.config.max_length,
        "num_beams": decoding.beam if decoding.method == "beam" else 1,
        "do_sample": False,
        "early_stopping": decoding.method == "beam" and decoding.beam > 1,  # as beam_search: when enough have ended
        "length_penalty": decoding.length_penalty,
        "suppress_tokens": [PAD, BOS],
        "renormalize_logits": True,  # over the tokens that are left
        "pad_token_id": PAD,
        "bos_token_id": BOS,
        "eos_token_id": EOS,
        "decoder_start_token_id": BOS,
        "forced_eos_token_id": None,
    }


def with_end(tokenizer: Tokenizer) -> Engine:
    """The tokenizer with, in the file, what ours does around it: a space in front, the end token, and back.

    The pre-tokenizer puts a space before the text and takes it away again where a script without spaces begins.
    """
    engine = Engine.from_str(tokenizer.engine.to_str())
    engine.pre_tokenizer = PreTokenizers(
        [
            Metaspace(replacement=" ", prepend_scheme="first", split=False),
            Split(Regex(f"^ (?=[{WITHOUT_SPACES}])"), behavior="removed"),
            ByteLevel(add_prefix_space=False),
        ]
    )
    engine.decoder = Decoders([ByteLevelDecoder(), Strip(" ", 1, 0)])
    engine.post_processor = TemplateProcessing(
        single=f"$A {SPECIAL[EOS]}", pair=f"$A $B {SPECIAL[EOS]}", special_tokens=[(SPECIAL[EOS], EOS)]
    )
    return engine


def tokenizer_configuration(max_length: int) -> dict[str, Any]:
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": SPECIAL[PAD],
        "bos_token": SPECIAL[BOS],
        "eos_token": SPECIAL[EOS],
        "model_max_length": max_length,
        "padding_side": "right",
        "clean_up_tokenization_spaces": False,
        "split_special_tokens": True,  # a text that spells an end token is a text
        "model_input_names": ["input_ids", "attention_mask"],
    }


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
