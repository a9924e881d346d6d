"""The page of a trace, read as a person reads it: in a browser, with the network off."""

import json
import random
import re
from importlib.resources import files
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch
from playwright.sync_api import Browser, Page
from torch import nn
from torch.nn import functional as F

from pellucid.run import Run
from pellucid.see.capture import capture
from pellucid.see.chain import paths
from pellucid.see.html import modules, text, write_page
from pellucid.see.operation import Axis
from pellucid.see.trace import Trace
from pellucid.words import LANGUAGES
from tests.see.opened import Opened, tab, uncomplaining

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
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Trace, Path]]:
    folder = tmp_path_factory.mktemp("pages")
    return {
        name: (trace, write_page(trace, folder / f"{name}.html", title=name, language="en"))
        for name, trace in traces().items()
    }


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
  const { exactly, explain, text } = await import("pellucid/explain.js");
  const trace = pellucid.trace, found = [];
  for (const one of cells) {
    const { name, indices } = parsed(one), step = trace.find(name), cell = cellOf(step, indices);
    await (backward ? trace.loadBackward(step) : trace.loadForward(step));
    const explained = explain(trace, step, cell, backward);
    found.push([text(explained), exactly(explained)]);
  }
  return found;
}"""
GRAPH = re.compile(r'id="graph">(.*?)</script>', re.DOTALL)
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


def plainly(arithmetic: str) -> str:
    """Whole numbers alike, whether they were written as 3 or as 3.0: a browser does not tell them apart."""
    return re.sub(r"(?<=\d)\.0\b", "", arithmetic)


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
    for cell, (told, exact) in zip(cells, shown, strict=True):
        explained = trace.explain(cell)
        assert told == explained.text(), cell
        assert plainly(exact) == plainly(explained.exact), cell


@pytest.mark.parametrize("name", NAMES)
def test_backward_formulas_are_to_the_letter_those_of_python(
    browser: Browser, pages: dict[str, tuple[Trace, Path]], name: str
) -> None:
    trace, path = pages[name]
    list(trace.flat())
    cells = [cell for cell in random_cells(trace, 60, 3) if trace.cell(cell)[0].value.is_floating_point()]
    with Opened(browser, path) as page:
        shown = page.evaluate(EXPLAIN, [cells, True])
    for cell, (told, _) in zip(cells, shown, strict=True):
        assert told == trace.explain(cell, backward=True).text(), cell


# --- a translation, walked -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def walked(decoded: tuple[Run, Trace, Path]) -> tuple[Trace, Path]:
    """A translation with its decoding."""
    return decoded[1:]


def at(page: Page) -> str:
    """The address that is shown."""
    return str(page.evaluate("pellucid.address"))


def wanted_operand(page: Page) -> int:
    """Which operand leads on towards the words: the first that is no parameter and no position's vector."""
    return int(
        page.evaluate(
            """() => [...document.querySelectorAll(".terms a")].findIndex(link => {
              const step = pellucid.trace.find(link.title.split("[")[0]);
              return pellucid.state.step.op === "embedding" ||
                (!["parameter", "constant"].includes(step.op) && !step.name.endsWith(".positions"));
            })"""
        )
    )


def test_clicks_alone_lead_from_a_score_to_the_embedding_of_a_token(
    browser: Browser, walked: tuple[Trace, Path]
) -> None:
    trace, path = walked
    with Opened(browser, path) as page:
        page.get_by_role("link", name="10. To the vocabulary").click()
        page.locator("figure[data-step=logits] canvas").nth(1).click(position={"x": 200, "y": 40})
        page.wait_for_selector(".terms a")
        assert at(page).startswith("logits[")
        seen = [at(page)]
        while not seen[-1].startswith("embedding.weight[") and len(seen) < 200:
            page.locator(".terms a").nth(wanted_operand(page)).click()
            page.wait_for_function("before => pellucid.address !== before && pellucid.why.explanation", arg=seen[-1])
            page.wait_for_function(
                "printed => document.querySelector('.address')?.textContent === printed", arg=at(page)
            )
            seen.append(at(page))
        assert seen[-1].startswith("embedding.weight[")
        assert page.locator(".formula").inner_text() == "A parameter: training found it."
        for address in seen:
            assert address in trace.explain(address).text()
        page.locator(".crumbs a").last.click()
        page.wait_for_function("before => pellucid.address === before", arg=seen[-2])


def test_the_keyboard_alone_leads_from_a_score_to_the_embedding_of_a_token(
    browser: Browser, walked: tuple[Trace, Path]
) -> None:
    _, path = walked
    with Opened(browser, path, "#logits") as page:
        for _ in range(80):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.getAttribute('aria-label')?.startsWith('logits:') ?? false"):
                break
        for key in ("ArrowDown", "ArrowRight", "ArrowRight", "Enter"):
            page.keyboard.press(key)
        page.wait_for_function("() => pellucid.address.startsWith('logits[')")
        page.wait_for_selector(".terms a")
        page.keyboard.press("Enter")  # on to its operands
        seen = [at(page)]
        while not seen[-1].startswith("embedding.weight[") and len(seen) < 200:
            page.wait_for_function("() => document.activeElement.matches('.terms a')")
            for _ in range(wanted_operand(page)):
                page.keyboard.press("Tab")
            page.keyboard.press("Enter")
            page.wait_for_function("before => pellucid.address !== before", arg=seen[-1])
            page.wait_for_function(
                "printed => document.querySelector('.address')?.textContent === printed", arg=at(page)
            )
            seen.append(at(page))
        assert seen[-1].startswith("embedding.weight[")


def test_a_head_is_isolated_freed_and_compared(browser: Browser, walked: tuple[Trace, Path]) -> None:
    trace, path = walked
    call = next(one for one in trace.attentions() if one.place == "encoder.0.self_attention")
    with Opened(browser, path, "#encoder.0.self_attention.weights[batch=0, head=0, query=1, key=1]") as page:
        pressed = page.locator(".multiples button[aria-pressed=true]")
        page.click("[data-head='2']")
        page.wait_for_function("() => location.hash.endsWith('head=2') && pellucid.state.cell[1] === 2")
        assert pressed.count() == 1
        page.click("[data-head='2']")
        page.wait_for_function("() => !location.hash.includes('&head')")
        assert pressed.count() == 0
        page.click("[data-head='1']")
        page.wait_for_function("() => location.hash.endsWith('head=1')")
        page.keyboard.press("Escape")
        page.wait_for_function("() => !location.hash.includes('&head')")
        page.click("[data-head='1']")
        page.wait_for_function("() => location.hash.endsWith('head=1')")
        page.click("[data-head='3']", modifiers=["Shift"])
        page.wait_for_selector(".compare table")
        assert pressed.count() == 2
        rows = page.locator(".compare tr").all_inner_texts()
        weights = call.weights.value[0].double()
        for head, column in ((1, 1), (3, 2)):
            entropy = torch.special.entr(weights[head]).sum(-1).mean() / torch.log(torch.tensor(2.0))
            apart = (torch.arange(weights.size(-2))[:, None] - torch.arange(weights.size(-1))).abs()
            distance = (weights[head] * apart).sum(-1).mean()
            assert rows[1].split("\t")[column] == f"{float(entropy):.4g}"
            assert rows[2].split("\t")[column] == f"{float(distance):.4g}"
        assert rows[3].split("\t")[1] == f"{float((weights[1] - weights[3]).abs().mean()):.4g}"
        page.reload()
        page.wait_for_selector(".compare table")


def test_what_each_head_adds_is_what_the_trace_says(browser: Browser, walked: tuple[Trace, Path]) -> None:
    trace, path = walked
    call = next(one for one in trace.attentions() if one.place == "decoder.0.cross_attention")
    shares = call.shares()
    assert shares is not None
    with Opened(browser, path, "#decoder.0.cross_attention.weights") as page:
        page.locator(".shares canvas").first.scroll_into_view_if_needed()
        with page.expect_download() as download:
            page.click(".shares details.saves summary")
            page.click(".shares .saves button:has-text('CSV')")
        lines = Path(download.value.path()).read_text(encoding="utf-8").splitlines()[1:]
    for head, line in enumerate(lines):
        found = torch.tensor([float(one) for one in line.split(",")[1:]])
        torch.testing.assert_close(found, shares[0, head, 0].float(), atol=1e-5, rtol=1e-5)


def test_the_address_of_a_view_restores_it(browser: Browser, walked: tuple[Trace, Path]) -> None:
    trace, path = walked
    address = "decoder.1.cross_attention.weights[batch=0, head=3, query=1, key=2]"
    with Opened(browser, path, f"#{address}&backward") as page:
        before = page.locator(".nums").inner_text()
        assert before.replace("\n", " ") in trace.explain(address, backward=True).text().replace("\n", " ")
        page.reload()
        page.wait_for_selector(".nums")
        assert page.locator(".nums").inner_text() == before
        assert page.locator("[data-direction=backward]").get_attribute("aria-pressed") == "true"
        page.evaluate("location.hash = '#decoder.9.nothing[1]'")
        page.wait_for_selector("text=There is no decoder.9.nothing[1] in this trace.")


def test_the_decoding_on_the_page_is_the_one_recorded(browser: Browser, walked: tuple[Trace, Path]) -> None:
    trace, path = walked
    found = trace.decoding
    assert found is not None
    with Opened(browser, path, "#/decoding") as page:
        assert page.locator(".spoken button").all_inner_texts() == [node.text for node in found.path]
        assert page.locator(".decoding svg a").count() == len(found.nodes)
        for node in found.nodes:
            label = page.locator(f"[data-focus=node-{node.number}]").get_attribute("aria-label") or ""
            assert label.endswith(node.fate.reason("en"))
        logits = found.logits[found.nodes[0].row or 0].double()
        page.locator("[data-focus=temperature]").fill("0.5")
        best = torch.softmax(logits / 0.5, -1).max()
        page.wait_for_function("text => document.querySelector('.decoding tr.taken, .decoding tr:nth-child(2)')"
                               "?.innerText.includes(text)", arg=percent(float(best)))  # fmt: skip
        page.locator(".spoken button").first.focus()
        page.keyboard.press("ArrowRight")
        page.wait_for_selector("[data-focus=word-1][aria-pressed=true]")


def percent(share: float) -> str:
    return "100%" if share >= 0.9995 else f"{share * 100:.{0 if share >= 0.1 else 1}f}%"


def test_the_tour_goes_through_all_eleven_steps(browser: Browser, walked: tuple[Trace, Path]) -> None:
    _, path = walked
    with Opened(browser, path) as page:
        page.click("[data-tour]")
        for number in range(1, 12):
            page.wait_for_selector(f".tour h2:has-text('Step {number} of 11')")
            page.wait_for_selector(f"[data-stage][aria-current=step] >> text='{number}'")
            if number < 11:
                page.keyboard.press("Enter")  # its button for the next has the focus
        page.click(".tour .next")
        page.wait_for_selector(".tour", state="detached")


def test_a_guess_is_checked_against_the_value(browser: Browser, pages: dict[str, tuple[Trace, Path]]) -> None:
    trace, path = pages["network"]
    address = "2[batch=0, unit=1]"
    with Opened(browser, path, f"#{address}") as page:
        page.get_by_role("button", name="Guess it").click()
        assert page.locator(".value").inner_text() == "?"
        page.fill(".guess input", str(-float(trace.value(address))))
        page.keyboard.press("Enter")
        page.wait_for_selector("text=The sign is the other one.")
        page.fill(".guess input", f"{float(trace.value(address)):.3f}")
        page.keyboard.press("Enter")
        page.wait_for_selector(".right-answer")


def test_all_paths_are_those_of_the_chain_rule_in_python(
    browser: Browser, pages: dict[str, tuple[Trace, Path]]
) -> None:
    trace, path = pages["network"]
    address = "2.weight[unit=0, input=1]"
    with Opened(browser, path, f"#{address}&backward") as page:
        page.get_by_role("button", name="All paths to the loss").click()
        shown = page.locator(".paths li")
        expected = [one.text() for one in paths(trace, address)]
        page.wait_for_function("count => document.querySelectorAll('.paths li').length === count", arg=len(expected))
        assert shown.all_inner_texts() == expected


def test_a_recurrent_layer_is_shown_along_time(browser: Browser, pages: dict[str, tuple[Trace, Path]]) -> None:
    trace, path = pages["recurrent"]
    with Opened(browser, path, "#gru_0") as page:
        figure = page.locator("figure[data-step='layer0.h']")
        box = figure.locator("canvas").nth(1).bounding_box()
        assert box is not None
        with page.expect_download() as download:
            figure.locator("details.saves").evaluate("one => { one.open = true }")
            figure.get_by_role("button", name="as CSV").click()
        lines = Path(download.value.path()).read_text(encoding="utf-8").splitlines()[1:]
        found = torch.tensor([[float(one) for one in line.split(",")[1:]] for line in lines])
        torch.testing.assert_close(found, trace["gru_0"].value[0], atol=1e-6, rtol=0)
        figure.locator("canvas").nth(1).click(position={"x": 30, "y": box["height"] - 10})
        page.wait_for_function("() => pellucid.address.startsWith('gru_0.layer0.t2.h[')")


def test_channels_of_a_picture_stand_side_by_side_and_a_window_lights_up(
    browser: Browser, pages: dict[str, tuple[Trace, Path]]
) -> None:
    trace, path = pages["picture"]
    with Opened(browser, path, "#max_pool2d[batch=0, channel=2, row=1, column=1]") as page:
        assert page.locator(".pictures [aria-label='channel 2'][aria-pressed=true]").count() >= 1
        page.wait_for_selector(".terms a")
        titles = page.locator(".terms a").evaluate_all("links => links.map(link => link.title)")
        expected = [cell.address for cell in trace.explain("max_pool2d[0, 2, 1, 1]").operands]
        assert sorted(titles) == sorted(expected)
        lit = page.evaluate("() => pellucid.figures.find(one => one.step.name === 'relu').lit")
        assert lit == [[2, 2, 2, 2]]


def test_a_number_that_is_guessed_is_hidden_in_its_matrix(
    browser: Browser, pages: dict[str, tuple[Trace, Path]]
) -> None:
    with Opened(browser, pages["network"][1], "#2[batch=0, unit=1]") as page:
        page.get_by_role("button", name="Guess it").click()
        hidden = "() => pellucid.figures.find(one => one.step.name === '2').concealed"
        assert page.evaluate(hidden) == [0, 1]
        page.get_by_role("button", name="Show it").click()
        assert page.evaluate(hidden) is None


class Odd(nn.Module):
    """What models do beside the textbook: half precision, complex numbers, nothing at all, one number, in place."""

    def __init__(self) -> None:
        super().__init__()
        self.narrow = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.narrow(x).half().float()
        turned = torch.view_as_real(torch.view_as_complex(y.view(2, 2, 2)) * torch.polar(torch.ones(2), torch.ones(2)))
        y = turned.flatten(1) * x.sum() + x[:, :0].sum()
        y[:, 0] = 0.5
        return y.sigmoid_().cumsum(1)


@pytest.mark.parametrize("name", [*NAMES, "odd", "transformer"])
def test_every_place_opens_forward_and_backward_without_complaint(
    browser: Browser, pages: dict[str, tuple[Trace, Path]], tmp_path: Path, name: str
) -> None:
    if name in NAMES:
        path = pages[name][1]
    else:
        torch.manual_seed(0)
        if name == "odd":
            trace = capture(Odd(), torch.randn(2, 4), loss=lambda y: y.sum())
        else:
            model = nn.Transformer(8, 2, 1, 1, 16, batch_first=True)
            trace = capture(model, torch.randn(1, 3, 8), torch.randn(1, 2, 8), loss=lambda y: y.square().sum())
        path = trace.html(tmp_path / "page.html")
    with Opened(browser, path) as page:
        names = page.evaluate("() => pellucid.groups.flatMap(({ steps }) => [steps[0].name, steps.at(-1).name])")
        for switch in ("", "&backward"):
            places = [f"#{name}{switch}" for name in dict.fromkeys(names)]
            found = page.evaluate(
                """async places => { const found = [];
                  for (const place of places) {
                    history.replaceState(null, "", place); await pellucid.read(true);
                    const titles = document.querySelectorAll("main h2.title").length;
                    found.push([place, pellucid.state.problem, titles]);
                  }
                  return found; }""",
                places,
            )
            assert found == [[place, None, 1] for place in places]


def test_a_saved_trace_makes_the_same_page(walked: tuple[Trace, Path], tmp_path: Path) -> None:
    trace, path = walked
    trace.save(tmp_path / "pass.safetensors")
    again = Trace.load(tmp_path / "pass.safetensors").html(tmp_path / "page.html", title="runs/en-zh")
    before, after = (json.loads(GRAPH.findall(one.read_text(encoding="utf-8"))[0]) for one in (path, again))
    for graph in (before, after):
        for step in graph["steps"]:
            step.pop("settings", None)  # a list where there was a tuple
            step.pop("difference", None)  # raw scores are computed anew, which rounds otherwise
    for part in ("steps", "labels", "walk", "attentions", "about", "decoding"):
        assert after[part] == before[part], part


# --- files -----------------------------------------------------------------------------------------------------------


def test_a_page_keeps_to_its_size_and_says_what_is_missing(browser: Browser, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(600, 1000), nn.ReLU(), nn.Linear(1000, 500))
    trace = capture(model, torch.randn(3, 600), loss=lambda y: (y**2).mean())
    path = write_page(trace, tmp_path / "page.html", megabytes=2)
    assert path.stat().st_size <= 2_000_000
    with Opened(browser, path, "#0.weight[unit=0, input=1]") as page:
        assert "sampled" in page.locator(".badges").inner_text()
        kept = page.evaluate(
            "[...Array(1000).keys()].filter(row => pellucid.trace.has(pellucid.trace.find('0.weight'), row * 600))"
        )
        assert 10 < len(kept) < 900
        value = page.evaluate("row => pellucid.trace.at(pellucid.trace.find('0.weight'), row * 600 + 7)", kept[5])
        assert value == float(model[0].weight[kept[5], 7])
        gone = next(row for row in range(1000) if row not in kept)
        page.evaluate("row => { location.hash = `#0[batch=0, unit=${row}]` }", gone)
        page.wait_for_selector("text=Some of the numbers that it was made of are not in this file.")
        page.evaluate("row => { location.hash = `#0.weight[unit=${row}, input=1]` }", gone)
        page.wait_for_selector("text=This number is not in the file")


# What the page says of cells forward, of their gradients, and of its explanations of both; null where it says nothing.
SAID = """async cells => {
  const { parsed, cellOf, offsetOf } = await import("pellucid/address.js");
  const { explain } = await import("pellucid/explain.js");
  const { evaluate } = await import("pellucid/expression.js");
  const trace = pellucid.trace, found = [];
  const number = value => value === undefined ? null : Number.isFinite(value) ? value : String(value);
  for (const text of cells) {
    const { name, indices } = parsed(text), step = trace.find(name), cell = cellOf(step, indices);
    const offset = offsetOf(step.shape, cell);
    await trace.loadForward(step, offset);
    const early = trace.at(step, offset);
    await Promise.all([trace.load(step), trace.load(step, "gradient"), trace.loadBackward(step)]);
    const forward = explain(trace, step, cell), backward = explain(trace, step, cell, true);
    const told = forward.tree && !forward.missing ? number(evaluate(forward.tree)) : null;
    found.push([number(early), number(trace.at(step, offset)), told,
      number(trace.gradientAt(step, offset)), number(backward.value)]);
  }
  return found;
}"""


def test_where_there_is_not_room_for_all_what_is_there_is_right_and_nothing_is_made_up(
    browser: Browser, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Embedding(900, 256), Block(256, 4), nn.Linear(256, 900)).eval()
    wanted = torch.randint(0, 900, (48,))
    trace = capture(model, torch.randint(0, 900, (1, 48)), loss=lambda y: F.cross_entropy(y[0], wanted))
    path = write_page(trace, tmp_path / "page.html", megabytes=2)
    assert path.stat().st_size <= 2_000_000
    list(trace.flat())
    cells = random_cells(trace, 150, 5)
    with Opened(browser, path) as page:
        said = page.evaluate(SAID, cells)
    there = [0, 0, 0, 0]
    for address, (early, value, told, stored, gradient) in zip(cells, said, strict=True):
        step, cell = trace.cell(address)
        assert early == value
        exact = trace.gradients[step][cell] if step in trace.gradients else torch.zeros(())
        if value is not None:
            assert as_number(value) == float(step.value[cell]), address
        if told is not None and value is not None:
            torch.testing.assert_close(as_number(told), float(step.value[cell]), rtol=1e-3, atol=1e-4)
        for number in (stored, gradient):
            if number is not None:
                torch.testing.assert_close(as_number(number), float(exact), rtol=1e-3, atol=1e-7)
        there = [count + (one is not None) for count, one in zip(there, (value, told, stored, gradient), strict=True)]
    assert min(there) > 5, there
    assert there[0] < len(cells), "nothing was left out: a smaller limit would test more"


def test_outputs_and_what_is_small_are_kept_whole_and_positions_together(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Embedding(300, 128), Block(128, 4), Block(128, 4), nn.Linear(128, 300)).eval()
    trace = capture(model, torch.randint(0, 300, (1, 64)), loss=lambda y: y.square().mean())
    path = write_page(trace, tmp_path / "page.html", megabytes=1.5)
    steps = {step["name"]: step for step in json.loads(GRAPH.findall(path.read_text(encoding="utf-8"))[0])["steps"]}
    cut = {name for name, step in steps.items() if "rows" in step.get("value", {})}
    assert cut
    assert not cut & set(trace.outputs)
    assert not [name for name in cut if trace[name].value.nbytes <= 1 << 14]
    for name in cut:
        if name.endswith(".wide") or name.endswith(".narrow"):
            kept = {first + i * by for first, by, count in steps[name]["value"]["rows"] for i in range(count)}
            assert 63 in kept, f"{name} lacks the last position"


def test_what_a_page_opens_with_stands_at_the_beginning_of_its_numbers(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(400, 600), nn.ReLU(), nn.Linear(600, 10))
    trace = capture(model, torch.randn(2, 400), loss=lambda y: y.square().mean())
    path = write_page(trace, tmp_path / "page.html", megabytes=40)
    graph = json.loads(GRAPH.findall(path.read_text(encoding="utf-8"))[0])
    starts = {
        step["name"]: graph["blocks"][step["value"]["block"]][0]
        for step in graph["steps"]
        if "block" in step.get("value", {})
    }
    large = min(start for name, start in starts.items() if trace[name].value.nbytes > 1 << 14)
    assert trace.loss is not None
    assert all(starts[name] < large for name in (*trace.outputs, trace.loss, "0.bias", "0"))


def test_a_page_of_what_was_asked_for_holds_that_and_what_it_is_made_of(browser: Browser, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 4))
    trace = capture(model, torch.randn(3, 6), loss=lambda y: y.square().sum(), only="2")
    before = {step.name: (step.kept, step.how) for step in trace.steps}
    path = trace.html(tmp_path / "page.html")
    assert {step.name: (step.kept, step.how) for step in trace.steps} == before, "what was not kept stays so"
    with Opened(browser, path) as page:
        for address, badge in (
            ("2[batch=0, feature=1]", "captured"),
            ("2.weight[unit=0, input=1]", "captured"),  # of the model, which has not changed since
            ("1[batch=0, feature=1]", "recomputed"),
            ("0[batch=0, feature=1]", "not kept"),
            ("0.weight[unit=0, input=1]", "not kept"),
        ):
            step, cell = trace.cell(address.replace("feature", trace[address.split("[")[0]].axis_names[-1]))
            page.evaluate("async hash => { history.replaceState(null, '', hash); await pellucid.read(true); }",
                          f"#{step.address(cell)}")  # fmt: skip
            assert badge in page.locator("aside .badges").inner_text(), address
            offset = sum(i * stride for i, stride in zip(cell, step.value.stride(), strict=True))
            shown = page.evaluate(
                "([name, offset]) => pellucid.trace.at(pellucid.trace.find(name), offset) ?? null", [step.name, offset]
            )
            if badge == "not kept":
                assert shown is None
                assert "not among what it asked for" in page.locator("aside").inner_text()
            else:
                assert shown == float(trace.value(step.address(cell)))


def test_what_is_not_looked_at_is_not_read(browser: Browser, walked: tuple[Trace, Path]) -> None:
    with Opened(browser, walked[1]) as page:
        opened = page.evaluate("() => [pellucid.trace.read.size, pellucid.trace.blocks.length]")
        assert opened[0] <= 2 < opened[1]
        page.evaluate("() => { location.hash = '#encoder.0.self_attention.weights' }")
        page.wait_for_selector("figure")
        assert page.evaluate("() => pellucid.trace.read.size") < opened[1] / 2


def test_the_page_is_at_work_before_its_numbers_have_arrived(browser: Browser, walked: tuple[Trace, Path]) -> None:
    """The file comes in two parts, and the second only when the page is already open."""
    whole = walked[1].read_text(encoding="utf-8")
    start = whole.index('<script type="text/plain" id="blocks-0">')
    page = browser.new_page(locale="en-US")
    page.evaluate("text => { document.open(); document.write(text); }", whole[:start])
    page.wait_for_function("() => window.pellucid")
    assert page.evaluate("() => document.readyState") == "loading"
    page.evaluate("text => { document.write(text); document.close(); }", whole[start:])
    page.wait_for_selector("html[data-ready]")
    assert page.locator("footer .word").count() > 0
    page.close()


def test_pointing_rebuilds_nothing_of_the_matrices(browser: Browser, tmp_path: Path) -> None:
    torch.manual_seed(0)
    trace = capture(nn.Linear(200, 300), torch.randn(40, 200))
    path = write_page(trace, tmp_path / "page.html", language="en")
    with Opened(browser, path, f"#{trace.steps[-1].name}") as page:
        figure = page.locator("figure").last
        canvas = figure.locator("canvas").nth(1)
        canvas.hover(position={"x": 100, "y": 40})
        figure.locator(".lens td.here").wait_for()
        before = figure.locator(".lens td.here").inner_text()
        page.evaluate(
            """() => { window.changed = 0; new MutationObserver(list => { changed += list.filter(
              one => [...one.addedNodes].some(node => node.nodeType === 1)).length; })
              .observe(document.querySelector("main"), { childList: true, subtree: true }); }"""
        )
        for x in range(110, 300, 10):
            canvas.hover(position={"x": x, "y": 50})
        page.wait_for_function(
            "text => [...document.querySelectorAll('.lens td.here')].at(-1)?.innerText !== text", arg=before
        )
        assert page.evaluate("() => changed") == 0


def test_a_long_matrix_is_painted_as_the_numbers_say(browser: Browser, tmp_path: Path) -> None:
    """A tensor of many tiles, held against the colours that its largest numbers have to give."""
    numbers = torch.zeros(1600, 300)
    numbers[400, 30], numbers[1200, 270] = 5.0, -5.0
    layer = nn.Linear(300, 1600)
    with torch.no_grad():
        layer.weight.copy_(numbers)
    path = write_page(capture(layer, torch.randn(2, 300)), tmp_path / "page.html", language="en")
    with Opened(browser, path, "#weight") as page:
        page.wait_for_function("""() => { const one = pellucid.figures.find(one => one.step.name === "weight");
          return one?.drawn && !one.drawing; }""")
        found = page.evaluate(
            """() => { const one = pellucid.figures.find(one => one.step.name === "weight");
              const { width, height } = one.low, { gutter, head, w, h } = one;
              const picture = one.low.getContext("2d").getImageData(0, 0, width, height).data;
              const at = (row, column) => { const x = Math.floor((gutter + (column + 0.5) * w) * devicePixelRatio);
                const y = Math.floor((head + (row + 0.5) * h) * devicePixelRatio), pixels = [];
                for (let down = -1; down < 2; down++) for (let right = -1; right < 2; right++) {
                  const i = 4 * ((y + down) * width + x + right);
                  pixels.push(picture[i] - picture[i + 2]);
                }
                return [Math.max(...pixels), Math.min(...pixels)]; };
              return [at(400, 30), at(1200, 270), at(800, 150)]; }"""
        )
    (warm, _), (_, cold), (middle, also) = found
    assert warm > 60
    assert cold < -60
    assert middle - also < 60


def test_a_page_opens_at_once_and_answers_a_pointer_at_once(browser: Browser, walked: tuple[Trace, Path]) -> None:
    _, path = walked
    with Opened(browser, path, "#decoder.0.cross_attention.scores[batch=0, head=0, query=1, key=2]") as page:
        opened = page.evaluate("performance.now()")
        assert opened < 2000
        slowest = page.evaluate(
            """async () => {
              const step = pellucid.state.step, times = [];
              for (let i = 0; i < 20; i++) {
                const start = performance.now();
                pellucid.preview(step, [0, 0, i % step.shape[2], i % step.shape[3]]);
                await new Promise(requestAnimationFrame);
                times.push(performance.now() - start);
              }
              return times.sort((a, b) => a - b)[15];
            }"""
        )
        assert slowest < 100


class Block(nn.Module):
    """A block of a decoder that only reads what came before."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before, self.after = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.key, self.value, self.output = (nn.Linear(width, width) for _ in range(4))
        self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.before(x)
        query, key, value = (
            layer(y).unflatten(-1, (self.heads, -1)).transpose(1, 2) for layer in (self.query, self.key, self.value)
        )
        heads = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.output(heads.transpose(1, 2).flatten(2))
        return x + self.narrow(F.gelu(self.wide(self.after(x))))


@pytest.mark.slow
@pytest.mark.parametrize("megabytes", [10, 1000])
def test_six_layers_of_width_384_and_256_tokens_open_within_two_seconds(
    browser: Browser, tmp_path: Path, megabytes: float
) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Embedding(2000, 384), *(Block(384, 6) for _ in range(6)), nn.Linear(384, 2000)).eval()
    trace = capture(model, torch.randint(0, 2000, (1, 256)))
    path = trace.html(tmp_path / "page.html", megabytes=megabytes)
    assert path.stat().st_size <= megabytes * 1_000_000
    with Opened(browser, path) as page:
        assert page.evaluate("performance.getEntriesByName('ready')[0].startTime") < 2000
        page.evaluate("() => { location.hash = '#3.weights' }")
        page.wait_for_selector("figure[data-step='3.weights']")
        page.wait_for_timeout(1000)
        slowest = page.evaluate(
            """async () => {
              const times = [];
              for (let i = 0; i < 20; i++) {
                const start = performance.now();
                pellucid.preview(pellucid.state.step, [0, 1, 30, i]);
                await new Promise(requestAnimationFrame);
                times.push(performance.now() - start);
              }
              return times.sort((a, b) => a - b)[15];
            }"""
        )
        assert slowest < 100


@pytest.mark.parametrize("damage", ["cut", "foreign", "graph", "block"])
def test_a_damaged_file_says_so_in_one_sentence(
    browser: Browser, walked: tuple[Trace, Path], tmp_path: Path, damage: str
) -> None:
    whole = walked[1].read_text(encoding="utf-8")
    start = whole.index('id="blocks-0">') + 14
    changes = {
        "cut": lambda: whole[: start + 400] + whole[whole.index("</script>", start) :],
        "foreign": lambda: whole.replace("pellucid.page.1", "somebody.else.1"),
        "graph": lambda: whole.replace('"steps":[', '"steps":[{', 1),
        "block": lambda: re.sub(r'(id="blocks-0">)([^<]+)', lambda one: one[1] + "A" * len(one[2]), whole),
    }
    path = tmp_path / "damaged.html"
    path.write_text(changes[damage](), encoding="utf-8")
    with tab(browser) as page, uncomplaining(page, "error"):
        page.goto(path.as_uri())
        page.wait_for_selector("text=This file is damaged or was written by another version of Pellucid")


def test_saved_panels_hold_all_digits(browser: Browser, pages: dict[str, tuple[Trace, Path]]) -> None:
    trace, path = pages["translator"]
    name = "encoder.0.self_attention.scaled"
    with Opened(browser, path, f"#{name}") as page:
        figure = page.locator(f"figure[data-step='{name}']")
        files = {}
        for kind in ("CSV", "SVG", "PNG"):
            figure.locator("details.saves").evaluate("one => { one.open = true }")
            with page.expect_download() as download:
                figure.get_by_role("button", name=f"as {kind}").click()
            files[kind] = Path(download.value.path()).read_bytes()
    rows = [line.split(",")[1:] for line in files["CSV"].decode().splitlines()[1:]]
    found = torch.tensor([[float(one) for one in row] for row in rows])
    assert torch.equal(found, trace[name].value[0, 0])
    drawing = ElementTree.fromstring(files["SVG"].decode())
    assert len(drawing.findall("{*}rect")) == found.numel() + 1
    assert files["PNG"].startswith(b"\x89PNG")


def test_the_map_is_saved_as_a_drawing_and_the_flow_as_a_table(browser: Browser, walked: tuple[Trace, Path]) -> None:
    trace, path = walked
    with Opened(browser, path) as page:
        files_ = {}
        for kind in ("SVG", "PNG", "CSV"):
            if kind == "CSV":
                page.evaluate("() => { location.hash = '#/backward' }")
                page.wait_for_selector("table.flow")
            page.locator("main .titled details.saves").evaluate("one => { one.open = true }")
            with page.expect_download() as download:
                page.locator("main .titled").get_by_role("button", name=f"as {kind}").click()
            files_[kind] = Path(download.value.path()).read_bytes()
    drawing = ElementTree.fromstring(files_["SVG"].decode())
    assert "Masked self-attention" in [one.text for one in drawing.iter("{http://www.w3.org/2000/svg}text")]
    assert files_["PNG"].startswith(b"\x89PNG")
    tables = [table.splitlines() for table in files_["CSV"].decode().split("\n\n")]
    rows = dict(line.split(",")[::2][:2] for table in tables if table[0].startswith("place,") for line in table[1:])
    for name in ("loss", "logits", "encoder.0.feed_forward.narrow"):
        gradient = trace.gradients[trace[name]]
        assert rows[name] == f"{float(gradient.double().square().mean().sqrt()):.3g}"


# --- for everybody ---------------------------------------------------------------------------------------------------


def test_both_languages_hold_every_word() -> None:
    english, chinese = (json.loads(text(f"words/{one}.json")) for one in LANGUAGES)
    assert list(english) == list(chinese)
    for key, sentence in english.items():
        assert set(re.findall(r"{(\w+)}", sentence)) == set(re.findall(r"{(\w+)}", chinese[key])), key
    used = {key for code in modules().values() for key in re.findall(r"""\bt\("([\w./ ]+)\"""", code)}
    assert used <= set(english)


def test_the_page_speaks_the_readers_language_and_remembers_the_choice(
    browser: Browser, walked: tuple[Trace, Path]
) -> None:
    with Opened(browser, walked[1], "#encoder.0.self_attention.weights", locale="zh-CN") as page:
        assert page.locator("main h2").first.inner_text() == "源文的词元互相看谁？"
        assert page.locator("html").get_attribute("lang") == "zh-Hans"
        page.click("#language")
        page.wait_for_selector("h2:has-text('Which source tokens look at which?')")
        page.reload()
        page.wait_for_selector("h2:has-text('Which source tokens look at which?')")


def test_hostile_labels_are_shown_and_do_nothing(browser: Browser, pages: dict[str, tuple[Trace, Path]]) -> None:
    with Opened(
        browser, pages["translator"][1], "#decoder.0.self_attention.weights[batch=0, head=0, query=1, key=1]"
    ) as page:
        assert page.locator("img").count() == 0
        assert HOSTILE in page.locator("aside .says").first.text_content()
        assert page.evaluate("label => pellucid.trace.labels.flat().includes(label)", HOSTILE)


VIEWS = ["", "#/decoding", "#/backward", "#decoder.0.cross_attention.weights[batch=0, head=1, query=0, key=1]&head=1,2",
         "#encoder.0.self_attention_residual.norm[batch=0, position=0, model=1]&backward"]  # fmt: skip


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_nothing(browser: Browser, walked: tuple[Trace, Path], view: str, scheme: str) -> None:
    try:
        script = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    except ModuleNotFoundError:
        pytest.fail("axe is missing: pip install axe-playwright-python (it is in the extra [test])")
    with Opened(browser, walked[1], view, color_scheme=scheme, bypass_csp=True) as page:
        page.evaluate(script)
        found = page.evaluate("axe.run().then(done => done.violations.map(one => [one.id, one.nodes[0].html]))")
        assert found == []


@pytest.mark.parametrize("width", [400, 900, 1440])
@pytest.mark.parametrize("view", VIEWS)
def test_the_page_never_scrolls_sideways_and_nothing_jumps(
    browser: Browser, walked: tuple[Trace, Path], view: str, width: int
) -> None:
    with Opened(browser, walked[1], view, viewport={"width": width, "height": 900}) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        canvas = page.locator("figure .board canvas + canvas").first
        if canvas.count():
            page.evaluate(
                """() => { window.moved = 0; new PerformanceObserver(list => {
                  for (const one of list.getEntries()) window.moved += one.value;
                }).observe({ type: "layout-shift" }); }"""
            )
            box = canvas.bounding_box()
            assert box is not None
            for x in range(70, int(box["width"]), 40):
                canvas.hover(position={"x": x, "y": box["height"] - 5})
            page.wait_for_timeout(200)
            assert page.evaluate("window.moved") < 0.02


def test_without_javascript_the_page_says_what_it_needs(browser: Browser, walked: tuple[Trace, Path]) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(walked[1].as_uri())
    assert page.locator("p.sorry", has_text="Allow JavaScript for this file to see them").is_visible()
    context.close()
