"""What looking costs: a capture against the passes that it looks at, and beside TorchLens and nnsight.

    python bench/see.py [--quick] [--threads 2] [--rounds 5] [--seconds 0.5] [--write docs/benchmarks.md]

Each tool is a process of its own, with the same model and batch; they take turns, round by round. Every figure is a
ratio to a plain pass of the same process in the same round, so that a busy moment falls on both; medians over the
rounds. The peers live in .venv-see-torchlens and .venv-see-nnsight (`bench/setup_see_peers.sh`); one that is not there
is left out. Then: how long a saved trace takes to open, in a new process each time, and what it costs a training to be
watched (`bench/microscope.py`).
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from answering import Answering
from tables import machine_line, replace_section

PEERS = Path(__file__).parent / "peers"
SOURCE = Path(__file__).parent.parent / "src"
sys.path.insert(0, str(PEERS))
from see_models import build  # noqa: E402 (beside the peers, whose environments have nothing else)

from pellucid.see.capture import capture  # noqa: E402

MODELS = {"tiny": "translator, tiny", "small": "translator, small", "gpt": "GPT, 6 layers of 384, 256 tokens"}
TOOLS = {"pellucid": "Pellucid", "torchlens": "TorchLens 2.36", "nnsight": "nnsight 0.8"}
# Ways that go backward are held against a pass that does, others against one that does not.
FORWARD, BOTH = "forward", "forward and backward"


class Tool:
    """A process that looks into one model in its ways, whenever it is told to."""

    def __init__(self, name: str, model: str, threads: int) -> None:
        self.name = name
        command = [str(python_of(name)), str(PEERS / "see_worker.py"), name, model, str(threads)]
        # A peer's environment does not hold our models.
        self.process = Answering(name, command, {**os.environ, "PYTHONPATH": str(SOURCE)})
        self.memory: dict[str, float] = self.process.answer()["memory"]
        self.rounds: list[dict[str, float]] = []

    def round(self, seconds: float) -> None:
        self.rounds.append(self.process.ask(seconds))

    def stop(self) -> None:
        self.process.stop()

    def median(self, figure: Callable[[dict[str, float]], float]) -> float:
        return statistics.median(map(figure, self.rounds))

    def rows(self) -> list[list[str]]:
        found = []
        for way in list(self.memory)[2:]:
            against = BOTH if "gradients" in way else FORWARD
            ratio = self.median(lambda took, way=way, against=against: took[way] / took[against])  # type: ignore[misc]
            took = self.median(lambda took, way=way: took[way])  # type: ignore[misc]
            label = f"{TOOLS[self.name]}: {way}"
            found.append([label, f"{ratio:.1f} x {against}", f"{1000 * took:,.0f} ms", f"{self.memory[way]:,.0f} MB"])
        return found


def python_of(tool: str) -> Path:
    root = Path(__file__).parent.parent
    return Path(sys.executable) if tool == "pellucid" else root / f".venv-see-{tool}" / "bin" / "python"


def captures(model: str, args: argparse.Namespace) -> str:
    """The table of one model."""
    tools = [Tool(name, model, args.threads) for name in TOOLS if python_of(name).exists()]
    try:
        for _ in range(args.rounds):
            for tool in tools:
                tool.round(args.seconds)
    finally:
        for tool in tools:
            tool.stop()
    own = tools[0]
    forward, both = (1000 * own.median(lambda took, way=way: took[way]) for way in (FORWARD, BOTH))  # type: ignore[misc]
    head = f"### {MODELS[model]}\n\nForward takes {forward:,.1f} ms, forward and backward {both:,.1f} ms."
    table = [["what is captured", "costs", "takes", "tensors held"], ["---", "---:", "---:", "---:"]]
    table += [row for tool in tools for row in tool.rows()]
    return head + "\n\n" + "\n".join(f"| {' | '.join(row)} |" for row in table)


OPEN = """
import sys, time
began = time.perf_counter()
import torch
torch.set_num_threads(int(sys.argv[2]))
from pellucid.see.trace import Trace
moments = [time.perf_counter()]
trace = Trace.load(sys.argv[1]); moments.append(time.perf_counter())
trace.name_axes(); moments.append(time.perf_counter())
calls = trace.attentions(); moments.append(time.perf_counter())
cell = (0,) * len(calls[-1].scores.shape)
trace.explain(calls[-1].scores.address(cell)); moments.append(time.perf_counter())
trace.explain(calls[-1].scores.address(cell), backward=True); moments.append(time.perf_counter())
print(moments[0] - began, *(b - a for a, b in zip(moments, moments[1:])))
"""
STAGES = ("load", "name the axes", "open all attention", "explain a number", "and its gradient")


def opening(args: argparse.Namespace) -> str:
    """How long a saved trace of the GPT takes from the disk to its first explained number."""
    network, inputs, loss = build("gpt")
    trace = capture(network, *inputs, loss=loss)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "trace.safetensors")
        began = time.perf_counter()
        trace.save(path)
        saving, size = time.perf_counter() - began, path.stat().st_size
        runs = []
        for _ in range(args.rounds):
            command = [sys.executable, "-c", OPEN, str(path), str(args.threads)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            runs.append([float(one) for one in done.stdout.split()])
    importing, *stages = (statistics.median(column) for column in zip(*runs, strict=True))
    opened = sum(stages[:4])
    lines = [
        f"### Opening a trace\n\n{MODELS['gpt']}, with all gradients, one file of {size / 1e6:,.0f} MB, saved in "
        f"{saving:.1f} s. From the disk to its first explained number {opened:.2f} s, importing apart "
        f"({importing:.1f} s).",
        "",
        "| stage | seconds |\n| --- | ---: |",
        *(f"| {name} | {seconds:.3f} |" for name, seconds in zip(STAGES, stages, strict=True)),
    ]
    return "\n".join(lines)


def watching(args: argparse.Namespace) -> str:
    """What a microscope adds to the steps of a training, as its own script measures it."""
    script = Path(__file__).with_name("microscope.py")
    found = ["### Watching a training"]
    for preset in ("tiny", "small"):
        command = [sys.executable, str(script), "--preset", preset, "--rounds", str(args.rounds)]
        found.append(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip())
    return "\n\n".join(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one short round: does it run?")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5, help="shortest measurement of one way in one round")
    parser.add_argument("--write", type=Path, help="a Markdown file in which the tables are replaced")
    args = parser.parse_args()
    if args.quick:
        args.rounds, args.seconds = 1, 0.05
    torch.set_num_threads(args.threads)
    sections = []
    for measured in (*MODELS, opening, watching):
        sections.append(captures(measured, args) if isinstance(measured, str) else measured(args))
        print(sections[-1] + "\n", flush=True)
    head = f"{machine_line()}; medians of {args.rounds} rounds."
    print(head)
    if args.write:
        replace_section(args.write, "bench/see.py", "\n\n".join([head, *sections]))


if __name__ == "__main__":
    main()
