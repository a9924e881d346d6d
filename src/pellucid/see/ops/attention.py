"""Attention opened: scores, scaled scores, masked scores, weights, and what each head brings.

Fused kernels never have the raw scores; here each stands by itself, and the weighted sum is held against the kernel's.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from pellucid.see.operation import Adding, Call, Opened, Operation, Step


class ScaledDotProductAttention(Opened):
    """Source: Vaswani et al., "Attention Is All You Need", 2017, section 3.2.1."""

    names = ("scaled_dot_product_attention",)
    inline = True
    formula = r"\mathrm{softmax}\!\left(\frac{Q K^{\top}}{\sqrt{d_k}} + M\right) V"
    text = "softmax(Q K^T / sqrt(d_k) + mask) V"

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
        drawn: Tensor | None = None,
    ) -> Tensor:
        """Without its dropout, whose mask the capture gives as `drawn`."""
        return F.scaled_dot_product_attention(
            query, key, value, attn_mask, 0.0, is_causal, scale=scale, enable_gqa=enable_gqa
        )

    def open(self, add: Adding, call: Call) -> Step:
        query, key, value = (call.operand(role) for role in ("query", "key", "value"))
        if call.enable_gqa and key.value.size(-3) != query.value.size(-3):
            repeats = query.value.size(-3) // key.value.size(-3)
            key = add("keys", "repeat_interleave", given=(key, repeats), dim=-3)
            value = add("values", "repeat_interleave", given=(value, repeats), dim=-3)
        scale = call.scale if call.scale is not None else 1 / math.sqrt(call.query.size(-1))
        scores = add("scores", "scores", query=query, key=key)
        masked = add("scaled", "mul", input=scores, other=float(scale))
        if call.is_causal:
            ahead = ~torch.ones(scores.value.shape[-2:], dtype=torch.bool, device=scores.value.device).tril()
            masked = add("masked", "masked_fill", given=(masked, add.constant("mask", ahead), -math.inf))
        elif call.attn_mask is not None and call.attn_mask.dtype == torch.bool:
            hidden = add.constant("mask", ~call.attn_mask)
            masked = add("masked", "masked_fill", given=(masked, hidden, -math.inf))
        elif call.attn_mask is not None:
            masked = add("masked", "add", input=masked, other=call.operand("attn_mask"))
        # A query that may look nowhere gets zeros, as the fused kernel has it; a softmax of nothing would be no number.
        blind = (masked.value == -math.inf).all(-1, keepdim=True)
        if blind.any():
            nowhere = add.constant("nowhere", blind)
            masked = add("blind_to_zero", "masked_fill", given=(masked, nowhere, 0.0))
            weights = add("all_weights", "softmax", input=masked, dim=-1)
            weights = add("weights", "masked_fill", given=(weights, nowhere, 0.0))
        else:
            weights = add("weights", "softmax", input=masked, dim=-1)
        if call.drawn is not None:
            weights = add("dropped", "mul", input=weights, other=add.constant("dropout_mask", call.drawn, weights.axes))
        heads = add("heads", "matmul", input=weights, other=value)
        heads.axes = (*query.axes[:-1], value.axes[-1])
        return heads


OPERATIONS: tuple[Operation, ...] = (ScaledDotProductAttention(),)
