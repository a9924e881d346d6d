"""Target tokens a second and memory of training: ours beside its peers, on the same batches, taking turns in one run.

    python bench/train_translation.py [--preset small] [--batch-tokens 4096] [--rounds 5] [--batches 6]
        [--joeynmt .venv-joeynmt/bin/python] [--write docs/benchmarks.md]

Each contender is a process of its own (bench/peers/worker.py); only one works at a time. All get the same batches of
the default corpus, made by our tokenizer and sorted by length as ours are (unsorted, the peers would do more than
twice the work), the same sizes, dropout, label smoothing, optimizer, clipping and number of threads. The peers run
as their users run them. Rows that begin with "-" are ours without one of its tricks.

Where the processor gains from bfloat16 (measured, as training itself does) the rows in bfloat16 run too.
"""

import argparse
import json
import statistics
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from answering import Answering
from tables import machine_line, replace_section

from pellucid.data.batching import epoch_batches
from pellucid.models.translator import TranslatorConfig
from pellucid.tasks.translate import TranslateConfig, TranslateTask
from pellucid.train.precision import faster, matrix_rate, matrix_rates

PEERS = Path(__file__).parent / "peers"
SMOOTHING = 0.1
GROWTH_TOKENS, GROWTH_BATCHES = 512, 100  # a batch, and how many different ones
Rows = list[tuple[torch.Tensor, torch.Tensor]]


@dataclass
class Contender:
    """A row of the table, and the process behind it."""

    name: str
    spec: dict[str, Any]
    python: str = sys.executable
    answers: list[dict[str, Any]] = field(default_factory=list)

    def start(self, job: Path) -> None:
        command = [self.python, str(PEERS / "worker.py"), json.dumps(self.spec), str(job)]
        self.process = Answering(self.name, command)
        self.parameters = self.process.answer()["parameters"]

    def round(self, repeat: int = 1) -> dict[str, Any]:
        """Train on all batches, `repeat` times; what it took."""
        return self.process.ask(repeat)

    def stop(self) -> None:
        self.process.stop()

    @property
    def rates(self) -> list[float]:
        return [answer["tokens"] / answer["seconds"] for answer in self.answers]

    @property
    def rate(self) -> float:
        return statistics.median(self.rates)

    @property
    def memory(self) -> float:
        return max(max(answer["peaks"]) for answer in self.answers)


def contenders(bfloat16: bool, joeynmt: Path | None) -> list[Contender]:
    best = {"bfloat16": bfloat16}
    found = [Contender("Pellucid, float32", {"loop": "pellucid_loop", "bfloat16": False})]
    if bfloat16:
        found.insert(0, Contender("Pellucid, bfloat16", {"loop": "pellucid_loop", "bfloat16": True}))
    words = {
        "fused loss": "with the logits of the whole batch",
        "byte dropout": "with nn.Dropout",
        "kept memory": "giving freed memory back",
    }
    found += [Contender(f"- {text}", {"loop": "pellucid_loop", "without": key, **best}) for key, text in words.items()]
    for loop, name in (("plain_loop", "nn.Transformer"), ("marian_loop", "Hugging Face Marian")):
        if bfloat16:
            found.append(Contender(f"{name}, bfloat16 autocast", {"loop": loop, "bfloat16": True}))
        found.append(Contender(f"{name}, float32", {"loop": loop, "bfloat16": False}))
    if joeynmt:
        found.append(Contender("JoeyNMT 2.3, float32", {"loop": "joeynmt_loop", "bfloat16": False}, str(joeynmt)))
    return found


def useful_flops(config: TranslatorConfig, vocabulary: int, batches: Rows) -> float:
    """Floating-point operations of forward and backward of all batches, padding not counted.

    A product of (n, k) and (k, m) takes 2 n k m, and its backward pass twice as many.
    """
    d, inner = config.d_model, config.feed_forward
    total = 0.0
    for source, target in batches:
        sources, targets = (source != 0).sum(dim=1).double(), (target[:, 1:] != 0).sum(dim=1).double()
        per_source = config.encoder_layers * (4 * d * d + 2 * d * inner) + config.decoder_layers * 2 * d * d
        per_target = config.decoder_layers * (6 * d * d + 2 * d * inner) + d * vocabulary
        earlier = targets * (targets + 1) / 2  # of the causal half
        looks = config.encoder_layers * sources**2 + config.decoder_layers * (earlier + sources * targets)
        total += float((per_source * sources + per_target * targets + 2 * d * looks).sum())
    return 3 * 2 * total


def table(entries: list[Contender], flops: float, peak: float, head: str) -> str:
    ours = entries[0]
    lines = [
        head,
        "",
        "| training loop | target tokens/s | lowest to highest | Pellucid is faster by | share of the matrix rate "
        "| most memory |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for entry in entries:
        share = flops / statistics.median(answer["seconds"] for answer in entry.answers) / 1e9 / peak
        lines.append(
            f"| {entry.name} | {entry.rate:,.0f} | {min(entry.rates):,.0f} to {max(entry.rates):,.0f} "
            f"| {ours.rate / entry.rate:.2f} times | {share:.0%} | {entry.memory:,.0f} MB |"
        )
    return "\n".join(lines)


def matrix_peak(dtype: torch.dtype, size: int = 2048) -> float:
    """GFLOP/s of one large matrix product: what the processor can do at best. Median of 5."""
    return statistics.median(matrix_rate(dtype, size, size, size, torch.device("cpu")) for _ in range(5))


def growth(task: TranslateTask, job: Path, steps: int) -> str:
    """Whether memory grows over a long training, of a small network on small batches, so that it takes minutes."""
    settings = torch.load(job, weights_only=True)
    config = task.config.model.with_preset("tiny")
    examples = epoch_batches(task.lengths, GROWTH_TOKENS, seed=1, epoch=0)
    batches = [task.collate(examples[number]).tensors for number in range(GROWTH_BATCHES)]
    settings["batches"] = [(tensors["source"], tensors["target"]) for tensors in batches]
    torch.save({**settings, "size": config.model_dump()}, job)
    entry = Contender("Pellucid, float32", {"loop": "pellucid_loop", "bfloat16": False})
    entry.start(job)
    peaks = entry.round(max(steps // GROWTH_BATCHES, 1))["peaks"]
    entry.stop()
    return (
        f"The most memory that a training of size tiny ever held, on batches of all lengths: {peaks[0]:,.0f} MB after "
        f"{GROWTH_BATCHES} steps, {peaks[len(peaks) // 2]:,.0f} MB at half time, {peaks[-1]:,.0f} MB after "
        f"{len(peaks) * GROWTH_BATCHES:,} steps."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="small")
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--data", default="corpus:interface-strings")
    parser.add_argument("--to", default="zh")
    parser.add_argument("--batch-tokens", type=int, default=4096)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batches", type=int, default=6, help="in a round")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--growth-steps", type=int, default=2000, help="of the test for growing memory; 0: none")
    parser.add_argument("--joeynmt", type=Path, help="the Python of an environment that holds joeynmt 2.3.0")
    parser.add_argument("--write", type=Path, help="a Markdown file in which the table is replaced")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    task = TranslateTask(
        TranslateConfig.parse(
            {
                "data": {"files": [args.data], "source": "en", "target": args.to},
                "model": {"preset": args.preset, "dropout": args.dropout},
                "training": {"batch_tokens": args.batch_tokens},
            }
        )
    )
    config, vocabulary = task.config.model, task.tokenizer.size
    collated = [task.collate(examples).tensors for examples in task.epoch(0)[: args.batches]]
    batches = [(tensors["source"], tensors["target"]) for tensors in collated]
    rates = matrix_rates(args.batch_tokens, config.d_model, torch.device("cpu"))
    bfloat16 = faster(rates) == "bfloat16"
    peak = matrix_peak(torch.bfloat16 if bfloat16 else torch.float32)
    with tempfile.TemporaryDirectory() as folder:
        job = Path(folder) / "job.pt"
        settings = {"size": config.model_dump(), "vocabulary": vocabulary, "smoothing": SMOOTHING, "warmup": 2}
        torch.save({**settings, "threads": args.threads, "batches": batches}, job)
        entries = contenders(bfloat16, args.joeynmt)
        for entry in entries:
            entry.start(job)
        for number in range(args.rounds):
            for entry in entries:
                entry.answers.append(entry.round())
                print(f"round {number + 1}  {entry.name}: {entry.rates[-1]:,.0f} tokens/s", file=sys.stderr, flush=True)
        for entry in entries:
            entry.stop()
        grown = growth(task, job, args.growth_steps) if args.growth_steps else ""
    flops = useful_flops(config, vocabulary, batches)
    cores = sum(a["cpu"] for e in entries for a in e.answers) / sum(a["seconds"] for e in entries for a in e.answers)
    tokens = entries[0].answers[0]["tokens"]
    head = (
        f"Preset {args.preset} ({entries[0].parameters / 1e6:.1f} M parameters, {vocabulary:,} tokens of vocabulary), "
        f"batches of {args.batch_tokens:,} cells ({tokens / args.batches:,.0f} target tokens on average), "
        f"medians of {args.rounds} rounds of {args.batches} steps. {machine_line(cores)}."
    )
    text = table(entries, flops, peak, head)
    kind = "bfloat16" if bfloat16 else "float32"
    left_out = "" if bfloat16 else ": this processor does not gain from bfloat16, so the rows in it were left out"
    reached = " and ".join(f"{rate:,.0f} GFLOP/s in {name}" for name, rate in rates.items())
    text += (
        f"\n\nThe matrix rate is {peak:,.0f} GFLOP/s, that of one large product in {kind}; the share counts only "
        f"useful operations, no padding ({flops / tokens / 1e6:.0f} MFLOP a target token). "
        f"At the width of this model a product reaches {reached}{left_out}."
    )
    if grown:
        text += f" {grown}"
    print(text)
    if args.write:
        replace_section(args.write, "bench/train_translation.py", text)


if __name__ == "__main__":
    main()
