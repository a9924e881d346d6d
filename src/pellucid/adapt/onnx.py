"""Export to ONNX: the same network as two graphs that any ONNX runtime executes, the weights in them.

encoder.onnx reads the source once; decoder.onnx reads new target tokens, any number at a time, with the keys and values
of what came before. Both are traced from the model's own layers.
"""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from pellucid.data.tokenizer import Tokenizer
from pellucid.generate.exported import require
from pellucid.models.translator import Translator
from pellucid.nn.attention import causal_mask
from pellucid.nn.blocks import DecoderBlock

FREE = torch.export.Dim.DYNAMIC  # a size that is known only when it runs


class OnnxEncoder(nn.Module):
    """Source ids -> for each block of the decoder the memory's keys and values, then which positions are words.

    Shapes: (batch, source) -> (batch, head, source, d_k) twice a block, (batch, 1, 1, source).
    """

    def __init__(self, model: Translator) -> None:
        super().__init__()
        self.model = model

    def forward(self, source: Int[Tensor, "batch source"]) -> tuple[Tensor, ...]:
        memory = self.model.encode(source)
        blocks = self.model.decoder_blocks()
        kept = [tensor for block in blocks for tensor in block.cross_attention.keys_and_values(memory.states)]
        return (*kept, memory.allowed)


class OnnxDecoder(nn.Module):
    """New target ids, which stand after `past` others -> their logits, and the keys and values with theirs added.

    With nothing past and the whole target it is the model's forward pass; with one token at a time, its `step`.
    Shapes: target (batch, new), past (batch, head, past, d_k) and memory (batch, head, source, d_k) twice a block
    -> (batch, new, vocabulary), (batch, head, past + new, d_k) twice a block.
    """

    def __init__(self, model: Translator) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        target: Int[Tensor, "batch new"],
        allowed: Bool[Tensor, "batch 1 1 source"],
        memory: Sequence[Float[Tensor, "batch head source d_k"]],
        past: Sequence[Float[Tensor, "batch head past d_k"]],
    ) -> tuple[Tensor, ...]:
        start = past[0].size(2)
        causal = causal_mask(start + target.size(1))[None, None, start:]  # 1, 1, new, past + new
        x = self.model.embed(target, start)
        present: list[Tensor] = []
        for layer, block in enumerate(self.model.decoder_blocks()):
            both = slice(2 * layer, 2 * layer + 2)
            x, *grown = advance(block, x, past[both], memory[both], causal, allowed)
            present += grown
        return (self.model.project(self.model.decoder_norm(x)), *present)


def advance(
    block: DecoderBlock,
    x: Float[Tensor, "batch new model"],
    past: Sequence[Float[Tensor, "batch head past d_k"]],
    memory: Sequence[Float[Tensor, "batch head source d_k"]],
    causal: Bool[Tensor, "1 1 new seen"],
    allowed: Bool[Tensor, "batch 1 1 source"],
) -> tuple[Tensor, Tensor, Tensor]:
    """The block for new positions: its result, and keys and values of the past with theirs added, (batch, head, seen,
    d_k). They are made of what the block's normalization lets through, so it is within its attention that they grow.
    """
    memory_key, memory_value = memory
    key, value = past

    def self_attention(y: Tensor) -> Tensor:
        nonlocal key, value
        new_key, new_value = block.self_attention.keys_and_values(y)
        key, value = torch.cat([key, new_key], dim=2), torch.cat([value, new_value], dim=2)
        return block.self_attention.attend(y, key, value, causal)

    x = block.self_attention_residual(x, self_attention)
    x = block.cross_attention_residual(x, lambda y: block.cross_attention.attend(y, memory_key, memory_value, allowed))
    return block.feed_forward_residual(x, block.feed_forward), key, value


def write_onnx(model: Translator, tokenizer: Tokenizer, folder: Path) -> None:
    """Write encoder.onnx, decoder.onnx and tokenizer.json into `folder`.

    Raises ConfigError if onnx or onnxscript is not installed.
    """
    require("onnx", "onnx")
    require("onnxscript", "onnx")
    layers, heads = len(model.decoder), model.config.heads
    kept = [f"{what}.{layer}" for layer in range(layers) for what in ("key", "value")]
    memory, past, present = ([f"{whose}_{name}" for name in kept] for whose in ("memory", "past", "present"))
    # Only the number of axes of these examples matters, and that no size is 0 or 1, which would be taken for fixed.
    source, target = torch.full((2, 3), 3), torch.full((2, 4), 3)
    size = model.config.d_model // heads
    keys = {name: torch.zeros(2, heads, length, size) for length, names in ((3, memory), (5, past)) for name in names}
    free = {0: FREE, 2: FREE}
    _write(
        OnnxEncoder(model), folder / "encoder.onnx", (source,), ({0: FREE, 1: FREE},), ["source"], [*memory, "allowed"]
    )
    _write(
        OnnxDecoder(model),
        folder / "decoder.onnx",
        (target, torch.ones(2, 1, 1, 3, dtype=torch.bool), [keys[n] for n in memory], [keys[n] for n in past]),
        ({0: FREE, 1: FREE}, {0: FREE, 3: FREE}, [free] * len(memory), [free] * len(past)),
        ["target", "allowed", *memory, *past],
        ["logits", *present],
    )
    tokenizer.save(folder / "tokenizer.json")


def _write(
    module: nn.Module, path: Path, example: Any, sizes: Any, inputs: Sequence[str], outputs: Sequence[str]
) -> None:
    with _quietly():
        program = torch.onnx.export(
            module.eval(),
            example,
            dynamic_shapes=sizes,
            input_names=inputs,
            output_names=outputs,
            dynamo=True,
            optimize=True,
            verbose=False,
        )
    assert program is not None  # as it is with dynamo=True
    program.model.metadata_props.clear()
    for node in program.model.graph:
        node.metadata_props.clear()  # where in whose files each operation was traced
    program.save(str(path), external_data=False)


@contextmanager
def _quietly() -> Iterator[None]:
    """The exporter warns of packages that are not needed and of its own deprecations."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
