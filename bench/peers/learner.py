"""Trains a peer for some minutes and translates the test sentences whenever one of the marks is reached.

    python bench/peers/learner.py SPEC job.pt out.json

with SPEC = {"loop": "marian_loop", "bfloat16": false, "rate": 1e-3, "minutes": [1, 2, 4, 8]}, as JSON.

The clock stands still while it translates. Started by bench/quality_per_minute.py.
"""

import importlib
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

WARMUP = 400  # steps; then the rate falls as 1 / sqrt(step) (Vaswani et al., 2017)
TEST_BATCH = 32  # sentences


def main(spec: dict[str, Any], job: dict[str, Any], out: str) -> None:
    torch.set_num_threads(job["threads"])
    torch.manual_seed(spec.get("seed", 1))
    loop = importlib.import_module(spec["loop"])
    model = loop.build(job["size"], job["vocabulary"]).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.0, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
    found: list[dict[str, Any]] = []
    marks = list(spec["minutes"])
    seconds, began = 0.0, time.perf_counter()
    for step, (source, target) in enumerate(batches(job), start=1):
        for group in optimizer.param_groups:
            group["lr"] = spec["rate"] * min(step / WARMUP, (WARMUP / step) ** 0.5)
        with torch.autocast("cpu", torch.bfloat16, enabled=spec["bfloat16"]):
            loss = loop.loss(model, source, target, job["smoothing"])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        loss.item()
        passed = seconds + time.perf_counter() - began
        if passed < 60 * marks[0]:
            continue
        seconds = passed
        rows = translated(loop, model, job)
        found.append({"minutes": marks.pop(0), "steps": step, "seconds": seconds, "rows": rows})
        with Path(out).open("w") as file:
            json.dump(found, file)
        if not marks:
            return
        began = time.perf_counter()


def batches(job: dict[str, Any]) -> Iterator[tuple[Tensor, Tensor]]:
    """The batches that our training would see, epoch after epoch."""
    source, target = job["train"]
    while True:
        for epoch in job["epochs"]:
            for rows in epoch:
                yield padded([source[i] for i in rows]), padded([target[i] for i in rows])


def translated(loop: Any, model: torch.nn.Module, job: dict[str, Any]) -> list[list[int]]:
    model.eval()
    order = sorted(range(len(job["test"])), key=lambda i: len(job["test"][i]))
    rows: list[list[int]] = [[]] * len(order)
    for start in range(0, len(order), TEST_BATCH):
        some = order[start : start + TEST_BATCH]
        source = padded([job["test"][i] for i in some])
        limit = min(int(source.size(1) * 2) + 10, job["size"]["max_length"])
        for i, row in zip(some, loop.translate(model, source, job["beam"], limit), strict=True):
            rows[i] = row
    model.train()
    return rows


def padded(rows: list[list[int]]) -> Tensor:
    """As data/batching.py has it, which is not installed where JoeyNMT is."""
    width = max(map(len, rows))
    return torch.tensor([row + [0] * (width - len(row)) for row in rows])


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), torch.load(sys.argv[2], weights_only=True), sys.argv[3])
