"""Decoding by Hugging Face transformers, from a folder that `pellucid export --to safetensors-hf` wrote.

It is there to compare the export with the model that it was made of; as fast as that, it is not.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pellucid.data.batching import padded
from pellucid.data.tokenizer import EOS, PAD
from pellucid.generate.config import DecodingConfig
from pellucid.generate.engine import Hypothesis, longest
from pellucid.generate.exported import checked, damaged, require
from pellucid.generate.score import log_probabilities


class HuggingFaceEngine:
    """An exported model in memory.

    Raises RunError if the folder is damaged, ConfigError if transformers is not installed.
    Source: https://huggingface.co/docs/transformers.
    """

    def __init__(self, folder: Path) -> None:
        require("transformers", "huggingface")
        self.max_length: int = checked(folder, "safetensors-hf")["max_length"]
        try:
            with _quietly():
                from transformers import AutoModelForSeq2SeqLM

                self._model = AutoModelForSeq2SeqLM.from_pretrained(
                    str(folder),
                    local_files_only=True,
                    use_safetensors=True,  # never a pickle that somebody put beside it
                    trust_remote_code=False,
                    attn_implementation="eager",
                ).eval()
        except Exception as error:  # the library raises what its own libraries raise
            raise damaged(folder, "safetensors-hf", error) from None

    def translate_ids(self, sources: Sequence[Sequence[int]], config: DecodingConfig) -> list[list[Hypothesis]]:
        """As decode.decode, but sampling draws other numbers, and a batch holds only sources with the same limit."""
        limits = [longest(len(source), config, self.max_length) for source in sources]
        order = sorted(range(len(sources)), key=lambda i: -len(sources[i]))
        results: list[list[Hypothesis]] = [[] for _ in sources]
        for limit, group in groupby(order, key=lambda i: limits[i]):
            alike = list(group)
            for start in range(0, len(alike), config.batch):
                rows = alike[start : start + config.batch]
                for i, found in zip(rows, self._generate([sources[i] for i in rows], limit, config), strict=True):
                    results[i] = found
        return results

    def _generate(self, sources: Sequence[Sequence[int]], limit: int, config: DecodingConfig) -> list[list[Hypothesis]]:
        width = config.beam if config.method == "beam" else 1
        source = padded(sources, PAD)
        torch.manual_seed(config.seed)
        with torch.inference_mode(), _quietly():
            answer = self._model.generate(
                input_ids=source,
                attention_mask=(source != PAD).long(),
                max_new_tokens=limit,
                max_length=None,
                num_beams=width,
                num_return_sequences=width,
                early_stopping=width > 1,
                length_penalty=config.length_penalty,
                do_sample=config.method == "sample",
                temperature=config.temperature,
                top_k=config.top_k,
                top_p=config.top_p,
                return_dict_in_generate=True,
                output_scores=True,
            )
            scores = self._model.compute_transition_scores(
                answer.sequences, answer.scores, getattr(answer, "beam_indices", None), normalize_logits=False
            )
        found = []
        for row, of_tokens in zip(answer.sequences[:, 1:].tolist(), scores, strict=True):  # without the begin token
            ended = row.index(EOS) if EOS in row else len(row)
            length = max(min(ended + 1, len(row)), 1)
            log_probability = float(of_tokens[:length].sum())
            penalty = config.length_penalty if width > 1 else 1.0
            found.append(Hypothesis(tuple(row[:ended]), log_probability, log_probability / length**penalty))
        return [found[start : start + width] for start in range(0, len(found), width)]

    def log_probabilities(
        self, sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]]
    ) -> list[list[float]]:
        return log_probabilities(self.logits, sources, targets)

    def logits(self, source: Tensor, target: Tensor) -> Tensor:
        """Of all target positions at once: (batch, source), (batch, target) -> (batch, target, vocabulary)."""
        answer = self._model(input_ids=source, attention_mask=(source != PAD).long(), decoder_input_ids=target)
        return answer.logits  # type: ignore[no-any-return]


@contextmanager
def _quietly() -> Iterator[None]:
    """Without transformers' own bars and advice, which would stand between our lines."""
    import transformers

    logging: Any = transformers.utils.logging  # untyped
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
