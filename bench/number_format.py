"""Is a network trained in bfloat16 as good as one trained in float32? Equal steps, several seeds, side by side.

    python bench/number_format.py [--steps 300] [--seeds 1 2 3] [--write docs/benchmarks.md]

Every run is an ordinary training through the Python API with `precision` set; finished ones under --runs are read
rather than made again. On a processor without bfloat16 units it is emulated: slow, with the same results.
"""

import argparse
import statistics
from pathlib import Path

from tables import machine_line, replace_section

import pellucid

FORMATS = ("float32", "bfloat16")


def result(folder: Path, precision: str, seed: int, args: argparse.Namespace) -> tuple[float, float]:
    """Loss on the development pairs after the last step, and chrF on the test sentences."""
    if not (folder / "report.html").exists():
        config = pellucid.TranslateConfig.parse(
            {
                "data": {"files": [args.data], "source": "en", "target": args.to},
                "model": {"preset": args.preset},
                "training": {"steps": args.steps, "seed": seed, "precision": precision, "evaluate_every": args.steps},
            }
        )
        pellucid.train(config, folder)
    lines = list(pellucid.open_run(folder).metrics())
    evaluation = next(line for line in reversed(lines) if line["kind"] == "evaluation")
    test = next(line for line in reversed(lines) if line["kind"] == "test")
    return evaluation["loss"], test["subsets"]["all"]["systems"]["model"]["chrf"]["value"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="corpus:interface-strings")
    parser.add_argument("--to", default="zh")
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--runs", type=Path, default=Path("runs/bench"))
    parser.add_argument("--write", type=Path, help="a Markdown file in which the table is replaced")
    args = parser.parse_args()
    lines = [
        f"en-{args.to}, preset {args.preset}, {args.steps} steps, {machine_line()}.",
        "",
        "| number format | " + " | ".join(f"seed {seed}" for seed in args.seeds) + " | mean |",
        "| --- |" + " ---: |" * (len(args.seeds) + 1),
    ]
    for precision in FORMATS:
        found = []
        for seed in args.seeds:
            folder = args.runs / f"en-{args.to}-{args.preset}-{args.steps}-{precision}-seed{seed}"
            found.append(result(folder, precision, seed, args))
        cells = [f"{loss:.3f} ({chrf:.1f})" for loss, chrf in found]
        means = [statistics.mean(column) for column in zip(*found, strict=True)]
        lines.append(f"| {precision}, loss (chrF) | {' | '.join(cells)} | {means[0]:.3f} ({means[1]:.1f}) |")
    text = "\n".join(lines)
    print(text)
    if args.write:
        replace_section(args.write, "bench/number_format.py", text)


if __name__ == "__main__":
    main()
