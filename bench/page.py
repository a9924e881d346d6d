"""How a page of a trace opens and answers: in headless Chromium, from the disk, with the network off.

    python bench/page.py [--quick] [--rounds 7] [--only gpt] [--write docs/benchmarks.md]

Each round is a browser window of its own. Opened: from the start of the navigation until the page can be used, and
until the matrices of a place in the middle of the model are drawn after its link was followed. Hovered: from the moment
at which the pointer moved until what it says has been painted, moving on all the time: while those matrices are still
being drawn, and afterwards. All are medians over the rounds; the worst of a round is the longest of its moves.
"""

import argparse
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from playwright.sync_api import Browser, Page, sync_playwright
from tables import machine_line, replace_section

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(Path(__file__).parent / "peers"), str(ROOT)]
from see_models import VOCABULARY, build, surprise  # noqa: E402 (beside the peers)

from pellucid.models.translator import Translator, TranslatorConfig  # noqa: E402
from pellucid.see.capture import capture  # noqa: E402
from pellucid.see.trace import Trace  # noqa: E402
from tools.screenshots import FLAGS, chromium  # noqa: E402

TOKENS = 16  # of a sentence
EVERYTHING = 10_000.0  # megabytes that no page here takes
MOVES = 40
# Of each page: its model, its limit, and the matrix to go to.
PAGES = {
    "translator, tiny": ("tiny", 10.0, "decoder.0.cross_attention.weights"),
    "translator, small": ("small", 10.0, "decoder.0.cross_attention.weights"),
    "GPT, 6 layers of 384, 256 tokens": ("gpt", 10.0, "blocks.3.feed_forward.0"),
    "the same with all its numbers": ("gpt", EVERYTHING, "blocks.3.feed_forward.0"),
}

READY = "() => performance.getEntriesByName('ready')[0]?.startTime"
# Notes how long after each movement of the pointer its answer is painted.
WATCH = """
window.noted = { moves: [] };
addEventListener("pointermove", event => {
  const moved = event.timeStamp;
  requestAnimationFrame(() => { const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => noted.moves.push(performance.now() - moved); port2.postMessage(0); });
}, true);
"""
# Goes to a matrix, and keeps how long it takes until it is drawn.
GO = """name => {
  const began = performance.now(), figure = () => pellucid.figures.find(one => one.step.name === name);
  location.hash = "#" + name;
  window.watched = (async () => {
    while (!figure()?.drawn || figure().drawing) await new Promise(requestAnimationFrame);
    return performance.now() - began;
  })();
}"""


@dataclass
class Round:
    """Milliseconds of one round."""

    opened: float
    busy: float  # of them the processor worked on the page itself, decoding apart
    drawn: float
    first: list[float] = field(default_factory=list)  # moves while matrices are being drawn
    later: list[float] = field(default_factory=list)


def trace_of(model: str) -> Trace:
    """A forward and a backward pass; the weights are random, which a file holds as badly as trained ones."""
    if model == "gpt":
        network, inputs, loss = build(model)
        return capture(network, *inputs, loss=loss)
    torch.manual_seed(0)
    translator = Translator(TranslatorConfig.parse({"preset": model}), VOCABULARY).eval()
    source, target = torch.randint(4, VOCABULARY, (2, 1, TOKENS))
    return capture(translator, source, target[:, :-1], loss=lambda logits: surprise(logits, target[:, 1:]))


def measured(browser: Browser, path: Path, place: str) -> Round:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, locale="en-US", offline=True)
    page = context.new_page()
    page.set_default_timeout(120_000)
    page.add_init_script(WATCH)
    cdp = context.new_cdp_session(page)
    cdp.send("Performance.enable", {"timeDomain": "threadTicks"})
    page.goto(path.as_uri(), wait_until="commit")
    page.wait_for_function(READY)
    busy = {one["name"]: one["value"] for one in cdp.send("Performance.getMetrics")["metrics"]}["TaskDuration"]
    found = Round(page.evaluate(READY), 1000 * busy, 0.0)
    page.evaluate(GO, place)
    canvas = page.locator(f"figure[data-step='{place}'] canvas").nth(1)
    canvas.wait_for()
    canvas.evaluate("one => one.scrollIntoView({ block: 'center' })")
    found.first = hovered(page, canvas.bounding_box())
    found.drawn = page.evaluate("() => watched")
    page.wait_for_timeout(300)
    found.later = hovered(page, canvas.bounding_box())
    context.close()
    return found


def hovered(page: Page, box: Any) -> list[float]:
    """The answers to a pointer that crosses a matrix."""
    page.evaluate("() => { noted.moves = []; }")
    for move in range(MOVES):
        page.mouse.move(box["x"] + 40 + (box["width"] - 60) * move / MOVES, box["y"] + 24 + move % 7)
        page.wait_for_timeout(8)
    page.wait_for_function("count => noted.moves.length >= count", arg=MOVES // 2)
    return list(page.evaluate("() => noted.moves"))


def row(name: str, size: int, writing: float, rounds: list[Round]) -> list[str]:
    median = statistics.median
    numbers = [
        f"{size / 1e6:,.1f} MB",
        f"{writing:,.0f} s",
        *(f"{median(getattr(one, key) for one in rounds):,.0f}" for key in ("opened", "busy", "drawn")),
    ]
    for kind in ("first", "later"):
        moves = [getattr(one, kind) for one in rounds]
        numbers.append(f"{median(median(one) for one in moves):,.0f} ({median(max(one) for one in moves):,.0f})")
    return [name, *numbers]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one round of the smallest page: does it run?")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", help="pages of this model: tiny, small or gpt")
    parser.add_argument("--keep", type=Path, help="a folder for the pages; those that lie there are not written anew")
    parser.add_argument("--write", type=Path, help="a Markdown file in which the table is replaced")
    args = parser.parse_args()
    pages = {name: page for name, page in PAGES.items() if args.only in (None, page[0])}
    if args.quick:
        args.rounds, pages = 1, dict(list(pages.items())[:1])
    head = ["page", "size", "written in", "opened, ms", "of it busy", "a place drawn, ms", "hover while it draws, ms",
            "hover afterwards, ms"]  # fmt: skip
    table = [head, ["---", *["---:"] * (len(head) - 1)]]
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        folder = args.keep or Path(temporary)
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        for name, (model, megabytes, place) in pages.items():
            path = folder / f"{model}-{megabytes:.0f}.html"
            began = time.perf_counter()
            if not path.exists():
                trace = trace_of(model)
                began = time.perf_counter()
                trace.html(path, megabytes=megabytes)
            writing = time.perf_counter() - began
            rounds = [measured(browser, path, place) for _ in range(args.rounds)]
            table.append(row(name, path.stat().st_size, writing, rounds))
            print(" | ".join(table[-1]), flush=True)
        version = browser.version
        browser.close()
    head_line = (
        f"{machine_line()}, Chromium {version}; medians of {args.rounds} rounds, of hovering the worst in brackets."
    )
    text = head_line + "\n\n" + "\n".join(f"| {' | '.join(one)} |" for one in table)
    print(text)
    if args.write:
        replace_section(args.write, "bench/page.py", text)


if __name__ == "__main__":
    main()
