"""A browser for all that look at pages; without one they fail and say how to get it."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright
from playwright.sync_api import Error as PlaywrightError

from tools.screenshots import FLAGS, chromium


@pytest.fixture(scope="module")
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
