"""A classifier's report says what the test found, in both languages and themes, whatever names classes have."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from pellucid.data.augment import AugmentationConfig
from pellucid.run import Run
from pellucid.see.report import write_report
from pellucid.see.report.classify import changes
from pellucid.tasks.classify import ClassifyTask
from pellucid.train.loop import Trainer
from tests.tasks.test_classify import config_of, write_images, write_table

HOSTILE = "</script><img src=x onerror=alert(1)>&amp;"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished training on images of classes with names that would break a careless page."""
    place = tmp_path_factory.mktemp("report")
    with np.load(write_images(place)) as arrays:
        names = np.array(["plain", HOSTILE, "三"])
        np.savez(place / "named.npz", images=arrays["images"], labels=names[arrays["labels"]])
    return finished(place / "runs" / "images", ClassifyTask(config_of(place / "named.npz")))


def finished(path: Path, task: ClassifyTask) -> Run:
    run = Run.create(path, task)
    run.append_metrics(
        [
            {"kind": "data", **task.describe()},
            {
                "kind": "plan",
                "parameters": 9,
                "steps": 24,
                "precision": "float32",
                "tokens_per_second": 9,
                "threads": 1,
            },
        ]
    )
    Trainer(run, task).train()
    run.append_metrics([{"kind": "test", **task.test(run.model), "seconds": 1.0}])
    return Run.open(path)


@pytest.fixture(scope="module", params=["light", "dark"])
def page(request: pytest.FixtureRequest, browser: Browser, run: Run) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1200, "height": 900}, color_scheme=request.param, locale="en-US")
    page = context.new_page()
    page.troubles = []  # type: ignore[attr-defined]
    page.on("console", lambda m: page.troubles.append(m.text) if m.type == "error" else None)  # type: ignore[attr-defined]
    page.on("pageerror", lambda error: page.troubles.append(str(error)))  # type: ignore[attr-defined]
    page.on("dialog", lambda dialog: page.troubles.append("a dialog"))  # type: ignore[attr-defined]
    page.goto(write_report(run.path).as_uri())
    page.wait_for_selector("#plot-confusion .main-svg")
    yield page
    context.close()


@pytest.mark.page
def test_nothing_breaks_and_nothing_is_fetched(page: Page) -> None:
    assert page.troubles == []  # type: ignore[attr-defined]
    addresses = page.eval_on_selector_all("img", "images => images.map(image => image.src.slice(0, 22))")
    assert set(addresses) == {"data:image/png;base64,"}
    assert page.eval_on_selector_all("img", "images => images.every(image => image.complete && image.naturalWidth > 0)")


@pytest.mark.page
def test_it_says_what_the_test_found(page: Page, run: Run) -> None:
    tested = next(line for line in run.metrics() if line["kind"] == "test")
    text = page.inner_text("main")
    assert f"{tested['systems']['model']['value']:.2f}%" in text
    assert f"{tested['fully_connected']:,}" in text
    assert f"{tested['calibration']['error']:.1f} points" in text
    for name, found in zip(tested["classes"], tested["by_class"], strict=True):
        row = next(row for row in page.locator("#classes tbody tr").all() if name in row.inner_text())
        assert f"{found['f1']:.1f}" in row.inner_text()
    cells = page.eval_on_selector("#plot-confusion", "plot => plot.data[0].text")
    assert cells == tested["confusion"]
    captions = page.locator("#wrong figcaption:visible").all_inner_texts()
    assert len(captions) == len(tested["wrong"])


@pytest.mark.page
def test_it_is_as_whole_in_chinese(page: Page) -> None:
    page.click("#language")
    assert "它把什么认作什么？" in page.inner_text("main")
    assert page.locator("main .en:visible").count() == 0
    page.click("#language")


@pytest.mark.page
def test_it_fits_a_narrow_window(page: Page) -> None:
    page.set_viewport_size({"width": 400, "height": 800})
    page.reload()
    page.wait_for_selector("#plot-confusion .main-svg")
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    page.set_viewport_size({"width": 1200, "height": 900})


def test_rows_of_a_table_are_shown_where_there_are_no_images(tmp_path: Path) -> None:
    from pellucid.tasks.classify import ClassifyConfig

    table = write_table(tmp_path / "insects.csv")
    values = {
        "data": {"files": [str(table)], "target": "kind"},
        "training": {"steps": 24, "evaluate_every": 8, "threads": 1},
    }
    run = finished(tmp_path / "run", ClassifyTask(ClassifyConfig.parse(values)))
    html = write_report(run.path).read_text(encoding="utf-8")
    main = html[html.index("<main>") : html.index("</main>")]
    assert "colour black" in main or "colour yellow" in main
    assert "<img" not in main
    assert "insects.csv, line " in main


def test_each_change_of_an_image_has_a_name_in_chinese_too() -> None:
    told = AugmentationConfig(rotate=10, shift=0.08, crop=0.1, flip="both", brightness=0.1, noise=0.05).model_dump()
    found = changes(told)
    assert len(found) == 6
    for one in found:
        english, chinese = re.findall(r"<span[^>]*>([^<]*)</span>", one)
        assert re.search(r"[a-z]{4}", english)
        assert not re.search(r"[a-zA-Z]", chinese)
        assert re.findall(r"[\d.]+", english) == re.findall(r"[\d.]+", chinese)
    assert changes(AugmentationConfig().model_dump()) == []
