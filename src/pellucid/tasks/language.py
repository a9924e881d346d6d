"""Language: text files become a model of what comes next in them.

Joins data/ (works, held-out stretches, pieces, streams), models/language.py, the cross-entropy of the next token, and
bits per character, beside what counts and compressors reach. A recurrent model reads the text in order and carries its
state from one batch to the next, where the gradient is cut (truncated backpropagation through time; Williams & Peng,
1990). What the trainer needs of it is the Task protocol of tasks/task.py.
"""

import copy
import hashlib
import json
import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self, cast

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from pellucid.config import OPTIMIZERS, Config, ExampleTraining, Optimizer, RunConfig
from pellucid.data.corpus.archives import archive
from pellucid.data.noise import Marked, with_replaced
from pellucid.data.pieces import Kind, Pieces
from pellucid.data.streams import rows_in_order, shuffled, stretches
from pellucid.data.stretches import SEPARATOR, Sides, hold_out, seen_before
from pellucid.data.works import SAMPLE, Work, read_known_works, read_works
from pellucid.errors import DataError
from pellucid.generate.config import WritingConfig
from pellucid.generate.write import START, write
from pellucid.models.initialization import initialized
from pellucid.models.language import (
    GPT,
    LanguageModel,
    LanguageModelConfig,
    RecurrentLanguageModel,
    build_language_model,
)
from pellucid.tasks.language_baselines import baselines
from pellucid.tasks.task import Batch, Evaluation, Losses, Sample, SideName, Task, some, unigram_nats

QUICK = 20_000  # characters of the development side scored at each evaluation during training
SAMPLE_LENGTH = 240  # tokens written at each evaluation
FINAL_SAMPLES, FINAL_LENGTH = 3, 600  # written when the training is over
PASSAGE = 800  # characters of the test side shown with the surprise at each
BLOCK = 1000  # characters that stand or fall together in the interval: neighbours are no independent witnesses
RESAMPLED = 1000
TOKENIZER = "tokenizer.json"
GPT_RATE, RECURRENT_RATE = 8e-3, 4e-3  # of those tried: docs/language.md
SMALL_CONTEXT = 32  # tokens
ROWS = 32  # of a held-out text read side by side
MOST_NATS = 700.0  # whose power of e a float64 still holds


class LanguageData(Config):
    """Which texts, and how much of them is held out."""

    files: list[str] = Field(default_factory=list, description="text files, folders, globs, or sample:shakespeare")
    held_out: float = Field(0.05, gt=0, lt=0.4, description="share of the characters held out for development and test")
    scored: int = Field(100_000, ge=1000, description="characters of a held-out side that are scored at most")
    fingerprint: str | None = Field(None, description="SHA-256 of the texts as read; written by training")


class PiecesConfig(Config):
    """What one token is."""

    kind: Kind = Field("characters", description="characters, or bpe: sequences of bytes that are found often")
    vocabulary: int = Field(2000, ge=300, description="tokens at most (bpe)")


class LanguageTraining(ExampleTraining):
    """How a language model is trained."""

    batch: int = Field(16, ge=1, description="stretches of text in one batch, of all workers together")
    learning_rate: float | None = Field(
        None,
        gt=0,
        description="the highest learning rate of the schedule; chosen by the kind of network when not given",
    )
    optimizer: Optimizer = Field("muon", description=OPTIMIZERS)
    average: float = Field(0.995, ge=0, lt=1, description="decay per step of the moving average of the weights; 0: off")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto",
        description="auto: measured at the start for a GPT; float32 for recurrent layers, whose products are small",
    )


class LanguageConfig(RunConfig):
    """All of one run of a language model: data, pieces, model, training and writing."""

    task: Literal["language"] = Field("language", description="what the network is for")
    data: LanguageData = Field(default_factory=LanguageData)
    pieces: PiecesConfig = Field(default_factory=PiecesConfig)
    model: LanguageModelConfig = Field(default_factory=LanguageModelConfig)
    training: LanguageTraining = Field(default_factory=LanguageTraining)
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="share of certainty given to all other tokens")
    writing: WritingConfig = Field(default_factory=WritingConfig)


@dataclass(frozen=True, slots=True)
class PreparedText:
    """What was read, and its three sides."""

    works: list[Work]
    sides: Sides
    fingerprint: str


def prepare(config: LanguageData) -> PreparedText:
    """Read and divide; raises DataError for unreadable files, too little text, or changed files."""
    works, fingerprint = read_known_works(config.files, config.fingerprint)
    return PreparedText(works, hold_out(works, config.held_out), fingerprint)


@dataclass(frozen=True, slots=True)
class Surprise:
    """How surprised a model is by a text: nats at each of its tokens, and how many characters they are."""

    nats: Tensor
    characters: int

    @property
    def bits_per_character(self) -> float:
        return float(self.nats.sum()) / math.log(2) / self.characters

    @property
    def perplexity(self) -> float:
        """e to the mean surprise at a token: among how many even choices it would be as hard to guess.

        Of a network that was thrown about the largest that a float64 holds a power of e of.
        """
        return math.exp(min(float(self.nats.mean()), MOST_NATS))


@dataclass(slots=True)
class Carried:
    """A recurrent state, and from which place of the text each of its rows goes on."""

    starts: Tensor
    state: Tensor


class LanguageTask(Task):
    """The Task protocol for language models, built from a config and, when a run already has one, its tokenizer."""

    config: LanguageConfig
    item = "token"

    def __init__(self, config: LanguageConfig, pieces: Pieces | None = None, data: PreparedText | None = None) -> None:
        self.data = data or prepare(config.data)
        self.config = config.changed(data={**config.data.model_dump(), "fingerprint": self.data.fingerprint})
        train = self.data.sides.train
        self.pieces = pieces or Pieces.train(train, config.pieces.kind, config.pieces.vocabulary)
        self.ids = self.pieces.encode(train)
        if len(self.ids) < config.model.context + 2:
            raise DataError(
                f"{self.data.works[0].name}: {len(self.ids):,} tokens to train on, "
                f"and one stretch has {config.model.context}",
                mend="Add text, or lower model.context.",
            )
        self._before: Carried | None = None  # of the batch that was last asked for
        self._after: Carried | None = None

    @classmethod
    def fetch(cls, config: LanguageConfig) -> None:
        if any(name.startswith(SAMPLE) for name in config.data.files):
            archive("shakespeare")

    @classmethod
    def proposed(cls, config: LanguageConfig) -> LanguageConfig:
        """What suits the kind of network: its learning rate, and float32 where the products are small."""
        gpt, training = config.model.cell == "gpt", config.training
        settled = {
            "learning_rate": training.learning_rate or (GPT_RATE if gpt else RECURRENT_RATE),
            "precision": training.precision if gpt or training.precision != "auto" else "float32",
        }
        return config.changed(training={**training.model_dump(), **settled})

    @classmethod
    def open(cls, config: LanguageConfig, folder: Path | None = None) -> Self:
        return cls(config, pieces_in(folder) if folder else None)

    @classmethod
    def network(cls, config: LanguageConfig, folder: Path) -> LanguageModel:
        return build_language_model(config.model, pieces_in(folder).size)

    def keep(self, folder: Path) -> None:
        self.pieces.save(folder / TOKENIZER)

    @property
    def name(self) -> str:
        return default_name(self.config)

    @property
    def training(self) -> LanguageTraining:
        return self.config.training

    def build_model(self) -> LanguageModel:
        return initialized(build_language_model(self.config.model, self.pieces.size), self.training)

    def fingerprint(self) -> str:
        """SHA-256 of all that training depends on: the configuration, the tokenizer, the tokens in their order."""
        held = [self.config.model_dump_json(), self.pieces.engine.to_str(), self.data.fingerprint]
        digest = hashlib.sha256(json.dumps(held).encode())
        digest.update(self.ids.view(torch.uint8).numpy().data)
        return digest.hexdigest()

    def epoch(self, number: int) -> Sequence[Sequence[int]]:
        """Batches of stretches, each named by the token it begins with."""
        arrange = shuffled if self.config.model.cell == "gpt" else rows_in_order
        training = self.training
        batches = arrange(len(self.ids), self.config.model.context, training.batch, training.seed, number)
        return Marked(batches, number, len(self.ids)) if training.noise else batches

    def collate(self, examples: Sequence[int]) -> Batch:
        numbers = torch.tensor(examples)
        starts = numbers % len(self.ids)
        tokens = stretches(self.ids, starts, self.config.model.context)
        tensors = {"tokens": tokens, "starts": starts}
        if self.training.noise:
            read = tokens[:, :-1]
            tensors["read"] = with_replaced(read, self.training.noise, self.training.seed, numbers, self.ids)
        return Batch(tensors, padding=0.0)

    def origin(self, example: int) -> str:
        """Of a stretch, by the token it begins with."""
        return self._origin("train", self.ids, example % len(self.ids))

    def _origin(self, side: SideName, ids: Tensor, example: int) -> str:
        before = example if self.pieces.kind == "characters" else len(self.pieces.decode(ids[:example].tolist()))
        for stretch in self.data.sides.stretches[side]:
            length = stretch.end - stretch.start
            if before < length + len(SEPARATOR):
                work = next(work for work in self.data.works if work.name == stretch.work)
                return work.origin(stretch.start + min(before, length - 1))
            before -= length + len(SEPARATOR)
        raise IndexError(f"the {side} text has no token {example}")

    def sample(self, side: SideName, most: int) -> Sample:
        """Stretches that do not touch, of at most so many tokens in all as `most` examples of a small context have."""
        ids = self.ids if side == "train" else self.pieces.encode(getattr(self.data.sides, side))
        context = min(self.config.model.context, len(ids) - 1)
        starts = range(0, len(ids) - context, context)
        chosen = [starts[place] for place in some(len(starts), max(most * SMALL_CONTEXT // context, 8))]
        tokens = stretches(ids, torch.tensor(chosen), context)
        return Sample(tokens[:, :-1], tokens[:, 1:], lambda place: self._origin(side, ids, chosen[place]))

    def losses(self, model: nn.Module, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Each stretch read from a fresh state."""
        nats = _nats(cast(LanguageModel, model)(inputs), targets)
        return nats.sum(1), torch.full((len(targets),), float(targets.size(1)))

    def uninformed(self, targets: Tensor) -> Tensor:
        """By how often each token stands in the training text."""
        return unigram_nats(self.ids, self.pieces.size)[targets].sum(1)

    def prose(self, side: SideName) -> str:
        return str(getattr(self.data.sides, side))

    def share(self, share: float) -> "LanguageTask":
        part = copy.copy(self)
        part.ids = self.ids[: max(round(share * len(self.ids)), self.config.model.context + 2)]
        return part

    def loss(self, model: nn.Module, batch: Batch) -> Losses:
        """Cross-entropy of each next token, averaged over all of the batch, with label smoothing if asked for."""
        tokens, starts = batch.tensors["tokens"], batch.tensors["starts"]
        read, asked = batch.tensors.get("read", tokens[:, :-1]), tokens[:, 1:]
        if isinstance(model, RecurrentLanguageModel):
            logits, state = model.read(read, self._state_at(starts, model))
            self._after = Carried(starts.cpu() + read.size(1), state.detach())
        else:
            logits = model(read)
        smoothing = self.config.label_smoothing
        loss = F.cross_entropy(logits.flatten(0, 1), asked.flatten(), label_smoothing=smoothing)
        return Losses({"cross_entropy": loss}, count=asked.numel())

    def _state_at(self, starts: Tensor, model: RecurrentLanguageModel) -> Tensor:
        """The state of whoever read up to these places: carried over from the batch before, or zeros.

        A batch asked for twice in a row gets the same state twice, so that a training may be looked at.
        """
        for carried in (self._after, self._before):
            if carried is not None and torch.equal(carried.starts, starts.cpu()):
                self._before = carried
                return carried.state.to(starts.device)
        self._before = Carried(starts.cpu(), model.fresh(len(starts)))
        return self._before.state

    def carried(self) -> dict[str, Tensor]:
        """The state that the next batch goes on with, and where."""
        return {} if self._after is None else {"starts": self._after.starts, "state": self._after.state}

    def carried_by_one(self, carried: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
        """The rows of all workers in the order of the batch: the first of each, the second of each ..."""
        if len(carried) == 1 or not all(carried):
            return dict(carried[0])
        rows = sum(len(one["starts"]) for one in carried)
        order = torch.cat([torch.arange(rank, rows, len(carried)) for rank in range(len(carried))]).argsort()
        starts = torch.cat([one["starts"] for one in carried])[order]
        return {"starts": starts, "state": torch.cat([one["state"] for one in carried], dim=2)[:, :, order]}

    def carry(self, tensors: Mapping[str, Tensor]) -> None:
        self._before = None
        self._after = Carried(tensors["starts"], tensors["state"]) if tensors else None

    def evaluate(self, model: nn.Module) -> Evaluation:
        """Bits per character on the beginning of the development side, and a little text written."""
        language = cast(LanguageModel, model)
        found = surprise(language, self.pieces, self.data.sides.dev[:QUICK])
        writing = self.config.writing.changed(length=SAMPLE_LENGTH)
        prompt = self._prompts(1)[0]
        sample = {"prompt": prompt, "text": "".join(write(language, self.pieces, prompt, writing))}
        scores = {"bits_per_character": found.bits_per_character, "perplexity": found.perplexity}
        return Evaluation(float(found.nats.mean()), scores, headline=-found.bits_per_character, samples=[sample])

    def test(self, model: nn.Module, side: Literal["test", "dev"] = "test") -> dict[str, Any]:
        """The model beside counts and compressors on a held-out side; the `test` line of metrics.jsonl."""
        model = cast(LanguageModel, model)
        whole = self.data.sides.test if side == "test" else self.data.sides.dev
        text = whole[: self.config.data.scored]
        found = surprise(model, self.pieces, text)
        low, high = interval(found, text)
        return {
            "split": side,
            "characters": len(text),
            "tokens": len(found.nats),
            "unknown": self._unknown(text),
            "perplexity": round(found.perplexity, 4),
            "systems": {
                "model": {"bits_per_character": round(found.bits_per_character, 4), "low": low, "high": high},
                **{
                    name: {"bits_per_character": round(bits, 4)}
                    for name, bits in baselines(self.data.sides.train, text).items()
                },
            },
            "passage": passage(model, self.pieces, within(text)),
            "samples": self._written(model),
        }

    def test_on(self, model: nn.Module, files: Sequence[str]) -> dict[str, Any]:
        """The same on other texts, one after the other."""
        text = "\n".join(work.text for work in read_works(files))
        there = copy.copy(self)
        there.data = replace(self.data, sides=replace(self.data.sides, test=text))
        return {**there.test(model), "split": " ".join(files)}

    def _written(self, model: LanguageModel) -> list[dict[str, Any]]:
        """What goes on from some lines of the development side, each with a seed of its own."""
        written = []
        for number, prompt in enumerate(self._prompts(FINAL_SAMPLES)):
            seed = self.config.writing.seed + number
            writing = self.config.writing.changed(length=FINAL_LENGTH, seed=seed)
            written.append(
                {"prompt": prompt, "seed": seed, "text": "".join(write(model, self.pieces, prompt, writing))}
            )
        return written

    def _unknown(self, text: str) -> int:
        """Characters of a text that are written by the token for unknown ones."""
        if self.pieces.kind == "bpe":
            return 0
        counts = Counter(text)
        return sum(counts[character] for character in self.pieces.unknown(text))

    def _prompts(self, count: int) -> list[str]:
        """Lines of the development side, evenly from it, to go on from; all its characters known to the model."""
        lines = [line for line in self.data.sides.dev.splitlines() if 10 <= len(line) <= 80]
        lines = [line for line in lines if not self.pieces.unknown(line)] or [""]
        chosen = random.Random(count).sample(range(len(lines)), min(count, len(lines)))
        return [lines[number] + START if lines[number] else "" for number in sorted(chosen)]

    def describe(self) -> dict[str, Any]:
        works, sides = self.data.works, self.data.sides
        noticed: Counter[str] = Counter()
        for work in works:
            noticed.update(work.noticed)
        held = {side: sorted({s.work for s in sides.stretches[side]}) for side in ("dev", "test")}
        return {
            "files": list(self.config.data.files),
            "works": [{"name": work.name, "characters": len(work.text)} for work in works],
            "noticed": dict(noticed),
            "characters": {"train": len(sides.train), "dev": len(sides.dev), "test": len(sides.test)},
            "by": sides.by,
            "editions": sides.editions,
            "held_out": held if sides.by == "works" else {},
            "seen_before": round(seen_before(sides.test[: self.config.data.scored], sides.train), 5),
            "pieces": self.pieces.kind,
            "train": len(self.ids),
            "vocabulary": self.pieces.size,
            "characters_per_token": round(len(sides.train) / len(self.ids), 3),
            "unknown": self._unknown(sides.train),
            "batches": len(self.epoch(0)),
            "samples": [sides.train[:400]],
        }


def pieces_in(folder: Path) -> Pieces:
    """The tokenizer of a run. Raises RunError if it is missing or damaged."""
    return Pieces.load(folder / TOKENIZER)


def default_name(config: LanguageConfig) -> str:
    """Of the run's folder: what the text is called."""
    first = config.data.files[0] if config.data.files else "language"
    return "shakespeare" if first.startswith(SAMPLE) else Path(first.rstrip("*/")).stem or "language"


def surprise(model: LanguageModel, pieces: Pieces, text: str) -> Surprise:
    """-log p of each token of a text, which begins as if after the end of a line.

    A recurrent model reads it in a few rows, each with its state carried along. A GPT reads overlapping stretches and
    is asked for the newer half of each, so that every token has at least half a context before it.
    """
    device = next(model.parameters()).device
    ids = torch.cat([pieces.encode(START)[:1], pieces.encode(text)]).long().to(device)
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            nats = _overlapping(model, ids) if isinstance(model, GPT) else _in_rows(model, ids)
    finally:
        model.train(was_training)
    return Surprise(nats.cpu().clone(), len(text))


def _overlapping(model: GPT, ids: Tensor) -> Tensor:
    context = model.config.context
    asked = len(ids) - 1
    first = min(context, asked)
    found = [_nats(model(ids[None, :first]), ids[None, 1 : first + 1])[0]]
    half = max(context // 2, 1)
    starts = list(range(half, asked - context + 1, half))
    if asked > first and (not starts or starts[-1] + context < asked):
        starts.append(asked - context)
    reached = first
    for begun in (starts[i : i + ROWS] for i in range(0, len(starts), ROWS)):
        rows = ids[torch.tensor(begun, device=ids.device)[:, None] + torch.arange(context + 1, device=ids.device)]
        for start, nats in zip(begun, _nats(model(rows[:, :-1]), rows[:, 1:]), strict=True):
            found.append(nats[reached - start :])
            reached = start + context
    return torch.cat(found)


def _in_rows(model: RecurrentLanguageModel, ids: Tensor) -> Tensor:
    asked = len(ids) - 1
    rows = min(ROWS, max(asked // (4 * model.config.context), 1))  # each long beside what its start is short of
    length = -(-asked // rows)
    padded = F.pad(ids, (0, rows * length + 1 - len(ids)))
    found = []
    state = model.fresh(rows)
    starts = torch.arange(rows, device=ids.device) * length
    for begin in range(0, length, model.config.context):
        times = torch.arange(begin, min(begin + model.config.context, length) + 1, device=ids.device)
        tokens = padded[starts[:, None] + times]
        logits, state = model.read(tokens[:, :-1], state)
        found.append(_nats(logits, tokens[:, 1:]))
    return torch.cat(found, dim=1).flatten()[:asked]


def _nats(logits: Tensor, asked: Tensor) -> Tensor:
    """The surprise at each token asked for: (batch, time)."""
    return F.cross_entropy(logits.flatten(0, 1).float(), asked.flatten(), reduction="none").view(asked.shape)


def interval(found: Surprise, text: str) -> tuple[float, float]:
    """95% of what the bits per character would be on other texts of this kind: blocks drawn anew (Efron, 1979)."""
    size = max(len(found.nats) * BLOCK // len(text), 1)
    whole = len(found.nats) // size
    if whole < 2:
        return round(found.bits_per_character, 4), round(found.bits_per_character, 4)
    blocks = found.nats[: whole * size].view(whole, size).mean(dim=1)
    draws = torch.randint(whole, (RESAMPLED, whole), generator=torch.Generator().manual_seed(1))
    means = blocks[draws].mean(dim=1) / math.log(2) * len(found.nats) / found.characters
    low, high = means.quantile(torch.tensor([0.025, 0.975])).tolist()
    return round(low, 4), round(high, 4)


def within(text: str) -> str:
    """Some lines from within a text, as it often begins with a title and a list of persons."""
    start = text.rfind("\n", 0, len(text) // 2) + 1 if len(text) > 2 * PASSAGE else 0
    return text[start : start + PASSAGE]


def passage(model: LanguageModel, pieces: Pieces, text: str) -> dict[str, list[Any]]:
    """A text token by token, with the bits of surprise at each."""
    ids = pieces.encode(text).tolist()
    nats = surprise(model, pieces, text).nats
    texts = list(pieces.stream(iter(ids)))
    if len(texts) != len(ids):  # some token is part of a character, which is shown with the whole
        texts = [pieces.decode([number]) for number in ids]
    return {"tokens": texts, "bits": [round(bits / math.log(2), 2) for bits in nats.tolist()]}
