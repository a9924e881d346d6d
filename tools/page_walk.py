"""A walk over the states of a trace's page: what each looks like, and what is wrong with it that can be measured.

pellucid see runs/demo-en-zh "Save changes before closing?" --decode --html page.html
python -m tools.page_walk page.html --into pictures               every state that the page has, on sheets
python -m tools.page_walk page.html --only tour --alike           some states, each in all eight looks

Looks are wide and narrow, light and dark, English and Chinese; a sheet has those of one state side by side. Told are
errors of the console, what is wider than its place, text of a drawing that lies on other text, and English words on a
Chinese page. With --axe also what axe finds.
"""

import argparse
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright
from playwright.sync_api import Error as PlaywrightError

from tools.screenshots import FLAGS, chromium

Look = tuple[int, str, str]
LOOKS: list[Look] = list(itertools.product((1440, 900), ("light", "dark"), ("en-US", "zh-CN")))
USUAL: list[Look] = [(1440, "light", "en-US"), (900, "dark", "zh-CN")]
TALLEST = 2600  # of a picture on a sheet
SHEET = 2000  # across

ASKED = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")


@dataclass(frozen=True)
class State:
    """What is opened, and what a reader then does."""

    fragment: str
    act: Callable[[Page], None] | None = None


def states_of(places: Mapping[str, Any]) -> dict[str, State]:
    """The states that a page has, by name."""

    def at(place: str, more: str = "", act: Callable[[Page], None] | None = None) -> State | None:
        return None if places[place] is None else State(f"{places[place]}{more}", act)

    found = {
        "map": State("/map"),
        "unfolded": State(f"/map&open={places['folded']}") if places["folded"] else None,
        "output": at("out"),
        "matrix": at("large"),
        "matrix-window": at("large", act=press("z")),
        "matrix-sorted": at("large", act=sort("size")),
        "matrix-orders": at("large", act=click(".orders summary")),
        "matrix-saves": at("large", act=click("main figure .saves summary")),
        "hover": at("large", act=hover),
        "embedding": at("embedding"),
        "linear": at("linear"),
        "norm": at("norm"),
        "added": at("added"),
        "digits": at("linear", act=click("aside .digits")),
        "backward": at("back", "&backward"),
        "weight-backward": at("weight", "&backward"),
        "paths": at("weight", "&backward&paths", settle(".all-paths p, .all-paths table")),
        "paths-of-cell": at("back", "&backward&paths", settle(".all-paths p, .all-paths table")),
        "attention": at("attention"),
        "attention-number": at("scores"),
        "attention-head": at("heads", "&head=1"),
        "attention-compared": at("heads", "&head=1,3"),
        "attention-backward": at("scores", "&backward"),
        "masked": at("masked"),
        "exercise": at("linear", act=click("aside .actions button:not(.digits):not(.ask)")),
        "answered": at("linear", act=answer),
        "decoding": at("decoding"),
        "decoding-dials": at("decoding", "&step=1&temperature=1.4&top_k=4&top_p=0.9"),
        "decoding-tree": at("decoding", "&node=4"),
        "flow": at("flow"),
        "played": at("flow", "&at=" + str(places["attention"] or places["out"])),
        "training": at("training"),
        "move": at("move", "&step"),
        "moved": at("moved", "&step"),
        "convolution": at("convolution"),
        "convolution-backward": at("convolution", "&backward"),
        "pooling": at("pooling"),
        "time": at("time"),
        "time-number": at("hidden"),
        "network": at("network"),
        "network-neuron": at("network", act=point("a[data-neuron]")),
        "nowhere": State("nothing.here"),
    }
    states = {name: state for name, state in found.items() if state is not None}
    for number, place in enumerate(places["tour"] or (), 1):
        states[f"tour-{number}"] = State(f"{place}&tour={number}")
    return states


# --- what a reader does ----------------------------------------------------------------------------------------------


def click(selector: str) -> Callable[[Page], None]:
    return lambda page: page.locator(selector).first.click(timeout=3000)


def press(key: str) -> Callable[[Page], None]:
    def act(page: Page) -> None:
        page.locator("main figure canvas[tabindex]").first.focus()
        page.keyboard.press(key)

    return act


def sort(order: str) -> Callable[[Page], None]:
    def act(page: Page) -> None:
        click(".orders summary")(page)
        click(f"[data-order={order}]")(page)

    return act


def hover(page: Page) -> None:
    page.locator("main figure canvas[tabindex]").first.hover(position={"x": 120, "y": 60})


def point(selector: str) -> Callable[[Page], None]:
    return lambda page: page.locator(selector).last.hover()


def answer(page: Page) -> None:
    click("aside .actions button:not(.digits):not(.ask)")(page)
    page.locator(".guess input").fill("0.5")
    page.keyboard.press("Enter")


def settle(selector: str) -> Callable[[Page], None]:
    def act(page: Page) -> None:
        page.locator(selector).first.wait_for(timeout=20_000)
        page.wait_for_timeout(2500)

    return act


# --- looking ---------------------------------------------------------------------------------------------------------


@dataclass
class Seen:
    """A state in one look."""

    picture: Path
    faults: list[str]


def seen(browser: Browser, page_path: Path, state: State, look: Look, into: Path, axe: str | None) -> Seen:
    width, scheme, language = look
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme=scheme,  # type: ignore[arg-type]
        locale=language,
        offline=True,
        bypass_csp=axe is not None,
    )
    page = context.new_page()
    said: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            said.append(f"console: {message.text}")

    page.on("console", heard)
    page.on("pageerror", lambda error: said.append(f"error: {error}"))
    page.goto(f"{page_path.resolve().as_uri()}#{state.fragment}")
    page.wait_for_selector("html[data-ready]")
    tall = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size({"width": width, "height": min(max(900, tall), TALLEST)})  # nothing hidden behind the foot
    page.wait_for_timeout(500)
    if state.act:
        try:
            state.act(page)
        except PlaywrightError as error:
            said.append(f"could not be done: {str(error).splitlines()[0]}")
        page.wait_for_timeout(300)
    page.evaluate("() => Promise.all(pellucid.figures.map(one => one.ready()))")
    faults = [*said, *page.evaluate(f"zh => {ASKED.strip()}.faults(zh)", language == "zh-CN")]
    page.screenshot(path=into)
    if axe:
        page.evaluate(axe)
        faults += page.evaluate(
            "axe.run().then(done => done.violations.map(one => `axe: ${one.id} ${one.nodes[0].html}`))"
        )
    context.close()
    return Seen(into, faults)


def sheet(pictures: list[Path], into: Path) -> None:
    """Pictures side by side, as wide as can still be read."""
    images = [Image.open(one).convert("RGB") for one in pictures]
    scale = min(1.0, SHEET / sum(one.width for one in images))
    images = [one.resize((int(one.width * scale), int(one.height * scale)), Image.Resampling.LANCZOS) for one in images]
    whole = Image.new("RGB", (sum(one.width for one in images), max(one.height for one in images)), "gray")
    across = 0
    for one in images:
        whole.paste(one, (across, 0))
        across += one.width
    whole.save(into)


def walk(browser: Browser, path: Path, only: str, looks: list[Look], into: Path, axe: str | None) -> Iterator[str]:
    """Each state on a sheet; what is wrong with it, line by line."""
    page = browser.new_page(offline=True)
    page.goto(path.resolve().as_uri())
    page.wait_for_selector("html[data-ready]")
    states = states_of(page.evaluate(f"{ASKED.strip()}.places()"))
    page.close()
    for name, state in states.items():
        if only not in name:
            continue
        pictures = []
        for look in looks:
            title = f"{path.stem}-{name}-{'-'.join(map(str, look))}"
            one = seen(browser, path, state, look, into / f"{title}.png", axe)
            pictures.append(one.picture)
            yield from (f"{title}: {fault}" for fault in one.faults)
        sheet(pictures, into / f"sheet-{path.stem}-{name}.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", type=Path, nargs="+")
    parser.add_argument("--into", type=Path, default=Path("pictures"))
    parser.add_argument("--only", default="", help="states whose name has this in it")
    parser.add_argument("--alike", action="store_true", help="all eight looks, not two that differ in everything")
    parser.add_argument("--axe", action="store_true")
    arguments = parser.parse_args()
    arguments.into.mkdir(parents=True, exist_ok=True)
    axe = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8") if arguments.axe else None
    looks = LOOKS if arguments.alike else USUAL
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        faults = 0
        for path in arguments.pages:
            for told in walk(browser, path, arguments.only, looks, arguments.into, axe):
                print(told, flush=True)
                faults += 1
        browser.close()
    print(f"{faults} faults; pictures in {arguments.into}")


if __name__ == "__main__":
    main()
