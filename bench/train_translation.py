"""Target tokens a second: our training beside a plain `torch.nn.Transformer` loop, on the same batches in one run.

    python bench/train_translation.py [--preset tiny] [--rounds 5] [--steps 40] [--write docs/benchmarks.md]

The two take turns, round by round, on the same batches of the default corpus, with the same sizes, optimizer, label
smoothing, clipping and number of threads; medians over the rounds and the spread are printed. The rows below ours
switch one of our tricks off at a time, so that each shows what it is worth. The peers are written the way a
tutorial would: nn.Transformer, nn.Dropout, logits of the whole batch, F.cross_entropy; with their batches sorted by
length as ours are (unsorted, they would do far more work), and with the freed memory kept as ours is.
"""

import argparse
import math
import platform
import statistics
import time
from collections.abc import Callable
from contextlib import nullcontext
from datetime import date
from pathlib import Path

import torch
from tables import cpu_seconds, replace_section
from torch import Tensor, nn
from torch.nn import functional as F

from pellucid.models.translator import Translator, TranslatorConfig, count_parameters
from pellucid.nn import attention
from pellucid.nn.positions import sinusoids
from pellucid.tasks.task import Batch
from pellucid.tasks.translate import TranslateConfig, TranslateTask
from pellucid.train.memory import keep_freed_memory

PAD = 0


class PlainTransformer(nn.Module):
    """PyTorch's own encoder-decoder with a tied embedding, sized as ours."""

    def __init__(self, config: TranslatorConfig, vocabulary: int) -> None:
        super().__init__()
        self.scale = math.sqrt(config.d_model)
        self.embedding = nn.Embedding(vocabulary, config.d_model)
        self.register_buffer("positions", sinusoids(config.max_length, config.d_model))
        self.dropout = nn.Dropout(config.dropout)
        self.transformer = nn.Transformer(
            config.d_model,
            config.heads,
            config.encoder_layers,
            config.decoder_layers,
            config.feed_forward,
            config.dropout,
            batch_first=True,
            norm_first=True,
        )

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        padding = source == PAD
        causal = torch.ones(target.size(1), target.size(1), dtype=torch.bool).triu(1)
        states = self.transformer(
            self.embed(source),
            self.embed(target),
            tgt_mask=causal,
            src_key_padding_mask=padding,
            memory_key_padding_mask=padding,
        )
        return F.linear(states, self.embedding.weight)

    def embed(self, ids: Tensor) -> Tensor:
        return self.dropout(self.embedding(ids) * self.scale + self.positions[: ids.size(1)])


def plain_loss(model: nn.Module, batch: Batch) -> Tensor:
    source, target = batch.tensors["source"], batch.tensors["target"]
    logits = model(source, target[:, :-1])
    return F.cross_entropy(logits.flatten(0, 1).float(), target[:, 1:].flatten(), ignore_index=PAD, label_smoothing=0.1)


class Contender:
    """A model, its optimizer and how a step of it is taken."""

    def __init__(self, name: str, model: nn.Module, loss: Callable[[nn.Module, Batch], Tensor], bfloat16: bool) -> None:
        self.name, self.model, self.loss, self.bfloat16 = name, model, loss, bfloat16
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
        self.rates: list[float] = []

    def round(self, batches: list[Batch]) -> None:
        """Train on the batches once and note the rate."""
        began, tokens = time.perf_counter(), 0
        for batch in batches:
            with torch.autocast("cpu", torch.bfloat16) if self.bfloat16 else nullcontext():
                loss = self.loss(self.model, batch)
            loss.backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
            self.optimizer.zero_grad()
            loss.item()
            tokens += int((batch.tensors["target"][:, 1:] != PAD).sum())
        self.rates.append(tokens / (time.perf_counter() - began))


def contenders(task: TranslateTask) -> list[Contender]:
    config, vocabulary = task.config.model, task.tokenizer.size

    def ours(model: nn.Module, batch: Batch) -> Tensor:
        return task.loss(model, batch).total

    def long_attention(model: nn.Module, batch: Batch) -> Tensor:
        """Ours, with the products of attention in bfloat16 at every length."""
        short, attention.SHORT = attention.SHORT, 0
        try:
            return task.loss(model, batch).total
        finally:
            attention.SHORT = short

    def plain_dropout(model: nn.Module) -> nn.Module:
        """Ours, with one Bernoulli draw a number."""
        for parent in list(model.modules()):
            for name, child in list(parent.named_children()):
                if type(child).__name__ == "Dropout":
                    setattr(parent, name, nn.Dropout(child.rate))
        return model

    return [
        Contender("Pellucid, bfloat16", Translator(config, vocabulary), ours, True),
        Contender("Pellucid, float32", Translator(config, vocabulary), ours, False),
        Contender("- with the logits of the whole batch, bfloat16", Translator(config, vocabulary), plain_loss, True),
        Contender("- with nn.Dropout, bfloat16", plain_dropout(Translator(config, vocabulary)), ours, True),
        Contender("- with all of attention in bfloat16", Translator(config, vocabulary), long_attention, True),
        Contender("nn.Transformer, bfloat16 autocast", PlainTransformer(config, vocabulary), plain_loss, True),
        Contender("nn.Transformer, float32", PlainTransformer(config, vocabulary), plain_loss, False),
    ]


def table(entries: list[Contender], parameters: dict[str, int], args: argparse.Namespace, cores: float) -> str:
    base = statistics.median(next(e for e in entries if e.name == "nn.Transformer, float32").rates)
    lines = [
        f"Preset {args.preset}, {parameters['model'] / 1e6:.1f} M parameters, {args.batch_tokens} tokens a batch, "
        f"{torch.get_num_threads()} threads ({cores:.1f} cores obtained), {args.rounds} rounds of {args.steps} steps, "
        f"{platform.machine()}, PyTorch {torch.__version__}, {date.today()}.",
        "",
        "| training loop | target tokens/s: median | lowest | highest | times nn.Transformer in float32 |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for entry in entries:
        median = statistics.median(entry.rates)
        lines.append(
            f"| {entry.name} | {median:,.0f} | {min(entry.rates):,.0f} | {max(entry.rates):,.0f} "
            f"| {median / base:.2f} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--data", default="corpus:interface-strings")
    parser.add_argument("--to", default="zh")
    parser.add_argument("--batch-tokens", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--give-memory-back", action="store_true", help="leave the C library's memory as it is")
    parser.add_argument("--write", type=Path, help="a Markdown file in which the table is replaced")
    args = parser.parse_args()
    if not args.give_memory_back:
        keep_freed_memory()  # for every row: it belongs to the process
    task = TranslateTask(
        TranslateConfig.parse(
            {
                "data": {"files": [args.data], "source": "en", "target": args.to},
                "model": {"preset": args.preset},
                "training": {"batch_tokens": args.batch_tokens},
            }
        )
    )
    torch.manual_seed(0)
    batches = [task.collate(examples) for examples in task.epoch(0)[: args.steps]]
    entries = contenders(task)
    for entry in entries:
        entry.round(batches[:2])
        entry.rates.clear()
    began, used = time.perf_counter(), cpu_seconds()
    for _ in range(args.rounds):
        for entry in entries:
            entry.round(batches)
    cores = (cpu_seconds() - used) / (time.perf_counter() - began)
    text = table(entries, {"model": count_parameters(entries[0].model)}, args, cores)
    print(text)
    if args.write:
        replace_section(args.write, "bench/train_translation.py", text)


if __name__ == "__main__":
    main()
