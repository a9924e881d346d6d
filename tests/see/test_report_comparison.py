"""The page of a comparison: in both languages and themes, with every group, whatever runs are called."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

import pellucid
from pellucid.see.report.comparison import comparison_page, sentences
from pellucid.see.report.words import words
from pellucid.tasks.classify import ClassifyConfig

HOSTILE = "<img src=x onerror=alert(1)>&amp;"


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Three seeds each of two ways to train, the second in a folder with a name that would break a careless page."""
    place = tmp_path_factory.mktemp("compared")
    runs = []
    for name, rate in (("plain", 0.01), (HOSTILE, 1e-6)):
        for seed in (1, 2, 3):
            training = {"steps": 6, "threads": 1, "seed": seed, "learning_rate": rate, "evaluate_every": 2}
            config = ClassifyConfig.parse({"data": {"files": ["sample:wine"]}, "training": training})
            runs.append(pellucid.train(config, place / f"{name}{seed}"))
    return json.loads(json.dumps(pellucid.compare(runs).json(), allow_nan=False))


@pytest.fixture(scope="module", params=["light", "dark"])
def page(
    request: pytest.FixtureRequest, browser: Browser, told: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Page]:
    path = tmp_path_factory.mktemp("page") / "compare.html"
    path.write_text(comparison_page(told), encoding="utf-8")
    context = browser.new_context(viewport={"width": 1200, "height": 900}, color_scheme=request.param, locale="en-US")
    page = context.new_page()
    page.troubles = []  # type: ignore[attr-defined]
    page.on("console", lambda m: page.troubles.append(m.text) if m.type == "error" else None)  # type: ignore[attr-defined]
    page.on("pageerror", lambda error: page.troubles.append(str(error)))  # type: ignore[attr-defined]
    page.on("dialog", lambda dialog: page.troubles.append("a dialog"))  # type: ignore[attr-defined]
    page.goto(path.as_uri())
    page.wait_for_selector("#plot-dev_loss .main-svg")
    yield page
    context.close()


def test_the_page_opens_without_trouble_and_asks_nobody(page: Page) -> None:
    for name in ("scores", "dev_loss", "train_loss", "score_curve"):
        assert page.locator(f"#plot-{name} .main-svg").count()
    assert page.troubles == []  # type: ignore[attr-defined]


def test_names_of_runs_stand_as_they_are(page: Page) -> None:
    assert page.locator("img").count() == 0
    assert HOSTILE in page.locator("#trainings table").inner_text()


def test_it_speaks_both_languages(page: Page) -> None:
    assert "is worse than" in page.locator("#verdict").inner_text()
    page.locator("#language").click()
    assert "比 plain1 差" in page.locator("#verdict").inner_text()
    assert (
        "准确率" in page.locator("#plot-scores").inner_text()
        or page.locator("#plot-scores").get_by_text("准确率").count()
    )
    page.locator("#language").click()


def test_every_training_is_a_curve_and_can_be_taken_along(page: Page) -> None:
    with page.expect_download() as saved:
        page.locator('[data-save="csv"][data-plot="dev_loss"]').click()
    rows = Path(saved.value.path()).read_text(encoding="utf-8").splitlines()
    assert rows[0] == "curve,x,y"
    assert {re.sub(r",[^,]*,[^,]*$", "", row) for row in rows[1:]} == {
        f"{name}{seed}" for name in ("plain", HOSTILE) for seed in (1, 2, 3)
    }


def test_only_what_differs_is_in_the_table_of_settings(page: Page) -> None:
    rows = page.locator("#settings tbody tr").all_inner_texts()
    assert [row.split()[0] for row in rows] == ["training.learning_rate"]


def test_all_words_are_there_in_both_languages() -> None:
    english, chinese = words("compare", "en"), words("compare", "zh")
    assert english.keys() == chinese.keys()
    for key, text in english.items():
        assert set(re.findall(r"\{\w+\}", text)) == set(re.findall(r"\{\w+\}", chinese[key])), key


REASONS = ("above", "below", "small", "both", "same", "few", "failed", "all_failed", "some_failed")


@pytest.mark.parametrize("reason", REASONS)
@pytest.mark.parametrize(
    "cured", [None, {"what": "clip=1", "run": "runs/a", "changes": {"training.clip": 1}, "adapted": {}, "steps": 9}]
)
def test_every_reason_has_a_sentence(told: dict[str, Any], reason: str, cured: dict[str, Any] | None) -> None:
    numberless = reason in ("few", "failed", "all_failed", "some_failed")
    effect = {**told["effects"][0], "reason": reason, **({"mean": None} if numberless else {})}
    for seeds in ([1, 1], [2, 3], [3, 3]):
        changed = {**told, "cured": cured, "effects": [{**effect, "seeds": seeds}]}
        (said,) = sentences(changed)
        for language in ("en", "zh"):
            assert all(words("compare", language)[key].format(**values) for key, values in said)
        assert "</html>" in comparison_page(changed)
