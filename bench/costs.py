"""Cost as work grows: target tokens/s of our training against model size, sentence length, batch and data size.

    python bench/costs.py [--quick] [--threads N] [--rounds 5] [--seconds 0.7] [--write docs/benchmarks.md]

A step is forward, loss, backward, clip and AdamW on random ids, in the number format that a training here would take;
where lengths are not what is varied, they are distributed as in a corpus. The cells of a table take turns, round by
round; medians over the rounds are printed, and a line fitted by least squares to their logarithms. `--write` also
draws each table into images/ beside the page.
"""

import argparse
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path

import torch
from plots import Series, log_log, short
from synthetic import VOCABULARY, of_one_length, synthetic_pairs
from tables import Cores, machine_line, replace_section
from torch import nn

from pellucid.config import TrainingConfig
from pellucid.data.batching import epoch_batches
from pellucid.data.packed import PackedPairs
from pellucid.models.parameters import count_parameters
from pellucid.models.translator import Translator, TranslatorConfig
from pellucid.nn import attention
from pellucid.tasks.task import Batch
from pellucid.tasks.translate import collated, token_lengths, translation_loss
from pellucid.train.memory import keep_freed_memory
from pellucid.train.optimizer import make_optimizer
from pellucid.train.precision import faster, matrix_rates

SIZES = (  # width, heads, blocks on each side: 1 to 60 M parameters
    (80, 4, 2),
    (128, 4, 2),
    (192, 4, 3),
    (256, 4, 3),
    (384, 6, 4),
    (576, 9, 6),
)
LENGTHS = (16, 32, 64, 128, 256, 512)
BATCHES = (256, 512, 1024, 2048, 4096, 8192)
PAIRS = (10_000, 100_000, 1_000_000, 5_000_000)
BATCH_TOKENS = 1024  # where the batch is not what is varied
ATTENTION_TOKENS = 2048  # where sentence length is: four sentences of the longest
PATHS = {"products": sys.maxsize, "fused": 0}  # scores from which to fuse, that forces each

Step = Callable[[], int]  # trains on one batch and says how many target tokens it had


class Fit:
    """seconds per token = factor x variable^exponent, by least squares on logarithms."""

    def __init__(self, xs: Sequence[float], rates: Sequence[float]) -> None:
        slope, intercept = statistics.linear_regression([math.log(x) for x in xs], [-math.log(rate) for rate in rates])
        self.exponent, self.factor = slope, math.exp(intercept)

    def rate(self, x: float) -> float:
        return 1 / (self.factor * x**self.exponent)


class Training:
    """A network and its optimizer, taking the trainer's step."""

    def __init__(self, bfloat16: bool, **model: object) -> None:
        torch.manual_seed(0)
        self.bfloat16 = bfloat16
        self.model = Translator(TranslatorConfig.parse({"max_length": 1024, **model}), VOCABULARY)
        self.optimizer = make_optimizer(self.model, TrainingConfig(optimizer="adamw"))
        self.optimizer.param_groups[0]["lr"] = 1e-4

    def step(self, batch: Batch) -> int:
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16):
            losses = translation_loss(self.model, batch, smoothing=0.1)
        losses.total.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0).item()
        self.optimizer.step()
        self.optimizer.zero_grad()
        return losses.count


def measure(steps: Sequence[Step], args: argparse.Namespace) -> list[list[float]]:
    """Rates of each step, one a round; the steps take turns, so that a busy moment falls on all of them."""
    rates: list[list[float]] = [[] for _ in steps]
    for step in steps:
        step()
    for _ in range(args.rounds):
        for step, noted in zip(steps, rates, strict=True):
            began, tokens, done = time.perf_counter(), 0, 0
            while done < 2 or time.perf_counter() - began < args.seconds:
                tokens, done = tokens + step(), done + 1
            noted.append(tokens / (time.perf_counter() - began))
    return rates


def drawing(training: Training, examples: PackedPairs, batch_tokens: int) -> Step:
    """Steps on one batch after another of an epoch, collated as they are needed."""
    epoch = epoch_batches(token_lengths(examples), batch_tokens, seed=1, epoch=0)
    batches = chain.from_iterable(repeat(epoch))
    return lambda: training.step(collated(examples, next(batches)))


@dataclass(frozen=True, slots=True)
class Cost:
    """One table and its picture: `lines` has the measured (x, tokens/s) and the fitted line of each series."""

    title: str
    picture: str
    variable: str
    symbol: str  # the variable in one word, for the fitted line
    about: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    lines: dict[str, tuple[Sequence[float], Sequence[float], Fit]]

    def says(self) -> list[str]:
        return [
            f"{name}seconds per token grow as {self.symbol}^{fit.exponent:.2f}"
            for name, (_, _, fit) in self.lines.items()
        ]

    def markdown(self) -> str:
        table = "\n".join(f"| {' | '.join(row)} |" for row in (self.head, ["---:"] * len(self.head), *self.rows))
        picture = f"![Target tokens a second by {self.variable}](images/{self.picture})"
        return f"### {self.title}\n\n{self.about}\n\n{table}\n\nFitted: {'; '.join(self.says())}.\n\n{picture}"

    def draw(self, folder: Path) -> None:
        series = [
            Series(name, list(zip(xs, ys, strict=True)), fit.rate)
            for name, (xs, ys, fit) in zip(self.says(), self.lines.values(), strict=True)
        ]
        title = f"Target tokens a second by {self.variable}"
        log_log(folder / self.picture, title, self.variable, "target tokens a second", series)


def spread(rates: Sequence[float]) -> list[str]:
    return [f"{value:,.0f}" for value in (statistics.median(rates), min(rates), max(rates))]


def model_size(args: argparse.Namespace) -> Cost:
    examples = synthetic_pairs(10_000)
    trainings = [
        Training(
            args.bfloat16,
            d_model=width,
            heads=heads,
            feed_forward=4 * width,
            encoder_layers=blocks,
            decoder_layers=blocks,
        )
        for width, heads, blocks in SIZES[: 2 if args.quick else None]
    ]
    parameters = [count_parameters(training.model) for training in trainings]
    rates = measure([drawing(training, examples, BATCH_TOKENS) for training in trainings], args)
    medians = [statistics.median(found) for found in rates]
    fit = Fit(parameters, medians)
    rows = [
        [f"{count / 1e6:.1f} M", str(width), f"{blocks} + {blocks}", *spread(found)]
        for count, (width, _, blocks), found in zip(parameters, SIZES, rates, strict=False)
    ]
    head = ["parameters", "width", "blocks", "tokens/s: median", "lowest", "highest"]
    return Cost(
        title="Model size",
        picture="bench-model-size.svg",
        variable="parameters",
        symbol="parameters",
        about=f"{BATCH_TOKENS:,} tokens a batch.",
        head=head,
        rows=rows,
        lines={"": (parameters, medians, fit)},
    )


def sentence_length(args: argparse.Namespace) -> Cost:
    training = Training(args.bfloat16, preset="tiny")
    lengths = LENGTHS[:: 5 if args.quick else 1]

    def step(length: int, path: str) -> Step:
        batch = of_one_length(length, ATTENTION_TOKENS)

        def on_path() -> int:
            with attention_path(path):
                return training.step(batch)

        return on_path

    rates = measure([step(length, path) for length in lengths for path in PATHS], args)
    medians = [statistics.median(found) for found in rates]
    by_path = {path: medians[number :: len(PATHS)] for number, path in enumerate(PATHS)}
    fits = {path: Fit(lengths, found) for path, found in by_path.items()}
    enough = attention.LONG_IN_BFLOAT16 if args.bfloat16 else attention.LONG
    rows = []
    for length, products, fused in zip(lengths, by_path["products"], by_path["fused"], strict=True):
        wins = "fused" if fused > products else "products"
        chosen = "fused" if length * length >= enough else "products"
        ratio = f"{wins} ({max(fused, products) / min(fused, products):.2f}x)"
        rows.append([str(length), str(ATTENTION_TOKENS // length), f"{products:,.0f}", f"{fused:,.0f}", ratio, chosen])
    head = ["tokens a sentence", "sentences", "products, tokens/s", "fused, tokens/s", "faster", "chosen"]
    about = (
        f"Preset tiny, {ATTENTION_TOKENS:,} tokens a batch. Attention as matrix products or fused "
        f"(`scaled_dot_product_attention`); `nn/attention.py` chooses fused from {enough:,} scores a head on."
    )
    return Cost(
        title="Sentence length",
        picture="bench-length.svg",
        variable="tokens a sentence",
        symbol="length",
        about=about,
        head=head,
        rows=rows,
        lines={f"{path}: ": (lengths, by_path[path], fits[path]) for path in PATHS},
    )


@contextmanager
def attention_path(path: str) -> Iterator[None]:
    """Attention on this path, whatever the length."""
    chosen = attention.LONG, attention.LONG_IN_BFLOAT16
    attention.LONG = attention.LONG_IN_BFLOAT16 = PATHS[path]
    try:
        yield
    finally:
        attention.LONG, attention.LONG_IN_BFLOAT16 = chosen


def batch_size(args: argparse.Namespace) -> Cost:
    training, examples = Training(args.bfloat16, preset="tiny"), synthetic_pairs(100_000)
    sizes = BATCHES[:: 5 if args.quick else 1]
    rates = measure([drawing(training, examples, size) for size in sizes], args)
    medians = [statistics.median(found) for found in rates]
    fit = Fit(sizes, medians)
    rows = [[f"{size:,}", *spread(found)] for size, found in zip(sizes, rates, strict=True)]
    head = ["tokens a batch", "tokens/s: median", "lowest", "highest"]
    return Cost(
        title="Batch",
        picture="bench-batch.svg",
        variable="tokens a batch",
        symbol="batch",
        about="Preset tiny.",
        head=head,
        rows=rows,
        lines={"": (sizes, medians, fit)},
    )


def data_size(args: argparse.Namespace) -> Cost:
    training = Training(args.bfloat16, preset="tiny")
    counts = PAIRS[: 2 if args.quick else None]
    arranging, held, steps = [], [], []
    for count in counts:
        examples = synthetic_pairs(count)
        lengths = token_lengths(examples)
        took = []
        for epoch in range(args.rounds):
            began = time.perf_counter()
            batches = epoch_batches(lengths, BATCH_TOKENS, seed=1, epoch=epoch)
            took.append(time.perf_counter() - began)
        arranging.append(statistics.median(took))
        tensors = (lengths, batches.order, batches.starts, batches.sizes)
        held.append((examples.bytes + sum(tensor.nbytes for tensor in tensors)) / count)
        steps.append(drawing(training, examples, BATCH_TOKENS))
    rates = measure(steps, args)
    medians = [statistics.median(found) for found in rates]
    fit, growth = Fit(counts, medians), Fit(counts, [1 / seconds for seconds in arranging])
    rows = [
        [short(count), f"{seconds:.3f}", f"{memory:.0f}", *spread(found)]
        for count, seconds, memory, found in zip(counts, arranging, held, rates, strict=True)
    ]
    head = ["pairs", "seconds to arrange an epoch", "bytes held a pair", "tokens/s: median", "lowest", "highest"]
    return Cost(
        title="Data",
        picture="bench-data.svg",
        variable="pairs",
        symbol="pairs",
        about=f"Preset tiny, {BATCH_TOKENS:,} tokens a batch, drawn from the pairs and collated as training does it. "
        f"Seconds to arrange an epoch grow as pairs^{growth.exponent:.2f}.",
        head=head,
        rows=rows,
        lines={"": (counts, medians, fit)},
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two cells a table, one short round: does it run?")
    parser.add_argument("--threads", type=int, help="CPU threads; PyTorch's choice if not given")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.7, help="shortest measurement of one cell in one round")
    parser.add_argument("--write", type=Path, help="a Markdown file in which the tables are replaced")
    args = parser.parse_args()
    if args.quick:
        args.rounds, args.seconds = 1, 0.1
    if args.threads:
        torch.set_num_threads(args.threads)
    keep_freed_memory()
    number = faster(matrix_rates(BATCH_TOKENS, TranslatorConfig().d_model, torch.device("cpu")))
    args.bfloat16 = number == "bfloat16"
    cores = Cores()
    costs = []
    for measured in (model_size, sentence_length, batch_size, data_size):
        costs.append(measured(args))
        print(costs[-1].markdown(), flush=True)
    head = f"{machine_line(cores.obtained())}; {number}, {args.rounds} rounds, tables of {VOCABULARY:,} tokens."
    print(head)
    if args.write:
        for cost in costs:
            cost.draw(args.write.parent / "images")
        replace_section(args.write, "bench/costs.py", "\n\n".join([head, *(cost.markdown() for cost in costs)]))


if __name__ == "__main__":
    main()
