"""The page of a review, in a browser: what it lists, how one finds one's way, and that no text of a file ever runs."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from pellucid.data.integrity import Breach
from pellucid.data.localization import Unit
from pellucid.generate.filling.entry import Entry, Found
from pellucid.generate.filling.review import rows_of
from pellucid.generate.filling.summary import Summary, counted
from pellucid.see.report import review as reviewing
from pellucid.see.report.review import review_page
from tests.see.opened import tab, uncomplaining

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\u2028"
GRAVE, REMARK = Breach("placeholder-missing", "%s", "", grave=True), Breach("punctuation", ".", "", grave=False)


def entry(number: int, found: Found, source: str) -> Entry:
    unit = Unit(number, f"app.{source}", number + 1, source, "", "untranslated", context=source, comment=source)
    return Entry(unit, found)


def entries(count: int) -> list[Entry]:
    """One of each kind, the first of them hostile, then translations of the model, the last the least certain."""
    return [
        entry(0, Found("refused", "", 0.1, (Breach("tag-missing", HOSTILE, "", grave=True),), HOSTILE), HOSTILE),
        entry(1, Found("refused", "", 0.2, (GRAVE,), "打开"), "Open %s"),
        entry(2, Found("model", "关闭", 0.9, (REMARK,)), "Close it."),
        entry(3, Found("memory", "保存", others=("存",)), "Save"),
        entry(4, Found("copied", "%d"), "%d"),
        entry(5, Found("existing", "退出"), "Quit"),
        *(entry(n, Found("model", f"第 {n} 条", 0.8 - n / count / 2), f"Entry number {n}") for n in range(6, count)),
    ]


def page_of(some: list[Entry], file: str = "app.po") -> str:
    units = [one.unit for one in some]
    summary = Summary(file, f"zh/{file}", "po", **counted(units, some), memory_missing="gone")
    return review_page(summary.json(), rows_of(some), ("en", "zh"), "runs/en-zh")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("review") / "review.html"
    path.write_text(page_of(entries(4000)), encoding="utf-8")
    return path


@pytest.fixture
def page(browser: Browser, written: Path) -> Iterator[Page]:
    with tab(browser) as page, uncomplaining(page, "error", "warning"):
        page.goto(written.as_uri())
        page.wait_for_selector("html[data-reviewed]")
        yield page


def sources(page: Page) -> list[str]:
    return page.locator(".entry .source").all_text_contents()


def found(page: Page) -> str:
    return page.locator(".review .found").inner_text()


def test_hostile_text_stands_in_the_page_only_where_it_cannot_run() -> None:
    html = page_of(entries(7), HOSTILE)
    assert html.count("</script>") == 4  # of the page's own: its facts and three scripts
    assert "<img src=x" not in html
    block = re.search(r'<script type="application/json" id="facts">(.*?)</script>', html, flags=re.DOTALL)
    assert block is not None
    assert json.loads(block[1])["review"]["rows"][0]["source"] == HOSTILE


@pytest.mark.page
def test_hostile_text_is_shown_as_text_and_does_not_run(page: Page) -> None:
    first = page.locator(".entry").first
    assert first.locator(".source").text_content() == HOSTILE
    assert first.locator(".attempt").text_content() == HOSTILE
    assert page.locator("img").count() == 0


@pytest.mark.page
def test_thousands_of_entries_are_written_a_step_at_a_time_the_worst_first(page: Page) -> None:
    assert found(page) == "4,000 of 4,000"
    assert sources(page)[1:3] == ["Open %s", "Close it."]
    shown = len(sources(page))
    assert shown < 200
    page.locator(".review .more").scroll_into_view_if_needed()
    expect(page.locator(".entry").nth(shown)).to_be_attached()


@pytest.mark.page
def test_entries_are_filtered_by_state_and_check_found_by_text_and_sorted(page: Page) -> None:
    page.get_by_role("button", name="left empty").click()
    assert sources(page) == [HOSTILE, "Open %s"]
    assert "state=refused" in page.url
    page.get_by_label("Check").select_option("placeholder-missing")
    assert sources(page) == ["Open %s"]
    page.get_by_role("button", name=re.compile("^all")).click()
    page.get_by_label("Check").select_option("")
    page.get_by_label("Order").select_option("file")
    assert sources(page)[3:6] == ["Save", "%d", "Quit"]
    page.get_by_label("Find").fill("第 3999 条")
    expect(page.locator(".entry")).to_have_count(1)
    assert sources(page) == ["Entry number 3999"]
    page.reload()
    assert sources(page) == ["Entry number 3999"]


@pytest.mark.page
def test_the_keys_go_through_the_entries(page: Page) -> None:
    chosen = "document.activeElement.querySelector('.source')?.textContent"
    page.keyboard.press("j")
    page.keyboard.press("j")
    assert page.evaluate(chosen) == "Open %s"
    page.keyboard.press("ArrowDown")
    assert page.evaluate(chosen) == "Close it."
    page.keyboard.press("k")
    assert page.evaluate(chosen) == "Open %s"
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.name") == "q"


@pytest.mark.page
def test_the_page_speaks_both_languages(page: Page) -> None:
    assert "the placeholder %s is missing" in page.locator(".entry").nth(1).inner_text()
    page.locator("#language").click()
    assert "缺少占位符 %s" in page.locator(".entry").nth(1).inner_text()
    assert page.get_by_role("button", name="留空").count() == 1


def test_a_page_has_the_worst_and_says_what_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reviewing, "SHOWN", 3)
    html = page_of(entries(9))
    assert "The 3 worst of 9 entries." in html
    assert "Entry number" not in html


def test_every_word_of_the_page_is_there_in_both_languages_and_for_every_kind_of_breach() -> None:
    from pellucid.data.integrity.breach import words as sentences
    from pellucid.see.report.words import words

    assert words("review", "en").keys() == words("review", "zh").keys()
    assert {f"kind.{kind}" for kind in sentences("en")} <= words("review", "en").keys()
