"""The map of a trace's page: what stands on its lines is what the trace says passes there, and layers fold."""

import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import torch
from playwright.sync_api import Browser, Page
from torch import nn

from pellucid.see.capture import capture
from pellucid.see.decode import decode, trace_of_decoding
from pellucid.see.html import write_page
from pellucid.see.operation import Step
from pellucid.see.trace import Trace
from tests.see.test_page import Block, Opened
from tests.see.test_translation import made

pytestmark = pytest.mark.page

# Every line of the map: the steps that pass, what it says, and the boxes at its ends.
LINES = """() => [...document.querySelectorAll(".map .edge")].map(line => ({
  steps: line.dataset.steps.split(" "), text: line.querySelector("text")?.firstChild.textContent ?? null,
  from: line.dataset.from, to: line.dataset.to, kind: line.classList[1] }))"""
STAGES = [
    "source",
    "source.scaled",
    "source.embedded",
    "encoder.0.self_attention.weights",
    "encoder.0.self_attention_residual.add",
    "encoder.0.feed_forward",
    "memory",
    "decoder.0.self_attention.weights",
    "decoder.0.cross_attention.weights",
    "logits",
    "probabilities",
]


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Trace, Path]:
    """A translation through three layers on either side."""
    folder = tmp_path_factory.mktemp("walked")
    run = made(folder / "en-zh", encoder_layers=3, decoder_layers=3)
    trace = trace_of_decoding(run, decode(run, "Save %s files", method="greedy"))
    return trace, write_page(trace, folder / "page.html", title="runs/en-zh", language="en")


@pytest.fixture(scope="module")
def of_any_language(walked: tuple[Trace, Path]) -> Path:
    """The page of the translation in the language of the browser."""
    trace, path = walked
    return write_page(trace, path.with_name("of any language.html"))


def traces() -> dict[str, Trace]:
    torch.manual_seed(0)
    blocks = nn.Sequential(nn.Embedding(9, 8), *(Block(8, 2) for _ in range(4)), nn.Linear(8, 9))
    transformer = nn.Transformer(8, 2, 2, 2, 16, batch_first=True)
    before = nn.Transformer(8, 2, 1, 1, 16, batch_first=True, norm_first=True)
    return {
        "blocks": capture(blocks, torch.tensor([[1, 2, 3]])),
        "transformer": capture(transformer, torch.randn(2, 3, 8), torch.randn(2, 2, 8)),
        "norm first": capture(before, torch.randn(1, 3, 8), torch.randn(1, 2, 8)),
        "network": capture(nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)), torch.randn(5, 3)),
    }


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Trace, Path]]:
    folder = tmp_path_factory.mktemp("maps")
    return {
        name: (trace, write_page(trace, folder / f"{name}.html", title=name, language="en"))
        for name, trace in traces().items()
    }


def shape_of(step: Step) -> str:
    """As it is written on a line: a batch of one goes without saying."""
    sizes = list(step.value.shape)
    if len(sizes) > 1 and sizes[0] == 1:
        sizes = sizes[1:]
    return "×".join(map(str, sizes)) or "1"


def lines_of(page: Page) -> list[dict[str, Any]]:
    return list(page.evaluate(LINES))


def unfold(page: Page) -> None:
    """Open every folded layer."""
    folded, fewer = ".map a:has(.folded)", "([folded, count]) => document.querySelectorAll(folded).length < count"
    while count := page.locator(folded).count():
        page.locator(folded).first.click()
        page.wait_for_function(fewer, arg=[folded, count])


def reaches(trace: Trace, start: Step, end: Step) -> bool:
    """Whether a step was made of another, over any number of steps."""
    seen: set[Step] = set()
    waiting = [end]
    while waiting:
        step = waiting.pop()
        if step is start:
            return True
        if step not in seen:
            seen.add(step)
            waiting += [*step.operands.values(), *step.inside]
    return False


def check(trace: Trace, lines: list[dict[str, Any]]) -> None:
    for line in lines:
        steps = [trace[name] for name in line["steps"]]
        shapes = list(dict.fromkeys(map(shape_of, steps)))
        if line["text"] is not None:  # of lines that part only the first is labelled
            assert re.sub(r"^[KV] ", "", line["text"]) == ", ".join(shapes), line
        assert all(reaches(trace, step, trace[line["to"]]) for step in steps), line


@pytest.mark.parametrize("folded", [True, False])
def test_on_each_line_of_a_translation_stands_the_shape_that_passes(
    browser: Browser, walked: tuple[Trace, Path], folded: bool
) -> None:
    trace, path = walked
    with Opened(browser, path) as page:
        if not folded:
            unfold(page)
        lines = lines_of(page)
    assert len(lines) > 30
    assert {line["kind"] for line in lines} == {"wire", "skip", "memory"}
    check(trace, lines)


@pytest.mark.parametrize("name", ["blocks", "transformer", "norm first", "network"])
def test_on_each_line_of_any_model_stands_the_shape_that_passes(
    browser: Browser, pages: dict[str, tuple[Trace, Path]], name: str
) -> None:
    trace, path = pages[name]
    with Opened(browser, path) as page:
        lines = lines_of(page)
        assert lines
        check(trace, lines)
        unfold(page)
        check(trace, lines_of(page))


def test_every_input_is_connected_to_every_output(browser: Browser, pages: dict[str, tuple[Trace, Path]]) -> None:
    trace, path = pages["norm first"]
    with Opened(browser, path) as page:
        lines = lines_of(page)
    reached = {"src"}
    for _ in lines:
        reached |= {line["to"] for line in lines if line["from"] in reached}
    assert set(trace.outputs) <= reached


def test_the_numbers_of_the_path_lead_to_the_eleven_stages(browser: Browser, walked: tuple[Trace, Path]) -> None:
    with Opened(browser, walked[1]) as page:
        numbered = page.evaluate(
            """() => [...document.querySelectorAll(".map a:has(.no)")].map(link =>
              [Number(link.querySelector(".n").textContent), link.dataset.name])"""
        )
        assert sorted(numbered) == [[number, name] for number, name in enumerate(STAGES, 1)]
        page.get_by_role("link", name="9. Cross-attention").click()
        page.wait_for_selector("[data-stage=cross_attention][aria-current=step]")


def test_the_encoder_stands_left_of_the_decoder_and_data_goes_up(browser: Browser, walked: tuple[Trace, Path]) -> None:
    with Opened(browser, walked[1]) as page:
        at = page.evaluate(
            """() => Object.fromEntries([...document.querySelectorAll(".map a[data-name]")].map(link => {
              const box = link.querySelector(".box").getBoundingClientRect();
              return [link.dataset.name, [box.left, box.top]]; }))"""
        )
    left, right = (
        {name: place for name, place in at.items() if name.startswith(side)} for side in ("encoder", "decod")
    )
    assert max(x for x, _ in left.values()) < min(x for x, _ in right.values())
    assert at["source"][1] > at["source.scaled"][1] > at["encoder.0.self_attention.weights"][1] > at["memory"][1]
    assert at["target"][1] > at["decoder.0.cross_attention.weights"][1] > at["probabilities"][1]


def test_each_decoder_layer_that_is_open_gets_keys_and_values_of_its_own(
    browser: Browser, walked: tuple[Trace, Path]
) -> None:
    trace, path = walked
    with Opened(browser, path, "#/map&open=decoder.0,decoder.2") as page:
        lines = [line for line in lines_of(page) if line["kind"] == "memory"]
    crossing = {tuple(line["steps"]) for line in lines}
    expected = set()
    for call in trace.attentions():
        if call.place in ("decoder.0.cross_attention", "decoder.2.cross_attention"):
            expected |= {(call.key.name,), (call.value.name,)}
    memory = {name for (name,) in crossing - expected}
    assert expected < crossing
    assert {trace[name] for name in memory} == {trace["memory"]}  # what goes into the folded layer


def test_layers_fold_and_unfold_by_keyboard_and_the_address_keeps_it(
    browser: Browser, walked: tuple[Trace, Path]
) -> None:
    with Opened(browser, walked[1]) as page:
        count = page.locator(".map a[data-name^='encoder.2.']").count
        assert count() == 0
        page.locator(".map a:has(.folded)", has_text="layers 1 to 2").first.focus()
        page.keyboard.press("Enter")
        page.wait_for_selector(".map a[data-name^='encoder.2.']")
        assert "open=decoder.0,encoder.0,encoder.1,encoder.2" in page.url
        focused = "document.activeElement.getAttribute('aria-label')"
        page.wait_for_function(f"() => {focused} === 'Fold encoder, layer 1'")
        page.reload()
        page.wait_for_selector(".map a[data-name^='encoder.2.']")
        page.get_by_role("link", name="Fold encoder, layer 1").focus()
        page.keyboard.press("Enter")
        page.wait_for_selector(".map a[data-name^='encoder.1.']", state="detached")
        assert count() > 0


def test_four_blocks_alike_are_one_open_and_one_folded_box(
    browser: Browser, pages: dict[str, tuple[Trace, Path]]
) -> None:
    with Opened(browser, pages["blocks"][1]) as page:
        labels = page.locator(".map a[data-name] .label").all_text_contents()
        assert "+ layers 2 to 4" in labels
        assert len(labels) == 5  # input, embedding, layer 1, the folded ones, projection


@pytest.mark.parametrize("language", ["en-US", "zh-CN"])
@pytest.mark.parametrize("width", [400, 900, 1440])
def test_labels_stay_in_their_boxes_and_boxes_apart(
    browser: Browser, of_any_language: Path, width: int, language: str
) -> None:
    with Opened(browser, of_any_language, viewport={"width": width, "height": 900}, locale=language) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        wrong = page.evaluate(
            """() => {
              const found = [], boxes = [...document.querySelectorAll(".map a[data-name]")].map(link => ({
                name: link.dataset.name, box: link.querySelector(".box").getBoundingClientRect(),
                texts: [...link.querySelectorAll(".label, .detail")].map(one => one.getBoundingClientRect()) }));
              for (const { name, box, texts } of boxes) {
                if (texts.some(one => one.left < box.left || one.right > box.right)) found.push(name);
                if (texts.length > 1 && texts[0].right > texts[1].left) found.push(`${name}: label and detail`);
              }
              boxes.forEach((a, i) => boxes.slice(i + 1).forEach(b => {
                if (a.box.left < b.box.right && b.box.left < a.box.right && a.box.top < b.box.bottom &&
                    b.box.top < a.box.bottom) found.push(`${a.name} on ${b.name}`);
              }));
              return found;
            }"""
        )
        assert wrong == []


def test_the_sentence_and_the_facts_are_this_models_own(browser: Browser, walked: tuple[Trace, Path]) -> None:
    trace, path = walked
    parameters = sum(step.value.numel() for step in trace.select("*") if step.op == "parameter")
    with Opened(browser, path) as page:
        assert f"{parameters:,} parameters in 3 + 3 layers" in page.locator("main .lead").inner_text()
        facts = page.locator(".legend dl").inner_text().splitlines()
        told = dict(zip(facts[::2], facts[1::2], strict=True))
    assert told["parameters"] == f"{parameters:,}"
    assert told["loss"] == f"{float(trace['loss'].value):.4g}"
    assert told["vocabulary"] == f"{trace['logits'].value.size(-1):,}"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["walked", "transformer", "blocks", "network"])
def test_axe_finds_nothing_on_a_map_with_all_layers_open(
    browser: Browser,
    walked: tuple[Trace, Path],
    pages: dict[str, tuple[Trace, Path]],
    name: str,
    scheme: str,
) -> None:
    path = (walked if name == "walked" else pages[name])[1]
    script = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    with Opened(browser, path, color_scheme=scheme, bypass_csp=True) as page:
        unfold(page)
        page.evaluate(script)
        found = page.evaluate("axe.run().then(done => done.violations.map(one => [one.id, one.nodes[0].html]))")
        assert found == []


def test_until_the_numbers_are_read_the_page_says_so(browser: Browser, walked: tuple[Trace, Path]) -> None:
    _, path = walked
    assert "Reading the numbers … · 正在读取数字……" in path.read_text(encoding="utf-8")
    with Opened(browser, path) as page:
        assert page.locator(".loading").count() == 0
    context = browser.new_context(java_script_enabled=False)
    without = context.new_page()
    without.goto(path.as_uri())
    assert not without.locator(".loading").is_visible()
    context.close()


@pytest.mark.parametrize("language", ["en-US", "zh-CN"])
def test_each_place_asks_a_question_and_answers_it_with_its_own_numbers(
    browser: Browser, pages: dict[str, tuple[Trace, Path]], tmp_path: Path, language: str
) -> None:
    trace = pages["network"][0]
    path = write_page(trace, tmp_path / "page.html")
    mark = "？" if language == "zh-CN" else "?"
    with Opened(browser, path, "#0[batch=0, unit=1]", locale=language) as page:
        assert page.locator("main h2.title").inner_text().endswith(mark)
        lead = page.locator("main .lead").inner_text()
        assert re.findall(r"\d+", lead) == ["4", "3"]  # outputs and inputs
        page.evaluate("location.hash = '#1[batch=0, unit=1]'")
        page.wait_for_function("before => document.querySelector('main .lead').innerText !== before", arg=lead)
        lead = page.locator("main .lead").inner_text()
        ends = [f"{float(one):.3g}".replace("-", "−") for one in (trace["1"].value.min(), trace["1"].value.max())]
        assert all(one in lead for one in ends)
        page.evaluate("location.hash = '#/map'")
        page.wait_for_selector(".diagram")
        assert page.locator("main h2.title").inner_text().endswith(mark)
