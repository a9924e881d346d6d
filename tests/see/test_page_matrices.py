"""A matrix on the page: every number shown is the stored one, with what it means and how it was obtained."""

import random
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from playwright.sync_api import Browser, Page
from torch import nn
from torch.nn import functional as F

from pellucid.see.capture import capture
from pellucid.see.html import write_page
from pellucid.see.operation import Axis
from pellucid.see.trace import Trace
from tests.see.test_page import READ, Opened, as_number, random_cells, translator_trace

pytestmark = pytest.mark.page


@pytest.fixture(scope="module")
def translator(tmp_path_factory: pytest.TempPathFactory) -> tuple[Trace, Path]:
    trace = translator_trace()
    return trace, write_page(trace, tmp_path_factory.mktemp("matrices") / "page.html", title="matrices", language="en")


class Masked(nn.Module):
    """Self-attention in which no query looks ahead and two keys are padding."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value, self.output = (nn.Linear(8, 8) for _ in range(4))

    def forward(self, x: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
        query, key, value = (
            layer(x).unflatten(-1, (2, 4)).transpose(1, 2) for layer in (self.query, self.key, self.value)
        )
        allowed = words[:, None, None] & torch.ones(6, 6, dtype=torch.bool).tril()
        scores = (query @ key.transpose(-2, -1) / 2).masked_fill(~allowed, -torch.inf)
        return self.output((scores.softmax(-1) @ value).transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def masked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Trace, Path]:
    torch.manual_seed(0)
    words = torch.tensor([[True, True, False, True, True, False]])
    trace = capture(Masked(), torch.randn(1, 6, 8), words, loss=lambda y: y.square().sum())
    return trace, write_page(trace, tmp_path_factory.mktemp("masked") / "page.html", language="en")


def figure_of(page: Page, name: str) -> Any:
    figure = page.locator(f"figure[data-step='{name}']").first
    figure.scroll_into_view_if_needed()
    page.wait_for_function("one => one.figure.drawn", arg=figure.element_handle())
    return figure


def test_a_thousand_random_gradients_are_those_of_our_backpropagation(
    browser: Browser, translator: tuple[Trace, Path]
) -> None:
    trace, path = translator
    list(trace.flat())
    cells = [cell for cell in random_cells(trace, 1600, 7) if trace.cell(cell)[0] in trace.gradients][:1000]
    assert len(cells) == 1000
    with Opened(browser, path) as page:
        shown = page.evaluate(READ, [[cell, "gradient"] for cell in cells])
    for cell, value in zip(cells, shown, strict=True):
        step, index = trace.cell(cell)
        expected = trace.gradients[step][index]
        torch.testing.assert_close(torch.tensor(as_number(value)).float(), expected.float(), rtol=1e-5, atol=1e-8)


def test_a_person_who_points_at_a_number_reads_the_stored_one(browser: Browser, translator: tuple[Trace, Path]) -> None:
    trace, path = translator
    choose, names = random.Random(5), [step.name for step in trace if step.value.dim() >= 2 and step.op != "input"]
    with Opened(browser, path) as page:
        for name in choose.sample(names, 12):
            page.evaluate("name => { location.hash = name }", name)
            figure = figure_of(page, name)
            step = trace[name]
            for _ in range(3):
                cell = tuple(choose.randrange(size) for size in step.value.shape)
                for axis, index in zip(step.axes[:-2], cell[:-2], strict=True):
                    chooser = page.locator(f"select[data-axis='{axis.name}']")
                    if chooser.count():
                        chooser.select_option(str(index))
                figure = figure_of(page, name)
                x, y = figure.evaluate(
                    "(one, [row, column]) => { const { w, h, gutter, head } = one.figure;"
                    " return [gutter + (column + 0.5) * w, head + (row + 0.5) * h]; }",
                    list(cell[-2:]),
                )
                figure.locator("canvas").nth(1).hover(position={"x": x, "y": y})
                page.wait_for_function(
                    "printed => document.querySelector('.address')?.textContent === printed", arg=step.address(cell)
                )
                value = f"{float(step.value[cell]):.4g}".replace("-", "−")
                assert page.locator(".value").inner_text() == value


@pytest.mark.parametrize("name", ["encoder.0.feed_forward.narrow", "decoder.0.self_attention.masked", "0.relu"])
def test_the_summary_of_a_matrix_is_what_torch_says(
    browser: Browser, translator: tuple[Trace, Path], tmp_path: Path, name: str
) -> None:
    trace, path = translator
    if name == "0.relu":
        torch.manual_seed(1)
        trace = capture(nn.Sequential(nn.Linear(5, 12), nn.ReLU()), torch.randn(7, 5))
        path, name = write_page(trace, tmp_path / "page.html", language="en"), "1"
    values = trace[name].value.double()
    values = values[(0,) * (values.dim() - 2)]
    finite = values[values.isfinite()]
    with Opened(browser, path, f"#{name}") as page:
        told = figure_of(page, name).locator(".under").inner_text().replace("−", "-")
    for word, expected in (("min", finite.min()), ("max", finite.max()), ("mean", finite.mean())):
        found = re.search(rf"{word} (\S+)", told)
        assert found, told
        assert found[1] == f"{float(expected):.3g}", told
    share = float((values == 0).double().mean())
    zeros = re.search(r"zeros (\S+?)%", told)
    assert zeros
    assert float(zeros[1]) == pytest.approx(share * 100, abs=0.5 if share >= 0.1 else 0.05)
    hidden = int((~values.isfinite()).sum())
    assert (f"−∞, ∞ or nan: {hidden}".replace("−", "-") in told) == bool(hidden)


def test_rows_are_sorted_and_filtered_by_size_and_columns_by_a_row(browser: Browser, tmp_path: Path) -> None:
    torch.manual_seed(0)
    trace = capture(nn.Linear(30, 40), torch.randn(2, 30))
    weight = trace["weight"].value
    norms = weight.double().norm(dim=1)
    with Opened(browser, write_page(trace, tmp_path / "page.html", language="en"), "#weight") as page:
        figure = figure_of(page, "weight")
        figure.locator("details.orders summary").click()
        figure.locator("[data-order=size]").click()
        order = "one => [one.figure.rowOrder, one.figure.order, one.figure.rows]"
        assert figure.evaluate(order)[0] == norms.argsort(descending=True).tolist()
        figure.locator("[data-filter]").fill("5")
        page.keyboard.press("Enter")
        page.wait_for_function("one => one.figure.rows === 5", arg=figure.element_handle())
        assert "5 of 40 rows" in figure.locator(".under").inner_text()
        largest = norms.topk(5).indices.tolist()
        assert figure.evaluate("one => Array.from({ length: 5 }, (_, row) => one.figure.rowLabel(row))") == [
            str(row) for row in largest
        ]
        figure.locator("[data-order=columns]").click()  # of the first row that is shown: nothing was pointed at
        assert figure.evaluate(order)[1] == weight[largest[0]].argsort(descending=True).tolist()
        found = figure.evaluate(
            "({ figure }) => [0, 1, 2].map(row => [0, 1, 2].map(column =>"
            " [figure.value(row, column), figure.cell(row, column)]))"
        )
        for row in found:
            for value, cell in row:
                assert value == float(weight[tuple(cell)])
        figure.locator("[data-order=none]").click()
        assert figure.evaluate(order) == [None, None, 40]
        figure.locator("[data-order=rows]").click()
        assert figure.evaluate(order)[0] == weight[:, 0].argsort(descending=True).tolist()


def test_axes_are_named_and_labelled_with_what_they_mean(browser: Browser, translator: tuple[Trace, Path]) -> None:
    _, path = translator
    with Opened(browser, path, "#decoder.0.cross_attention.weights") as page:
        figure = figure_of(page, "decoder.0.cross_attention.weights")
        assert figure.locator(".axes").inner_text() == "query ↓ key →"
        labels = "one => Array.from({ length: one.figure.columns }, (_, column) => one.figure.columnLabel(column))"
        assert figure.evaluate(labels) == ["w5", "w6", "w7", "w2"]
        assert page.locator("select[data-axis=head] option").count() == 2


# --- honesty ---------------------------------------------------------------------------------------------------------


class Curious(nn.Module):
    """Captured, fused, and an operation that is not opened."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.linalg.inv(F.layer_norm(x, [3]) + 4 * torch.eye(3)).half().float()


def test_each_panel_says_how_its_numbers_were_obtained(browser: Browser, tmp_path: Path) -> None:
    torch.manual_seed(0)
    trace = capture(Curious(), torch.randn(3, 3))
    with Opened(browser, write_page(trace, tmp_path / "page.html", language="en")) as page:
        for name, kinds in {
            "layer_norm": ["opened, differs by", "float32, 7 digits"],
            "add": ["captured", "float32, 7 digits"],
            "linalg_inv": ["not opened", "float32, 7 digits"],
            "half": ["captured", "float16, 4 digits"],
        }.items():
            page.evaluate("name => { location.hash = name }", name)
            told = figure_of(page, name).locator(".marks").inner_text()
            for kind in kinds:
                assert kind in told, (name, told)
            assert page.locator("main figure").count() == page.locator("main figure .marks .badge.kind").count()
        page.evaluate("() => { location.hash = 'layer_norm' }")
        told = figure_of(page, "layer_norm").locator(".badge.opened").inner_text()
        difference = trace["layer_norm"].difference
        assert difference is not None
        assert told == f"opened, differs by {difference:.2g}".replace("e-", "e−")


def test_numbers_that_name_something_have_no_digits(browser: Browser, tmp_path: Path) -> None:
    trace = capture(nn.Embedding(5, 4), torch.tensor([[1, 2, 3]]))
    name = trace.select("*")[0].name
    with Opened(browser, write_page(trace, tmp_path / "page.html", language="en"), f"#{name}") as page:
        assert "int64, exact" in figure_of(page, name).locator(".marks").inner_text()


def test_a_gradient_says_that_it_is_our_own_and_in_which_precision(browser: Browser, tmp_path: Path) -> None:
    torch.manual_seed(0)
    trace = capture(nn.Linear(3, 2).double(), torch.randn(2, 3).double(), loss=lambda y: y.sum())
    with Opened(browser, write_page(trace, tmp_path / "page.html", language="en"), "#linear&backward") as page:
        told = figure_of(page, "linear").locator(".marks").inner_text()
        assert "own backpropagation" in told
        assert "float64, 16 digits" in told


# --- attention -------------------------------------------------------------------------------------------------------


def test_an_attention_has_nine_tables_and_every_hidden_cell_its_reason(
    browser: Browser, masked: tuple[Trace, Path]
) -> None:
    trace, path = masked
    (call,) = trace.attentions()
    assert call.reason == "causal and padding"
    hidden, name = call.masked.value[0, 0] == -torch.inf, call.masked.name
    with Opened(browser, path, f"#{name}") as page:
        for title in ("Q, queries", "K, keys", "V, values", "Q Kᵀ, scores", "÷ √d_k, scaled", "masked",
                      "softmax, weights", "weights · V", "concatenated and projected"):  # fmt: skip
            assert page.locator("figcaption b", has_text=re.compile(f"^{re.escape(title)}$")).count() == 1, title
        ahead, padding = torch.ones(6, 6, dtype=torch.bool).triu(1), torch.tensor([2, 5])
        legend = page.locator(".reasons li").all_inner_texts()
        both = int(ahead[:, padding].sum())
        counts = {int(re.search(r"× (\d+)", line)[1]): line for line in legend}  # type: ignore[index]
        assert "no query may look ahead" in counts[int(ahead.sum()) - both]
        assert "Hidden twice" in counts[both]
        assert "no word" in counts[int(hidden.sum()) - int(ahead.sum())]
        for query, key, reason in (
            (0, 1, "no query may look ahead"),
            (4, 2, "padding, no word"),
            (3, 5, "Hidden twice"),
        ):
            for table in (call.masked.name, call.weights.name):
                address = trace[table].address((0, 0, query, key))
                page.evaluate("address => { location.hash = address }", address)
                page.wait_for_selector(f"aside .note:has-text('{reason}')")
        page.evaluate("address => { location.hash = address }", trace[name].address((0, 0, 4, 3)))
        page.wait_for_function("() => !document.querySelector('aside .note')")


def test_heads_are_compared_by_the_keyboard_alone(browser: Browser, masked: tuple[Trace, Path]) -> None:
    trace, path = masked
    (call,) = trace.attentions()
    with Opened(browser, path, f"#{call.weights.name}") as page:
        page.focus("[data-head='0']")
        page.keyboard.press("Enter")
        page.wait_for_function("() => pellucid.state.heads.one === 0")
        page.wait_for_function("() => document.activeElement.dataset.head === '0'")
        page.keyboard.press("Tab")
        page.keyboard.press("Shift+Enter")
        page.wait_for_selector(".compare table")
        weights = call.weights.value[0].double()
        difference = weights[0] - weights[1]
        with page.expect_download() as download:
            page.locator(".compare details.saves").first.evaluate("one => { one.open = true }")
            page.locator(".compare").get_by_role("button", name="as CSV").first.click()
        rows = Path(download.value.path()).read_text(encoding="utf-8").splitlines()[1:]
        found = torch.tensor([[float(one) for one in row.split(",")[1:]] for row in rows], dtype=torch.float64)
        torch.testing.assert_close(found, difference, atol=1e-12, rtol=0)
        page.keyboard.press("Escape")  # folds the menu
        assert page.locator(".compare details.saves[open]").count() == 0
        page.keyboard.press("Escape")  # frees the heads
        page.wait_for_function("() => pellucid.state.heads.one === null")


def test_labels_of_an_axis_need_not_be_there(browser: Browser, tmp_path: Path) -> None:
    trace = capture(nn.Linear(3, 2), torch.randn(2, 3))
    trace["linear"].axes = (Axis("batch"), Axis("unit", ("yes", "no")))
    with Opened(browser, write_page(trace, tmp_path / "page.html", language="en"), "#linear[batch=1, unit=0]") as page:
        assert "unit 0 “yes”" in page.locator("aside .says").first.inner_text()
