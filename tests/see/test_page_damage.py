"""What cannot be shown says so in one sentence: files cut off anywhere, foreign files, on the page and before it."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from playwright.sync_api import Browser
from safetensors.torch import save_file
from torch import nn

from pellucid.files import read_tensors, write_tensors
from pellucid.see.capture import capture
from pellucid.see.trace import Trace
from tests.cli.conftest import Command, pellucid
from tests.see.opened import tab, uncomplaining

__all__ = ["pellucid"]
pytestmark = pytest.mark.page
BROKEN = "This file is damaged or was written by another version of Pellucid"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("damage")
    trace = capture(nn.Sequential(nn.Linear(8, 8), nn.ReLU()), torch.randn(2, 8), loss=lambda y: y.sum())
    trace.save(folder / "pass.safetensors")
    return trace.html(folder / "page.html")


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("part", ['id="graph">{', 'id="words">{', 'id="blocks-0">', '"importmap">', '"module" async>'])
def test_a_file_that_was_cut_off_says_so(
    browser: Browser, whole: Path, tmp_path: Path, part: str, language: str
) -> None:
    written = whole.read_text(encoding="utf-8")
    path = tmp_path / "cut.html"
    path.write_text(written[: written.index(part) + len(part) + 20], encoding="utf-8")
    sentence = BROKEN if language == "en" else "文件已损坏"
    with tab(browser, locale={"en": "en-US", "zh": "zh-CN"}[language]) as page:
        page.goto(path.as_uri())
        page.get_by_text(sentence).first.wait_for(state="visible")


@pytest.mark.parametrize("damage", ["shape", "operands", "name", "null"])
def test_a_graph_with_holes_says_so_instead_of_throwing(
    browser: Browser, whole: Path, tmp_path: Path, damage: str
) -> None:
    written = whole.read_text(encoding="utf-8")
    found = re.search(r'id="graph">(.*?)</script>', written, re.DOTALL)
    assert found
    graph = json.loads(found[1])
    if damage == "null":
        graph["steps"][1] = None
    else:
        del graph["steps"][1][damage]
    path = tmp_path / "holes.html"
    path.write_text(written.replace(found[1], json.dumps(graph).replace("<", "\\u003c")), encoding="utf-8")
    with tab(browser) as page, uncomplaining(page):
        page.goto(path.as_uri())
        page.get_by_text(BROKEN).first.wait_for(state="visible")


def test_a_browser_that_is_too_old_is_told_so(browser: Browser, whole: Path) -> None:
    page = browser.new_page(locale="en-US")
    page.add_init_script("delete window.DecompressionStream")
    page.goto(whole.as_uri())
    page.get_by_text("This browser is too old for this page").first.wait_for(state="visible")
    assert not page.get_by_text(BROKEN).first.is_visible()
    page.close()


# What another program, or a later version, might have written with a checksum that fits.
HOLES: dict[str, Callable[[Any], object]] = {
    "steps that are no list": lambda head: head.update(steps=5),
    "a step that is no step": lambda head: head["steps"].insert(1, "step"),
    "a step without its numbers": lambda head: head["steps"][0].update(name="elsewhere"),
    "a step without axes": lambda head: head["steps"][0].pop("axes"),
    "axes of another form": lambda head: head["steps"][0].update(axes=[3]),
    "an operand that is not there": lambda head: head["steps"][-1].update(operands=[["input", "elsewhere"]]),
    "an output that is not there": lambda head: head.update(outputs=["elsewhere"]),
    "a loss that is not there": lambda head: head.update(loss="elsewhere"),
    "a decoding of another form": lambda head: head.update(decoding={"text": 3}),
    "another version": lambda head: head.update(format="pellucid.trace.99"),
}


def damaged(kind: str, whole: Path, path: Path) -> Path:
    """A file that is no whole trace of this version."""
    intact = whole.parent / "pass.safetensors"
    if kind == "foreign":
        save_file({"weight": torch.zeros(2)}, path)
    elif kind in HOLES:
        tensors, head = read_tensors(intact)
        HOLES[kind](head)
        write_tensors(path, tensors, head)
    else:
        saved = intact.read_bytes()
        contents = {
            "empty": b"",
            "text": b"Save the file\n",
            "cut": saved[: len(saved) // 2],
            "cut in its head": saved[: 8 + int.from_bytes(saved[:8], "little") // 2],
            "page": whole.read_bytes(),
        }
        path.write_bytes(contents[kind])
    return path


@pytest.mark.parametrize("command", [["--html", "page.html"], ["--at", "0"], []])
@pytest.mark.parametrize("kind", ["empty", "text", "cut", "cut in its head", "page", "foreign", *HOLES])
def test_a_broken_or_foreign_trace_gives_one_sentence(
    pellucid: Command, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, command: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    done = pellucid("see", damaged(kind, whole, tmp_path / "pass.safetensors"), *command)
    assert done.code == 2
    assert done.out == ""
    assert "Traceback" not in done.err
    assert "pass.safetensors" in done.err.replace("\n", "")
    assert len(done.err.strip().splitlines()) <= 5
    assert not (tmp_path / "page.html").exists()


def test_a_trace_that_was_loaded_makes_a_page_without_its_model(browser: Browser, whole: Path, tmp_path: Path) -> None:
    trace = Trace.load(whole.parent / "pass.safetensors")
    with tab(browser) as page:
        page.goto(trace.html(tmp_path / "page.html", at="0[batch=1, unit=3]").as_uri())
        page.wait_for_selector(".nums")
        assert page.locator(".nums").inner_text().replace("\n", " ") in trace.explain("0[batch=1, unit=3]").text()
