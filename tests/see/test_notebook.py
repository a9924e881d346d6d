"""What a notebook shows: the tensor's own numbers, in HTML that is well formed, safe and readable in either theme."""

import base64
import json
import math
import re
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import nbformat
import pytest
import torch
from nbclient import NotebookClient
from playwright.sync_api import Browser
from torch import Tensor, nn
from torch.nn import functional as F

from pellucid.models.translator import Translator, TranslatorConfig
from pellucid.see.capture import capture
from pellucid.see.chain import paths
from pellucid.see.diff import diff
from pellucid.see.notebook import html, show
from pellucid.see.notebook.matrix import look_of, picture, strongest
from pellucid.see.notebook.style import DARK, LIGHT
from pellucid.see.notebook.words import words
from pellucid.see.operation import Axis, Step
from pellucid.see.replay import replay
from pellucid.see.selection import SelectionError
from pellucid.see.trace import Trace
from tests.see.test_capture import traced

ROOT = Path(__file__).parents[2]
HOSTILE = "</td></style><script>document.title='owned'</script><img src=x onerror=document.title='owned'>&amp;\"'$x$"
VOID = {"img", "br", "col", "wbr", "hr", "meta"}


class Reader(HTMLParser):
    """Reads HTML strictly: every tag is closed in its turn. Keeps the cells of tables and the attributes of tags."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.stack: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.rows: list[list[str]] = []
        self.titles: list[list[str]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()
        assert self.stack == [], f"never closed: {self.stack}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        held = {name: value or "" for name, value in attrs}
        self.tags.append((tag, held))
        if tag not in VOID:
            self.stack.append(tag)
        if tag == "tr":
            self.rows.append([])
            self.titles.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self.titles[-1].append(held.get("title", ""))

    def handle_endtag(self, tag: str) -> None:
        assert self.stack, f"</{tag}> closes nothing"
        assert self.stack.pop() == tag, f"</{tag}> within {self.stack}"

    def handle_data(self, data: str) -> None:
        if "style" in self.stack:
            return
        self.text.append(data)
        if {"td", "th"} & set(self.stack):
            self.rows[-1][-1] += data

    def numbers(self) -> dict[str, float]:
        """Each cell's number by its address, as its title has it."""
        found = {}
        for title in (title for row in self.titles for title in row):
            address, separator, number = title.partition(" = ")
            if separator:
                found[address] = float(number.partition(",")[0])
        return found


def surprise(logits: Tensor) -> Tensor:
    return F.cross_entropy(logits.flatten(0, 1), torch.tensor([3, 4, 2, 5, 6, 2]))


def translator_trace(labels: list[str] | None = None) -> Trace:
    sizes = {"d_model": 64, "heads": 4, "feed_forward": 32, "encoder_layers": 2, "decoder_layers": 2, "dropout": 0.0}
    model = Translator(TranslatorConfig.parse(sizes), 50)
    source, target = torch.tensor([[3, 4, 5, 0], [6, 7, 8, 9]]), torch.tensor([[1, 3, 4], [1, 5, 6]])
    return capture(model, source, target, loss=surprise, labels={"source": labels} if labels else None)


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PELLUCID_LANG", "en")


@pytest.fixture(scope="module")
def small() -> Trace:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    return capture(model, torch.tensor([[0.5, -1.0, 2.0]]), loss=lambda y: (y**2).mean())


@pytest.fixture(scope="module")
def whole() -> Trace:
    torch.manual_seed(0)
    return translator_trace([HOSTILE, "cat", "sat", "?"])


def everything(small: Trace, whole: Trace) -> Iterator[Any]:
    """One of each kind of thing that shows itself."""
    yield from (
        small,
        small["0"],
        small["mean"],
        small["0.bias"],
        small.explain("2[0, 1]"),
        small.explain("input[0, 1]"),
    )
    yield small.explain("0[0, 1]", backward=True)
    ways = paths(small, "0.weight[1, 2]")
    yield from (ways, ways[0])
    yield from (whole, whole["encoder.0"], whole.attentions(), *whole.attentions())
    yield show(whole.attentions()[3], head=2, batch=1)
    picked = whole.select("decoder.*.weights")
    changed = replay(whole, picked.where(head=1).replace(0.0))
    yield from (picked, picked.where(head=1), whole.select("nowhere"), changed, picked.compare(changed))
    yield replay(whole, {})
    torch.manual_seed(1)
    parted = diff(whole, translator_trace())
    assert parted is not None
    yield parted


# --- the form ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["en", "zh"])
def test_everything_shows_itself_in_well_formed_html(
    small: Trace, whole: Trace, language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PELLUCID_LANG", language)
    for thing in everything(small, whole):
        bundle = thing._repr_mimebundle_()
        assert set(bundle) == {"text/plain", "text/html"}
        assert bundle["text/plain"]
        assert bundle["text/html"] == thing._repr_html_()
        Reader(bundle["text/html"])


def test_both_languages_hold_every_word_with_the_same_values() -> None:
    english, chinese = words("en"), words("zh")
    assert list(english) == list(chinese)
    for key, sentence in english.items():
        assert set(re.findall(r"{(\w+)}", sentence)) == set(re.findall(r"{(\w+)}", chinese[key])), key


def test_nothing_is_fetched_and_no_script_is_needed(small: Trace, whole: Trace) -> None:
    for thing in everything(small, whole):
        page = Reader(thing._repr_html_())
        assert not {tag for tag, _ in page.tags} & {"script", "link", "iframe", "object", "form", "svg"}
        for _, held in page.tags:
            assert not any(name.startswith("on") for name in held)
            assert held.get("src", "data:").startswith("data:")
            assert "href" not in held
        assert not re.search(r"url\(|@import|https?:", thing._repr_html_())


def test_names_and_labels_are_escaped(whole: Trace) -> None:
    page = Reader(html(whole["encoder.0"]))
    assert HOSTILE in [cell for row in page.rows for cell in row]
    step = Step(HOSTILE, HOSTILE, torch.randn(2, 2), axes=(Axis(HOSTILE, (HOSTILE, "b")), Axis("x")), place=HOSTILE)
    trace = Trace([step], {}, [])
    for thing in (trace, step, trace.select("*"), trace.select("*").compare(trace)):
        assert "script" not in {tag for tag, _ in Reader(html(thing)).tags}
    assert HOSTILE in "".join(Reader(html(step)).text)


@pytest.mark.parametrize("name", ["CNN", "LSTM", "nn.Transformer", "in place"])
def test_every_kind_of_network_shows_itself(name: str) -> None:
    _, trace = traced(name)
    assert trace.gradients
    Reader(html(trace))
    for step in trace:
        found = Reader(html(step)).numbers()
        assert found or not step.value.dim()
    for call in trace.attentions():
        Reader(html(call))


# --- the numbers ------------------------------------------------------------------------------------------------------


def test_each_cell_has_all_digits_of_its_number_under_its_address(small: Trace) -> None:
    found = Reader(html(small["0.weight"])).numbers()
    weights = {address: value for address, value in found.items() if not address.startswith("dL/d ")}
    assert len(weights) == 12
    for address, value in weights.items():
        assert torch.tensor(value) == small.value(address)
    gradients = {address: value for address, value in found.items() if address.startswith("dL/d ")}
    for address, value in gradients.items():
        step, cell = small.cell(address.removeprefix("dL/d "))
        assert torch.tensor(value) == step.gradient[cell]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.int64])
def test_digits_bring_back_the_number_in_every_type(dtype: torch.dtype) -> None:
    value = (torch.randn(5, 5, dtype=torch.float64) * 1000).to(dtype)
    step = Step("x", "input", value, axes=(Axis("row"), Axis("column")))
    found = Reader(html(step)).numbers()
    for i in range(5):
        for j in range(5):
            assert torch.tensor(found[f"x[row={i}, column={j}]"], dtype=dtype) == value[i, j]


@pytest.mark.parametrize("scale", [1e-12, 1e-3, 1.0, 300.0, 1e9])
def test_written_numbers_are_near_the_real_ones_and_have_a_true_minus(scale: float) -> None:
    value = torch.randn(4, 4, dtype=torch.float64) * scale
    page = Reader(html(Step("x", "input", value, axes=(Axis("row"), Axis("column")))))
    (*_, last) = [row for row in page.rows if len(row) == 5]
    assert "-" not in "".join(last[1:])
    shown = torch.tensor([float(cell.replace("−", "-")) for cell in last[1:]], dtype=torch.float64)
    torch.testing.assert_close(shown, value[3], rtol=0, atol=6e-3 * float(value.abs().max()))


def test_zero_infinity_and_what_is_no_number_are_told_apart() -> None:
    value = torch.tensor([[0.0, 1e-9, -math.inf, math.nan], [1.0, -0.25, math.inf, 0.5]])
    page = Reader(html(Step("x", "input", value, axes=(Axis("row"), Axis("column")))))
    assert [row[1:] for row in page.rows[1:3]] == [["0", "0.000", "−∞", "NaN"], ["1", "−0.250", "∞", "0.500"]]


def test_axes_have_their_names_and_positions_their_labels(whole: Trace) -> None:
    page = Reader(html(whole["encoder.0"]))
    assert page.rows[0][0] == "position ↓ model →"
    assert [row[0] for row in page.rows[1:5]] == [HOSTILE, "cat", "sat", "?"]


def test_a_trace_lists_every_step_with_what_it_is(whole: Trace) -> None:
    page = Reader(html(whole))
    names = [titles[0] for titles in page.titles if len(titles) == 9 and titles[0]]
    assert set(names) >= {step.name for step in whole.steps}
    row = page.rows[[titles[:1] for titles in page.titles].index(["encoder.0.feed_forward.wide"])]
    value = whole["encoder.0.feed_forward.wide"].value
    assert row[:5] == ["wide", "linear", "batch 2 × position 4 × unit 32", "float32", "captured"]
    numbers = [float(cell.replace("−", "-")) for cell in row[6:]]
    assert numbers == pytest.approx([float(value.min()), float(value.max()), float(value.mean())], rel=6e-3)


def test_a_trace_folds_by_place_in_the_order_of_the_computation(whole: Trace) -> None:
    summaries = re.findall(r"<summary><b>([^<]+)</b>", html(whole))
    layers = [name for name in summaries if re.fullmatch(r"(en|de)coder\.\d", name)]
    assert layers == ["encoder.0", "encoder.1", "decoder.0", "decoder.1"]


def test_to_show_a_trace_opens_nothing() -> None:
    trace = capture(nn.Sequential(nn.LayerNorm(4), nn.Linear(4, 4)), torch.randn(2, 4))
    html(trace)
    assert not any(step.inside for step in trace)
    trace.open(trace["0"])
    assert "variance_and_epsilon" in html(trace)


# --- what is too large ------------------------------------------------------------------------------------------------


def test_a_large_matrix_is_windowed_and_says_so(whole: Trace) -> None:
    page = Reader(html(whole["embedding.weight"]))
    heads = page.rows[0][1:]
    assert heads == [*map(str, range(9)), "…", "61", "62", "63"]
    assert [row[0] for row in page.rows[1:14]] == [*map(str, range(9)), "⋮", "47", "48", "49"]
    text = "".join(page.text)
    assert "12 of 50 along token" in text
    assert "12 of 64 along model" in text
    wide = Reader(show(whole["embedding.weight"], rows=50, columns=64)._repr_html_())
    assert len(wide.rows[0]) == 65
    assert len([row for row in wide.rows if len(row) == 65]) >= 51


def decoded(image: str) -> Tensor:
    """The pixels of a picture, read by the rules of PNG: (row, column, channel)."""
    data = base64.b64decode(image.partition("base64,")[2].partition('"')[0])
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    at, chunks = 8, {}
    while at < len(data):
        (size,), kind = struct.unpack(">I", data[at : at + 4]), data[at + 4 : at + 8]
        body = data[at + 8 : at + 8 + size]
        assert struct.unpack(">I", data[at + 8 + size : at + 12 + size])[0] == zlib.crc32(kind + body)
        chunks[kind] = body
        at += 12 + size
    width, height = struct.unpack(">II", chunks[b"IHDR"][:8])
    rows = torch.tensor(list(zlib.decompress(chunks[b"IDAT"]))).view(height, 1 + 4 * width)
    assert not rows[:, 0].any()
    return rows[:, 1:].view(height, width, 4)


def test_a_picture_has_a_pixel_for_each_number_as_strong_as_it_is_large() -> None:
    value = torch.tensor([[0.0, 1.0, -2.0], [0.5, -math.inf, -0.5]])
    pixels = decoded(picture(value, look_of(value), "x"))
    assert pixels[..., 3].tolist() == [[0, 128, 255], [64, 89, 64]]
    red, _, blue, _ = pixels.unbind(-1)
    assert (red > blue).tolist() == [[True, True, False], [True, False, False]]


def test_a_picture_of_too_many_numbers_keeps_the_strongest_of_each_block() -> None:
    value = torch.randn(1001, 700) * 0.1
    value[567, 233] = -9.0
    small = strongest(value, 240)
    assert max(small.shape) <= 240
    assert float(small.min()) == -9.0
    assert float(small[567 // 5, 233 // 3]) == -9.0


def test_attention_between_hundreds_of_positions_stays_small() -> None:
    layer = nn.MultiheadAttention(32, 4, batch_first=True)
    x = torch.randn(1, 300, 32)
    (call,) = capture(layer, x, x, x).attentions()
    assert len(html(call)) < 500_000


def test_further_matrices_are_folded_and_those_left_out_counted() -> None:
    step = Step("x", "input", torch.randn(3, 5, 2, 2), axes=tuple(map(Axis, ("batch", "head", "query", "key"))))
    page = html(step)
    assert page.count('<table class="cells') == 4
    assert "4 of 15 matrices" in page
    found = Reader(show(step, batch=2, head=-1)._repr_html_()).numbers()
    assert set(found) == {f"x[batch=2, head=4, query={i}, key={j}]" for i in range(2) for j in range(2)}
    with pytest.raises(SelectionError, match="no axis 'layer'"):
        show(step, layer=1)


def test_a_step_without_numbers_says_so() -> None:
    assert "There is no number in it." in html(Step("x", "input", torch.empty(0, 3), axes=(Axis("a"), Axis("b"))))


# --- attention, explanation, paths ------------------------------------------------------------------------------------


def test_attention_shows_nine_parts_and_every_head(whole: Trace) -> None:
    call = whole.attentions()[2]
    page = Reader(show(call, batch=1, head=3)._repr_html_())
    text = "".join(page.text)
    for number, part in enumerate(
        ("queries", "keys", "values", "Q Kᵀ", "scaled", "masked", "weights", "weights · V"), 1
    ):
        assert f"{number} {part}" in text
    assert "9 heads joined and projected" in text
    assert "24 of 72 are hidden: no looking ahead." in text
    assert all(f"head {head}" in text for head in range(4))
    found = page.numbers()
    for address in (f"{call.weights.name}[batch=1, head={head}, query=2, key=1]" for head in range(4)):
        assert torch.tensor(found[address]) == whole.value(address)
    value = found[f"{call.scores.name}[batch=1, head=3, query=2, key=1]"]
    assert value == pytest.approx(float(call.query.value[1, 3, 2] @ call.key.value[1, 3, 1]), rel=1e-4)


def test_each_hidden_cell_says_why(whole: Trace) -> None:
    causal, crossing = (Reader(html(whole.attentions()[number])) for number in (2, 3))
    titles = [title for row in causal.titles for title in row if "masked" in title]
    assert [title for title in titles if title.endswith("-inf, no looking ahead")] == [
        title for title in titles if "-inf" in title
    ]
    assert [title for row in crossing.titles for title in row if title.endswith("-inf, padding")]


def test_shares_have_the_color_of_shares(whole: Trace) -> None:
    assert look_of(whole.attentions()[0].weights.value).shares
    assert not look_of(whole.attentions()[0].scores.value).shares
    assert not look_of(torch.tensor([[0.2, 0.2], [0.5, 0.5]])).shares


def test_an_explanation_has_formula_numbers_and_every_operand(small: Trace) -> None:
    why = small.explain("2[0, 1]")
    page = Reader(html(why))
    text = "".join(page.text)
    assert why.formula in text
    assert why.text().splitlines()[1].partition(" = ")[2].replace("-", "−").replace("*", "·") in text
    assert all(cell.address in text for cell in why.operands)
    assert why.exact in text
    parts = [float(row[3].replace("−", "-")) for row in page.rows[1:]]
    assert sum(parts) == pytest.approx(why.value, abs=1e-3)
    assert parts == sorted(parts, key=abs, reverse=True)


def test_paths_are_shown_with_the_gradient_they_add_up_to(small: Trace) -> None:
    ways = paths(small, "0.weight[1, 2]")
    page = Reader(html(ways))
    assert len(page.rows) == 1 + len(ways) + 1
    step, cell = small.cell("0.weight[1, 2]")
    assert step.gradient is not None
    assert float(page.rows[-1][3].replace("−", "-")) == pytest.approx(float(step.gradient[cell]), rel=1e-3)


def test_a_replay_shows_the_loss_before_and_after(small: Trace) -> None:
    changed = replay(small, {"1[unit=3]": 0.0})
    text = "".join(Reader(html(changed)).text)
    assert f"{small.value('mean'):.6g} → {changed.loss:.6g}" in text


# --- the look ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("hue", ["neg", "pos", "share"])
def test_the_text_of_every_cell_keeps_its_contrast(theme: dict[str, str], hue: str) -> None:
    def luminance(color: Tensor) -> float:
        share = color / 255
        linear = torch.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
        return float(linear @ torch.tensor([0.2126, 0.7152, 0.0722]))

    def triple(name: str) -> Tensor:
        return torch.tensor([float(part) for part in theme[name].split(",")])

    ink = luminance(torch.tensor([float(int(theme["cell-ink"][at : at + 2], 16)) for at in (1, 3, 5)]))
    for strength in torch.linspace(0, float(theme["most"]), 50):
        paper = luminance(strength * triple(hue) + (1 - strength) * triple("zero"))
        assert (max(ink, paper) + 0.05) / (min(ink, paper) + 0.05) >= 4.5


@pytest.mark.page
def test_a_hostile_label_does_not_run_and_nothing_leaves_the_machine(browser: Browser, whole: Trace) -> None:
    page = browser.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    body = html(whole["encoder.0"]) + html(whole.attentions()[0]) + html(whole.select("*.weights"))
    page.set_content(f"<!doctype html><meta charset=utf-8><title>quiet</title>{body}")
    page.wait_for_timeout(200)
    assert page.title() == "quiet"
    assert [url for url in asked if not url.startswith(("data:", "about:"))] == []
    assert page.locator("th", has_text="onerror").count() > 0
    page.close()


@pytest.mark.page
@pytest.mark.parametrize(
    ("system", "body", "dark"),
    [
        ("light", "", False),
        ("dark", "", True),
        ("dark", 'data-jp-theme-light="true"', False),
        ("light", 'data-jp-theme-light="false"', True),
        ("light", 'class="vscode-dark"', True),
        ("dark", 'class="vscode-light"', False),
    ],
)
def test_the_notebooks_theme_goes_before_the_systems(
    browser: Browser, small: Trace, system: str, body: str, dark: bool
) -> None:
    page = browser.new_page(color_scheme=system)  # type: ignore[arg-type]
    page.set_content(f"<!doctype html><body {body}>{html(small['0.weight'])}")
    paper = page.locator(".pellucid").evaluate("e => getComputedStyle(e).backgroundColor")
    cell = page.locator("td").first.evaluate("e => getComputedStyle(e).color")
    assert sum(map(int, re.findall(r"\d+", paper))) < 100 if dark else sum(map(int, re.findall(r"\d+", paper))) > 700
    assert sum(map(int, re.findall(r"\d+", cell))) > 600 if dark else sum(map(int, re.findall(r"\d+", cell))) < 150
    page.close()


# --- a notebook -------------------------------------------------------------------------------------------------------


def test_the_example_notebook_runs_and_each_thing_shows_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", ":".join(path for path in sys.path if path))
    notebook: Any = nbformat.read(ROOT / "examples" / "see.ipynb", as_version=4)  # type: ignore[no-untyped-call]
    nbformat.validate(notebook)
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    shown = [
        output["data"]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output["output_type"] == "execute_result"
    ]
    assert len(shown) == 10
    for data in shown:
        assert data["text/html"].startswith('<div class="pellucid ')
        Reader(data["text/html"])
    printed = "".join(output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", []))
    assert float(re.findall(r"right ([\d.]+)%", printed)[0]) > 95


def test_the_example_notebook_is_kept_without_outputs() -> None:
    notebook = json.loads((ROOT / "examples" / "see.ipynb").read_text(encoding="utf-8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert not any(cell["outputs"] or cell["execution_count"] for cell in code)


def test_to_draw_needs_nothing_of_jupyter() -> None:
    code = "import sys, pellucid.see.notebook; sys.exit('IPython' in sys.modules or 'treescope' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_a_trace_did_not_keep_is_shown_without_being_computed() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    part = capture(model, torch.randn(5, 3), only="2")
    lines = {row[0]: row for row in Reader(html(part)).rows if len(row) > 4}
    assert lines["1"][4:] == ["not kept", "", "", "", ""]
    assert lines["2"][4] == "captured"
    assert lines["2"][-1]
    assert not part["1"].kept
    assert "recomputed" in html(part["1"])
    with torch.no_grad():
        model[0].weight.add_(1)
    part = capture(model, torch.randn(5, 3), only="2")
    with torch.no_grad():
        model[0].weight.add_(1)  # so that it cannot be computed anew
    assert "not kept" in html(part)
