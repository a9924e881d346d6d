"""How good `make demo` is: the default corpus, some seeds, each scored on the held-out test side.

    python bench/quality.py [--to zh de] [--seeds 1 2 3] [--budget 4m | --steps N] [--write docs/quality.md]

Every run is an ordinary training through the Python API; finished ones under --runs are read rather than made again.
Scores are those of the run's own `test` line: chrF and BLEU (sacrebleu) on sentences of which no near-twin was
trained on. The interval beside a score is the bootstrap's, over test sentences; the spread is over seeds.
"""

import argparse
import statistics
from datetime import date
from pathlib import Path
from typing import Any

from tables import replace_section

import pellucid

MEASURES = ("chrf", "bleu", "exact", "placeholders")
NAMES = {"model": "Pellucid", "memory": "nearest match of the translation memory", "copy": "source copied"}


def test_line(folder: Path, arguments: argparse.Namespace, target: str, seed: int) -> dict[str, Any]:
    """The scores of one training; made now unless it is there."""
    if not folder.exists():
        config = pellucid.TranslateConfig.parse(
            {
                "data": {"files": [arguments.data], "source": "en", "target": target},
                "training": {"seed": seed, "budget": arguments.budget, "steps": arguments.steps},
                "model": {"preset": arguments.preset},
            }
        )
        pellucid.train(config, folder)
    run = pellucid.open_run(folder)
    lines = list(run.metrics())
    end = next(line for line in lines if line["kind"] == "end")
    test = next(line for line in reversed(lines) if line["kind"] == "test")
    return {**test, "steps": end["step"], "parameters": lines[1]["parameters"]}


def rows(target: str, tests: list[dict[str, Any]]) -> list[str]:
    lines = []
    for subset, words in (("all", "all"), ("four_words_or_more", "4 words or more")):
        for system, name in NAMES.items():
            cells = []
            for measure in MEASURES:
                values = [test["subsets"][subset]["systems"][system].get(measure) for test in tests]
                if not values or values[0] is None:
                    cells.append("")
                elif system == "model":
                    found = [value["value"] for value in values]
                    middle = sorted(values, key=lambda value: value["value"])[len(values) // 2]
                    cells.append(
                        f"**{statistics.median(found):.1f}** ({min(found):.1f} to {max(found):.1f}; "
                        f"{middle['low']:.1f} to {middle['high']:.1f})"
                    )
                else:
                    cells.append(f"{values[0]['value']:.1f}")
            count = tests[0]["subsets"][subset]["pairs"]
            lines.append(f"| en-{target} | {words} ({count:,}) | {name} | {' | '.join(cells)} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", nargs="+", default=["zh", "de"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--budget")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--data", default="corpus:interface-strings")
    parser.add_argument("--runs", type=Path, default=Path("runs/quality"))
    parser.add_argument("--write", type=Path, help="a Markdown file in which the table is replaced")
    arguments = parser.parse_args()
    if not arguments.steps:
        arguments.budget = arguments.budget or "4m"
    table, notes = [], []
    for target in arguments.to:
        tests = []
        for seed in arguments.seeds:
            folder = arguments.runs / f"en-{target}-{arguments.preset}-{arguments.budget or arguments.steps}-seed{seed}"
            tests.append(test_line(folder, arguments, target, seed))
        table += rows(target, tests)
        steps = ", ".join(f"{test['steps']:,}" for test in tests)
        notes.append(f"en-{target}: {tests[0]['parameters'] / 1e6:.1f} M parameters, {steps} steps")
    text = "\n".join(
        [
            f"{'; '.join(notes)}. Seeds {', '.join(map(str, arguments.seeds))}; {date.today()}.",
            "",
            "| languages | source (sentences) | system | chrF | BLEU | exact | placeholders kept |",
            "| --- | --- | --- | --- | --- | --- | --- |",
            *table,
            "",
            "For Pellucid: the **median** over the seeds (lowest to highest; 95% bootstrap interval of the median).",
        ]
    )
    print(text)
    if arguments.write:
        replace_section(arguments.write, "bench/quality.py", text)


if __name__ == "__main__":
    main()
