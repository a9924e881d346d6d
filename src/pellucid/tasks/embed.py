"""Embed: text files become a table of word vectors, in which words of like use lie near each other.

Joins data/ (works, scenes, words, skip-grams), models/skipgram.py, the loss of telling neighbours from words drawn at
random, and a list of related words made from the text's own scenes. What the trainer needs of it is the Task protocol.
"""

import copy
import hashlib
import json
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from pellucid.config import Config, ExampleTraining, RunConfig
from pellucid.data.batching import Batches
from pellucid.data.skipgrams import NOISE, SkipGrams, noise
from pellucid.data.words import Vocabulary, scenes
from pellucid.data.works import Work, read_known_works, read_works
from pellucid.errors import DataError
from pellucid.generate.neighbours import nearest
from pellucid.models.initialization import initialized
from pellucid.models.skipgram import SkipGram, SkipGramConfig
from pellucid.nn.svd import principal_components
from pellucid.tasks.task import Batch, Evaluation, Losses, Sample, SideName, Task, some
from pellucid.tasks.word_similarity import FUNCTION_WORDS, cosine_in, judged_pairs, share_right

VOCABULARY = "words.json"  # what a run keeps beside its weights
EPOCHS = 6.0  # unless told otherwise
FEWEST_WORDS = 2_000  # of a text; fewer say nothing of how words are used
HELD_BATCH = 1024  # centre words of a held-out text scored at a time
SHOWN, PROBES, NEIGHBOURS = 400, 12, 8  # words on the map; words whose neighbours are shown, and how many
ROWS = 40  # of the table in the report
ANALOGIES = ("king - man + woman", "queen - woman + man", "brother - he + she", "国王 - 男人 + 女人")


class EmbedData(Config):
    """Which texts, which words of them, how much is held out."""

    files: list[str] = Field(default_factory=list, description="text files, folders, globs, or sample:shakespeare")
    most: int = Field(8000, ge=10, description="words that get a vector, at most: the most frequent ones")
    fewest: int = Field(5, ge=1, description="times that a word must stand in the text to get a vector")
    threshold: float = Field(1e-3, gt=0, le=1, description="words more frequent than this share are left out by chance")
    held_out: float = Field(0.05, gt=0, lt=0.4, description="share of the scenes held out for development and test")
    fingerprint: str | None = Field(None, description="SHA-256 of the texts as read; written by training")


class EmbedTraining(ExampleTraining):
    """How word vectors are trained."""

    batch: int = Field(512, ge=1, description="words in one batch, each with all its neighbours")
    learning_rate: float | None = Field(1e-2, gt=0, description="the highest learning rate of the schedule")
    weight_decay: float = Field(
        0.0,
        ge=0,
        description="decay of all weights; decoupled from the gradient (muon, adamw) or added to it (the others)",
    )
    clip: float = Field(10.0, ge=0, description="largest gradient norm; a longer gradient is scaled down to it; 0: off")


class EmbedConfig(RunConfig):
    """All of one run of word vectors: data, model, training, and how they are drawn in two dimensions."""

    task: Literal["embed"] = Field("embed", description="what the network is for")
    data: EmbedData = Field(default_factory=EmbedData)
    model: SkipGramConfig = Field(default_factory=SkipGramConfig)
    training: EmbedTraining = Field(default_factory=EmbedTraining)
    map: Literal["pca", "umap"] = Field("pca", description="how the report draws the words in the plane")


@dataclass(frozen=True, slots=True)
class PreparedWords:
    """What was read, its scenes by side, and its checksum."""

    works: list[Work]
    scenes: dict[str, list[str]]
    fingerprint: str


def prepare(config: EmbedData) -> PreparedWords:
    """Read and divide; raises DataError for unreadable files, too little text, or changed files."""
    works, fingerprint = read_known_works(config.files, config.fingerprint)
    found = [scene for work in works for scene in scenes(work.text)]
    sides: dict[str, list[str]] = {"train": [], "dev": [], "test": []}
    order = list(range(len(found)))
    random.Random(len(found)).shuffle(order)
    held = max(round(config.held_out * len(found)), 1)
    dev, test = set(order[:held]), set(order[held : 2 * held])
    for number, scene in enumerate(found):
        sides["dev" if number in dev else "test" if number in test else "train"].append(scene)
    if not sides["train"] or not sides["test"]:
        raise DataError(
            f"{', '.join(config.files)}: {len(found)} scenes or stretches of text; at least 3 are needed",
            mend="Give more text.",
        )
    return PreparedWords(works, sides, fingerprint)


class EmbedTask(Task):
    """The Task protocol for word vectors, built from a config and, when a run already has one, its vocabulary."""

    item = "pair"
    config: EmbedConfig

    def __init__(
        self, config: EmbedConfig, vocabulary: Vocabulary | None = None, data: PreparedWords | None = None
    ) -> None:
        self.data = data or prepare(config.data)
        self.config = config.changed(data={**config.data.model_dump(), "fingerprint": self.data.fingerprint})
        self.vocabulary = vocabulary or Vocabulary.of(self.data.scenes["train"], config.data.most, config.data.fewest)
        numbers = {side: self.vocabulary.numbers(found) for side, found in self.data.scenes.items()}
        self.words_read = sum(map(len, numbers["train"]))
        if self.words_read < FEWEST_WORDS:
            raise DataError(
                f"{', '.join(config.data.files)}: {self.words_read:,} words that are frequent enough; "
                f"at least {FEWEST_WORDS:,} are needed",
                mend="Give more text, or lower data.fewest.",
            )
        self.counts = torch.tensor(self.vocabulary.counts, dtype=torch.float32)
        self.noise = noise(self.counts)
        self.judged = judged_pairs([scene for side in numbers.values() for scene in side], len(self.vocabulary.words))
        window, seed = config.model.window, config.training.seed
        self.grams = {
            side: SkipGrams(texts, self.counts, window, config.data.threshold, seed) for side, texts in numbers.items()
        }

    @classmethod
    def proposed(cls, config: EmbedConfig) -> EmbedConfig:
        """Unless told how long to train, a number of passes over the text."""
        training = config.training
        if any(getattr(training, field) is not None for field in training.lengths()):
            return config
        return config.changed(training={**training.model_dump(), "epochs": EPOCHS})

    @classmethod
    def open(cls, config: EmbedConfig, folder: Path | None = None) -> "EmbedTask":
        return cls(config, Vocabulary.load(folder / VOCABULARY) if folder else None)

    @classmethod
    def network(cls, config: EmbedConfig, folder: Path) -> SkipGram:
        return SkipGram(len(Vocabulary.load(folder / VOCABULARY).words), config.model.dimension, config.model.dropout)

    def keep(self, folder: Path) -> None:
        self.vocabulary.save(folder / VOCABULARY)

    @property
    def name(self) -> str:
        first = self.config.data.files[0].removeprefix("sample:").partition(":")[0]
        return f"{Path(first).stem or 'text'}-words"

    def fingerprint(self) -> str:
        held = [self.config.model_dump_json(), *self.vocabulary.words, self.data.fingerprint]
        return hashlib.sha256(json.dumps(held).encode()).hexdigest()

    def build_model(self) -> SkipGram:
        model = self.config.model
        return initialized(SkipGram(len(self.vocabulary.words), model.dimension, model.dropout), self.training)

    def epoch(self, number: int) -> Batches:
        return self.grams["train"].epoch(number, self.config.training.batch)

    def collate(self, examples: Sequence[int]) -> Batch:
        word, neighbour = self.grams["train"].pairs(torch.as_tensor(examples), self.training.noise)
        return Batch({"word": word, "neighbour": neighbour}, padding=0.0)

    def origin(self, example: int) -> str:
        """Of a word, by the line in which it stands."""
        return self._origin("train", example)

    def _origin(self, side: SideName, example: int) -> str:
        text, word = self.grams[side].place(example)
        scene = self.data.scenes[side][text]
        work = next(work for work in self.data.works if scene in work.text)
        return work.origin(work.text.index(scene) + self.vocabulary.place(scene, word))

    def sample(self, side: SideName, most: int) -> Sample | None:
        """Pairs of neighbours, of as many centre words; targets are the neighbour and the words drawn beside it."""
        centres = self.grams[side].thinned(0).centres
        chosen = [int(centres[place]) for place in some(len(centres), most)]
        found = [self.grams[side].pairs(torch.tensor([example])) for example in chosen]
        if not sum(len(word) for word, _ in found):
            return None
        of = [example for example, (word, _) in zip(chosen, found, strict=True) for _ in word]
        word, neighbour = (torch.cat(parts) for parts in zip(*found, strict=True))
        places = torch.tensor(some(len(word), most))
        draw = torch.Generator().manual_seed(1)
        drawn = self.noise[torch.randint(len(self.noise), (len(places), self.config.model.negatives), generator=draw)]
        targets = torch.cat([neighbour[places][:, None], drawn.long()], dim=1)
        return Sample(word[places], targets, lambda place: self._origin(side, of[int(places[place])]))

    def losses(self, model: nn.Module, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        return model(inputs, targets[:, 0], targets[:, 1:]), torch.ones(len(targets))

    def uninformed(self, targets: Tensor) -> Tensor:
        """Of telling a neighbour from a drawn word by how often it is either: the odds are p / (k q)."""
        p = self.counts * self.grams["train"].stays.float()
        odds = (p / p.sum()).log() - (self.counts**NOISE / (self.counts**NOISE).sum()).log()
        odds = odds - math.log(self.config.model.negatives)
        near, far = odds[targets[:, 0]], odds[targets[:, 1:]]
        return -F.logsigmoid(near) - F.logsigmoid(-far).sum(-1)

    def prose(self, side: SideName) -> str:
        return "\n".join(self.data.scenes[side])

    def share(self, share: float) -> "EmbedTask":
        part = copy.copy(self)
        scenes = self.data.scenes["train"]
        texts = [scenes[place] for place in some(len(scenes), max(round(share * len(scenes)), 1))]
        training = self.config.training
        part.grams = {
            **self.grams,
            "train": SkipGrams(
                self.vocabulary.numbers(texts),
                self.counts,
                self.config.model.window,
                self.config.data.threshold,
                training.seed,
            ),
        }
        return part

    def loss(self, model: nn.Module, batch: Batch) -> Losses:
        """Of each pair, against words drawn now, from the generator that a run saves with its state."""
        return self._loss(model, batch, None)

    def evaluate(self, model: nn.Module) -> Evaluation:
        """The loss on held-out scenes, and how often related words are nearer than unrelated ones."""
        table = words_of(model)
        scores = {"related": round(share_right(self.judged, cosine_in(table)), 4)}
        loss = self._held_out(model, "dev")
        samples = [
            {"word": word, "near": [near.word for near in nearest(table, self.vocabulary.words, word, NEIGHBOURS)]}
            for word in self.probes()[:6]
        ]
        return Evaluation(loss, {**scores, "loss": round(loss, 4)}, headline=-loss, samples=samples)

    def test_on(self, model: nn.Module, files: Sequence[str]) -> dict[str, Any]:
        """The same on other texts: pairs that their scenes relate, and the loss on all of them."""
        texts = [scene for work in read_works(files) for scene in scenes(work.text)]
        numbers = self.vocabulary.numbers(texts)
        there = copy.copy(self)
        there.judged = judged_pairs(numbers, len(self.vocabulary.words))
        if not len(there.judged.first):
            raise DataError(
                f"{' '.join(files)}: {len(texts)} scenes, in which no two words of the run are found together often",
                mend="Give more text, of the kind that it was trained on.",
            )
        config = self.config
        there.grams = dict(self.grams)
        there.grams["test"] = SkipGrams(
            numbers, self.counts, config.model.window, config.data.threshold, config.training.seed
        )
        return {**there.test(model), "split": " ".join(files)}

    def test(self, model: nn.Module, side: Literal["test", "dev"] = "test") -> dict[str, Any]:
        """The judgement beside its baselines, neighbours, and the table as it is drawn: the `test` line."""
        table, words = words_of(model), self.vocabulary.words
        counted = counted_vectors(self.grams["train"], len(words), self.config.model.dimension)
        torch.manual_seed(self.config.training.seed)
        systems = {
            "model": cosine_in(table),
            "counted": cosine_in(counted),
            "untrained": cosine_in(self.build_model().word.weight.detach()),
            "one-hot": lambda a, b: torch.zeros(len(a)),
        }
        places, shares = principal_components(table)
        shown = self._shown()
        drawn = places[shown] if self.config.map == "pca" else umap_places(table[shown], self.config.training.seed)
        chosen = [word for word in self.probes() if word in words][:6]
        numbers = torch.tensor([words.index(word) for word in chosen])
        probe = table[numbers]
        return {
            "split": side,
            "pairs": len(self.judged.first),
            "systems": {name: round(share_right(self.judged, near), 4) for name, near in systems.items()},
            "loss": round(self._held_out(model, side), 4),
            "judged": self._some_judged(),
            "neighbours": {
                word: [
                    {"word": one.word, "cosine": round(one.cosine, 3), "dot": round(one.dot, 3)}
                    for one in nearest(table, words, word, NEIGHBOURS)
                ]
                for word in self.probes()
            },
            "analogies": [
                {"asked": asked, "near": [one.word for one in nearest(table, words, asked, 5)]}
                for asked in ANALOGIES
                if set(asked.replace("-", "+").replace(" ", "").split("+")) <= set(words)
            ],
            "likeness": {
                "words": chosen,
                "cosine": F.cosine_similarity(probe[:, None], probe[None], dim=-1).round(decimals=3).tolist(),
                "dot": (probe @ probe.mT).round(decimals=3).tolist(),
            },
            "map": {
                "method": self.config.map,
                "words": [words[i] for i in shown],
                "counts": [self.vocabulary.counts[i] for i in shown],
                "x": drawn[:, 0].round(decimals=4).tolist(),
                "y": drawn[:, 1].round(decimals=4).tolist(),
                "shares": [round(share, 4) for share in shares.tolist()],
            },
            "table": {
                "words": [words[i] for i in shown[:ROWS]],
                "values": table[shown[:ROWS]].round(decimals=3).tolist(),
            },
        }

    def describe(self) -> dict[str, Any]:
        batches = self.epoch(0)
        return {
            "train": self.words_read,
            "works": [
                {"name": work.name, "characters": len(work.text), "noticed": work.noticed} for work in self.data.works
            ],
            "scenes": {side: len(found) for side, found in self.data.scenes.items()},
            "vocabulary": len(self.vocabulary.words),
            "frequent": list(zip(self.vocabulary.words[:20], self.vocabulary.counts[:20], strict=True)),
            "kept": len(self.grams["train"].thinned(0).centres),
            "batches": len(batches),
        }

    def probes(self) -> list[str]:
        """Some words from the frequent to the rare, no function words: the same for the same vocabulary."""
        words = self.vocabulary.words
        start = min(FUNCTION_WORDS * 2, len(words) // 5)
        wanted = [word for word in ("king", "queen", "love", "sword", "night", "国王", "先生") if word in words]
        ranks = [start + int((len(words) * 0.3 - start) * (i / PROBES) ** 1.5) for i in range(PROBES)]
        spread = [words[rank] for rank in ranks if 0 <= rank < len(words) and words[rank] not in wanted]
        return list(dict.fromkeys([*wanted, *spread]))[:PROBES]

    def _shown(self) -> list[int]:
        """The most frequent words after those that only join others."""
        start = min(FUNCTION_WORDS, len(self.vocabulary.words) // 5)
        return list(range(start, min(start + SHOWN, len(self.vocabulary.words))))

    def _some_judged(self) -> list[dict[str, Any]]:
        """A few of the pairs that vectors are judged by, from the most related down."""
        words, judged = self.vocabulary.words, self.judged
        few = slice(None, None, max(len(judged.first) // 12, 1))
        columns = (part[few].tolist() for part in (judged.first, judged.second, judged.other, judged.pmi))
        return [
            {"word": words[a], "related": words[b], "other": words[c], "pmi": round(pmi, 2)}
            for a, b, c, pmi in zip(*columns, strict=True)
        ]

    def _loss(self, model: nn.Module, batch: Batch, draw: torch.Generator | None) -> Losses:
        word, neighbour = batch.tensors["word"], batch.tensors["neighbour"]
        shape = (len(word), self.config.model.negatives)
        drawn = self.noise[torch.randint(len(self.noise), shape, generator=draw)].to(word.device)
        loss = model(word, neighbour, drawn).mean()
        return Losses({"skip_gram": loss}, count=len(word))

    def _held_out(self, model: nn.Module, side: str) -> float:
        """Mean loss of all pairs of a side, against the same drawn words each time."""
        grams, draw = self.grams[side], torch.Generator().manual_seed(1)
        device = next(model.parameters()).device
        total = pairs = 0.0
        with torch.inference_mode():
            for examples in grams.epoch(0, HELD_BATCH):
                word, neighbour = grams.pairs(torch.tensor(examples))
                losses = self._loss(model, Batch({"word": word, "neighbour": neighbour}, 0.0).to(device), draw)
                total, pairs = total + float(losses.total) * losses.count, pairs + losses.count
        return total / max(pairs, 1)


def words_of(model: nn.Module) -> Tensor:
    """The table that is kept and used: a row for each word."""
    return cast(SkipGram, model).word.weight.detach().float().cpu()


def counted_vectors(grams: SkipGrams, words: int, dimension: int) -> Tensor:
    """Word vectors without training: how much more often two words are neighbours than chance has it, in few numbers.

        M = max(0, log(n(a, b) n / (n(a) n(b)))) = U diag(s) V^T,    vectors = U sqrt(diag(s)), its first columns

    Skip-gram with negative sampling finds nearly a factorization of the same matrix.
    Source: Levy & Goldberg, "Neural Word Embedding as Implicit Matrix Factorization", 2014.
    """
    counts = torch.zeros(words, words)
    for examples in grams.epoch(0, 50_000):
        word, neighbour = grams.pairs(torch.tensor(examples))
        counts.view(-1).index_add_(0, word * words + neighbour, torch.ones(len(word)))
    rows = counts.sum(1, keepdim=True).clamp(min=1)
    matrix = (counts * counts.sum() / (rows * rows.mT)).clamp(min=1.0).log()
    with torch.random.fork_rng():
        torch.manual_seed(1)
        left, values, _ = torch.svd_lowrank(matrix, q=dimension + 10, niter=3)
    return (left * values.sqrt())[:, :dimension]


def umap_places(points: Tensor, seed: int) -> Tensor:
    """Points in the plane, near ones kept near. Raises DataError if umap-learn is not installed."""
    try:
        from umap import UMAP
    except ImportError:
        raise DataError(
            "umap-learn is not installed", mend='Install it with pip install "pellucid[umap]", or use --map pca.'
        ) from None
    reduce = UMAP(n_components=2, metric="cosine", random_state=seed, n_jobs=1)
    return torch.tensor(reduce.fit_transform(points.numpy()))
