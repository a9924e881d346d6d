"""The report of a regression: what it draws is what the run holds, in a page that complains of nothing."""

import json
from typing import Any

import pytest
from playwright.sync_api import Browser

from pellucid import api
from pellucid.run import Run
from pellucid.tasks.regress import RegressConfig
from tests.see.opened import tab, uncomplaining
from tests.see.test_report import NARROW

PLACES = ("diabetes", "sine", "deep")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """A linear regression, networks side by side, and a deeper network on one input."""
    folder = tmp_path_factory.mktemp("runs")
    sections: dict[str, dict[str, Any]] = {
        "diabetes": {"data": {"files": ["sample:diabetes"]}},
        "sine": {"data": {"files": ["curve:sine"]}, "model": {"sizes": [1, 2, 4]}},
        "deep": {"data": {"files": ["curve:bump"]}, "model": {"depth": 2, "width": 4}},
    }
    return {
        name: api.train(RegressConfig.parse({"training": {"steps": 60}, **fields}), folder / name)
        for name, fields in sections.items()
    }


def embedded(run: Run) -> dict[str, Any]:
    text = (run.path / "report.html").read_text(encoding="utf-8")
    block = text.split('<script type="application/json" id="facts">')[1].split("</script>")[0]
    plots: dict[str, Any] = json.loads(block)["plots"]
    return plots


def test_the_path_on_the_surface_is_the_runs_own(runs: dict[str, Run]) -> None:
    plots, run = embedded(runs["diabetes"]), runs["diabetes"]
    noted = [point for line in run.metrics() if line["kind"] == "evaluation" for point in line["samples"][0]["path"]]
    surface, path = plots["surface"]["traces"]
    assert [list(point) for point in zip(path["x"], path["y"], path["z"], strict=True)] == [p[1:] for p in noted]
    assert len(surface["z"]) == len(surface["y"])
    assert {len(row) for row in surface["z"]} == {len(surface["x"])}
    assert plots["contour"]["traces"][0]["z"] == surface["z"]
    assert plots["surface"]["layout"]["scene"]["xaxis"]["title"]["text"] in run.task.schema.input_names


def test_each_network_of_growing_size_has_its_curve_beside_the_function(runs: dict[str, Run]) -> None:
    plots = embedded(runs["sine"])
    names = [trace["name"] for trace in plots["growing"]["traces"]]
    assert names[-3:] == ["1", "2", "4"]
    assert "valley" not in plots
    assert plots["shrinking"]["traces"][0]["x"] == [1, 2, 4]
    assert "fitted" in embedded(runs["deep"])


@pytest.mark.page
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PLACES)
def test_the_page_opens_without_complaint_and_scrolls_never_sideways(
    runs: dict[str, Run], browser: Browser, name: str, scheme: str
) -> None:
    with tab(browser, color_scheme=scheme) as page, uncomplaining(page, "error"):
        page.goto((runs[name].path / "report.html").as_uri())
        page.wait_for_selector("#plot-loss .main-svg")
        for width in (400, 1280):
            page.set_viewport_size({"width": width, "height": 900})
            page.wait_for_function(NARROW, arg=width)  # the plots shrink after the window has


@pytest.mark.page
def test_the_layers_follow_the_chosen_step_where_a_plot_before_them_has_a_legend(
    runs: dict[str, Run], browser: Browser
) -> None:
    looks = [line["step"] for line in runs["sine"].metrics() if line["kind"] == "statistics"]
    with tab(browser) as page, uncomplaining(page, "error"):
        page.goto((runs["sine"].path / "report.html").as_uri())
        page.wait_for_selector("#plot-layers .main-svg", state="attached")
        page.locator(".moment input").fill("1")
        assert page.locator(".reveal.layers output").inner_text() == str(min(looks, key=lambda step: abs(step - 1)))


@pytest.mark.page
def test_the_slider_shows_one_network_at_a_time_and_answers_to_keys(runs: dict[str, Run], browser: Browser) -> None:
    with tab(browser) as page:
        page.goto((runs["sine"].path / "report.html").as_uri())
        page.wait_for_selector("#plot-growing .main-svg")
        seen = "document.getElementById('plot-growing').data.filter(t => t.visible !== false).map(t => t.name)"
        assert page.evaluate(seen)[-1:] == ["4"]
        page.focus("#slider-growing")
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowLeft")
        assert page.evaluate(seen)[-1:] == ["1"]
        assert page.locator("#slider-growing + output").inner_text() == "1"
        page.click("#language")
        assert page.evaluate(seen)[-1:] == ["1"]
