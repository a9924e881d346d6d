"""Tabs of the browser that tests share, and the page of a trace opened in one as its reader opens it.

A tab of its own for each test would cost a process of the browser each time, more than the page in it does. So a tab
is lent, and taken back empty: at about:blank, nothing remembered, the pointer away, nobody listening. One that a
failed test leaves behind is closed.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from playwright.sync_api import Browser, Page, ViewportSize

FREE: WeakKeyDictionary[Browser, dict[tuple[str, bool], list[Page]]] = WeakKeyDictionary()
PATIENCE = 60_000  # milliseconds: a machine may be busy


@contextmanager
def tab(
    browser: Browser,
    viewport: ViewportSize | None = None,
    locale: str = "en-US",
    color_scheme: str = "light",
    reduced_motion: str = "no-preference",
    bypass_csp: bool = False,
) -> Iterator[Page]:
    """A tab that has no network and remembers nothing."""
    free = FREE.setdefault(browser, {}).setdefault((locale, bypass_csp), [])
    if not free:
        free.append(browser.new_context(locale=locale, bypass_csp=bypass_csp, offline=True).new_page())
        free[-1].set_default_timeout(PATIENCE)
    page = free.pop()
    page.set_viewport_size(viewport or {"width": 1440, "height": 900})
    page.emulate_media(color_scheme=color_scheme, reduced_motion=reduced_motion)  # type: ignore[arg-type]
    try:
        yield page
    except BaseException:
        page.context.close()
        raise
    page.evaluate("() => { localStorage.clear(); sessionStorage.clear(); }")
    page.goto("about:blank")
    page.mouse.move(-1, -1)
    free.append(page)


@contextmanager
def uncomplaining(page: Page, *kinds: str) -> Iterator[None]:
    """While it is open a page throws nothing, opens no dialog, asks nothing of a network and writes no message of
    those kinds to its console.
    """
    complaints: list[str] = []
    listeners: dict[str, Callable[[Any], None]] = {
        "console": lambda one: complaints.append(one.text) if one.type in kinds else None,
        "pageerror": lambda one: complaints.append(str(one)),
        "dialog": lambda one: complaints.append("a dialog"),
        "request": lambda one: complaints.append(one.url) if one.url.startswith("http") else None,
    }
    for event, listener in listeners.items():
        page.on(event, listener)  # type: ignore[call-overload]
    try:
        yield
    finally:
        for event, listener in listeners.items():
            page.remove_listener(event, listener)
    assert complaints == []


@contextmanager
def opened(browser: Browser, path: Path, fragment: str, **settings: Any) -> Iterator[Page]:
    with tab(browser, **settings) as page, uncomplaining(page, "error", "warning"):
        page.goto(path.as_uri() + fragment)
        page.wait_for_selector("html[data-ready]")
        yield page


class Opened:
    """The page of a trace, ready, in a tab with those settings; it must have nothing to complain of."""

    def __init__(self, browser: Browser, path: Path, fragment: str = "", **settings: Any) -> None:
        self.page: AbstractContextManager[Page] = opened(browser, path, fragment, **settings)

    def __enter__(self) -> Page:
        return self.page.__enter__()

    def __exit__(self, *failure: Any) -> None:
        self.page.__exit__(*failure)
