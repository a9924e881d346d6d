"""Writing: a language model goes on with a text, one token after another, each drawn from its shares.

The model keeps what it read (a state, or keys and values), so that a token costs the same however long the text is.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from pellucid.data.pieces import Pieces
from pellucid.generate.config import WritingConfig
from pellucid.generate.decode import draw
from pellucid.models.language import LanguageModel

START = "\n"  # what stands before a text that begins: the end of a line


def write(model: LanguageModel, pieces: Pieces, prompt: str, config: WritingConfig) -> Iterator[str]:
    """The text that follows the prompt, piece by piece as it is written; the prompt itself is not repeated."""
    return pieces.stream(continued(model, pieces.encode(prompt or START).tolist(), config, never(pieces)))


def never(pieces: Pieces) -> Sequence[int]:
    """Tokens that are not to be written: the one that stands for unknown characters."""
    return (0,) if pieces.kind == "characters" else ()


def continued(
    model: LanguageModel, prompt: Sequence[int], config: WritingConfig, never: Sequence[int] = ()
) -> Iterator[int]:
    """`config.length` tokens that follow the prompt's; the model is used without dropout and left as it was.

    At temperature 0 each is the most probable one; else drawn as `decode.draw` says. Raises ValueError for no prompt.
    """
    if not prompt:
        raise ValueError("a prompt holds at least one token")
    device = next(model.parameters()).device
    generator = torch.Generator(device).manual_seed(config.seed)
    past: Any = model.begin(1)
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            scores = model.read_prompt(torch.tensor([list(prompt)], device=device), past)
        for written in range(config.length):
            with torch.inference_mode():
                token = choose(scores, config, generator, never)
            yield int(token)
            if written + 1 < config.length:
                with torch.inference_mode():
                    scores = model.step(token, past)
    finally:
        model.train(was_training)


def choose(scores: Tensor, config: WritingConfig, generator: torch.Generator, never: Sequence[int] = ()) -> Tensor:
    """The next token of each row of scores (batch, vocabulary)."""
    scores = scores.float()
    scores[:, list(never)] = -torch.inf
    return scores.argmax(dim=-1) if config.temperature == 0 else draw(scores, config, generator)
