"""Quality of the classifiers on their default data: test accuracy of `pellucid demo classify`, seed by seed.

    python bench/ladder_quality.py                     the default split, three seeds
    python bench/ladder_quality.py --splits 1 2 3      also what other splits of the same data give
    python bench/ladder_quality.py --data digits       one set only

Each training is what the demo does: default config, light augmentation of images. Printed are the accuracy of each
seed, their median beside the bar that it must reach, the nearest-neighbour baseline, seconds, and the machine's load.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import pellucid
from pellucid.data.augment import is_installed
from pellucid.tasks.classify import ClassifyConfig

BARS = {"digits": 98.5, "breast-cancer": 97.0, "wine": None, "mnist": None}  # percent, by the project's own promise


def measured(data: str, seed: int, split: int) -> dict[str, Any]:
    """One training, from nothing to its test."""
    images = data in ("digits", "mnist")
    values = {
        "data": {"files": [f"sample:{data}"], "split_seed": split},
        "augmentation": {"preset": "light" if images and is_installed() else "none"},
        "training": {"seed": seed, **({"epochs": 8} if data == "mnist" else {})},
    }
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        run = pellucid.train(ClassifyConfig.parse(values), Path(place) / "run")
        test = next(line for line in run.metrics() if line["kind"] == "test")
        end = next(line for line in run.metrics() if line["kind"] == "end")
    return {
        "data": data,
        "seed": seed,
        "split": split,
        "accuracy": test["systems"]["model"]["value"],
        "nearest": test["systems"]["nearest"]["value"],
        "examples": test["examples"],
        "calibration_error": test["calibration"]["error"],
        "train_seconds": round(end["seconds"], 1),
        "seconds": round(time.monotonic() - began, 1),
        "load": round(os.getloadavg()[0], 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", choices=BARS, default=list(BARS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--splits", nargs="+", type=int, default=[1])
    parser.add_argument("--json", type=Path, help="write all results here")
    arguments = parser.parse_args()
    results = []
    for data in arguments.data:
        for split in arguments.splits:
            found = [measured(data, seed, split) for seed in arguments.seeds]
            results += found
            accuracies = [one["accuracy"] for one in found]
            bar = BARS[data]
            print(
                f"{data:14} split {split}  {found[0]['examples']:4} test examples  "
                f"seeds {', '.join(f'{a:.2f}' for a in accuracies)}  median {statistics.median(accuracies):.2f}"
                f"{f' (bar {bar})' if bar else ''}  nearest {found[0]['nearest']:.2f}  "
                f"{max(one['seconds'] for one in found):.0f} s at most  load {max(one['load'] for one in found)}",
                flush=True,
            )
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
