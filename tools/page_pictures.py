"""Pictures of a trace's page, as a person sees it: wide and narrow, light and dark, English and Chinese.

pellucid see runs/demo-en-zh "Save changes before closing?" --html page.html
python -m tools.page_pictures page.html --into pictures       every state
python -m tools.page_pictures page.html --readme              the pictures of the README and the docs
"""

import argparse
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tools.screenshots import FLAGS, chromium

VIEWS = {
    "map": "",
    "unfolded": "#/map&open=encoder.0,encoder.1,decoder.0,decoder.1",
    "embeddings": "#source.scaled[batch=0, position=1, model=3]",
    "attention": "#decoder.0.cross_attention.scores[batch=0, head=1, query=2, key=1]&head=1,3",
    "scores": "#decoder.0.cross_attention.scores[batch=0, head=1, query=2, key=1]",
    "masked": "#decoder.0.self_attention.masked[batch=0, head=0, query=1, key=0]",
    "norm": "#encoder.0.self_attention_residual.norm[batch=0, position=0, model=1]",
    "backward": "#encoder.0.self_attention.weights[batch=0, head=1, query=1, key=2]&backward",
    "decoding": "#/decoding",
    "flow": "#/backward",
    "played": "#/backward&at=decoder.1.feed_forward.wide",
    "paths": "#encoder.0.self_attention_residual.add[batch=0, position=1, model=3]&backward&paths",
    "nowhere": "#nothing.here",
}
README = [  # view, width, height, scheme, language
    ("map", 1440, 1180, "light", "en-US"),
    ("scores", 1440, 1000, "light", "en-US"),
    ("backward", 1440, 1000, "dark", "en-US"),
    ("decoding", 1280, 1180, "light", "zh-CN"),
]


def picture(
    browser: Browser,
    page_path: Path,
    view: str,
    into: Path,
    width: int,
    height: int | None,
    scheme: str,
    language: str,
) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": height or 900},
        color_scheme=scheme,  # type: ignore[arg-type]
        locale=language,
        offline=True,
    )
    page = context.new_page()
    page.goto(page_path.resolve().as_uri() + VIEWS[view])
    page.wait_for_selector("html[data-ready]")
    page.wait_for_timeout(300)
    if height is None:  # as tall as what it shows, so that what sticks to the window's edges hides nothing
        tall = page.evaluate("document.documentElement.scrollHeight")
        page.set_viewport_size({"width": width, "height": max(900, tall)})
        page.wait_for_timeout(300)
    page.screenshot(path=into)
    context.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=Path)
    parser.add_argument("--into", type=Path, default=Path("docs/images"))
    parser.add_argument("--readme", action="store_true")
    arguments = parser.parse_args()
    arguments.into.mkdir(parents=True, exist_ok=True)
    states = [
        (view, width, None, scheme, language)
        for view in VIEWS
        for width in (1440, 900, 400)
        for scheme in ("light", "dark")
        for language in ("en-US", "zh-CN")
    ]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        for view, width, height, scheme, language in README if arguments.readme else states:
            name = f"page-{view}" if arguments.readme else f"page-{view}-{width}-{scheme}-{language[:2]}"
            path = arguments.into / f"{name}.png"
            picture(browser, arguments.page, view, path, width, height, scheme, language)
            print(path)
        browser.close()


if __name__ == "__main__":
    main()
