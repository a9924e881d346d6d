"""The page of a trace, read as a person reads it: in a browser, with the network off."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from playwright.sync_api import Browser, Page, sync_playwright
from playwright.sync_api import Error as PlaywrightError
from torch import nn
from torch.nn import functional as F

from pellucid.see.capture import capture
from pellucid.see.html import write_page
from pellucid.see.operation import Axis
from pellucid.see.trace import Trace
from tools.screenshots import FLAGS, chromium

pytestmark = pytest.mark.page
HOSTILE = "</script><img src=x onerror=alert(1)>&amp;\u2028"


def translator_trace() -> Trace:
    """A small translator with words on its axes, hostile ones among them."""
    from pellucid.models.translator import Translator, TranslatorConfig

    torch.manual_seed(3)
    config = TranslatorConfig.parse(
        {"d_model": 16, "heads": 2, "feed_forward": 24, "encoder_layers": 2, "decoder_layers": 2, "dropout": 0.0}
    )
    model = Translator(config, 30).eval()
    source, target = torch.tensor([[5, 6, 7, 2]]), torch.tensor([[1, 8, 9]])
    words = tuple(HOSTILE if n == 8 else f"w{n}" for n in range(30))
    wanted = torch.tensor([8, 9, 2])
    trace = capture(
        model,
        source,
        target,
        loss=lambda logits: F.cross_entropy(logits[0], wanted),
        labels={"source": [words[n] for n in (5, 6, 7, 2)], "target": [words[n] for n in (1, 8, 9)]},
    )
    trace["embedding.weight"].axes = (Axis("token", words), Axis("model"))
    for step in trace.steps:
        if not step.leaf:
            step.axes = ()
    trace._has_axes = False
    return trace


class Picture(nn.Module):
    """A small network for pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(1, 3, 3, padding=1), nn.Linear(27, 4)

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        return self.last(F.max_pool2d(self.first(picture).relu(), 2).flatten(1))  # type: ignore[no-any-return]


def traces() -> dict[str, Trace]:
    torch.manual_seed(0)
    mlp = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2), nn.LeakyReLU(0.2), nn.LayerNorm(2))
    recurrent = nn.GRU(3, 4, batch_first=True)
    return {
        "translator": translator_trace(),
        "network": capture(mlp, torch.randn(2, 3), loss=lambda y: (y**2).mean()),
        "picture": capture(Picture(), torch.randn(1, 1, 6, 6), loss=lambda y: F.cross_entropy(y, torch.tensor([2]))),
        "recurrent": capture(recurrent, torch.randn(1, 3, 3), loss=lambda y: (y[0] ** 2).sum()),
    }


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        try:
            launched = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        except PlaywrightError as error:
            pytest.fail(
                f"no browser to look at pages with: apt-get install chromium, or playwright install chromium\n{error}"
            )
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Trace, Path]]:
    folder = tmp_path_factory.mktemp("pages")
    return {
        name: (trace, write_page(trace, folder / f"{name}.html", title=name, language="en"))
        for name, trace in traces().items()
    }


class Opened:
    """A page in a browser that has no network; every complaint of it is kept."""

    def __init__(self, browser: Browser, path: Path, fragment: str = "", **context: Any) -> None:
        settings: dict[str, Any] = {"viewport": {"width": 1440, "height": 900}, "locale": "en-US"}
        self.context = browser.new_context(**{**settings, **context}, offline=True)
        self.page = self.context.new_page()
        self.page.set_default_timeout(20_000)
        self.problems: list[str] = []
        self.page.on("console", lambda one: self.problems.append(one.text) if one.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda one: self.problems.append(str(one)))
        self.page.on("dialog", lambda one: self.problems.append("a dialog"))
        self.page.on("request", lambda one: self.problems.append(one.url) if one.url.startswith("http") else None)
        self.page.goto(path.as_uri() + fragment)
        self.page.wait_for_selector("html[data-ready]")

    def __enter__(self) -> Page:
        return self.page

    def __exit__(self, kind: Any, *rest: Any) -> None:
        self.context.close()
        if kind is None:
            assert self.problems == []


# Reads cells as the page has them, and explains them as the page does.
READ = """async cells => {
  const { parsed, cellOf, offsetOf } = await import("pellucid/address.js");
  const trace = pellucid.trace, found = [];
  for (const [text, kind] of cells) {
    const { name, indices } = parsed(text), step = trace.find(name), cell = cellOf(step, indices);
    await trace.load(step, kind);
    const offset = offsetOf(step.shape, cell);
    const value = kind === "gradient" ? trace.gradientAt(step, offset) : trace.at(step, offset);
    found.push(Number.isFinite(value) ? value : String(value));
  }
  return found;
}"""
EXPLAIN = """async ([cells, backward]) => {
  const { parsed, cellOf } = await import("pellucid/address.js");
  const { explain, text } = await import("pellucid/explain.js");
  const trace = pellucid.trace, found = [];
  for (const one of cells) {
    const { name, indices } = parsed(one), step = trace.find(name), cell = cellOf(step, indices);
    await (backward ? trace.loadBackward(step) : trace.loadForward(step));
    found.push(text(explain(trace, step, cell, backward)));
  }
  return found;
}"""
NAMES = ["translator", "network", "picture", "recurrent"]


def random_cells(trace: Trace, count: int, seed: int) -> list[str]:
    """Addresses of cells, each step as likely as any other."""
    choose = random.Random(seed)
    steps = [step for step in trace.select("*") if step.value.numel()]
    found = []
    for _ in range(count):
        step = choose.choice(steps)
        found.append(step.address(tuple(choose.randrange(size) for size in step.value.shape)))
    return found


def as_number(value: float | str) -> float:
    return float(str(value).replace("Infinity", "inf"))


@pytest.mark.parametrize("name", NAMES)
def test_a_thousand_random_cells_are_the_stored_numbers(
    browser: Browser, pages: dict[str, tuple[Trace, Path]], name: str
) -> None:
    trace, path = pages[name]
    list(trace.flat())
    cells = random_cells(trace, 1000, 1)
    with Opened(browser, path) as page:
        shown = page.evaluate(READ, [[cell, "value"] for cell in cells])
    for cell, value in zip(cells, shown, strict=True):
        assert as_number(value) == float(trace.value(cell)), cell


@pytest.mark.parametrize("name", NAMES)
def test_formulas_are_to_the_letter_those_of_python(
    browser: Browser, pages: dict[str, tuple[Trace, Path]], name: str
) -> None:
    trace, path = pages[name]
    list(trace.flat())
    cells = random_cells(trace, 200, 2)
    with Opened(browser, path) as page:
        shown = page.evaluate(EXPLAIN, [cells, False])
    for cell, text in zip(cells, shown, strict=True):
        assert text == trace.explain(cell).text(), cell


@pytest.mark.parametrize("name", NAMES)
def test_backward_formulas_are_to_the_letter_those_of_python(
    browser: Browser, pages: dict[str, tuple[Trace, Path]], name: str
) -> None:
    trace, path = pages[name]
    list(trace.flat())
    cells = [cell for cell in random_cells(trace, 60, 3) if trace.cell(cell)[0].value.is_floating_point()]
    with Opened(browser, path) as page:
        shown = page.evaluate(EXPLAIN, [cells, True])
    for cell, text in zip(cells, shown, strict=True):
        assert text == trace.explain(cell, backward=True).text(), cell
