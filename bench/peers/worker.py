"""One contender in a process of its own: trains a round whenever a line comes in, answers with what it took.

    python bench/peers/worker.py '{"loop": "marian_loop", "bfloat16": false}' job.pt

The job holds sizes, batches and settings, the same for all contenders. Every contender takes the same step: loss,
backward, clip, fused AdamW. Started by bench/train_translation.py, which lets the contenders take turns.
"""

import contextlib
import importlib
import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor


def main(spec: dict[str, Any], job: dict[str, Any]) -> None:
    torch.set_num_threads(job["threads"])
    torch.manual_seed(0)
    loop = importlib.import_module(spec["loop"])
    options = {"without": spec["without"]} if "without" in spec else {}
    model = loop.build(job["size"], job["vocabulary"], **options).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.98), fused=True)
    batches = job["batches"]

    def step(source: Tensor, target: Tensor) -> float:
        with torch.autocast("cpu", torch.bfloat16) if spec["bfloat16"] else contextlib.nullcontext():
            loss = loop.loss(model, source, target, job["smoothing"], **options)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return loss.item()

    for source, target in batches[: job["warmup"]]:
        step(source, target)
    parameters = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    answer({"parameters": parameters})
    for line in sys.stdin:
        losses, peaks = [], []
        began, used = time.perf_counter(), cpu_seconds()
        for _ in range(int(line)):
            losses += [step(source, target) for source, target in batches]
            peaks.append(peak())
        seconds = time.perf_counter() - began
        tokens = int(line) * sum(int((target[:, 1:] != 0).sum()) for _, target in batches)
        answer(
            {
                "tokens": tokens,
                "seconds": seconds,
                "cpu": cpu_seconds() - used,
                "first_loss": losses[0],
                "last_loss": losses[-1],
                "peaks": peaks,
            }
        )


def cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def peak() -> float:
    """MB of memory that this process has held at most; what the one that started it held does not count."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def answer(line: dict[str, Any]) -> None:
    print("answer " + json.dumps(line), flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), torch.load(sys.argv[2], weights_only=True))
