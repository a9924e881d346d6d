"""How well each kind of language model predicts Shakespeare after equal time, and how fast a recurrent layer is.

    python bench/ladder_quality_language.py [--cells gpt rnn lstm] [--seeds 1 2 3] [--budget 2m] [--cpu] [--write PAGES]
    python bench/ladder_quality_language.py --layers [--write PAGES]

Every run is an ordinary training of `sample:shakespeare` with the cell's own defaults, on as many steps as the budget
holds on this machine; its bits per character are those of the test side, of works that were not trained on. The cells
take turns within each seed. `--cpu` gives each the budget times two in CPU seconds of one thread instead of wall-clock
time, which a busy machine does not distort. Finished runs under --runs are read rather than made again.
`--layers` times forward and backward of each recurrent layer, written out and by PyTorch's fused kernel.
"""

import argparse
import statistics
import time
from datetime import date
from pathlib import Path
from typing import Any

import torch
from tables import machine_line, replace_section

from pellucid import api
from pellucid.config import parse_budget
from pellucid.nn.recurrent import CELLS
from pellucid.run import Run
from pellucid.tasks.language import LanguageConfig, LanguageTask
from pellucid.train.loop import Trainer
from pellucid.train.plan import make_plan

NAMES = {"gpt": "GPT", "rnn": "RNN", "lstm": "LSTM", "gru": "GRU"}
CORES = 2  # of the machine that the budget is meant for
SHAPES = ((16, 64, 256), (32, 128, 256), (64, 64, 128))  # batch, time, width
ROUNDS = 7


def config_of(cell: str, seed: int, arguments: argparse.Namespace) -> LanguageConfig:
    training = {"seed": seed, "budget": arguments.budget, **({"threads": 1} if arguments.cpu else {})}
    if cell == "gpt":
        training["precision"] = arguments.precision
    data = {"files": [arguments.data], "scored": 200_000}
    return LanguageConfig.parse({"data": data, "model": {"cell": cell}, "training": training})


def trained(cell: str, seed: int, arguments: argparse.Namespace) -> dict[str, Any]:
    """Steps, characters seen and the test's systems of one training; made now unless it is there."""
    folder = arguments.runs / f"{cell}-{arguments.budget}{'-cpu' if arguments.cpu else ''}-seed{seed}"
    run = Run(folder)
    if not any(line["kind"] == "test" for line in run.metrics()):
        if arguments.cpu:
            by_cpu_time(folder, config_of(cell, seed, arguments))
        else:
            api.train(config_of(cell, seed, arguments), folder)
    steps = [line for line in run.metrics() if line["kind"] == "step"]
    test = next(line for line in run.metrics() if line["kind"] == "test")
    return {**test, "steps": steps[-1]["step"], "seen": steps[-1]["tokens"]}


def by_cpu_time(folder: Path, config: LanguageConfig) -> None:
    """A training on as many steps as the budget holds of CPU seconds, measured by the process's own clock."""
    LanguageTask.fetch(config)
    seconds = CORES * parse_budget(str(config.training.budget))
    config = LanguageTask.proposed(config)
    task = LanguageTask(config.changed(training={**config.training.model_dump(), "budget": f"{seconds}s"}))
    plan = make_plan(task, clock=time.process_time)
    task.config = task.config.changed(training=plan.training.model_dump())
    run = Run.create(folder, task)
    Trainer(run, task).train()
    api.evaluate(run, task)


def table(found: dict[str, list[dict[str, Any]]], arguments: argparse.Namespace) -> str:
    def bits(test: dict[str, Any]) -> float:
        return float(test["systems"]["model"]["bits_per_character"])

    rows = []
    for cell, tests in found.items():
        every = sorted(map(bits, tests))
        seen = statistics.median(test["seen"] for test in tests) / 1e6
        steps = statistics.median(test["steps"] for test in tests)
        rows.append(
            f"| {NAMES[cell]} | **{statistics.median(every):.3f}** ({every[0]:.3f} to {every[-1]:.3f}) | "
            f"{steps:,.0f} | {seen:.1f} M |"
        )
    systems = next(iter(found.values()))[0]["systems"]
    others = {"ngram": "five characters in a row counted", "unigram": "single characters counted"}
    others |= {"zlib": "zlib, on the test text alone", "lzma": "lzma, on the test text alone"}
    rows += [f"| {name} | {systems[system]['bits_per_character']:.3f} | | |" for system, name in others.items()]
    if {"gpt", "rnn"} <= set(found):
        apart = statistics.median(map(bits, found["rnn"])) - statistics.median(map(bits, found["gpt"]))
        compared = f"The GPT needs {abs(apart):.3f} bits {'less' if apart > 0 else 'more'} than the RNN (medians)."
    else:
        compared = ""
    clock = "in CPU time of one thread, times two" if arguments.cpu else "by the clock"
    seeds = ", ".join(map(str, arguments.seeds))
    return "\n".join(
        [
            f"{machine_line()}; {arguments.budget} each {clock}; seeds {seeds}. {compared}",
            "",
            "| model | bits per character, median of the seeds (lowest to highest) | steps | characters seen |",
            "| --- | --- | --- | --- |",
            *rows,
        ]
    )


def layers() -> str:
    """Milliseconds of CPU time for forward and backward, the least of some rounds, the two ways in turn."""
    torch.set_num_threads(1)
    rows = []
    for batch, length, width in SHAPES:
        for cell, kind in CELLS.items():
            layer = kind(width, width)
            x, state = torch.randn(batch, length, width), torch.zeros(layer.states, batch, width)

            def fused(layer: Any = layer, x: Any = x, state: Any = state) -> Any:
                if layer.states == 2:
                    return torch.lstm(x, (state[:1], state[1:]), layer.weights(), True, 1, 0.0, True, False, True)[0]
                function = torch.gru if layer.gates == 3 else torch.rnn_tanh
                return function(x, state, layer.weights(), True, 1, 0.0, True, False, True)[0]

            def written_out(layer: Any = layer, x: Any = x, state: Any = state) -> Any:
                return layer.unrolled(x, state)[0]

            least = {"fused": float("inf"), "written out": float("inf")}
            for _ in range(ROUNDS):
                for name, way in (("fused", fused), ("written out", written_out)):
                    began = time.process_time()
                    way().sum().backward()
                    least[name] = min(least[name], 1000 * (time.process_time() - began))
            taken = "written out" if kind.forward is CELLS["rnn"].forward else "fused"
            times = " | ".join(f"{least[name]:.1f}" for name in ("written out", "fused"))
            rows.append(f"| {NAMES[cell]} | {batch} x {length} | {width} | {times} | {taken} |")
    heads = ("layer", "batch x time", "width", "written out, ms", "fused, ms", "taken")
    head = [f"| {' | '.join(heads)} |", "| --- | --- | --- | --- | --- | --- |"]
    return "\n".join([f"{machine_line()}.", "", *head, *rows])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", nargs="+", default=["gpt", "rnn", "lstm"], choices=list(NAMES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--budget", default="2m")
    parser.add_argument("--cpu", action="store_true")
    parser.add_argument("--precision", default="auto", help="of the GPT; auto: measured, which a busy machine distorts")
    parser.add_argument("--data", default="sample:shakespeare")
    parser.add_argument("--runs", type=Path, default=Path("runs/ladder-language"))
    parser.add_argument("--layers", action="store_true")
    parser.add_argument(
        "--write", type=Path, nargs="+", default=[], help="Markdown files in which the table is replaced"
    )
    arguments = parser.parse_args()
    if arguments.layers:
        text, name = layers(), "bench/ladder_quality_language.py --layers"
    else:
        found: dict[str, list[dict[str, Any]]] = {cell: [] for cell in arguments.cells}
        for seed in arguments.seeds:
            for cell in arguments.cells:
                found[cell].append(trained(cell, seed, arguments))
                print(date.today(), cell, seed, found[cell][-1]["systems"]["model"], flush=True)
        text, name = table(found, arguments), "bench/ladder_quality_language.py"
    print(text)
    for page in arguments.write:
        replace_section(page, name, text)


if __name__ == "__main__":
    main()
