"""Pictures of a run's report, as a person sees it: wide and narrow, light and dark, English and Chinese.

python tools/screenshots.py runs/demo-en-zh --into /tmp/pictures        every state
python tools/screenshots.py runs/demo-en-zh --readme                    the pictures of the README and the docs
"""

import argparse
import shutil
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
STATES = [
    (f"{width}-{scheme}-{language}", width, scheme, language)
    for width in (1440, 900, 400)
    for scheme in ("light", "dark")
    for language in ("en", "zh")
]
README = [("report-en", 1280, "light", "en"), ("report-zh", 1280, "dark", "zh")]


def chromium() -> str | None:
    """Debian's Chromium where there is one, else None: Playwright's own."""
    return next((path for path in map(shutil.which, ("chromium", "chromium-browser")) if path), None)


def picture(browser: Browser, page_path: Path, into: Path, width: int, scheme: str, language: str, whole: bool) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    page.goto(f"{page_path.resolve().as_uri()}?lang={language}")
    page.wait_for_selector(".plot .main-svg")
    page.screenshot(path=into, full_page=whole)
    page.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--into", type=Path, default=Path("docs/images"))
    parser.add_argument("--readme", action="store_true")
    arguments = parser.parse_args()
    arguments.into.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        for name, width, scheme, language in README if arguments.readme else STATES:
            path = arguments.into / f"{name}.png"
            picture(browser, arguments.run / "report.html", path, width, scheme, language, whole=not arguments.readme)
            print(path)
        browser.close()


if __name__ == "__main__":
    main()
