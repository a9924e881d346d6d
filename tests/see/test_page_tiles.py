"""Tensors of several blocks wherever the page reads them: a training step, equal beginnings, saved panels."""

import json
import re
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Browser
from torch import nn

from pellucid.see.capture import capture
from tests.see.test_page import GRAPH, READ, Opened
from tests.see.test_page_backward import MOVED

pytestmark = pytest.mark.page
CELLS = ("0.weight[0, 0]", "0.weight[199, 320]", "0.weight[399, 1]")


@pytest.mark.parametrize("megabytes", [40.0, 2.0])
def test_a_training_step_of_tensors_of_several_blocks_is_that_of_python(
    browser: Browser, tmp_path: Path, megabytes: float
) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(321, 400), nn.Tanh(), nn.Linear(400, 2))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    x = torch.randn(3, 321)
    for _ in range(2):
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()
    trace = capture(model, x, loss=lambda y: y.square().mean(), training_step=3)
    expected = [trace.why_moved(cell, optimizer) for cell in CELLS]
    path = trace.html(tmp_path / "page.html", optimizer=optimizer, megabytes=megabytes)
    found = GRAPH.search(path.read_text(encoding="utf-8"))
    assert found
    bundled = [step["value"] for step in json.loads(found[1])["steps"] if "columns" in step.get("value", {})]
    assert any("more" in one for one in bundled)
    assert any("rows" in one for one in bundled) is (megabytes < 10)
    with Opened(browser, path) as page:
        shown = page.evaluate(MOVED, list(CELLS))
    for told, why in zip(shown, expected, strict=True):
        if told["old"] is None:  # its row is not among those that are kept
            assert megabytes < 10
            assert told["lines"] == []
            continue
        assert told["old"] == why.old
        assert [line[0] for line in told["lines"]] == [line.name for line in why.lines]
        for (*_, exact), line in zip(told["lines"][1:], why.lines[1:], strict=True):
            assert exact == pytest.approx(line.value, rel=1e-6, abs=1e-30)
        pushes = torch.tensor([value for _, value in told["pushes"]])
        if megabytes > 10:
            torch.testing.assert_close(pushes, torch.tensor([push.value for push in why.pushes]), rtol=1e-3, atol=1e-8)


def test_tensors_that_begin_alike_are_told_apart(browser: Browser, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(300, 300, bias=False), nn.Linear(300, 300, bias=False))
    with torch.no_grad():
        model[1].weight.copy_(model[0].weight)
        model[1].weight[299] += 1
    trace = capture(model, torch.randn(1, 300))
    cells = [f"{layer}.weight[{row}, {column}]" for layer in (0, 1) for row in (0, 299) for column in (0, 299)]
    with Opened(browser, trace.html(tmp_path / "page.html", megabytes=40)) as page:
        shown = page.evaluate(READ, [[cell, "value"] for cell in cells])
    assert shown == [step.value[index].item() for step, index in map(trace.cell, cells)]


def test_a_panel_is_saved_with_all_its_matrices_before_they_were_seen(browser: Browser, tmp_path: Path) -> None:
    torch.manual_seed(0)
    trace = capture(nn.Sequential(nn.Linear(600, 900), nn.Tanh()), torch.randn(2, 600))
    path = trace.html(tmp_path / "page.html", megabytes=40)
    with Opened(browser, path, "#0") as page:
        with page.expect_download() as download:
            page.locator("main .titled .saves summary").click()
            page.locator("main .titled .saves button", has_text="CSV").click()
        download.value.save_as(tmp_path / "panel.csv")
        with page.expect_download() as drawing:
            page.locator('figure[data-step="0.weight"] .saves summary').click()
            page.locator('figure[data-step="0.weight"] .saves button', has_text="PNG").click()
        drawing.value.save_as(tmp_path / "weight.png")
    tables = re.split(r"\n\n", (tmp_path / "panel.csv").read_text(encoding="utf-8"))
    rows = {table.split("\n")[0]: table.strip().split("\n")[2:] for table in tables}
    weight = [[float(one) for one in row.split(",")[1:]] for row in rows["0.weight"]]
    assert torch.equal(torch.tensor(weight), trace["0.weight"].value)
    assert (tmp_path / "weight.png").stat().st_size > 10_000
