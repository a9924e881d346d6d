"""Decoding, seen: the search that translates is watched from text to text, and a token may be put in its way.

There is one search, `generate/decode.py`: it tells its decisions to an observer, and the model that it steps is
wrapped, so that logits and cross-attention are those the decisions were made from.
"""

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.data.tokenizer import Tokenizer
from pellucid.generate import engine
from pellucid.generate.config import DecodingConfig
from pellucid.generate.decode import END, NEVER, Decision, TorchEngine, without_dropout
from pellucid.generate.decode import decode as search
from pellucid.generate.text import Prepared, prepare, text_of
from pellucid.models.translator import Cache, Memory, Translator
from pellucid.run import Run
from pellucid.see.decoding import Decoding, Forced
from pellucid.see.tokens import SPACE, labels_of, visible
from pellucid.see.trace import Trace, TraceError
from pellucid.see.translation import sentence_of, trace_of_sentence
from pellucid.see.tree import Tree


def decode(run: Run, text: str, force: Mapping[int, int | str] | None = None, **decoding: Any) -> Decoding:
    """How a run translates a text, a token at a time; `decoding` overrides fields of DecodingConfig.

    `force` puts tokens, by id or as they are shown, in positions counted from 0. Each replaces a token of the
    translation that came so far, and the search goes on from there. Raises TraceError if the text is empty, a score
    is nan, there is no such token, or the translation is shorter.
    """
    model = TorchEngine(run.model).model  # as `translate` arranges it, so that every number is the same
    return decode_text(model, run.tokenizer, text, run.decoding.changed(**decoding), force)


def decode_text(
    model: Translator,
    tokenizer: Tokenizer,
    text: str,
    config: DecodingConfig,
    force: Mapping[int, int | str] | None = None,
) -> Decoding:
    """The same with a model that is in no run."""
    if not text.strip():
        raise TraceError("the text is empty", "Give a sentence to translate.")
    (prepared,) = prepare(tokenizer, [text], model.config.max_length)
    labels = labels_of(tokenizer, prepared.strings)
    wanted = {position: token_of(tokenizer, labels, token) for position, token in sorted((force or {}).items())}

    def seen(prefix: Sequence[int]) -> Decoding:
        return _watched(model, tokenizer, text.strip(), prepared, labels, config, prefix)

    first = now = seen(())
    forced = []
    for position, token in wanted.items():
        path = now.path
        if not 0 <= position < len(path):
            raise TraceError(
                f"there is no position {position}: the translation has positions 0 to {len(path) - 1}",
                f"The last are {', '.join(f'{node.position}={node.text}' for node in path[-3:])}.",
            )
        forced.append(Forced(position, token, labels[token], path[position].text))
        if path[position].token != token:
            now = seen([*(node.token for node in path[:position]), token])
    return replace(now, forced=tuple(forced), unforced=first.outcome) if forced else now


def trace_of_decoding(run: Run, decoding: Decoding) -> Trace:
    """The pass of a text with the translation that was decoded, and the decoding with it, to be kept together.

    Raises TraceError where the text is longer than the model reads.
    """
    sentence = sentence_of(run, decoding.text)
    tokens = tuple(node.token for node in decoding.path if node.token != END)
    trace = trace_of_sentence(run, replace(sentence, target=decoding.translation, target_ids=tokens))
    trace.decoding = decoding
    return trace


def token_of(tokenizer: Tokenizer, labels: Sequence[str], wanted: int | str) -> int:
    """The id of a token given by its id, as it is shown, or by its text. Raises TraceError with the nearest ones."""
    if isinstance(wanted, int):
        if not 0 <= wanted < len(labels):
            raise TraceError(f"there is no token {wanted}", f"The vocabulary has tokens 0 to {len(labels) - 1}.")
        token = wanted
    elif (shown := next((one for one in spellings(wanted) if one in labels), None)) is not None:
        token = labels.index(shown)
    else:
        ids = tokenizer.encode(wanted.replace(SPACE, " ").removeprefix(" "))
        near = difflib.get_close_matches(wanted, labels, n=3, cutoff=0.5)
        nearest = [f"The nearest are {', '.join(near)}."] if near else []
        written = [f"It is written as {' + '.join(labels[token] for token in ids)}."] if ids else []
        raise TraceError(f"{wanted!r} is no token of the vocabulary", " ".join([*nearest, *written]))
    if token in NEVER:
        raise TraceError(f"no translation holds {labels[token]}", "Force a token of the text, or <|end|>.")
    return token


def spellings(text: str) -> tuple[str, ...]:
    """As which labels a token may be meant: as it is shown, what is copied from the source, at the start of a word."""
    shown = "".join(map(visible, text))
    return shown, f"⟨{text}⟩", SPACE + shown


class Watched:
    """A translator as a search steps it, with the logits and the cross-attention of every step kept."""

    def __init__(self, model: Translator) -> None:
        self.model = model
        self.logits: list[Float[Tensor, "row vocabulary"]] = []
        self.attention: list[Float[Tensor, "row layer head source"]] = []

    def encode(self, source: Tensor) -> Memory:
        return self.model.encode(source)

    def begin(self, memory: Memory, capacity: int) -> Cache:
        return self.model.begin(memory, capacity)

    def step(self, tokens: Tensor, cache: Cache) -> Tensor:
        queries: list[Tensor] = []
        hooks = [
            block.cross_attention.query.register_forward_hook(lambda module, given, query: queries.append(query))
            for block in self.model.decoder_blocks()
        ]
        try:
            logits = self.model.step(tokens, cache)
        finally:
            for hook in hooks:
                hook.remove()
        if bool(logits.isnan().any()):
            raise TraceError(
                f"the scores of token {len(self.logits)} are not numbers (nan), so that none can be chosen",
                "Look at a step of the training before its weights became nan.",
            )
        self.logits.append(logits.float().clone())  # a copy, as the search writes into its own
        self.attention.append(self._shares(queries, cache))
        return logits

    def _shares(self, queries: Sequence[Tensor], cache: Cache) -> Float[Tensor, "row layer head source"]:
        """softmax(Q K^T / sqrt(d_k)) of each layer, from the queries it asked and the keys it kept."""
        layers = []
        for block, asked, keys in zip(self.model.decoder_blocks(), queries, cache.memory_keys, strict=True):
            query = block.cross_attention.split(asked)  # row head 1 d_k
            scores = (query / math.sqrt(query.size(-1))) @ keys.transpose(-2, -1)
            layers.append(scores.masked_fill(~cache.allowed, -torch.inf).float().softmax(dim=-1)[:, :, 0])
        return torch.stack(layers, dim=1)


def _watched(
    model: Translator,
    tokenizer: Tokenizer,
    text: str,
    prepared: Prepared,
    labels: Sequence[str],
    config: DecodingConfig,
    prefix: Sequence[int],
) -> Decoding:
    """One search, and the tree that it grew."""
    source, longest = prepared.ids, model.config.max_length
    watched = Watched(model)
    decisions: list[Decision] = []
    device = next(model.parameters()).device
    with without_dropout(model):
        ((best, *_),) = search(
            watched,
            [source],
            config,
            longest,
            device,
            prefix,
            lambda _, decision: decisions.append(decision),
        )
    limit = engine.longest(len(source), config, longest)
    tree = Tree(config, limit, labels, prefix)
    alive = [tree.grow(decision, logits) for decision, logits in zip(decisions, watched.logits, strict=True)]
    return Decoding(
        text=text,
        source=tuple(labels[token] for token in source),
        config=config,
        limit=limit,
        nodes=tree.nodes(best, lambda ids: text_of(tokenizer.decode(ids), prepared.strings)),
        best=tree.number_of(best),
        # The other rows hold no hypothesis: at first they are copies, and later impossible.
        logits=torch.cat([one[:count] for one, count in zip(watched.logits, alive, strict=True)]).cpu(),
        attention=torch.cat([one[:count] for one, count in zip(watched.attention, alive, strict=True)]).cpu(),
    )
