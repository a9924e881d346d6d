"""One core, two cores, two processes: target tokens a second of the same training.

    python bench/cores.py [--preset small] [--steps 40] [--rounds 3] [--write docs/benchmarks.md]

Runs the real command each time, `pellucid train translate`, and reads the rates from the run's metrics.jsonl: with
one thread, with all threads, and under torchrun as processes of one thread each that share every batch. The contenders
take turns; medians over the rounds of the mean rate after the first steps.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path

from tables import machine_line, replace_section

BIN = Path(sys.executable).parent
WARMUP = 5  # steps not counted


def rate(launcher: list[str], threads: int, args: argparse.Namespace) -> float:
    with tempfile.TemporaryDirectory() as runs:
        command = [*launcher, "train", "translate", args.data, "--from", "en", "--to", args.to, "--runs", runs]
        command += ["--preset", args.preset, "--batch-tokens", str(args.batch_tokens), "--steps", str(args.steps)]
        command += ["--name", "x", "--threads", str(threads), "--set", "data.held_out=5"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(done.stderr[-2000:])
        lines = [json.loads(line) for line in (Path(runs) / "x" / "metrics.jsonl").read_text().splitlines()]
    steps = [line for line in lines if line["kind"] == "step"][WARMUP:]
    seconds = sum(
        (after["tokens"] - before["tokens"]) / after["tokens_per_second"] for before, after in pairwise(steps)
    )
    return (steps[-1]["tokens"] - steps[0]["tokens"]) / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="small")
    parser.add_argument("--data", default="corpus:interface-strings")
    parser.add_argument("--to", default="zh")
    parser.add_argument("--batch-tokens", type=int, default=4096)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", type=Path, help="a Markdown file in which the table is replaced")
    args = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    torchrun = [str(BIN / "torchrun"), "--standalone", "--nproc-per-node", str(cores), "-m", "pellucid"]
    ways = {
        "one process, one thread": ([str(BIN / "pellucid")], 1),
        f"one process, {cores} threads": ([str(BIN / "pellucid")], cores),
        f"{cores} processes of one thread (torchrun)": (torchrun, 1),
    }
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(args.rounds):
        for name, (launcher, threads) in ways.items():
            rates[name].append(rate(launcher, threads, args))
            print(f"{name}: {rates[name][-1]:,.0f} tokens/s", file=sys.stderr, flush=True)
    base = statistics.median(rates["one process, one thread"])
    lines = [
        f"Preset {args.preset}, batches of {args.batch_tokens:,} cells, medians of {args.rounds} runs of {args.steps} "
        f"steps. {machine_line()}.",
        "",
        "| way | target tokens/s | lowest to highest | times one core |",
        "| --- | ---: | ---: | ---: |",
    ]
    for name, found in rates.items():
        middle = statistics.median(found)
        lines.append(f"| {name} | {middle:,.0f} | {min(found):,.0f} to {max(found):,.0f} | {middle / base:.2f} |")
    text = "\n".join(lines)
    print(text)
    if args.write:
        replace_section(args.write, "bench/cores.py", text)


if __name__ == "__main__":
    main()
