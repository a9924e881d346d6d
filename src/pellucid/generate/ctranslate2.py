"""Decoding by CTranslate2, from a folder that `pellucid export` wrote.

Several workers of one thread each translate different batches at the same time, which on a CPU gives more than one
worker of several threads: matrices of one token a sentence are too small to share.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pellucid.errors import ConfigError
from pellucid.generate.config import DecodingConfig
from pellucid.generate.engine import Hypothesis, longest
from pellucid.generate.exported import checked, damaged, require


class CTranslate2Engine:
    """An exported model in memory. `workers` sentences' batches are translated at the same time; 0: one a core.

    Raises RunError if the folder is damaged, ConfigError if ctranslate2 is not installed.
    Source: https://opennmt.net/CTranslate2.
    """

    def __init__(self, folder: Path, workers: int = 0) -> None:
        require("ctranslate2", "fast")
        import ctranslate2

        self.max_length: int = checked(folder, "ctranslate2")["max_length"]
        self._workers = workers or len(os.sched_getaffinity(0))
        try:
            self._tokens: list[str] = json.loads((folder / "shared_vocabulary.json").read_text(encoding="utf-8"))
            self._translator = ctranslate2.Translator(
                str(folder), device="cpu", inter_threads=self._workers, intra_threads=1
            )
        except (OSError, ValueError, RuntimeError, RecursionError, MemoryError) as error:
            raise damaged(folder, "ctranslate2", error) from None
        self._ids = {token: number for number, token in enumerate(self._tokens)}

    def translate_ids(self, sources: Sequence[Sequence[int]], config: DecodingConfig) -> list[list[Hypothesis]]:
        """As decode.translate_ids. Greedy and beam only: raises ConfigError for sampling."""
        if config.method == "sample":
            raise ConfigError("--engine ctranslate2 does not sample", mend="Use --engine torch, or greedy or beam.")
        width = config.beam if config.method == "beam" else 1
        order = sorted(range(len(sources)), key=lambda i: -len(sources[i]))
        # Smaller batches where there are few sentences, so that each worker has one.
        size = max(min(config.batch, -(-len(sources) // self._workers)), 1)
        limits = [longest(len(source), config, self.max_length) for source in sources]
        groups = [order[start : start + size] for start in range(0, len(order), size)]
        answers = [
            self._translator.translate_batch(
                [[self._tokens[token] for token in sources[i]] for i in group],
                beam_size=width,
                num_hypotheses=width,
                length_penalty=config.length_penalty if width > 1 else 0.0,
                max_decoding_length=limits[group[0]],  # of its longest source
                min_decoding_length=0,
                max_input_length=0,
                suppress_sequences=[[self._tokens[0]], [self._tokens[1]]],  # padding and the begin token
                return_scores=True,
                asynchronous=True,
            )
            for group in groups
        ]
        results: list[list[Hypothesis]] = [[] for _ in sources]
        for group, answer in zip(groups, answers, strict=True):
            for i, waiting in zip(group, answer, strict=True):
                results[i] = self._hypotheses(waiting.result(), limits[i], limits[group[0]], config, width)
        return results

    def _hypotheses(
        self, result: Any, limit: int, reached: int, config: DecodingConfig, width: int
    ) -> list[Hypothesis]:
        """`limit` tokens may be given; decoding went on to `reached`, where a hypothesis has no end token."""
        found = []
        for tokens, score in zip(result.hypotheses, result.scores, strict=True):
            length = min(len(tokens) + 1, reached)
            log_probability = score * length**config.length_penalty if width > 1 else score
            ids = tuple(self._ids[token] for token in tokens[:limit])
            found.append(Hypothesis(ids, log_probability, log_probability / length ** _penalty(config, width)))
        return found

    def log_probabilities(
        self, sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]]
    ) -> list[list[float]]:
        answers = self._translator.score_batch(
            [[self._tokens[token] for token in source] for source in sources],
            [[self._tokens[token] for token in target] for target in targets],
            max_input_length=0,
        )
        return [list(answer.log_probs) for answer in answers]


def _penalty(config: DecodingConfig, width: int) -> float:
    return config.length_penalty if width > 1 else 1.0
