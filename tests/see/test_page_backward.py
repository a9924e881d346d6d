"""Backward on the page: why weights move, the paths of the chain rule, and the pass played; in a browser, offline."""

import random
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Browser
from torch import nn
from torch.nn import functional as F

from pellucid.see.capture import capture
from pellucid.see.training import TrainingStep, capture_step
from tests.see.test_page import Opened, at
from tests.see.test_update import BATCHES, CELLS, OPTIMIZERS, WANTED, X, cells_of, loss_of, network, take_step

pytestmark = pytest.mark.page

MOVED = """async addresses => {
  const { parsed, cellOf } = await import("pellucid/address.js");
  const { loadMove, moved, numbersOf, valueOf } = await import("pellucid/move.js");
  const found = [];
  for (const one of addresses) {
    const { name, indices } = parsed(one), step = pellucid.trace.find(name);
    await loadMove(pellucid.trace, step);
    const x = moved(pellucid.trace, step, cellOf(step, indices));
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
