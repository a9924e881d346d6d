"""A browser for all that look at pages; without one they fail and say how to get it. And a page for many of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright
from playwright.sync_api import Error as PlaywrightError

from pellucid.run import Run
from pellucid.see.decode import decode, trace_of_decoding
from pellucid.see.html import write_page
from pellucid.see.trace import Trace
from tests.see.test_translation import made
from tools.screenshots import FLAGS, chromium


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        try:
            launched = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        except PlaywrightError as error:
            pytest.fail(
                f"no browser to look at pages with: apt-get install chromium, or playwright install chromium\n{error}"
            )
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def decoded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Trace, Path]:
    """A translation with its decoding, and its page."""
    folder = tmp_path_factory.mktemp("decoded")
    run = made(folder / "en-zh")
    trace = trace_of_decoding(run, decode(run, "Save %s files", method="beam", beam=3))
    return run, trace, write_page(trace, folder / "page.html", title="runs/en-zh")
