"""Backward on the page: why weights move, the paths of the chain rule, and the pass played; in a browser, offline."""

import math
import random
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import torch
from playwright.sync_api import Browser
from torch import nn
from torch.nn import functional as F

from pellucid.see.blocks import Blocks
from pellucid.see.capture import capture
from pellucid.see.chain import Paths, all_paths, percent
from pellucid.see.trace import Trace, TraceError
from pellucid.see.training import TrainingStep, capture_step
from pellucid.see.translation import trace_of
from pellucid.see.ways import gates_of
from pellucid.see.ways_page import paths_in
from tests.see import test_penalties
from tests.see.test_page import Opened, at
from tests.see.test_translation import SOURCE, TARGET, made
from tests.see.test_update import BATCHES, CELLS, OPTIMIZERS, WANTED, X, cells_of, loss_of, network, take_step

pytestmark = pytest.mark.page

MOVED = """async addresses => {
  const { parsed, cellOf } = await import("pellucid/address.js");
  const { loadMove, moved, numbersOf, valueOf } = await import("pellucid/move.js");
  const found = [];
  for (const one of addresses) {
    const { name, indices } = parsed(one), step = pellucid.trace.find(name), cell = cellOf(step, indices);
    await loadMove(pellucid.trace, step, cell);
    const x = moved(pellucid.trace, step, cell);
    found.push({ address: x.address, old: x.old, value: x.value, rounding: x.rounding,
      lines: x.lines.map(line => [line.name, line.formula, numbersOf(line), valueOf(line), line.value]),
      pushes: x.pushes.map(one => [one.name, one.value]) });
  }
  return found;
}"""


# --- why a weight moved ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_the_arithmetic_of_any_weight_is_that_of_python_and_ends_where_pytorchs_step_does(
    browser: Browser, tmp_path: Path, kind: str
) -> None:
    torch.manual_seed(0)
    model = network()
    optimizer = OPTIMIZERS[kind](model.parameters())
    for _ in range(2):
        take_step(model, optimizer, clip=0.2)
    trace = capture(model, X, loss=loss_of, clip=0.2, training_step=3)
    expected = [trace.why_moved(cell, optimizer) for cell in CELLS]
    path = trace.html(tmp_path / "page.html", optimizer=optimizer)
    take_step(model, optimizer, clip=0.2)
    with Opened(browser, path) as page:
        shown = page.evaluate(MOVED, list(CELLS))
    for told, why, now in zip(shown, expected, cells_of(model), strict=True):
        assert told["address"] == why.address
        assert [line[:2] for line in told["lines"]] == [[line.name, line.text] for line in why.lines]
        for (_, _, numbers, value, exact), line in zip(told["lines"][1:], why.lines[1:], strict=True):
            assert numbers == line.expression.text(line.digits(4), 4)
            assert value == f"{line.value:.{line.digits(4)}g}"
            assert exact == pytest.approx(line.value, rel=1e-6, abs=1e-30)
        assert told["old"] == why.old
        assert told["value"] == pytest.approx(now, rel=3e-7, abs=3e-8)
        assert [name for name, _ in told["pushes"]] == [push.name for push in why.pushes]
        pushes = torch.tensor([value for _, value in told["pushes"]])
        torch.testing.assert_close(pushes, torch.tensor([push.value for push in why.pushes]), rtol=1e-3, atol=1e-8)
        assert told["lines"][0][4] == pytest.approx(why.gradient, rel=1e-4)


def test_the_arithmetic_of_one_weight_of_a_large_table_reads_its_own_tiles_alone(
    browser: Browser, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Embedding(9000, 24), nn.Linear(24, 2))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    words, wanted = torch.tensor([3, 8123]), torch.tensor([0, 1])
    for _ in range(2):
        optimizer.zero_grad()
        F.cross_entropy(model(words), wanted).backward()
        optimizer.step()
    trace = capture(model, words, loss=lambda y: F.cross_entropy(y, wanted), training_step=3)
    cells = ["0.weight[token=8123, model=5]", "0.weight[token=17, model=0]"]
    expected = [trace.why_moved(cell, optimizer) for cell in cells]
    path = trace.html(tmp_path / "page.html", optimizer=optimizer)
    with Opened(browser, path, "#/map") as page:
        shown = page.evaluate(MOVED, cells)
        whole = page.evaluate("() => pellucid.trace.steps.filter(one => one.size === 216000 && one.values).length")
    assert whole == 0
    for told, why in zip(shown, expected, strict=True):
        assert [line[4] for line in told["lines"]] == pytest.approx([line.value for line in why.lines], rel=1e-5)
        assert told["old"] == why.old


@pytest.fixture(scope="module")
def stepped(tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainingStep, nn.Module, Path]:
    """A step of three batches, scaled, clipped, remembered; the page was asked for one of its weights."""
    torch.manual_seed(0)
    model = network()
    optimizer = OPTIMIZERS["AdamW"](model.parameters())
    take_step(model, optimizer)

    def objective(x: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(model(x), wanted)

    step = capture_step(model, objective, BATCHES, clip=0.05, scale=1024.0, optimizer=optimizer, training_step=2)
    path = step.html(tmp_path_factory.mktemp("step") / "page.html", CELLS[0], title="a step")
    return step, model, path


def test_a_page_of_a_step_opens_at_the_number_it_was_asked_for(
    browser: Browser, stepped: tuple[TrainingStep, nn.Module, Path]
) -> None:
    step, _, path = stepped
    why = step.why_moved(CELLS[0])
    with Opened(browser, path) as page:
        assert at(page) == why.address
        assert page.evaluate("location.hash").endswith("&step")
        shown = page.locator(".moves li").all_inner_texts()
        assert len(shown) == len(why.lines)
        for text, line in zip(shown, why.lines, strict=True):
            assert line.text in text
            assert f"{line.value:.{line.digits(4)}g}" in text
            assert line.expression.text(line.digits(4), 4) in text
        names = page.locator(".pushes li span:first-child").all_inner_texts()
        order = sorted(why.pushes, key=lambda push: -abs(push.value))
        assert names[:-3] == [push.name for push in order if push.value]
        page.reload()
        page.wait_for_selector(".moves li")
        assert page.locator(".moves li").all_inner_texts() == shown


def test_a_parameter_offers_to_say_why_it_moves_and_its_numbers_can_be_walked(
    browser: Browser, stepped: tuple[TrainingStep, nn.Module, Path]
) -> None:
    step, _, path = stepped
    with Opened(browser, path, "#4.bias[unit=1]") as page:
        page.get_by_role("button", name="Why does it move?").click()
        page.wait_for_selector(".moves")
        assert page.evaluate("location.hash") == "#4.bias[unit=1]&step"
        why = step.why_moved("4.bias[unit=1]")
        assert f"{why.new:.7g}".replace("-", "−") in page.locator(".value").inner_text()
        page.locator(".moves [data-line=exp_avg] a").click()
        page.wait_for_function("() => pellucid.address === '4.bias.exp_avg[unit=1]'")
        page.wait_for_selector(".terms a")
        titles = page.locator(".terms a").evaluate_all("links => links.map(link => link.title)")
        assert {*titles} == {cell.address for cell in why.line("exp_avg").expression.cells()}
        assert page.locator(".nums").inner_text().startswith(why.line("exp_avg").expression.text(4, 4))


def test_pointing_at_any_matrix_of_a_step_tells_the_weight_at_that_place(
    browser: Browser, stepped: tuple[TrainingStep, nn.Module, Path]
) -> None:
    step, _, path = stepped
    with Opened(browser, path) as page:
        matrix = page.locator("figure[data-step='0.weight.exp_avg_sq'] canvas").nth(1)
        matrix.focus()
        for key in ("ArrowDown", "ArrowDown", "ArrowDown", "ArrowRight", "Enter"):
            page.keyboard.press(key)
        page.wait_for_function("before => pellucid.address !== before", arg="0.weight[unit=2, input=1]")
        address = at(page)
        assert address.startswith("0.weight[")
        why = step.why_moved(address)
        page.wait_for_function("text => document.querySelector('.value')?.textContent.includes(text)",
                               arg=f"{why.new:.7g}".replace("-", "−"))  # fmt: skip
        rings = page.evaluate(
            "() => pellucid.figures.filter(one => one.lit?.length || one.chosen).map(one => one.step.name)"
        )
        assert "0.weight.new" in rings


def test_the_table_of_a_step_has_the_norms_of_every_parameter(
    browser: Browser, stepped: tuple[TrainingStep, nn.Module, Path]
) -> None:
    step, model, path = stepped
    with Opened(browser, path, "#/step") as page:
        rows = page.locator("tr[data-move]")
        assert rows.evaluate_all("rows => rows.map(row => row.dataset.move)") == [
            n for n, _ in model.named_parameters()
        ]
        for name, parameter in model.named_parameters():
            cells = page.locator(f"tr[data-move='{name}'] td.number").all_inner_texts()
            norms = [step.gradients[name].norm().item(), parameter.norm().item()]
            assert cells[:2] == [f"{one:.3g}".replace("-", "−") for one in norms]
        assert f"{step.factor:.4g}" in page.locator(".training .nums").inner_text()


def test_a_weight_that_stays_says_why(browser: Browser, tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    model[2].bias.requires_grad_(False)
    optimizer = torch.optim.SGD(model[0].parameters(), lr=0.1)
    path = capture(model, X, loss=lambda y: F.cross_entropy(y, WANTED), optimizer=optimizer).html(
        tmp_path / "page.html"
    )
    with Opened(browser, path, "#2.weight[0, 1]&step") as page:
        page.wait_for_selector("text=The optimizer does not hold it: it stays as it is.")


def test_a_step_that_a_scaler_leaves_out_moves_nothing(browser: Browser, tmp_path: Path) -> None:
    model = network()
    optimizer = OPTIMIZERS["AdamW"](model.parameters())
    trace = capture(model, X, loss=lambda y: 1e5 * loss_of(y), scale=2.0**126, clip=1.0)
    path = trace.html(tmp_path / "page.html", optimizer=optimizer)
    with Opened(browser, path, "#0.weight[2, 1]&step") as page:
        page.wait_for_selector("text=The gradients are not all finite")
        value = page.locator(".value").inner_text()
        assert len({part.strip() for part in value.split("→")}) == 1


def test_a_large_step_keeps_the_weight_asked_for_and_rows_that_can_all_be_asked(
    browser: Browser, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(300, 500), nn.ReLU(), nn.Linear(500, 300))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    trace = capture(model, torch.randn(4, 300), loss=lambda y: (y**2).mean(), optimizer=optimizer)
    assert trace.training is not None
    path = trace.training.html(tmp_path / "page.html", "2.weight[217, 31]", megabytes=3)
    assert path.stat().st_size <= 3_000_000
    choose = random.Random(1)
    with Opened(browser, path) as page:
        kept = page.evaluate(
            """async () => { const step = pellucid.trace.find("0.weight"); await pellucid.trace.load(step);
               return [...Array(500).keys()].filter(row => pellucid.trace.has(step, row * 300)); }"""
        )
        assert 10 < len(kept) < 500
        cells = [f"0.weight[{choose.choice(kept)}, {choose.randrange(300)}]" for _ in range(20)]
        shown = page.evaluate(MOVED, ["2.weight[217, 31]", *cells])
    for told, cell in zip(shown, ["2.weight[217, 31]", *cells], strict=True):
        why = trace.why_moved(cell)
        assert told["value"] == pytest.approx(why.new, rel=1e-12)
        assert [line[3] for line in told["lines"]] == [f"{line.value:.{line.digits(4)}g}" for line in why.lines]
    assert len(shown[0]["pushes"]) == 4


# --- the chain rule, in groups ---------------------------------------------------------------------------------------

GROUPED = """async addresses => {
  const { parsed, cellOf } = await import("pellucid/address.js");
  const { grouped } = await import("pellucid/paths.js");
  const found = [];
  for (const one of addresses) {
    const { name, indices } = parsed(one), step = pellucid.trace.find(name);
    found.push(await grouped(pellucid.trace, step, cellOf(step, indices)));
  }
  return found;
}"""


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Trace, Path]:
    """A translation."""
    folder = tmp_path_factory.mktemp("walked")
    trace = trace_of(made(folder / "en-zh"), SOURCE, TARGET)
    return trace, trace.html(folder / "page.html")


def same_groups(told: dict[str, Any], found: Paths) -> None:
    """The page's groups of a number are Python's."""
    assert told is not None, found.address
    assert told["count"] == pytest.approx(found.count, rel=1e-9)
    assert told["own"] == list(found.own)
    assert [(one["by"], tuple(one["past"]), one["through"]) for one in told["groups"]] == [
        (group.way.by, group.way.past, group.way.through) for group in found.groups
    ]
    for one, group in zip(told["groups"], found.groups, strict=True):
        assert one["part"] == pytest.approx(float(group.contribution), rel=1e-3, abs=1e-7)
        assert one["paths"] == pytest.approx(group.paths, rel=1e-9)
    assert sum(one["part"] for one in told["groups"]) == pytest.approx(float(found.gradient), rel=1e-3, abs=1e-7)


WITHIN = [
    "encoder.0.feed_forward.wide.weight[3, 5]",
    "encoder.0.feed_forward_residual.norm.weight[4]",
    "encoder.0.self_attention.weights[0, 1, 2, 0]",
    "encoder_norm[0, 1, 3]",
    "decoder.0.self_attention.query.bias[3]",
    "decoder.0.cross_attention.key.weight[1, 2]",
    "decoder.1.self_attention_residual.add[0, 1, 4]",
    "decoder.1.cross_attention.values[0, 1, 2, 3]",
    "decoder.1.feed_forward.relu[0, 1, 7]",
    "source.embedded[0, 2, 5]",
    "decoder_norm[0, 1, 2]",
]


def test_groups_of_the_chain_rule_are_those_of_python_wherever_the_number_stands(
    browser: Browser, walked: tuple[Trace, Path]
) -> None:
    trace, path = walked
    live = [one for one in WITHIN if trace.paths(one).count]
    assert len(live) > 8
    used = f"embedding.weight[{int(trace['source'].value[0, 1])}, 3]"
    with Opened(browser, path) as page:
        shown = page.evaluate(GROUPED, [*live, used])
    for told, address in zip(shown, [*live, used], strict=True):
        same_groups(told, all_paths(trace, address, most=0))


@pytest.mark.parametrize("kind", ["plain", "transformer"])
def test_networks_of_others_are_grouped_alike(browser: Browser, tmp_path: Path, kind: str) -> None:
    torch.manual_seed(0)
    if kind == "plain":
        model: nn.Module = nn.Sequential(nn.Linear(3, 12), nn.Tanh(), nn.Linear(12, 10), nn.Tanh(), nn.Linear(10, 6))
        trace = capture(model, X[:4], loss=lambda y: (y**2).mean())
        cells = ["0.weight[2, 1]", "1[0, 3]", "2.weight[4, 2]"]
    else:
        model = nn.Transformer(8, 2, 2, 2, 16, dropout=0.0, batch_first=True)
        trace = capture(model, torch.randn(1, 3, 8), torch.randn(1, 2, 8), loss=lambda y: y.square().sum())
        cells = ["encoder.layers.0.linear1.weight[3, 5]", "decoder.layers.1.norm2.weight[2]", "encoder.norm[0, 1, 2]"]
    path = trace.html(tmp_path / "page.html")
    with Opened(browser, path) as page:
        shown = page.evaluate(GROUPED, cells)
    for told, address in zip(shown, cells, strict=True):
        same_groups(told, all_paths(trace, address, most=0))


def test_the_paths_of_a_small_network_multiply_and_add_up_to_autograds_gradient(
    browser: Browser, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    path = capture(model, X[:2], loss=lambda y: (y**2).mean()).html(tmp_path / "page.html")
    (gradient,) = torch.autograd.grad((model(X[:2]) ** 2).mean(), model[0].weight)
    with Opened(browser, path, "#0.weight[unit=1, input=2]&backward&paths") as page:
        page.wait_for_selector(".paths li")
        lines = page.locator(".paths li").all_inner_texts()
        for line in lines:
            factors = [float(one.strip("()")) for one in line.split(": ")[1].split(" = ")[0].split("*")]
            assert math.prod(factors) == pytest.approx(float(line.split(" = ")[1]), rel=2e-3)
        assert sum(float(line.split(" = ")[1]) for line in lines) == pytest.approx(gradient[1, 2].item(), rel=2e-3)


def test_groups_stand_in_a_table_and_in_the_address(browser: Browser, walked: tuple[Trace, Path]) -> None:
    trace, path = walked
    address = next(one for one in WITHIN if trace.paths(one).count > 300)
    found = trace.paths(address)
    with Opened(browser, path, f"#{found.address}&backward") as page:
        page.get_by_role("button", name="All paths to the loss").click()
        page.wait_for_selector(".path-groups tbody tr")
        assert page.evaluate("location.hash").endswith("&paths")
        rows = [line.split("\t") for line in page.locator(".path-groups tbody tr").all_inner_texts()]
        through = page.locator(".path-groups tbody th").evaluate_all("all => all.map(one => one.dataset.through)")
        assert through == [group.way.through or "" for group in found.groups]
        assert [row[-2] for row in rows] == [percent(found.share(group)).replace("-", "−") for group in found.groups]
        page.reload()
        page.wait_for_selector(".path-groups tbody tr")
        page.get_by_role("button", name="All paths to the loss").click()
        assert page.locator(".path-groups").count() == 0


# --- the pass, played ------------------------------------------------------------------------------------------------


def test_the_backward_pass_plays_from_the_loss_to_the_inputs_and_lights_the_map(
    browser: Browser, walked: tuple[Trace, Path]
) -> None:
    trace, path = walked
    with Opened(browser, path, "#/backward") as page:
        names = page.evaluate(
            "async () => (await import('pellucid/play.js')).operations(pellucid.trace).map(one => one.name)"
        )
        order = [step.name for step in trace]
        assert [order.index(name) for name in names] == sorted((order.index(name) for name in names), reverse=True)
        assert names[0] == trace.loss
        played = page.locator(".played")
        assert played.get_attribute("data-played") == names[0]
        page.locator("[data-play]").click()
        assert page.locator("[data-play]").inner_text() == "Pause"
        page.wait_for_function("name => document.querySelector('.played').dataset.played === name", arg=names[2])
        page.locator("[data-play]").click()
        stopped = played.get_attribute("data-played")
        page.wait_for_timeout(1300)
        assert played.get_attribute("data-played") == stopped
        wide = "decoder.1.feed_forward.wide"
        page.evaluate("name => { location.hash = `#/backward&at=${name}` }", wide)
        page.wait_for_function("name => document.querySelector('.played')?.dataset.played === name", arg=wide)
        assert page.locator(".play-map .lit").get_attribute("data-name") == "decoder.1.feed_forward"
        upstream = page.locator("[data-part=upstream] figure")
        assert upstream.evaluate_all("all => all.map(one => one.dataset.step)") == [wide]
        results = page.locator("[data-part=result] figure").evaluate_all("all => all.map(one => one.dataset.step)")
        assert results == [step.name for step in trace[wide].operands.values()]
        page.locator(".player [aria-label='Where in the backward pass']").focus()
        page.keyboard.press("ArrowLeft")
        page.wait_for_function("name => document.querySelector('.played').dataset.played === name",
                               arg=names[names.index(wide) + 1])  # fmt: skip
        assert page.evaluate("decodeURIComponent(location.hash)") == f"#/backward&at={names[names.index(wide) + 1]}"


def test_what_is_played_is_one_term_of_the_gradient(browser: Browser, walked: tuple[Trace, Path]) -> None:
    trace, path = walked
    with Opened(browser, path, "#/backward&at=decoder.0.feed_forward.narrow") as page:
        links = page.locator("[data-part=local] .nums a").all_inner_texts()
        made_cell, from_cell = links
        step, cell = trace.cell(made_cell)
        upstream = float(trace.gradients[step][cell])
        assert abs(upstream) == float(trace.gradients[step].abs().max())
        found = trace.explain(from_cell, backward=True).expression
        term = next(one for one in found.terms if one.factors[0].address == made_cell)  # type: ignore[union-attr]
        shown = page.locator("[data-part=local] .nums").all_inner_texts()
        assert f"= {term.factors[1].value:.4g}".replace("-", "−") in shown[0]
        assert shown[1].endswith(f"= {term.value:.4g}".replace("-", "−"))


def test_without_motion_the_pass_still_plays_in_steps(browser: Browser, walked: tuple[Trace, Path]) -> None:
    with Opened(browser, walked[1], "#/backward", reduced_motion="reduce") as page:
        first = page.locator(".played").get_attribute("data-played")
        page.get_by_role("button", name="On, to the operation before it").click()
        page.wait_for_function("name => document.querySelector('.played').dataset.played !== name", arg=first)
        moving = "() => document.getAnimations().length"
        assert page.evaluate(moving) == 0


# --- for everybody ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_a_step(
    browser: Browser, stepped: tuple[TrainingStep, nn.Module, Path], walked: tuple[Trace, Path], scheme: str
) -> None:
    script = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    found = next(one for one in WITHIN if walked[0].paths(one).count > 300)
    for path, view in (
        (stepped[2], ""),
        (stepped[2], "#/step"),
        (stepped[2], "#0.weight.exp_avg[unit=1, input=1]"),
        (walked[1], "#/backward&at=decoder.1.feed_forward.wide"),
        (walked[1], f"#{walked[0].paths(found).address}&backward&paths"),
    ):
        with Opened(browser, path, view, color_scheme=scheme, bypass_csp=True) as page:
            if view.endswith("paths"):
                page.wait_for_selector(".path-groups")
            page.evaluate(script)
            violations = page.evaluate(
                "axe.run().then(done => done.violations.map(one => [one.id, one.nodes[0].html]))"
            )
            assert violations == [], view


@pytest.mark.parametrize("width", [400, 900, 1440])
def test_a_step_never_scrolls_sideways_and_speaks_chinese(
    browser: Browser, stepped: tuple[TrainingStep, nn.Module, Path], width: int
) -> None:
    for view in ("", "#/step", "#/backward"):
        with Opened(browser, stepped[2], view, viewport={"width": width, "height": 900}, locale="zh-CN") as page:
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert not re.search(r"\b(move|play|paths|flow)\.\w+", page.locator("body").inner_text())
            assert page.locator("html").get_attribute("lang") == "zh-Hans"


@pytest.mark.parametrize("penalty", test_penalties.PENALTIES)
def test_a_step_with_a_penalty_is_told_as_in_python_and_its_matrices_are_there(
    browser: Browser, tmp_path: Path, penalty: str
) -> None:
    model = test_penalties.network()
    optimizer = test_penalties.OPTIMIZERS["RMSProp"](model.parameters())
    step = test_penalties.opened(model, optimizer, test_penalties.PENALTIES[penalty], 0.05, 0.03)
    found = [step.why_moved(cell) for cell in test_penalties.CELLS]
    with Opened(browser, step.html(tmp_path / "page.html"), "#0.weight&step") as page:
        shown = page.evaluate(MOVED, list(test_penalties.CELLS))
        page.evaluate("() => Promise.all(pellucid.figures.map(one => one.ready()))")
        numbers = page.evaluate("() => [...pellucid.trace.find('0.weight.penalized')?.values ?? []]")
    for told, why in zip(shown, found, strict=True):
        for (name, formula, text, value, exact), line in zip(told["lines"], why.lines, strict=True):
            assert (name, formula) == (line.name, line.text)
            assert exact == pytest.approx(line.value, rel=1e-5, abs=1e-12)
            if name in ("penalized", "limited", "moved"):
                assert (text, value) == (line.expression.text(line.digits(4), 4), f"{line.value:.{line.digits(4)}g}")
    if numbers:
        torch.testing.assert_close(torch.tensor(numbers), step.penalized["0.weight"].flatten(), rtol=1e-6, atol=1e-9)
    assert bool(numbers) is ("proximal" not in penalty)


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_a_step_of_weights_that_are_not_finite_is_told(browser: Browser, tmp_path: Path, broken: float) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    with torch.no_grad():
        model[1].weight[0, 0] = broken
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    trace = capture(model, torch.randn(2, 4), loss=lambda y: y.square().mean())
    cells = ["1.weight[0, 0]", "1.weight[1, 0]", "0.bias[1]"]
    found = [trace.why_moved(cell, optimizer) for cell in cells]
    path = trace.html(tmp_path / "page.html", optimizer=optimizer)
    with Opened(browser, path, "#1.weight[0, 0]&step") as page:
        shown = page.evaluate(MOVED, cells)
        page.locator("aside .moves").wait_for()
    for told, why in zip(shown, found, strict=True):
        wanted = torch.tensor([why.old, why.new], dtype=torch.float64)
        close = torch.tensor([told["old"], told["value"]], dtype=torch.float64)
        torch.testing.assert_close(close, wanted, rtol=1e-6, atol=1e-30, equal_nan=True)
    with torch.no_grad():
        model[1].weight[0, 1] += 1
    with pytest.raises(TraceError, match="has moved since"):
        trace.html(tmp_path / "page.html", optimizer=optimizer)


def test_paths_of_a_gradient_that_is_not_finite_are_in_the_page_that_opens_at_it(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(24, 24), nn.Tanh(), nn.Linear(24, 24), nn.Tanh(), nn.Linear(24, 24))
    trace = capture(model, torch.randn(2, 24), loss=lambda y: (y * math.inf).sum())
    address = "0.bias[1]"
    found = trace.paths(address)
    assert not math.isfinite(found.gradient)
    monkeypatch.setattr("pellucid.see.html.PATHS", -1.0)
    path = trace.html(tmp_path / "page.html", at=f"{address}&backward&paths")
    with Opened(browser, path) as page:
        page.wait_for_selector(".path-groups")
        shown = page.locator(".path-groups tbody tr").first.inner_text()
    assert "nan" in shown or "inf" in shown


def test_a_page_without_room_for_all_groups_has_those_of_the_number_that_it_opens_at(
    browser: Browser, walked: tuple[Trace, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace, _ = walked
    address = next(one for one in WITHIN if trace.paths(one).count > 300 and len(trace.paths(one).groups) > 1)
    found = trace.paths(address)
    monkeypatch.setattr("pellucid.see.html.PATHS", 1e-6)  # of the file
    path = trace.html(tmp_path / "page.html", at=f"{address}&backward&paths")
    with Opened(browser, path) as page:
        page.wait_for_selector(".path-groups")
        told = page.locator(".path-groups th[data-through]").evaluate_all("all => all.map(one => one.dataset.through)")
    assert told == [group.way.through or "" for group in found.groups]


def test_a_page_without_room_for_the_groups_says_where_to_ask(browser: Browser, walked: tuple[Trace, Path]) -> None:
    trace, path = walked
    numbers = {step: number for number, step in enumerate(trace.flat())}
    assert paths_in(trace, gates_of(trace), numbers, Blocks(), characters=1000) is None
    address = next(one for one in WITHIN if trace.paths(one).count > 300)
    with Opened(browser, path, f"#{trace.paths(address).address}&backward") as page:
        page.evaluate("() => { pellucid.trace.paths = null }")
        page.get_by_role("button", name="All paths to the loss").click()
        page.wait_for_selector(f"text=trace.paths('{trace.paths(address).address}')")
        options = page.locator(".paths-options code").all_inner_texts()
        assert options[0] == f'--at "{trace.paths(address).address}" --backward'
