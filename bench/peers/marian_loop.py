"""Peer: MarianMTModel of Hugging Face transformers, sized as ours and trained the way its Trainer would."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import MarianConfig, MarianMTModel

PAD, BEGIN, END = 0, 1, 2  # of the tokenizer that all share


def build(size: dict[str, Any], vocabulary: int) -> nn.Module:
    """The model with random weights; attention by `scaled_dot_product_attention`, transformers' own choice."""
    config = MarianConfig(
        vocab_size=vocabulary,
        d_model=size["d_model"],
        encoder_layers=size["encoder_layers"],
        decoder_layers=size["decoder_layers"],
        encoder_attention_heads=size["heads"],
        decoder_attention_heads=size["heads"],
        encoder_ffn_dim=size["feed_forward"],
        decoder_ffn_dim=size["feed_forward"],
        max_position_embeddings=size["max_length"],
        dropout=size["dropout"],
        attention_dropout=0.0,
        activation_dropout=size["dropout"],
        activation_function=size["activation"],
        scale_embedding=True,
        pad_token_id=PAD,
        bos_token_id=BEGIN,
        eos_token_id=END,
        decoder_start_token_id=BEGIN,
        forced_eos_token_id=None,
        max_length=size["max_length"],
    )
    return MarianMTModel(config)


def loss(model: nn.Module, source: Tensor, target: Tensor, smoothing: float) -> Tensor:
    """Label-smoothed cross-entropy of the target's tokens, its mean over them."""
    logits = model(input_ids=source, attention_mask=source != PAD, decoder_input_ids=target[:, :-1], use_cache=False)
    return F.cross_entropy(
        logits.logits.flatten(0, 1).float(), target[:, 1:].flatten(), ignore_index=PAD, label_smoothing=smoothing
    )


def translate(model: nn.Module, source: Tensor, beam: int, limit: int) -> list[list[int]]:
    """Token ids of the best translation of each row, without begin and end."""
    with torch.inference_mode():
        rows = model.generate(
            input_ids=source,
            attention_mask=source != PAD,
            num_beams=beam,
            do_sample=False,
            max_length=limit + 1,  # it counts the begin token
            suppress_tokens=[PAD, BEGIN],  # as ours
            length_penalty=1.0,
            early_stopping=beam > 1,  # as ours: done when as many have ended as the beam is wide
        )
    return [cut(row[1:]) for row in rows.tolist()]


def cut(row: list[int]) -> list[int]:
    """Up to the end token."""
    return row[: row.index(END)] if END in row else [token for token in row if token != PAD]
