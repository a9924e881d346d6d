"""chrF after the same minutes of training on the same data: ours, Hugging Face Marian and JoeyNMT.

    python bench/quality_per_minute.py [--minutes 1 2 4 8] [--to zh] [--joeynmt .venv-joeynmt/bin/python]
        [--write docs/benchmarks.md]

All train on the same pairs of the default corpus, cut into tokens by the same tokenizer, in batches of the same size
sorted by the same rule, with a network of the same size, and translate the same held-out sentences with a beam of 4;
what must be copied goes through our slots for all. Ours is `pellucid train --budget`, once for each number of
minutes, as its schedule ends with the budget; its evaluations while it trains count, theirs do not. A peer trains
once, with the warm-up and inverse-root schedule of its own examples, at whichever of two learning rates
is better after half a minute, and is stopped at each mark; the clock stands still while it translates. Marian trains
in the number format that is faster here, as ours does; JoeyNMT has none but float32 on a CPU.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from plots import Series, log_log
from tables import machine_line, replace_section

import pellucid
from pellucid.data.slots import put_back, take_out
from pellucid.data.tokenizer import EOS
from pellucid.run import Run
from pellucid.tasks.scores import quick_scores
from pellucid.tasks.translate import TranslateTask
from pellucid.train.precision import faster, matrix_rates

PEERS = Path(__file__).parent / "peers"
RATES = (1e-3, 3e-3)  # tried for each peer
TRIAL = 0.5  # minutes
EPOCHS = 40  # of batches made beforehand; more than a peer gets through
BEAM = 4
IMAGE = "images/bench-quality-per-minute.svg"


def ours(minutes: float, args: argparse.Namespace, folder: Path) -> Run:
    """A run of that budget; made now unless it is there."""
    path = folder / f"en-{args.to}-{minutes:g}m"
    if not (path / "report.html").exists():
        config = pellucid.TranslateConfig.parse(
            {
                "data": {"files": [args.data], "source": "en", "target": args.to},
                "model": {"preset": args.preset},
                "training": {"budget": f"{minutes:g}m"},
            }
        )
        pellucid.train(config, path)
    return pellucid.open_run(path)


def score_of(run: Run) -> dict[str, float]:
    lines = list(run.metrics())
    test = next(line for line in reversed(lines) if line["kind"] == "test")["subsets"]["all"]["systems"]["model"]
    end = next(line for line in lines if line["kind"] == "end")
    return {
        "chrf": test["chrf"]["value"],
        "bleu": test["bleu"]["value"],
        "steps": end["step"],
        "seconds": end["seconds"],
    }


def job_of(task: TranslateTask) -> dict[str, Any]:
    """All that a peer needs, as token ids."""
    slotted = [take_out(example.source, task.tokenizer.is_word) for example in task.data.splits.test]
    rows = [list(map(list, task.epoch(number))) for number in range(EPOCHS)]
    count = len(task.lengths)
    tensors = [task.collate([i]).tensors for i in range(count)]
    return {
        "size": task.config.model.model_dump(),
        "vocabulary": task.tokenizer.size,
        "smoothing": task.config.label_smoothing,
        "threads": torch.get_num_threads(),
        "train": ([t["source"][0].tolist() for t in tensors], [t["target"][0].tolist() for t in tensors]),
        "epochs": rows,
        "test": [[*task.tokenizer.encode(one.text), EOS] for one in slotted],
        "beam": BEAM,
    }


@dataclass(frozen=True, slots=True)
class Peer:
    loop: str  # a module under peers/
    python: str
    bfloat16: bool


def learn(peer: Peer, rate: float, minutes: list[float], job: Path, out: Path) -> list[dict[str, Any]]:
    spec = json.dumps({"loop": peer.loop, "bfloat16": peer.bfloat16, "rate": rate, "minutes": minutes})
    command = [peer.python, str(PEERS / "learner.py"), spec, str(job), str(out)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return json.loads(out.read_text())


def scored(found: list[dict[str, Any]], task: TranslateTask) -> dict[float, dict[str, float]]:
    examples = task.data.splits.test
    strings = [take_out(example.source, task.tokenizer.is_word).strings for example in examples]
    scores = {}
    for mark in found:
        outputs = [put_back(task.tokenizer.decode(row), kept) for row, kept in zip(mark["rows"], strings, strict=True)]
        scores[mark["minutes"]] = {
            **quick_scores(outputs, [example.references for example in examples], task.data.reading.target),
            "steps": mark["steps"],
            "seconds": mark["seconds"],
        }
    return scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", nargs="+", type=float, default=[1, 2, 4, 8])
    parser.add_argument("--data", default="corpus:interface-strings")
    parser.add_argument("--to", default="zh")
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--joeynmt", type=Path, help="the Python of an environment that holds joeynmt 2.3.0")
    parser.add_argument("--runs", type=Path, default=Path("runs/bench"))
    parser.add_argument("--write", type=Path, help="a Markdown file in which the table is replaced")
    args = parser.parse_args()
    results: dict[str, dict[float, dict[str, float]]] = {"Pellucid": {}}
    chosen = {}
    for minutes in args.minutes:
        run = ours(minutes, args, args.runs)
        results["Pellucid"][minutes] = score_of(run)
        print(f"Pellucid, {minutes:g} min: {results['Pellucid'][minutes]}", file=sys.stderr, flush=True)
    task = run.task
    config = task.config
    rates = matrix_rates(config.training.batch_tokens, config.model.d_model, torch.device("cpu"))
    number = faster(rates)
    peers = {f"Hugging Face Marian, {number}": Peer("marian_loop", sys.executable, number == "bfloat16")}
    if args.joeynmt:
        peers["JoeyNMT 2.3, float32"] = Peer("joeynmt_loop", str(args.joeynmt), bfloat16=False)
    with tempfile.TemporaryDirectory() as folder:
        job, out = Path(folder) / "job.pt", Path(folder) / "out.json"
        torch.save(job_of(task), job)
        for name, peer in peers.items():
            tried = {rate: scored(learn(peer, rate, [TRIAL], job, out), task)[TRIAL]["chrf"] for rate in RATES}
            chosen[name] = max(tried, key=lambda rate: tried[rate])
            print(f"{name}, chrF after the trial by learning rate: {tried}", file=sys.stderr, flush=True)
            results[name] = scored(learn(peer, chosen[name], args.minutes, job, out), task)
            print(f"{name}: {results[name]}", file=sys.stderr, flush=True)
    text = table(results, chosen, args, task)
    print(text)
    if args.write:
        replace_section(args.write, "bench/quality_per_minute.py", text)
        series = [Series(name, [(m, one["chrf"]) for m, one in found.items()]) for name, found in results.items()]
        title, label = "chrF against minutes of training", "chrF on held-out sentences"
        log_log(args.write.parent / IMAGE, title, "minutes of training", label, series)


def table(
    results: dict[str, dict[float, dict[str, float]]],
    chosen: dict[str, float],
    args: argparse.Namespace,
    task: TranslateTask,
) -> str:
    config, training = task.config.model, task.config.training
    lines = [
        f"en-{args.to}, {len(task.lengths):,} training pairs, {len(task.data.splits.test):,} test sentences, size "
        f"{args.preset} (d {config.d_model}, {config.encoder_layers}+{config.decoder_layers} layers), batches of "
        f"{training.batch_tokens:,} cells, one seed. {machine_line()}.",
        "",
        "| chrF (BLEU; steps) after | " + " | ".join(f"{minutes:g} min" for minutes in args.minutes) + " |",
        "| --- |" + " ---: |" * len(args.minutes),
    ]
    for name, found in results.items():
        cells = [
            f"{found[m]['chrf']:.1f} ({found[m]['bleu']:.1f}; {found[m]['steps']:,})" if m in found else ""
            for m in args.minutes
        ]
        rate = f", learning rate {chosen[name]:g}" if name in chosen else ""
        lines.append(f"| {name}{rate} | {' | '.join(cells)} |")
    lines += ["", f"![chrF against minutes of training]({IMAGE})"]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
