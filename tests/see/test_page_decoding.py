"""Decoding on the page: steps by arrow keys, shares that torch agrees with, the tree of the search that translates."""

from pathlib import Path

import pytest
import torch
from playwright.sync_api import Browser

from pellucid.generate.config import DecodingConfig
from pellucid.generate.decode import sampling_shares
from pellucid.run import Run
from pellucid.see.decode import decode, trace_of_decoding
from pellucid.see.html import write_page
from pellucid.see.trace import Trace
from tests.see.test_page import Opened

pytestmark = pytest.mark.page
TEXT = "Save %s files"


DISTRIBUTION = """async ([scores, dials]) => {
  const { distribution } = await import("pellucid/decoding.js"), shares = [];
  for (const { index, share } of distribution(Float32Array.from(scores), dials)) shares[index] = share;
  return shares;
}"""


@pytest.mark.parametrize(
    ("temperature", "top_k", "top_p"),
    [(1.0, 0, 1.0), (0.5, 0, 1.0), (2.0, 5, 1.0), (1.0, 1, 1.0), (1.3, 0, 0.6), (0.7, 7, 0.9), (1.0, 3, 0.05)],
)
def test_temperature_top_k_and_top_p_give_the_shares_that_generation_draws_with(
    browser: Browser, decoded: tuple[Run, Trace, Path], temperature: float, top_k: int, top_p: float
) -> None:
    _, trace, path = decoded
    assert trace.decoding is not None
    config = DecodingConfig(method="sample", temperature=temperature, top_k=top_k, top_p=top_p)
    dials = {"temperature": temperature, "topK": top_k, "topP": top_p}
    tied = torch.tensor([1.0, 3.0, 2.0, 2.0, 2.0, -1.0, 3.0, 0.5])
    with Opened(browser, path) as page:
        for logits in [*trace.decoding.logits[:3], *([tied] if top_p == 1 else [])]:
            found = torch.tensor(page.evaluate(DISTRIBUTION, [logits.tolist(), dials]), dtype=torch.float64)
            torch.testing.assert_close(found, sampling_shares(logits.double()[None], config)[0], atol=1e-12, rtol=1e-9)


def test_the_path_of_the_tree_is_what_generation_writes(browser: Browser, decoded: tuple[Run, Trace, Path]) -> None:
    run, trace, path = decoded
    assert trace.decoding is not None
    (translated,) = run.translate([TEXT], "torch", method="beam", beam=3)
    with Opened(browser, path, "#/decoding") as page:
        best = page.evaluate("pellucid.trace.decoding.nodes[pellucid.trace.decoding.best].written")
        assert best == trace.decoding.translation == translated
        on = page.locator("[data-branch=best]").count()
        assert on == len(trace.decoding.path) + 1
        dead = [node for node in trace.decoding.nodes if not trace.decoding.children(node.number)]
        dead = [node for node in dead if node not in trace.decoding.path]
        assert page.locator("[data-branch=dead]").count() == len(dead)
        for node in dead[:5]:
            page.locator(f"[data-focus=node-{node.number}]").click()
            assert page.locator(".fate").inner_text().endswith(node.fate.reason("en"))


def test_arrow_keys_step_through_the_words_wherever_the_focus_is(
    browser: Browser, decoded: tuple[Run, Trace, Path]
) -> None:
    _, trace, path = decoded
    assert trace.decoding is not None
    nodes, words = trace.decoding.nodes, trace.decoding.path
    with Opened(browser, path, "#/decoding") as page:
        for number in range(1, min(len(words), 5)):
            page.evaluate("document.activeElement.blur()")
            page.keyboard.press("ArrowRight")
            page.wait_for_selector(f"[data-focus=word-{number}][aria-pressed=true]")
            parent = nodes[words[number].parent or 0]
            looked = [float(one.rstrip("%")) / 100 for one in page.locator(".source small").all_inner_texts()]
            assert looked == pytest.approx(trace.decoding.attended(parent), abs=0.006)
            table = page.locator(".decoding table tr").all_inner_texts()[1:]
            kept = [one for one in parent.candidates if one.node is not None]
            assert len(table) == len({*[one.token for one in parent.candidates[:10]], *[one.token for one in kept]})
            for row, candidate in zip(table, sorted(parent.candidates, key=lambda one: one.rank), strict=False):
                assert row.split("\t")[0] == candidate.text
                assert row.split("\t")[-1] == candidate.fate.reason("en")
        page.keyboard.press("ArrowLeft")
        page.wait_for_function("() => location.hash.includes('step=')")
        page.focus("[data-focus=temperature]")
        before = page.evaluate("location.hash")
        page.keyboard.press("ArrowRight")  # belongs to the dial
        page.wait_for_function("before => location.hash !== before", arg=before)
        assert "temperature=1.1" in page.evaluate("location.hash")


def test_what_was_drawn_stands_with_its_own_dials(
    browser: Browser, decoded: tuple[Run, Trace, Path], tmp_path: Path
) -> None:
    run = decoded[0]
    found = decode(run, TEXT, {0: 30}, method="sample", temperature=0.8, top_k=6, seed=3)
    path = write_page(trace_of_decoding(run, found), tmp_path / "page.html", language="en")
    with Opened(browser, path, "#/decoding&step=1") as page:
        assert page.input_value("[data-focus=temperature]") == "0.8"
        assert page.input_value("[data-focus=topK]") == "6"
        parent = found.nodes[found.path[1].parent or 0]
        shown = page.locator(".decoding table tr td:nth-child(4)").evaluate_all(
            "all => all.map(one => Number(one.dataset.value))"
        )
        shares = [one.share or 0.0 for one in sorted(parent.candidates, key=lambda one: one.rank)]
        assert shown[:6] == pytest.approx(shares[:6], rel=1e-4)
        assert "was forced to" in page.locator(".decoding").inner_text()
