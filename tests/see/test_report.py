"""The report: what it says is what was measured, in a page that needs nothing but itself."""

import json
import re
from collections.abc import Iterator
from importlib.resources import files as find
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from pellucid.errors import RunError
from pellucid.see.look import look
from pellucid.see.report import write_report
from pellucid.see.report.elements import Picture, Section, figures, sheet
from pellucid.see.report.facts import gather
from pellucid.see.report.page import page as page_of
from pellucid.see.report.parts import PARTS
from pellucid.see.report.plots import Plot, colour, scale, smoothed, thinned, word
from pellucid.words import LANGUAGES, sentences
from tests.see.opened import tab, uncomplaining

HOSTILE = "</script><img src=x onerror=alert(1)>&amp;\u2028"


def score(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 2, "high": value + 2}


def metrics(steps: int = 400, *, finished: bool = True) -> list[dict[str, Any]]:
    sample = {"source": f"Open {HOSTILE}", "references": ["打开"], "output": HOSTILE, "memory": "开", "chrf": 12.0}
    systems = {
        name: {"chrf": score(value), "bleu": score(value - 1), "exact": score(3)}
        for name, value in (("model", 41.27), ("copy", 15.4), ("memory", 22.8))
    }
    data = {
        "kind": "data",
        "source": "en",
        "target": "zh",
        "files": [{"path": HOSTILE, "kind": "TSV", "pairs": 9}],
        "read": 1234,
        "removed": {"empty": 3, "identical": 0},
        "clusters": 900,
        "largest_cluster": 12,
        "removed_samples": {"empty": [{"source": HOSTILE, "target": "", "origin": "a:1"}]},
        "train": 1000,
        "dev": 90,
        "test": 91,
        "vocabulary": 800,
        "padding": 0.031,
        "batches": 7,
        "tokens": 7000,
        "lengths": {"edges": [0, 5, 10], "source": [700, 300], "target": [600, 400]},
        "samples": [],
    }
    plan = {
        "kind": "plan",
        "parameters": 1_950_000,
        "preset": "tiny",
        "steps": steps,
        "budget": "4m",
        "precision": "bfloat16",
        "tokens_per_second": 9876,
        "threads": 2,
        "matmul": {"float32": 190, "bfloat16": 400},
    }
    lines: list[dict[str, Any]] = [data, plan]
    for step in range(1, steps + 1):
        lines.append(
            {
                "kind": "step",
                "step": step,
                "seconds": step / 10,
                "loss": 9 - 5 * step / steps,
                "padding": 0.02,
                "learning_rate": 0.001,
                "gradient_norm": 1.5,
                "tokens": step * 900,
                "tokens_per_second": 9000 + step,
            }
        )
        if step % 100 == 0:
            scores = {"chrf": step / 10, "bleu": step / 11}
            line = {"kind": "evaluation", "step": step, "seconds": step / 10, "loss": 8 - step / 100, "scores": scores}
            lines.append({**line, "best": True, "samples": [{**sample, "output": f"第{step}"}]})
    if finished:
        lines.append({"kind": "end", "step": steps, "seconds": 231.0, "reason": "steps done", "best_step": steps})
        other = {**sample, "source": "Close the window", "output": "关闭窗口", "chrf": 97.0}
        subsets = {"all": {"pairs": 91, "systems": systems}, "four_words_or_more": {"pairs": 40, "systems": systems}}
        lines.append({"kind": "test", "split": "test", "pairs": 91, "subsets": subsets, "samples": [other, sample]})
    return lines


def folder(place: Path, lines: list[dict[str, Any]]) -> Path:
    place.mkdir(exist_ok=True)
    (place / "config.toml").write_text(f'task = "translate"\n# {HOSTILE}\n', encoding="utf-8")
    content = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    (place / "metrics.jsonl").write_text(content, encoding="utf-8")
    return place


def text_of(html: str) -> str:
    return re.sub(r"<[^>]+>", " ", html.split('<script type="application/json"')[0])


def test_the_numbers_on_the_page_are_those_of_the_metrics(tmp_path: Path) -> None:
    text = text_of(write_report(folder(tmp_path, metrics())).read_text(encoding="utf-8"))
    for number in ("41.3", "39.3–43.3", "15.4", "22.8", "1,950,000", "9,876", "1,234", "1,000", "18.5", "3.1"):
        assert number in text, number


@pytest.mark.parametrize("name", ["shell", *PARTS])
def test_both_languages_hold_every_word_and_the_same_values(name: str) -> None:
    english, chinese = (sentences("pellucid.see.report.words", f"{name}.{language}.json") for language in LANGUAGES)
    assert list(english) == list(chinese)
    for key, sentence in english.items():
        assert set(re.findall(r"{(\w+)}", sentence)) == set(re.findall(r"{(\w+)}", chinese[key])), key


@pytest.mark.parametrize("lines", [[], metrics()[:1], metrics()[:2], metrics()[:40], metrics(finished=False)])
def test_an_unfinished_run_has_a_report_too(tmp_path: Path, lines: list[dict[str, Any]]) -> None:
    text = text_of(write_report(folder(tmp_path, lines)).read_text(encoding="utf-8"))
    assert "not finished" in text
    assert "pellucid resume" in text


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="not a run folder"):
        write_report(tmp_path)


def test_a_thinned_curve_keeps_its_peaks_and_valleys() -> None:
    curve = [1.0] * 10_000
    curve[4321], curve[8765] = 9.0, -9.0
    chosen = thinned(curve)
    assert len(chosen) <= 1500
    assert {0, 4321, 8765, 9999} <= set(chosen)
    assert chosen == sorted(chosen)


def test_smoothing_starts_at_the_first_value_and_follows() -> None:
    assert smoothed([5.0, 5.0, 5.0]) == [5.0, 5.0, 5.0]
    assert 0.98 < smoothed([0.0] + [1.0] * 500)[-1] <= 1


@pytest.mark.parametrize(
    ("value", "text"),
    [(3, "3"), (1234567, "1,234,567"), (0.0, "0"), (-2.5, "−2.500"), (1976.6, "1,977"), (1.05e-4, "1.05e−4"),
     (0.99999, "1.000"), (2.89, "2.890"), (float("nan"), "nan"), (1e12, "1,000,000,000,000")],
)  # fmt: skip
def test_a_number_is_said_with_the_digits_that_count_and_a_true_minus(value: float, text: str) -> None:
    assert figures(value) == text


def test_a_picture_from_elsewhere_is_refused() -> None:
    with pytest.raises(ValueError, match="data:image/"):
        sheet([Picture("https://example.org/cat.png", "a cat")])


def test_a_run_of_an_unknown_task_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('task = "juggle"\n', encoding="utf-8")
    with pytest.raises(RunError, match="juggle"):
        write_report(tmp_path)


def test_a_loss_that_is_no_number_leaves_the_page_readable(tmp_path: Path) -> None:
    lines = metrics(30, finished=False)
    lines[10]["loss"] = float("nan")
    html = write_report(folder(tmp_path, lines)).read_text(encoding="utf-8")
    block = html.split('id="facts">')[1].split("</script>")[0]
    held = json.loads(block, parse_constant=lambda constant: pytest.fail(f"{constant} is no JSON"))
    assert None in held["plots"]["loss"]["traces"][0]["y"]


def test_the_report_and_the_page_of_a_trace_share_one_look(tmp_path: Path) -> None:
    assert look() in write_report(folder(tmp_path, metrics())).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a finished run."""
    return write_report(folder(tmp_path_factory.mktemp("report") / "en-zh", metrics()))


@pytest.fixture
def page(browser: Browser, report: Path) -> Iterator[Page]:
    """The report of a finished run, opened; it asks for nothing and complains of nothing."""
    with tab(browser) as page, uncomplaining(page, "error"):
        page.goto(report.as_uri())
        page.wait_for_selector("#plot-loss .main-svg")
        yield page


@pytest.mark.page
def test_hostile_texts_are_shown_and_do_nothing(page: Page) -> None:
    assert page.locator("img").count() == 0
    assert page.get_by_text("onerror=alert(1)").count() > 3


@pytest.mark.page
def test_the_button_changes_the_language_and_the_address_remembers(page: Page) -> None:
    assert page.locator("html").get_attribute("lang") == "en"
    page.click("#language")
    assert page.locator("html").get_attribute("lang") == "zh"
    assert page.get_by_role("heading", name="它有多好？").is_visible()
    page.reload()
    assert page.get_by_role("heading", name="它有多好？").is_visible()


@pytest.mark.page
def test_sentences_are_found_and_turned_round(page: Page) -> None:
    rows = page.locator(".sentences tbody tr")
    assert "Close the window" in rows.first.inner_text()
    page.click(".order")
    assert "Close the window" in rows.last.inner_text()
    page.fill("[type=search]", "close the")
    assert page.locator(".sentences tbody tr:visible").count() == 1
    page.fill("[type=search]", "nowhere in it")
    assert page.locator(".none").is_visible()


@pytest.mark.page
def test_a_curve_is_saved_as_a_table(page: Page) -> None:
    with page.expect_download() as download:
        page.click("[data-save=csv][data-plot=scores]")
    rows = Path(download.value.path()).read_text(encoding="utf-8").splitlines()
    assert rows[0] == "curve,x,y"
    assert "chrf,100,10" in rows


@pytest.mark.page
def test_the_slider_and_the_pointer_choose_one_step_in_all_plots(page: Page) -> None:
    rings = "[...document.querySelectorAll('.here')].map(line => line.style.left)"
    before, told = page.evaluate(rings), page.locator(".moment dl")
    assert len(before) == 6
    assert page.locator(".moment output").inner_text() == "400"  # where the best model was
    page.focus(".moment input")
    for _ in range(3):
        page.keyboard.press("PageDown")
    step = int(page.locator(".moment output").inner_text())
    assert 0 < step < 400
    assert all(old != new for old, new in zip(before, page.evaluate(rings), strict=True))
    assert f"{9 - 5 * step / 400:.4g}"[:4] in told.inner_text()
    page.wait_for_url(f"**?step={step}")
    page.reload()
    page.wait_for_selector("#plot-loss .here")
    assert page.locator(".moment output").inner_text() == str(step)
    page.evaluate(
        "document.querySelector('#plot-learning_rate').scrollIntoView({ block: 'center', behavior: 'instant' })"
    )
    box = page.locator("#plot-learning_rate .nsewdrag").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + box["height"] / 2)
    page.wait_for_function("step => document.querySelector('.moment output').textContent !== step", arg=str(step))
    assert abs(int(page.locator(".moment output").inner_text()) - 101) < 6


NARROW = "width => innerWidth === width && document.documentElement.scrollWidth <= width"
FIELD = [[float(i * j) for j in range(4)] for i in range(3)]
PIXEL = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"


@pytest.fixture(scope="module")
def plots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with every kind of plot that a task may bring."""
    points = {"x": [0, 1, 2], "y": [0, 1, 0], "z": [0, 1, 0]}
    shown: list[Plot | str] = [
        Plot("loss", [{"type": "surface", "z": FIELD, "colorscale": scale("share")},
                      {"type": "scatter3d", **points, "line": {"color": colour("focus")}}],
             {"scene": {"zaxis": {"title": {"text": word("plot.loss")}}}}),
        Plot("scores", [{"type": "contour", "x": [5, 6, 7, 8], "z": FIELD, "colorscale": scale("signed")}]),
        Plot("padding", [{"type": "heatmap", "z": FIELD, "colorscale": scale("signed"), "zmid": 0}]),
        Plot("lengths", [{"type": "scatter", "mode": "text", "name": word("line.source"), "x": [1, 2], "y": [3, 4],
                          "text": ['say "a, b"', "<b>c</b>"]}], wide=True),
        sheet([Picture(PIXEL, "one dot", "said 3, is 8")] * 2),
    ]  # fmt: skip
    place = tmp_path_factory.mktemp("gallery")
    facts = gather(folder(place / "shown", []))
    path = place / "gallery.html"
    path.write_text(page_of(facts, [Section("verdict", shown)]), encoding="utf-8")
    return path


@pytest.fixture
def gallery(browser: Browser, plots: Path) -> Iterator[Page]:
    with tab(browser, viewport={"width": 1280, "height": 720}) as page, uncomplaining(page, "error"):
        page.goto(plots.as_uri())
        page.wait_for_selector("#plot-lengths .main-svg")
        yield page


@pytest.mark.page
def test_every_kind_of_plot_is_saved_as_table_and_as_pictures(gallery: Page) -> None:
    expected = {
        "loss": ("curve,x,y,z", "1,2,1,2", "2,1,1,1"),
        "scores": ("curve,x,y,z", "1,5,0,0", "1,8,2,6"),
        "padding": ("curve,x,y,z", "1,3,2,6"),
        "lengths": ("curve,x,y,text", 'source,1,3,"say ""a, b"""', "source,2,4,<b>c</b>"),
    }
    for name, wanted in expected.items():
        saved = {}
        for kind in ("csv", "svg", "png"):
            with gallery.expect_download() as download:
                gallery.click(f"[data-save={kind}][data-plot={name}]")
            assert download.value.suggested_filename == f"shown-{name}.{kind}"
            saved[kind] = Path(download.value.path()).read_bytes()
        rows = saved["csv"].decode().splitlines()
        assert set(wanted) <= set(rows), rows
        assert saved["svg"].startswith(b"<svg")
        assert saved["png"].startswith(b"\x89PNG\r\n")


@pytest.mark.page
def test_names_become_the_words_and_colours_of_what_is_read(gallery: Page) -> None:
    scale_of = "name => document.getElementById('plot-' + name).data[0].colorscale"
    blue, paper, brown = "rgb(33,102,172)", "rgb(247,246,243)", "rgb(179,88,6)"
    assert gallery.evaluate(scale_of, "padding") == [[0, blue], [0.5, paper], [1, brown]]
    gallery.emulate_media(color_scheme="dark")
    gallery.wait_for_function(
        "() => document.getElementById('plot-padding').data[0].colorscale[0][1] === 'rgb(103,169,220)'"
    )
    gallery.click("#language")
    title = "document.getElementById('plot-loss').layout.scene.zaxis.title.text"
    assert gallery.evaluate(title).startswith("损失")


@pytest.mark.page
def test_a_surface_is_turned_with_the_keys(gallery: Page) -> None:
    eye = "document.getElementById('plot-loss')._fullLayout.scene._scene.getCamera().eye"
    before = gallery.evaluate(eye)
    gallery.focus("#plot-loss")
    gallery.keyboard.press("ArrowLeft")
    gallery.wait_for_function(f"before => Math.abs({eye}.x - before) > 0.01", arg=before["x"])
    after = gallery.evaluate(eye)
    assert sum(after[k] ** 2 for k in "xyz") == pytest.approx(sum(before[k] ** 2 for k in "xyz"))
    assert after["z"] == pytest.approx(before["z"])


@pytest.mark.page
def test_pictures_are_shown_pixel_by_pixel(gallery: Page) -> None:
    assert gallery.locator(".sheet img[alt='one dot']").count() == 2
    style = "getComputedStyle(document.querySelector('.sheet img')).imageRendering"
    assert gallery.evaluate(style) == "pixelated"
    assert gallery.evaluate("document.querySelector('.sheet img').naturalWidth") == 1


@pytest.mark.page
@pytest.mark.parametrize(("scheme", "language", "width"), [("light", "en", 1440), ("dark", "zh", 400)])
def test_axe_finds_nothing(browser: Browser, report: Path, scheme: str, language: str, width: int) -> None:
    try:
        script = find("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    except ModuleNotFoundError:
        pytest.fail("axe is missing: pip install axe-playwright-python (it is in the extra [test])")
    with tab(browser, viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True) as page:
        page.goto(f"{report.as_uri()}?lang={language}")
        page.wait_for_selector("#plot-loss .main-svg")
        page.evaluate(script)
        found = page.evaluate("axe.run().then(done => done.violations.map(one => [one.id, one.nodes[0].html]))")
    assert found == []


@pytest.mark.page
def test_the_page_never_scrolls_sideways(page: Page) -> None:
    for width in (1440, 900, 400):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_function(NARROW, arg=width)  # the plots shrink after the window has


CONTRAST = """([front, back]) => {
  const linear = c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const light = text => { const [r, g, b] = text.match(/\\d+/g).map(c => linear(c / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const probe = document.createElement("i"); document.body.append(probe);
  const shade = name => { probe.style.color = `var(--${name})`; return light(getComputedStyle(probe).color); };
  const [a, b] = [shade(front), shade(back)].sort((x, y) => y - x); probe.remove();
  return (a + 0.05) / (b + 0.05);
}"""


@pytest.mark.page
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_from_the_paper(page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    for front in ("ink", "quiet", "focus"):
        for back in ("paper", "panel"):
            assert page.evaluate(CONTRAST, [front, back]) >= 4.5, (front, back)


@pytest.mark.page
def test_the_page_can_be_walked_without_eyes(page: Page) -> None:
    levels = page.eval_on_selector_all("h1, h2, h3", "found => found.map(h => +h.tagName[1])")
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    for control in page.locator("button:visible, input:visible, a:visible").all():
        name = control.evaluate("e => (e.labels?.[0] ?? e).textContent.trim() || e.getAttribute('data-title')")
        assert name, control.evaluate("e => e.outerHTML")
    assert page.locator("table:visible th[scope]").count() > 10


@pytest.mark.page
def test_without_javascript_the_numbers_are_there_and_the_page_says_what_is_missing(
    browser: Browser, report: Path
) -> None:
    context = browser.new_context(java_script_enabled=False)
    opened = context.new_page()
    opened.goto(report.as_uri())
    assert opened.get_by_text("41.3").first.is_visible()
    assert opened.locator("p.lead", has_text="The plots need JavaScript").is_visible()
    context.close()
