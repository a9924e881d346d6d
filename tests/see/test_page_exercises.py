"""Guess the number: what is asked for stands nowhere on the page, and the answer is checked fairly."""

from pathlib import Path
from typing import Any

import pytest
import torch
from playwright.sync_api import Browser, Page
from torch import nn

from pellucid.see.capture import capture
from pellucid.see.html import write_page
from pellucid.see.trace import Trace
from tests.see.test_page import Opened

pytestmark = pytest.mark.page


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> tuple[Trace, Path]:
    torch.manual_seed(4)
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2), nn.Softmax(-1))
    with torch.no_grad():
        model[2].weight[0].mul_(1e-3)
        model[2].bias.copy_(torch.tensor([1e-3, 0.4]))
    trace = capture(model, torch.randn(2, 3), loss=lambda y: y[:, 0].sum())
    trace.attentions()
    return trace, write_page(trace, tmp_path_factory.mktemp("guess") / "page.html", language="en")


def begin(page: Page) -> None:
    page.get_by_role("button", name="Guess it").click()
    page.wait_for_selector(".guess input")


def answer(page: Page, text: str) -> str:
    page.fill(".guess input", text)
    page.keyboard.press("Enter")
    return page.locator("aside [role=status]").inner_text()


def everything(page: Page) -> str:
    """All that can be read of the page: its text, its attributes, and the files it saves."""
    return str(
        page.evaluate(
            """() => [document.title, document.body.innerText, document.getElementById("live").textContent,
              ...[...document.querySelectorAll("#app *")].flatMap(one => [...one.attributes].map(a => a.value)),
            ].join("\\n")"""
        )
    )


@pytest.mark.parametrize("address", ["2[batch=0, unit=1]", "3[batch=1, unit=0]"])
def test_the_number_asked_for_stands_nowhere_on_the_page(
    browser: Browser, network: tuple[Trace, Path], address: str
) -> None:
    trace, path = network
    value = float(trace.value(address))
    with Opened(browser, path, f"#{address}") as page:
        begin(page)
        page.evaluate("() => document.querySelectorAll('figure').forEach(one => one.figure.draw())")
        told = everything(page).replace("−", "-")
        for digits in (f"{value:.4g}", f"{value:.3f}", f"{value:.3g}"):
            assert digits not in told.replace(address, ""), digits
        for kind in ("CSV", "SVG"):
            figure = page.locator(f"figure[data-step='{address.split('[')[0]}']").first
            figure.locator("details.saves").evaluate("one => { one.open = true }")
            with page.expect_download() as download:
                figure.get_by_role("button", name=f"as {kind}").click()
            written = Path(download.value.path()).read_text(encoding="utf-8")
            assert "?" in written
            assert repr(value)[:7] not in written.replace("−", "-")
        page.get_by_role("button", name="Show it").click()
        assert page.locator(".value").inner_text() == f"{value:.4g}".replace("-", "−")


def test_pointing_elsewhere_does_not_end_the_exercise(browser: Browser, network: tuple[Trace, Path]) -> None:
    with Opened(browser, network[1], "#2[batch=0, unit=1]") as page:
        begin(page)
        page.locator("figure[data-step='1'] canvas").nth(1).hover(position={"x": 40, "y": 30})
        page.wait_for_timeout(100)
        assert page.locator(".value").inner_text() == "?"
        assert page.locator(".guess input").is_visible()
        page.locator("figure[data-step='1'] canvas").nth(1).click(position={"x": 40, "y": 30})
        page.wait_for_selector(".guess", state="detached")


def test_the_answer_is_checked_with_the_tolerance_of_mental_arithmetic(
    browser: Browser, network: tuple[Trace, Path]
) -> None:
    trace, path = network
    address = "2[batch=0, unit=1]"
    value = float(trace.value(address))
    with Opened(browser, path, f"#{address}") as page:
        begin(page)
        assert "Write a number" in answer(page, "many")
        assert "Write a number" in answer(page, "")
        assert "sign" in answer(page, str(-value))
        assert "Too far from zero" in answer(page, str(value * 1.1))
        assert "Too close to zero" in answer(page, str(value * 0.9))
        assert answer(page, f"{value * 1.015:.4g}").startswith("Yes")
        assert answer(page, f"{value * 100:.3g}%".replace(".", ",")).startswith("Yes")


def test_a_small_number_is_not_zero(browser: Browser, network: tuple[Trace, Path]) -> None:
    trace, path = network
    address = "2[batch=0, unit=0]"
    value = float(trace.value(address))
    assert 0 < abs(value) < 0.005
    with Opened(browser, path, f"#{address}") as page:
        begin(page)
        assert not answer(page, "0").startswith("Yes")
        assert not answer(page, str(-value)).startswith("Yes")
        assert answer(page, f"{value:.3g}").startswith("Yes")


def test_minus_infinity_may_be_guessed(browser: Browser, tmp_path: Path) -> None:
    class Hidden(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x - torch.tensor(float("inf"))

    trace = capture(Hidden(), torch.randn(1, 2))
    name: Any = trace.outputs[0]
    with Opened(browser, write_page(trace, tmp_path / "page.html", language="en"), f"#{name}[0, 1]") as page:
        begin(page)
        assert "sign" in answer(page, "inf")
        for written in ("-inf", "−∞"):
            assert answer(page, written).startswith("Yes")
