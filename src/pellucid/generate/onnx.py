"""Decoding with ONNX Runtime, from a folder that `pellucid export --to onnx` wrote.

The two graphs are stepped by our own decoding (`decode.py`), so that greedy, beam search and sampling are the same as
with PyTorch. Tensors and the runtime's arrays share their memory: nothing is copied on the way in or out.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from pellucid.generate.config import DecodingConfig
from pellucid.generate.decode import decode
from pellucid.generate.engine import Hypothesis
from pellucid.generate.exported import checked, damaged, require
from pellucid.generate.score import log_probabilities


class OnnxMemory(NamedTuple):
    """What the encoder's graph gives: keys and values of the source by their names, and which positions are words."""

    kept: dict[str, Tensor]  # memory_key.0, memory_value.0, memory_key.1 ...: batch, head, source, d_k
    allowed: Tensor  # batch, 1, 1, source


@dataclass
class OnnxCache:
    """Keys and values of the memory and of the target so far; rows are hypotheses."""

    memory: OnnxMemory
    past: dict[str, Tensor]  # past_key.0, past_value.0 ...: batch, head, length, d_k
    length: int = 0

    def select(self, rows: Tensor) -> None:
        kept = {name: tensor[rows] for name, tensor in self.memory.kept.items()}
        self.memory = OnnxMemory(kept, self.memory.allowed[rows])
        self.reorder(rows)

    def reorder(self, rows: Tensor) -> None:
        self.past = {name: tensor[rows] for name, tensor in self.past.items()}


class OnnxEngine:
    """An exported model in memory, on `threads` threads; 0: one a core.

    Raises RunError if the folder is damaged, ConfigError if onnxruntime is not installed.
    Source: https://onnxruntime.ai.
    """

    def __init__(self, folder: Path, threads: int = 0) -> None:
        require("onnxruntime", "onnx")
        import onnxruntime

        self.max_length: int = checked(folder, "onnx")["max_length"]
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = threads or len(os.sched_getaffinity(0))
        settings.log_severity_level = 3  # errors alone; they are raised
        try:
            self._encoder, self._decoder = (
                onnxruntime.InferenceSession(str(folder / name), settings, providers=["CPUExecutionProvider"])
                for name in ("encoder.onnx", "decoder.onnx")
            )
        except Exception as error:  # the library's own errors share no other class
            raise damaged(folder, "onnx", error) from None
        # Name and (batch, head, length, d_k) of all that is kept of the target, with words where a size is free.
        self._past = {one.name: one.shape for one in self._decoder.get_inputs() if one.name.startswith("past_")}

    def translate_ids(self, sources: Sequence[Sequence[int]], config: DecodingConfig) -> list[list[Hypothesis]]:
        return decode(self, sources, config, self.max_length)

    def log_probabilities(
        self, sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]]
    ) -> list[list[float]]:
        return log_probabilities(self.logits, sources, targets)

    def logits(self, source: Tensor, target: Tensor) -> Tensor:
        """Of all target positions at once: (batch, source), (batch, target) -> (batch, target, vocabulary)."""
        return self._advance(target, self.begin(self.encode(source), 0))

    def encode(self, source: Tensor) -> OnnxMemory:
        found = _run(self._encoder, {"source": source})
        return OnnxMemory(found, found.pop("allowed"))

    def begin(self, memory: OnnxMemory, capacity: int) -> OnnxCache:
        """An empty cache; `capacity` is of no use here, where each step gives grown keys and values."""
        batch = len(memory.allowed)
        return OnnxCache(memory, {name: torch.empty(batch, s[1], 0, s[3]) for name, s in self._past.items()})

    def step(self, tokens: Tensor, cache: OnnxCache) -> Tensor:
        return self._advance(tokens[:, None], cache)[:, 0]

    def _advance(self, target: Tensor, cache: OnnxCache) -> Tensor:
        found = _run(
            self._decoder, {"target": target, "allowed": cache.memory.allowed, **cache.memory.kept, **cache.past}
        )
        logits = found.pop("logits")
        cache.past = {name.replace("present_", "past_"): tensor for name, tensor in found.items()}
        cache.length += target.size(1)
        return logits


def _run(session: Any, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    names = [output.name for output in session.get_outputs()]
    found = session.run(names, {name: tensor.contiguous().numpy() for name, tensor in inputs.items()})
    return {name: torch.from_numpy(array) for name, array in zip(names, found, strict=True)}
