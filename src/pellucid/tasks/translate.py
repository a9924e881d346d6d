"""Translate: sentence pairs become a translating Transformer.

Joins data/ (pairs, cleaning, splits, tokens, batches), models/translator.py, the label-smoothed cross-entropy and
the scores of translations. What the trainer needs of it is the Task protocol of tasks/task.py.
"""

import copy
import hashlib
import json
import math
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from pellucid.config import Config, RunConfig, TokenTraining, parse_budget
from pellucid.data.batching import epoch_batches, padding_share
from pellucid.data.filters import Cleaned, Limits, clean
from pellucid.data.noise import Marked, with_replaced
from pellucid.data.packed import PackedPairs, pack
from pellucid.data.pairs import Example, Pair
from pellucid.data.read import Reading, fetch_corpora, read_pairs
from pellucid.data.slots import take_out, take_out_same
from pellucid.data.splits import Splits, split
from pellucid.data.tokenizer import BOS, EOS, PAD, SMALLEST, Tokenizer
from pellucid.errors import DataError
from pellucid.generate.config import DecodingConfig
from pellucid.generate.decode import TorchEngine
from pellucid.generate.text import translate_texts
from pellucid.models.initialization import initialized
from pellucid.models.translator import Translator, TranslatorConfig
from pellucid.nn.loss import projected_cross_entropy
from pellucid.tasks.memory import TranslationMemory
from pellucid.tasks.scores import full_scores, quick_scores, sentence_chrf
from pellucid.tasks.task import Batch, Evaluation, Losses, Sample, SideName, Task, some, unigram_nats

FEWEST_PAIRS = 50  # fewer cannot be split into sides that mean anything
ENCODED_AT_ONCE = 10_000  # pairs that exist as Python numbers at a time, between the tokenizer and the packed store
DEV_LOSS_BATCH = 4096  # tokens; no gradients are kept, so it may be larger than in training
QUICK_SENTENCES = 300  # dev sentences translated at each evaluation during training
SHOWN_SAMPLES = 6
MORE_PADDING = 8  # columns, by which the doctor sees whether padding counts
TOKENIZER = "tokenizer.json"  # what a run keeps beside its weights
REPORTED_SAMPLES = 300

SMALL_FROM, BASE_FROM = 15 * 60, 6 * 3600  # seconds of training from which a larger preset overtakes the smaller

T = TypeVar("T")


class TranslationData(Config):
    """Which pairs, in which languages, what is filtered out, how much is held out."""

    files: list[str] = Field(default_factory=list, description="files, folders, globs, or corpus:interface-strings")
    source: str | None = Field(None, description="language to translate from; detected when not given")
    target: str | None = Field(None, description="language to translate to; detected when not given")
    delimiter: str | None = Field(
        None, description="between the columns of a table; told by the file's name if not given"
    )
    held_out: int = Field(1000, ge=5, description="sources held out for development, and as many for the test")
    near_duplicate: float = Field(0.6, gt=0, le=1, description="word overlap from which two sources are twins")
    max_characters: int = Field(400, ge=1, description="longest side kept")
    max_ratio: float = Field(4.0, gt=1, description="how many times longer than the other a side may be")
    fingerprint: str | None = Field(None, description="SHA-256 of the pairs as read; written by training")


class TokenizerConfig(Config):
    """How text is cut into tokens."""

    vocabulary: int = Field(8000, ge=SMALLEST, description="tokens at most, one table for both languages")


class TranslateConfig(RunConfig):
    """All of one translation run: data, tokenizer, model, training and decoding."""

    task: Literal["translate"] = Field("translate", description="what the network is for")
    data: TranslationData = Field(default_factory=TranslationData)
    tokenizer: TokenizerConfig = Field(default_factory=TokenizerConfig)
    model: TranslatorConfig = Field(default_factory=TranslatorConfig)
    training: TokenTraining = Field(default_factory=TokenTraining)
    label_smoothing: float = Field(0.1, ge=0, lt=1, description="share of certainty given to all other tokens")
    decoding: DecodingConfig = Field(default_factory=DecodingConfig)


def proposed_preset(seconds: float) -> str:
    """The model that reaches most in so much training time on two cores; docs/quality.md has the curves."""
    if seconds < SMALL_FROM:
        return "tiny"
    return "small" if seconds < BASE_FROM else "base"


@dataclass(frozen=True, slots=True)
class PreparedData:
    """What was read, what was left of it, and its three sides."""

    reading: Reading
    cleaned: Cleaned
    splits: Splits
    fingerprint: str


def prepare(config: TranslationData) -> PreparedData:
    """Read, clean and split; raises DataError for unreadable files, too few pairs, or changed files."""
    reading = read_pairs(config.files, config.source, config.target, config.delimiter)
    fingerprint = _fingerprint(reading.pairs)
    if config.fingerprint and config.fingerprint != fingerprint:
        raise DataError(
            f"{', '.join(config.files)}: the pairs are not those that this run was trained on",
            mend="Put the old files back, or train a new run on the new ones.",
        )
    cleaned = clean(reading.pairs, reading.source, reading.target, limits(config))
    if len(cleaned.pairs) < FEWEST_PAIRS:
        raise DataError(
            f"{', '.join(config.files)}: {len(cleaned.pairs)} usable pairs of {len(reading.pairs)} read; "
            f"training needs at least {FEWEST_PAIRS}",
            mend="Add data; `pellucid data show` lists what each filter took away.",
        )
    splits = split(cleaned.pairs, config.held_out, overlap=config.near_duplicate)
    return PreparedData(reading, cleaned, splits, fingerprint)


def limits(config: TranslationData) -> Limits:
    return Limits(max_characters=config.max_characters, max_ratio=config.max_ratio)


class TranslateTask(Task):
    """The Task protocol for translation, built from a config and, when a run already has one, its tokenizer."""

    item = "token"
    config: TranslateConfig

    @classmethod
    def proposed(cls, config: TranslateConfig) -> TranslateConfig:
        if config.model.preset != "auto":
            return config
        seconds = parse_budget(config.training.budget) if config.training.budget else 0.0
        return config.changed(model=config.model.with_preset(proposed_preset(seconds)).model_dump())

    @classmethod
    def fetch(cls, config: TranslateConfig) -> None:
        fetch_corpora(config.data.files, config.data.target)

    @classmethod
    def open(cls, config: TranslateConfig, folder: Path | None = None) -> "TranslateTask":
        return cls(config, tokenizer=Tokenizer.load(folder / TOKENIZER) if folder else None)

    @classmethod
    def network(cls, config: TranslateConfig, folder: Path) -> Translator:
        return Translator(config.model, Tokenizer.load(folder / TOKENIZER).size)

    def keep(self, folder: Path) -> None:
        self.tokenizer.save(folder / TOKENIZER)

    @property
    def name(self) -> str:
        return f"{self.config.data.source}-{self.config.data.target}"

    def __init__(
        self, config: TranslateConfig, data: PreparedData | None = None, tokenizer: Tokenizer | None = None
    ) -> None:
        self.data = data or prepare(config.data)
        self.config = config.changed(
            data={
                **config.data.model_dump(),
                "source": self.data.reading.source,
                "target": self.data.reading.target,
                "fingerprint": self.data.fingerprint,
            }
        )
        self.tokenizer = tokenizer or train_tokenizer(self.data.splits.train, config.tokenizer.vocabulary)
        self._fitting = array("q")
        self.examples = self._encoded(self.data.splits.train, self._fitting)
        if not len(self.examples):
            raise DataError(
                f"no training pair is shorter than {config.model.max_length} tokens", mend="Raise model.max_length."
            )
        self.lengths = token_lengths(self.examples)  # pair side
        self._dev = self._encoded([Pair(e.source, known) for e in self.data.splits.dev for known in e.references])

    def fingerprint(self) -> str:
        """SHA-256 of all that training depends on: the configuration, the tokenizer, the examples in their order."""
        held = [self.config.model_dump_json(), self.tokenizer.engine.to_str()]
        held += [self.examples.checksum(), self._dev.checksum()]
        return hashlib.sha256(json.dumps(held).encode()).hexdigest()

    def build_model(self) -> Translator:
        return initialized(Translator(self.config.model, self.tokenizer.size), self.training)

    def epoch(self, number: int) -> Sequence[Sequence[int]]:
        batches = epoch_batches(self.lengths, self.config.training.batch_tokens, self.training.seed, number)
        return Marked(batches, number, len(self.examples)) if self.training.noise else batches

    def collate(self, examples: Sequence[int]) -> Batch:
        """Source and target; with noise some tokens of the source are others, the target stays as it is."""
        if not self.training.noise:
            return collated(self.examples, examples)
        numbers = torch.tensor(examples)
        batch = collated(self.examples, (numbers % len(self.examples)).tolist())
        source, pool = batch.tensors["source"], self.examples.source.ids
        noisy = with_replaced(source, self.training.noise, self.training.seed, numbers, pool, (PAD, BOS, EOS))
        return Batch({**batch.tensors, "source": noisy}, batch.padding)

    def origin(self, example: int) -> str:
        pair = self.data.splits.train[self._fitting[example % len(self.examples)]]
        return pair.origin or f"{pair.source} = {pair.target}"

    def sample(self, side: SideName, most: int) -> Sample | None:
        """Half as many as asked for, as each is many tokens; from short to long, so that little is padded."""
        most = max(most // 2, 1)
        if side == "train":
            numbers = sorted(some(len(self.examples), most), key=lambda number: int(self.lengths[number, 1]))
            tensors = self.collate(numbers).tensors
            return Sample(tensors["source"], tensors["target"], lambda place: self.origin(numbers[place]))
        known = [(example, target) for example in getattr(self.data.splits, side) for target in example.references]
        chosen = [known[place] for place in some(len(known), most)]
        fitting = array("q")
        packed = self._encoded([Pair(example.source, target) for example, target in chosen], fitting)
        if not len(packed):
            return None
        order = packed.target.lengths.argsort(stable=True).tolist()
        tensors = collated(packed, order).tensors
        where = [f"{example.source} = {target}" for example, target in chosen]
        origins = [chosen[fitting[place]][0].origin or where[fitting[place]] for place in order]
        return Sample(tensors["source"], tensors["target"], origins.__getitem__)

    def losses(self, model: nn.Module, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        translator = cast(Translator, model)
        inputs, targets = (rows[:, : int((rows != PAD).sum(1).max())] for rows in (inputs, targets))
        asked, words = targets[:, 1:], targets[:, 1:] != PAD
        states = translator.decode(targets[:, :-1], translator.encode(inputs))
        logits = F.linear(states[words].float(), translator.embedding.weight.float())
        nats = torch.zeros(asked.shape, device=logits.device)
        nats[words] = F.cross_entropy(logits, asked[words], reduction="none")
        return nats.sum(1), words.sum(1)

    def uninformed(self, targets: Tensor) -> Tensor:
        """By how often each token stands in the training targets."""
        known = self.examples.target.ids
        nats = unigram_nats(known[known != BOS], self.tokenizer.size)
        asked = targets[:, 1:]
        return (nats[asked] * (asked != PAD)).sum(1)

    def texts(self, side: SideName) -> Sequence[Pair]:
        if side == "train":
            return self.data.splits.train
        held: Sequence[Example] = getattr(self.data.splits, side)
        return [Pair(one.source, target, one.origin) for one in held for target in one.references]

    def padded(self, batch: Batch) -> Batch | None:
        room = self.config.model.max_length - max(one.size(1) for one in batch.tensors.values())
        if room < 1:
            return None
        more = (0, min(room, MORE_PADDING))
        return Batch({name: F.pad(one, more, value=PAD) for name, one in batch.tensors.items()}, batch.padding)

    def padding_learned(self, model: nn.Module, sample: Sample) -> float | None:
        translator = cast(Translator, model)
        source, target = sample.inputs[: DEV_LOSS_BATCH // 64], sample.targets[: DEV_LOSS_BATCH // 64]
        with torch.no_grad():
            states = translator.decode(target, translator.encode(source))[target == EOS]
            logits = F.linear(states.float(), translator.embedding.weight.float())
        return float(logits.softmax(-1)[:, PAD].mean()) * self.tokenizer.size

    def share(self, share: float) -> "TranslateTask":
        part = copy.copy(self)
        numbers = some(len(self.examples), max(round(share * len(self.examples)), 1))
        part._fitting = array("q", [self._fitting[number] for number in numbers])
        part.examples = part._encoded([self.data.splits.train[number] for number in part._fitting])
        part.lengths = token_lengths(part.examples)
        return part

    def loss(self, model: nn.Module, batch: Batch) -> Losses:
        """Label-smoothed cross-entropy of each right next token, averaged over the batch's target tokens."""
        return translation_loss(cast(Translator, model), batch, self.config.label_smoothing)

    def evaluate(self, model: nn.Module) -> Evaluation:
        """Cross-entropy on all development pairs; chrF and BLEU of greedy translations of some of them."""
        translator = cast(Translator, model)
        some = self.data.splits.dev[:QUICK_SENTENCES]
        outputs = self.translate(translator, [e.source for e in some], DecodingConfig(method="greedy", batch=64))
        references = [e.references for e in some]
        scores = quick_scores(outputs, references, self.data.reading.target)
        samples = [
            {"source": e.source, "references": list(e.references), "output": output}
            for e, output in _spread(list(zip(some, outputs, strict=True)))
        ]
        return Evaluation(self._dev_loss(translator), scores, headline=scores["chrf"], samples=samples)

    def translate(self, model: Translator, texts: Sequence[str], decoding: DecodingConfig) -> list[str]:
        return [best[0].text for best in translate_texts(TorchEngine(model), self.tokenizer, texts, decoding)]

    def test(self, model: nn.Module, side: Literal["test", "dev"] = "test") -> dict[str, Any]:
        """Scores of the model and of both baselines on a held-out side; the `test` line of metrics.jsonl."""
        translator = cast(Translator, model)
        examples = self.data.splits.test if side == "test" else self.data.splits.dev
        return score_examples(
            examples,
            lambda texts: self.translate(translator, texts, self.config.decoding),
            TranslationMemory(self.data.splits.train),
            self.data.reading.target,
            side,
        )

    def test_on(self, model: nn.Module, files: Sequence[str]) -> dict[str, Any]:
        """The same on pairs of other files, cleaned like the run's own."""
        own = self.data.reading
        reading = read_pairs(files, own.source, own.target, self.config.data.delimiter)
        cleaned = clean(reading.pairs, own.source, own.target, limits(self.config.data))
        translations: dict[str, list[str]] = {}
        for pair in cleaned.pairs:
            translations.setdefault(pair.source, []).append(pair.target)
        return score_examples(
            [Example(source, tuple(known)) for source, known in translations.items()],
            lambda texts: self.translate(cast(Translator, model), texts, self.config.decoding),
            TranslationMemory(self.data.splits.train),
            own.target,
            " ".join(files),
        )

    def describe(self) -> dict[str, Any]:
        reading, cleaned, splits = self.data.reading, self.data.cleaned, self.data.splits
        edges = [0, 5, 10, 15, 20, 30, 40, 60, 80, 120, self.config.model.max_length + 1]
        batches = self.epoch(0)
        return {
            "source": reading.source,
            "target": reading.target,
            "files": [{"path": str(f.path), "kind": f.kind, "pairs": f.pairs} for f in reading.files],
            "read": len(reading.pairs),
            "removed": cleaned.removed,
            "removed_samples": {
                name: [{"source": p.source, "target": p.target, "origin": p.origin} for p in pairs]
                for name, pairs in cleaned.samples.items()
            },
            "clusters": splits.clusters,
            "largest_cluster": splits.largest_cluster,
            "train": len(splits.train),
            "dev": len(splits.dev),
            "test": len(splits.test),
            "too_long": len(splits.train) - len(self.examples),
            "vocabulary": self.tokenizer.size,
            "padding": round(padding_share(self.lengths, batches), 4),
            "batches": len(batches),
            "tokens": int(self.lengths[:, 1].sum()),
            "lengths": {
                "edges": edges,
                "source": _histogram(self.lengths[:, 0], edges),
                "target": _histogram(self.lengths[:, 1], edges),
            },
            "samples": [{"source": p.source, "target": p.target} for p in _spread(splits.train)],
        }

    def _encoded(self, pairs: Sequence[Pair], fitting: "array[int] | None" = None) -> PackedPairs:
        return pack(self._ids(pairs, fitting), self.tokenizer.size)

    def _ids(self, pairs: Sequence[Pair], fitting: "array[int] | None" = None) -> Iterator[tuple[list[int], list[int]]]:
        """Source ids with the end token, target ids between begin and end; pairs too long for the model left out.

        The numbers of those that are not are added to `fitting`.
        """
        longest = self.config.model.max_length - 1
        for start in range(0, len(pairs), ENCODED_AT_ONCE):
            slotted = [slotted_pair(pair, self.tokenizer.is_word) for pair in pairs[start : start + ENCODED_AT_ONCE]]
            sources = self.tokenizer.encode_all([source for source, _ in slotted])
            targets = self.tokenizer.encode_all([target for _, target in slotted])
            for number, (source, target) in enumerate(zip(sources, targets, strict=True), start):
                if len(source) <= longest and len(target) <= longest:
                    if fitting is not None:
                        fitting.append(number)
                    yield [*source, EOS], [BOS, *target, EOS]

    def _dev_loss(self, model: Translator) -> float:
        """Mean surprise per target token in nats, without smoothing; its exponential is the perplexity."""
        device = next(model.parameters()).device
        total = tokens = 0.0
        was_training = model.training
        model.eval()
        with torch.inference_mode():
            for rows in epoch_batches(token_lengths(self._dev), DEV_LOSS_BATCH, seed=0, epoch=0):
                batch = collated(self._dev, rows).to(device)
                losses = translation_loss(model, batch, smoothing=0.0)
                total += float(losses.total) * losses.count
                tokens += losses.count
        model.train(was_training)
        return total / tokens


def slotted_pair(pair: Pair, is_word: Callable[[str], bool] = lambda name: True) -> tuple[str, str]:
    """Source and target with what must be copied as slots, the same string under the same slot."""
    source = take_out(pair.source, is_word)
    return source.text, take_out_same(pair.target, source.strings)


def train_tokenizer(pairs: Sequence[Pair], vocabulary: int) -> Tokenizer:
    """From both sides of the training pairs, slots taken out; names stay, so that frequent ones become tokens."""
    return Tokenizer.train((text for pair in pairs for text in slotted_pair(pair)), vocabulary)


def token_lengths(examples: PackedPairs) -> Tensor:
    """Tokens that the network reads of each source and writes of each target: (pair, side), int32."""
    return torch.stack([examples.source.lengths, examples.target.lengths - 1], dim=1).int()


def collated(examples: PackedPairs, numbers: Sequence[int]) -> Batch:
    """Source and target matrices of these examples, filled up with padding."""
    source, target = examples.source.rows(numbers, PAD), examples.target.rows(numbers, PAD)
    cells = source.numel() + target.numel() - len(target)
    used = int((source != PAD).sum()) + int((target != PAD).sum()) - len(target)
    return Batch({"source": source, "target": target}, padding=1 - used / cells)


def translation_loss(model: Translator, batch: Batch, smoothing: float) -> Losses:
    """The decoder reads the target without its last token and is asked for it without its first."""
    source, target = batch.tensors["source"], batch.tensors["target"]
    states = model.decode(target[:, :-1], model.encode(source))
    asked = target[:, 1:]
    words = asked != PAD
    loss = projected_cross_entropy(states[words], model.embedding.weight, asked[words], smoothing)
    return Losses({"cross_entropy": loss}, count=int(words.sum()))


def score_examples(
    examples: Sequence[Example],
    translate: Callable[[Sequence[str]], list[str]],
    memory: TranslationMemory,
    target: str,
    side: str,
) -> dict[str, Any]:
    """The model, the source copied, and the memory's nearest match on the same sentences, side by side."""
    if not examples:
        raise DataError(f"the {side} side holds no sentence", mend="Give more data.")
    sources = [example.source for example in examples]
    nearest = [memory.nearest(source) for source in sources]
    systems = {
        "model": translate(sources),
        "copy": sources,
        "memory": [found[0].target if found else "" for found in nearest],
    }
    subsets = {
        "all": list(range(len(examples))),
        "four_words_or_more": [i for i, source in enumerate(sources) if len(source.split()) >= 4],
    }
    samples = [
        {
            "source": example.source,
            "references": list(example.references),
            "output": output,
            "memory": kept,
            "similarity": round(found[1], 3) if found else 0.0,
            "chrf": round(sentence_chrf(output, example.references), 1),
        }
        for example, output, kept, found in zip(examples, systems["model"], systems["memory"], nearest, strict=True)
    ]
    return {
        "split": side,
        "pairs": len(examples),
        "subsets": {
            name: {
                "pairs": len(chosen),
                "systems": {
                    system: full_scores(
                        [sources[i] for i in chosen],
                        [outputs[i] for i in chosen],
                        [examples[i].references for i in chosen],
                        target,
                    )
                    for system, outputs in systems.items()
                },
            }
            for name, chosen in subsets.items()
            if chosen
        },
        "samples": sorted(samples, key=lambda sample: -float(cast(float, sample["chrf"])))[:: _thinning(len(samples))],
    }


def _thinning(samples: int) -> int:
    return math.ceil(samples / REPORTED_SAMPLES)


def _spread(items: Sequence[T], count: int = SHOWN_SAMPLES) -> list[T]:
    """A few items, evenly from the whole."""
    return list(items[:: max(len(items) // count, 1)][:count])


def _histogram(values: Tensor, edges: Sequence[int]) -> list[int]:
    """How many values there are from each edge up to the next."""
    bins = torch.bucketize(values.contiguous(), torch.tensor(edges), right=True)
    return cast(list[int], bins.bincount(minlength=len(edges) + 1)[1 : len(edges)].tolist())


def _fingerprint(pairs: Sequence[Pair]) -> str:
    digest = hashlib.sha256()
    for pair in pairs:
        digest.update(f"{pair.source}\0{pair.target}\0".encode())
    return digest.hexdigest()
