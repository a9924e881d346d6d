"""Any panel of the page as SVG, PNG and CSV: the files open elsewhere and hold the trace's numbers."""

import csv
import io
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch
from playwright.sync_api import Browser, Locator, Page
from torch import nn

from pellucid.run import Run
from pellucid.see.capture import capture
from pellucid.see.html import write_page
from pellucid.see.trace import Trace
from tests.see.test_page import Opened

pytestmark = pytest.mark.page
TEXT = "{http://www.w3.org/2000/svg}text"


@pytest.fixture(scope="module")
def translation(decoded: tuple[Run, Trace, Path]) -> tuple[Trace, Path]:
    return decoded[1:]


def saved(page: Page, panel: Locator) -> dict[str, bytes]:
    """The three files of a panel."""
    found = {}
    menu = panel.locator("details.saves").first
    for kind in ("SVG", "PNG", "CSV"):
        menu.evaluate("one => { one.open = true }")
        with page.expect_download() as download:
            menu.get_by_role("button", name=f"as {kind}").click()
        assert download.value.suggested_filename.endswith(f".{kind.lower()}")
        found[kind] = Path(download.value.path()).read_bytes()
    return found


def texts(drawing: bytes) -> list[str]:
    return [one.text or "" for one in ElementTree.fromstring(drawing).iter(TEXT)]


def rows(table: bytes) -> list[list[str]]:
    return [row for row in csv.reader(io.StringIO(table.decode())) if row]


def size_of(picture: bytes) -> tuple[int, int]:
    assert picture.startswith(b"\x89PNG")
    return int.from_bytes(picture[16:20], "big"), int.from_bytes(picture[20:24], "big")


@pytest.mark.parametrize("kind", ["value", "gradient"])
def test_files_of_a_small_and_of_a_wide_matrix_hold_all_its_numbers(
    browser: Browser, tmp_path: Path, kind: str
) -> None:
    torch.manual_seed(0)
    trace = capture(nn.Linear(60, 50), torch.randn(3, 60), loss=lambda y: y.square().sum())
    address = "#weight&backward" if kind == "gradient" else "#weight"
    with Opened(browser, write_page(trace, tmp_path / "page.html", language="en"), address) as page:
        files = saved(page, page.locator("figure[data-step=weight]"))
    step = trace["weight"]
    expected = trace.gradients[step] if kind == "gradient" else step.value
    table = torch.tensor([[float(one) for one in row[1:]] for row in rows(files["CSV"])[1:]])
    torch.testing.assert_close(
        table, expected, rtol=0 if kind == "value" else 1e-5, atol=0 if kind == "value" else 1e-7
    )
    told = texts(files["SVG"])
    assert len(told) >= 3000
    assert f"{float(expected[49, 59]):.3f}".replace("-", "−") in told or abs(float(expected[49, 59])) >= 10
    wide, high = size_of(files["PNG"])
    assert wide > 3000
    assert high > 1000


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("/map", "Masked self-attention"),
        ("/backward", "along the positions"),
        ("/decoding", "Where it looked in the source"),
        ("decoder.0.cross_attention.weights&head=0,1", "Head 0 against head 1"),
        ("encoder.0.self_attention_residual.norm", "One scale"),
    ],
)
def test_a_whole_view_is_saved_as_it_stands(
    browser: Browser, translation: tuple[Trace, Path], address: str, shown: str
) -> None:
    with Opened(browser, translation[1], f"#{address}") as page:
        files = saved(page, page.locator("main .titled"))
    assert any(shown in one for one in texts(files["SVG"])), texts(files["SVG"])[:40]
    assert min(size_of(files["PNG"])) > 200
    assert len(rows(files["CSV"])) > 3


def test_the_candidates_are_saved_with_all_digits(browser: Browser, translation: tuple[Trace, Path]) -> None:
    trace, path = translation
    assert trace.decoding is not None
    with Opened(browser, path, "#/decoding") as page:
        files = saved(page, page.locator("main .titled"))
    first = trace.decoding.logits[0].double()
    best = first.topk(10)
    found = rows(files["CSV"])
    head = next(i for i, row in enumerate(found) if row[0] == "word")
    for row, logit, share in zip(found[head + 1 :], best.values, first.softmax(0)[best.indices], strict=False):
        assert float(row[2]) == float(logit)
        assert float(row[1]) == pytest.approx(float(share), rel=1e-9)


def test_an_explanation_is_saved_with_its_terms(browser: Browser, translation: tuple[Trace, Path]) -> None:
    trace, path = translation
    address = trace["decoder.0.feed_forward.wide"].address((0, 1, 3))
    with Opened(browser, path, f"#{address}") as page:
        page.wait_for_selector("aside .terms")
        files = saved(page, page.locator("aside"))
    told = " ".join(texts(files["SVG"]))
    value = f"{float(trace.value(address)):.4g}".replace("-", "−")
    assert value in told
    products = sorted((abs(float(row[1])) for row in rows(files["CSV"])), reverse=True)
    expression = trace.explain(address).expression
    assert expression is not None
    terms = sorted((abs(one.value) for one in expression.terms), reverse=True)  # type: ignore[union-attr]
    assert products == pytest.approx(terms[: len(products)], rel=1e-9)


def test_a_network_is_saved_with_every_neuron_and_weight(browser: Browser, tmp_path: Path) -> None:
    torch.manual_seed(0)
    trace = capture(nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1)), torch.randn(1, 2))
    with Opened(browser, write_page(trace, tmp_path / "page.html", language="en"), "#/network") as page:
        files = saved(page, page.locator("main .titled"))
    found = {row[0]: float(row[1]) for row in rows(files["CSV"])[1:]}
    for name in ("0.weight", "1", "2.weight", "2"):
        step = trace[name]
        for cell in torch.cartesian_prod(*map(torch.arange, step.value.shape)).tolist():
            assert found[step.address(tuple(cell))] == float(step.value[tuple(cell)])
    assert "tanh" in texts(files["SVG"])
