"""What it costs to watch a training: statistics at every 10th step, everything of a step at every 50th.

    python bench/microscope.py [--preset small] [--rounds 5]

Steps of the translator's own training, plain and watched taking turns, in processor time, so that other work on the
machine counts little. The goals are 3% of a step for statistics and 5% for full captures.
"""

import argparse
import statistics
import time

import torch
from tables import machine_line

from pellucid.models.translator import Translator, TranslatorConfig
from pellucid.see.microscope import Microscope
from pellucid.tasks.task import Batch
from pellucid.tasks.translate import translation_loss
from pellucid.train.memory import keep_freed_memory

VOCABULARY, SENTENCES, LENGTH = 8000, 64, 16  # 1,024 tokens, as `batch_tokens` has it
STATISTICS, EVERY = 10, 50


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="small")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = Translator(TranslatorConfig(preset=args.preset), VOCABULARY)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    source, target = torch.randint(4, VOCABULARY, (2, SENTENCES, LENGTH))

    def objective(source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return translation_loss(model, Batch({"source": source, "target": target}, 0.0), smoothing=0.1).total

    def seconds_of_a_step(objective) -> float:  # type: ignore[no-untyped-def]
        began = time.process_time()
        objective(source, target).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return time.process_time() - began

    for _ in range(3):
        seconds_of_a_step(objective)
    plain, watched = [], {}
    for name, settings in {"statistics": {"every": 0, "statistics": 2}, "full": {"every": 2, "statistics": 0}}.items():
        with Microscope(model, optimizer, **settings) as scope:
            seen = scope.watch(objective)
            times = [seconds_of_a_step(seen) for _ in range(2 * args.rounds)]
        plain += times[::2]
        watched[name] = statistics.median(times[1::2])
    step = statistics.median(plain)
    print(f"Preset {args.preset}, {SENTENCES * LENGTH} tokens a batch, float32, {machine_line()}.\n")
    print("| | of that step | of the whole training |\n| --- | ---: | ---: |")
    for name, every in (("statistics", STATISTICS), ("full", EVERY)):
        more = watched[name] / step - 1
        print(f"| {name}, every {every} steps | {more:+.0%} | {more / every:+.1%} |")
    print(f"\nA plain step took {step * 1000:.0f} ms.")


if __name__ == "__main__":
    main()
