"""Every view of the page has an address: the one of Python and of the command line, which brings the view back."""

from pathlib import Path

import pytest
import torch
from playwright.sync_api import Browser, Page
from torch import nn

from pellucid.run import Run
from pellucid.see.address import AddressError
from pellucid.see.capture import capture
from pellucid.see.trace import Trace
from tests.cli.conftest import Command, pellucid
from tests.see.test_page import EXPLAIN, Opened, at, random_cells

__all__ = ["pellucid"]
pytestmark = pytest.mark.page
CROSS = "decoder.0.cross_attention"


@pytest.fixture(scope="module")
def translation(decoded: tuple[Run, Trace, Path]) -> tuple[Trace, Path]:
    """The trace and its page, which stands beside the trace saved."""
    _, trace, page = decoded
    trace.save(page.with_name("pass.safetensors"))
    return trace, page


def fragment(page: Page) -> str:
    return str(page.evaluate("decodeURI(location.hash)"))


def seen(page: Page) -> object:
    """What a reader sees of a view, apart from where it stands on the screen."""
    return page.evaluate(
        """() => {
          for (const one of document.querySelectorAll("figure")) if (!one.figure.drawn) one.figure.draw();
          return [document.title, document.querySelector("main").innerText, document.querySelector("aside").innerText,
            [...document.querySelectorAll("[aria-pressed=true], [aria-current]")].map(one => one.textContent),
            [...document.querySelectorAll("select, input")].map(one => one.value),
            pellucid.figures.map(one => [one.sliceName(), one.here, one.lit])];
        }"""
    )


def settled(page: Page) -> None:
    page.wait_for_function("() => pellucid.version === pellucid.settled")


def test_what_the_command_line_prints_of_200_addresses_is_what_the_page_says(
    browser: Browser, translation: tuple[Trace, Path], pellucid: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace, path = translation
    list(trace.flat())
    cells = random_cells(trace, 200, 4)
    with Opened(browser, path) as page:
        shown = page.evaluate(EXPLAIN, [cells, False])
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setattr("pellucid.see.trace.Trace.load", lambda path: trace)  # read once, not 200 times
    for cell, (told, _) in zip(cells, shown, strict=True):
        printed = pellucid("see", path.parent / "pass.safetensors", "--at", cell)
        assert told in printed.out.replace("\n    ", " "), cell


@pytest.mark.parametrize(
    "address",
    [
        f"{CROSS}.weights[head=2]",
        f"{CROSS}.weights[head=2, query=1]",
        f"{CROSS}.weights[batch=0, head=1, query=0, key=2]&backward",
        f"{CROSS}.weights&head=1,3",
        f"{CROSS}.output&show=head:3&position=1",
        f"{CROSS}.weights&scale=one",
        f"{CROSS}.output&rows={CROSS}.output:size:2&columns={CROSS}.output:1",
        f"{CROSS}.query&rows={CROSS}.query:3",
        "embedding.weight&window=embedding.weight:4:2",
        "encoder.0.feed_forward.wide&tour=6",
        "/map&layer=1",
        "/map&backward",
        "/backward",
        "/decoding&step=1&layer=1&head=2&temperature=0.7&top_k=5&top_p=0.9",
        "/decoding&node=4",
    ],
)
def test_a_view_is_brought_back_by_its_address(browser: Browser, translation: tuple[Trace, Path], address: str) -> None:
    with Opened(browser, translation[1], f"#{address}") as page:
        settled(page)
        before, where = seen(page), fragment(page)
        assert page.evaluate("pellucid.state.problem") is None
        page.reload()
        page.wait_for_selector("html[data-ready]")
        settled(page)
        assert (seen(page), fragment(page)) == (before, where)
    with Opened(browser, translation[1], where) as page:  # as a friend opens it who was sent the address
        settled(page)
        assert (seen(page), fragment(page)) == (before, where)


def test_how_a_reader_sorts_and_filters_a_matrix_stands_in_the_address(
    browser: Browser, translation: tuple[Trace, Path]
) -> None:
    name = "encoder.0.self_attention.query.weight"
    with Opened(browser, translation[1], f"#{name}") as page:
        figure = page.locator(f"figure[data-step='{name}']")
        figure.locator(".orders summary").click()
        figure.locator("[data-filter]").fill("3.5")
        page.keyboard.press("Enter")
        page.wait_for_function("name => decodeURI(location.hash).includes(`&rows=${name}:size:3`)", arg=name)
        rows = figure.evaluate("one => one.figure.rowOrder")
        figure.locator("canvas").nth(1).click(position={"x": 60, "y": 30})  # a number of it
        page.wait_for_function("() => pellucid.address.endsWith(']')")
        settled(page)
        assert f"&rows={name}:size:3" in fragment(page)
        page.reload()
        page.wait_for_selector("html[data-ready]")
        assert figure.evaluate("one => one.figure.rowOrder") == rows
        norms = translation[0][name].value.norm(dim=1)
        assert rows == norms.topk(3).indices.tolist()


def test_a_slice_that_is_chosen_on_the_page_has_the_address_that_python_reads(
    browser: Browser, translation: tuple[Trace, Path], pellucid: Command
) -> None:
    trace, path = translation
    with Opened(browser, path, f"#{CROSS}.scaled") as page:
        page.select_option("select[data-axis=head]", "2")
        page.wait_for_function("address => pellucid.address === address", arg=f"{CROSS}.scaled[head=2]")
        address = fragment(page).removeprefix("#")
        page.reload()
        page.wait_for_selector("html[data-ready]")
        assert page.input_value("select[data-axis=head]") == "2"
    printed = pellucid("see", path.parent / "pass.safetensors", "--at", address)
    assert printed.code == 0
    number = f"{float(trace[f'{CROSS}.scaled'].value[0, 2, 0, 0]):.3f}".replace("-", "−")
    assert number in printed.out


def test_back_and_forward_go_through_the_views_and_the_breadcrumbs(
    browser: Browser, translation: tuple[Trace, Path]
) -> None:
    start = f"{CROSS}.scaled[batch=0, head=1, query=1, key=0]"
    with Opened(browser, translation[1], f"#{start}") as page:
        views = [(at(page), seen(page))]
        for _ in range(3):
            page.locator(".terms a").first.click()
            page.wait_for_function("before => pellucid.address !== before", arg=views[-1][0])
            settled(page)
            page.mouse.move(2, 2)
            views.append((at(page), seen(page)))
        assert page.locator(".crumbs a").count() == 3
        for address, view in reversed(views[:-1]):
            page.go_back()
            page.wait_for_function("address => pellucid.address === address", arg=address)
            settled(page)
            assert seen(page) == view
        for address, view in views[1:]:
            page.go_forward()
            page.wait_for_function("address => pellucid.address === address", arg=address)
            settled(page)
            assert seen(page) == view
        page.reload()
        page.wait_for_selector("html[data-ready]")
        assert page.locator(".crumbs a").count() == 3
        page.get_by_role("link", name="Map", exact=True).click()
        page.wait_for_selector("main .map svg")
        page.evaluate("address => { location.hash = address }", start)
        page.wait_for_function("address => pellucid.address === address", arg=start)
        assert page.locator(".crumbs a").count() == 0  # not walked to


def test_an_address_that_is_not_in_the_trace_is_told(browser: Browser, translation: tuple[Trace, Path]) -> None:
    for wrong in ("nothing.here", f"{CROSS}.weights[head=9]", f"{CROSS}.weights[smell=1]", f"7:{CROSS}.weights"):
        with Opened(browser, translation[1], f"#{wrong}") as page:
            assert f"There is no {wrong} in this trace" in page.locator("main .problem").inner_text()


def test_a_model_without_words_has_no_decoding_and_says_so(browser: Browser, tmp_path: Path) -> None:
    path = capture(nn.Sequential(nn.Linear(3, 2)), torch.randn(1, 3)).html(tmp_path / "page.html")
    with Opened(browser, path, "#/decoding") as page:
        assert "There is no /decoding in this trace" in page.locator("main .problem").inner_text()


def test_a_page_opens_where_it_was_asked_to(
    browser: Browser, translation: tuple[Trace, Path], pellucid: Command, tmp_path: Path
) -> None:
    trace, path = translation
    cell = f"{CROSS}.weights[batch=0, head=1, query=0, key=2]"
    done = pellucid(
        "see", path.parent / "pass.safetensors", "--html", tmp_path / "page.html", "--at", cell, "--backward"
    )
    assert done.code == 0, done.err
    with Opened(browser, tmp_path / "page.html") as page:
        assert at(page) == cell
        assert page.locator(".nums").inner_text().replace("\n", " ") in trace.explain(cell, backward=True).text()
        page.get_by_role("link", name="Map", exact=True).click()
        page.wait_for_selector("main .map svg")
    with pytest.raises(AddressError, match="is outside"):
        trace.html(tmp_path / "page.html", at=f"{CROSS}.weights[head=9]")


def test_what_a_page_has_no_place_for_is_refused_in_one_sentence(
    translation: tuple[Trace, Path], pellucid: Command, tmp_path: Path
) -> None:
    saved = translation[1].parent / "pass.safetensors"
    for options in (["--skip", f"{CROSS}[head=1]"], ["--set", "source[position=0]=3"], ["--json"], ["--beam", "4"]):
        done = pellucid("see", saved, "--html", tmp_path / "page.html", *options)
        assert done.code == 2
        assert "has no place on it" in done.err
        assert "Traceback" not in done.err
    assert not (tmp_path / "page.html").exists()
