"""Pictures, sequences and small networks on the page: windows and their products, hidden states, neurons and curves."""

from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Browser
from torch import nn
from torch.nn import functional as F

from pellucid.see.capture import capture
from pellucid.see.html import write_page
from pellucid.see.operation import Axis
from pellucid.see.trace import Trace
from tests.see.test_page import Opened

pytestmark = pytest.mark.page


class Seeing(nn.Module):
    """Two convolutions, one of them strided, and both poolings."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 2, 2, stride=2)

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        x = F.max_pool2d(self.first(picture).relu(), 2)
        return F.avg_pool2d(self.second(x), 2).flatten(1)


@pytest.fixture(scope="module")
def seeing(tmp_path_factory: pytest.TempPathFactory) -> tuple[Trace, Path]:
    torch.manual_seed(0)
    trace = capture(Seeing(), torch.randn(1, 3, 8, 8), loss=lambda y: y.sum())
    return trace, write_page(trace, tmp_path_factory.mktemp("seeing") / "page.html", language="en")


TABLES = """() => {
  const number = cell => cell.dataset.value === undefined ? null : Number(cell.dataset.value);
  const numbers = table => [...table.rows].map(row => [...row.cells].map(number));
  return [...document.querySelectorAll(".window-grid")].map(one => [one.caption.textContent, numbers(one)]);
}"""


def test_a_window_of_a_convolution_shows_its_products(browser: Browser, seeing: tuple[Trace, Path]) -> None:
    trace, path = seeing
    picture, weight = trace["picture"].value[0], trace["first.weight"].value[2]
    with Opened(browser, path, "#first[batch=0, channel=2, row=0, column=5]") as page:
        page.wait_for_selector(".window-grid")
        tables = page.evaluate(TABLES)
        told = page.locator(".window .says").all_inner_texts()
    padded = F.pad(picture, (1, 1, 1, 1), value=float("nan"))[:, 0:3, 5:8]
    products = (padded * weight).double()
    order = products.nansum((1, 2)).abs().argsort(descending=True).tolist()
    for place, channel in enumerate(order):
        for (title, table), expected in zip(
            tables[3 * place : 3 * place + 3], (padded[channel], weight[channel], products[channel]), strict=True
        ):
            found = torch.tensor([[float("nan") if one is None else one for one in row] for row in table])
            outside = padded[channel].isnan()
            torch.testing.assert_close(
                found, expected.float().masked_fill(outside, float("nan")), equal_nan=True, msg=title
            )
        assert told[place].startswith(f"Channel {channel}: the products add up to")


def test_windows_of_poolings_show_what_was_taken(browser: Browser, seeing: tuple[Trace, Path]) -> None:
    trace, path = seeing
    relu = trace["relu"].value[0, 1, 4:6, 2:4]
    with Opened(browser, path, "#max_pool2d[batch=0, channel=1, row=2, column=1]") as page:
        ((title, table),) = page.evaluate(TABLES)
        assert title == "the largest is taken"
        assert torch.equal(torch.tensor(table), relu)
        largest = page.locator(".window-grid td.here").first.get_attribute("data-value")
        assert float(largest or "nan") == float(relu.max())
        page.locator(".window-grid td").first.hover()
        page.wait_for_function("() => String(pellucid.figures.find(one => one.step.name === 'relu').lit) === '4,2,1,1'")
        page.evaluate("() => { location.hash = 'avg_pool2d[batch=0, channel=0, row=0, column=0]' }")
        page.wait_for_function(
            "() => document.querySelector('.window-grid caption')?.textContent === 'the mean is taken'"
        )
        ((_, table),) = page.evaluate(TABLES)
        assert torch.equal(torch.tensor(table), trace["second"].value[0, 0])


def test_a_picture_is_seen_in_its_colours_beside_its_channels_and_kernels(
    browser: Browser, seeing: tuple[Trace, Path]
) -> None:
    trace, path = seeing
    with Opened(browser, path, "#first") as page:
        pixels = page.locator(".seen canvas").evaluate(
            "one => [...one.getContext('2d').getImageData(0, 0, one.width, one.height).data]"
        )
        picture = trace["picture"].value[0]
        shades = (picture - picture.min()) / (picture.max() - picture.min()) * 255
        found = torch.tensor(pixels).view(8, 8, 4)[..., :3].permute(2, 0, 1)
        assert int((found - shades.round()).abs().max()) <= 1
        assert page.locator(".pictures [aria-label='picture'] button").count() == 3
        assert page.locator(".pictures [aria-label='first.weight'] button").count() == 4
        assert page.locator(".pictures [aria-label='first'] button").count() == 4
        page.select_option("select[data-axis=input]", "2")
        figure = page.locator("figure[data-step='first.weight']")
        shown = figure.evaluate("one => [0, 1, 2].map(row => [0, 1, 2].map(column => one.figure.value(row, column)))")
        assert torch.equal(torch.tensor(shown), trace["first.weight"].value[0, 2])


@pytest.mark.parametrize(
    "activation", [nn.GELU(), nn.GELU("tanh"), nn.ELU(0.7), nn.LeakyReLU(0.2), nn.Softplus(), nn.Hardswish(), nn.Mish()]
)
def test_the_working_points_stand_on_the_curve_at_the_recorded_numbers(
    browser: Browser, tmp_path: Path, activation: nn.Module
) -> None:
    torch.manual_seed(0)
    trace = capture(nn.Sequential(nn.Linear(2, 6), activation, nn.Linear(6, 1)), 6 * torch.randn(3, 2))
    with Opened(browser, write_page(trace, tmp_path / "page.html", language="en"), "#/network&show=batch:2") as page:
        points = page.locator(".curve a").evaluate_all(
            """all => all.map(one => {
              const { cx, cy } = one.querySelector("circle");
              return [Number(one.dataset.input), Number(one.dataset.output), cx.baseVal.value, cy.baseVal.value];
            })"""
        )
        line = page.locator(".curve polyline").evaluate("one => [...one.points].map(({ x, y }) => [x, y])")
    assert torch.equal(torch.tensor([one[0] for one in points]), trace["0"].value[2])
    assert torch.equal(torch.tensor([one[1] for one in points]), trace["1"].value[2])
    for _, _, x, y in points:  # the curve as drawn goes through the point that was recorded
        (x0, y0), (x1, y1) = next(pair for pair in pairwise(line) if pair[0][0] - 0.1 <= x <= pair[1][0] + 0.1)
        assert y == pytest.approx(y0 + (x - x0) / (x1 - x0) * (y1 - y0), abs=1.5)


def test_a_neuron_tells_its_formula_when_it_is_pointed_at_or_has_the_focus(browser: Browser, tmp_path: Path) -> None:
    torch.manual_seed(0)
    trace = capture(nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1)), torch.randn(1, 2))
    with Opened(browser, write_page(trace, tmp_path / "page.html", language="en"), "#/network") as page:
        for address, act in (("1[batch=0, unit=2]", "hover"), ("2[batch=0, unit=0]", "focus")):
            neuron = page.locator(f".net a[aria-label^='{address}'][data-neuron]")
            getattr(neuron, act)()
            page.wait_for_function(
                "printed => document.querySelector('.address')?.textContent === printed", arg=address
            )
            assert page.locator(".nums").inner_text().replace("\n", " ") in trace.explain(address).text()
        faded = page.locator(".net line").evaluate_all("all => all.map(one => one.style.opacity)")
        assert faded.count("0.15") == 6
        widths = page.locator(".net line").evaluate_all("all => all.map(one => parseFloat(one.style.strokeWidth))")
        weights = torch.cat([trace["0.weight"].value.flatten(), trace["2.weight"].value.flatten()]).abs()
        assert max(range(6), key=lambda i: widths[i]) == int(weights[:6].argmax())


def test_a_network_with_something_between_its_layers_is_not_drawn_as_if_there_were_nothing(
    browser: Browser, tmp_path: Path
) -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3), nn.Linear(3, 1))
    with Opened(browser, write_page(capture(model, torch.randn(1, 2)), tmp_path / "page.html", language="en")) as page:
        assert page.get_by_role("link", name="Network").count() == 0


def test_the_state_along_time_lights_up_with_what_it_was_made_of(browser: Browser, tmp_path: Path) -> None:
    torch.manual_seed(0)
    trace = capture(nn.LSTM(2, 3, batch_first=True), torch.randn(1, 4, 2), loss=lambda y: y[0].sum())
    path = write_page(trace, tmp_path / "page.html", language="en")
    name = next(step.name for step in trace.flat() if step.name.endswith("layer0.t2.h"))
    cell = trace[name].address((0, 1))
    with Opened(browser, path, f"#{cell}") as page:
        states = page.locator("figure[data-step='layer0.h']")
        assert states.evaluate("one => one.figure.here") == [2, 1]
        assert page.locator("figure[data-step='layer0.c']").evaluate("one => one.figure.lit") in ([[2, 1, 1, 1]], None)
        assert "opened" in states.locator(".marks").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_pictures_networks_exercises_and_the_tour(
    browser: Browser, seeing: tuple[Trace, Path], tmp_path: Path, scheme: str
) -> None:
    script = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    torch.manual_seed(0)
    small = capture(nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 30)), torch.randn(2, 2))
    network = write_page(small, tmp_path / "network.html", language="en")
    recurrent = capture(nn.GRU(2, 3, batch_first=True), torch.randn(1, 4, 2))
    sequence = write_page(recurrent, tmp_path / "sequence.html", language="zh")
    views = [
        (seeing[1], "#first[batch=0, channel=2, row=0, column=5]", None),
        (seeing[1], "#max_pool2d[batch=0, channel=1, row=2, column=1]", ".orders summary"),
        (seeing[1], "#nothing.here", None),
        (network, "#0[batch=1, unit=2]", "aside [aria-pressed=false]:has-text('Guess it')"),
        (network, "#2.weight", "aside .saves summary"),
        (sequence, f"#{recurrent.outputs[0]}", None),
    ]
    for path, view, press in views:
        with Opened(browser, path, view, color_scheme=scheme, bypass_csp=True) as page:
            if press:
                page.locator(press).first.click()
            page.evaluate(script)
            found = page.evaluate("axe.run().then(done => done.violations.map(one => [one.id, one.nodes[0].html]))")
            assert found == [], view


@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM])
@pytest.mark.parametrize("first", [True, False])
def test_every_axis_of_a_recurrent_layer_has_its_name(kind: type[nn.RNNBase], first: bool) -> None:
    sizes = {"batch": (2,), "position": (5,), "feature": (3,), "hidden": (4, 8), "layer": (6,), "gate": (12, 16)}
    layer = kind(3, 4, num_layers=3, bidirectional=True, batch_first=first)
    trace = capture(layer, torch.randn(2, 5, 3) if first else torch.randn(5, 2, 3), loss=lambda y: y[0].sum())
    for step in trace.flat():
        for axis, size in () if step.op == "parameter" else zip(step.axes, step.shape, strict=True):
            assert size in sizes[axis.name], (step.name, axis.name)
            if axis.name == "gate":
                assert axis.labels is not None
                assert [label[1:] for label in axis.labels] == [str(unit) for unit in range(4)] * (size // 4)


def test_the_panel_of_a_chosen_number_stays_as_it_is_while_others_are_pointed_at(
    browser: Browser, seeing: tuple[Trace, Path]
) -> None:
    with Opened(browser, seeing[1], "#first[batch=0, channel=2, row=0, column=5]") as page:
        page.wait_for_selector(".window-grid")
        value = page.locator("aside .value").inner_text()
        page.evaluate("() => { document.querySelector('aside .value').mine = true }")
        canvas = page.locator("figure[data-step='first'] canvas").nth(1)
        canvas.hover(position={"x": 100, "y": 90})
        page.wait_for_function("before => document.querySelector('aside .value').textContent !== before", arg=value)
        page.evaluate("() => { document.querySelector('aside .value').mine = 'pointed at' }")
        canvas.hover(position={"x": 102, "y": 91})  # within the same cell
        page.wait_for_timeout(50)
        assert page.evaluate("() => document.querySelector('aside .value').mine") == "pointed at"
        page.mouse.move(2, 2)
        page.wait_for_function("() => document.querySelector('aside .value').mine === true")


def test_one_weight_that_is_no_number_leaves_all_others_of_a_drawing_their_colours(
    browser: Browser, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    with torch.no_grad():
        model[0].weight[1, 2] = torch.nan
    path = write_page(capture(model, torch.randn(2, 3)), tmp_path / "page.html")
    with Opened(browser, path, "#/network") as page:
        lines = page.locator("line").evaluate_all("all => all.map(one => [one.textContent, one.style.stroke])")
        points = page.locator(".curve circle").count()
    grey = "rgb(128, 128, 128)"
    assert [told for told, colour in lines if colour == grey] == ["0.weight[unit=1, input=2] = nan"]
    assert all(colour.startswith("rgb(") for _, colour in lines)
    assert points == 3  # of four neurons one stands nowhere on the curve


def test_of_a_wide_layer_the_neurons_with_the_largest_numbers_are_drawn(browser: Browser, tmp_path: Path) -> None:
    torch.manual_seed(0)
    trace = capture(nn.Sequential(nn.Linear(20, 40), nn.Tanh(), nn.Linear(40, 3)), torch.randn(2, 20))
    with Opened(browser, write_page(trace, tmp_path / "page.html", language="en"), "#/network&show=batch:1") as page:
        told = page.locator("[data-neuron]").evaluate_all("all => all.map(one => one.getAttribute('aria-label'))")
        lines = page.locator(".net line").evaluate_all("all => all.map(one => one.textContent)")
        assert "16 neurons with the largest numbers" in page.locator("main").inner_text()
    hidden = trace["1"].value[1].abs().topk(16).indices.sort().values.tolist()
    read = trace["0"].operands["input"].value[1].abs().topk(16).indices.sort().values.tolist()
    places = [one.split(" = ")[0] for one in told]
    assert [int(one.rpartition("=")[2][:-1]) for one in places] == [*read, *hidden, 0, 1, 2]
    weights = [one.split(" = ")[0] for one in lines]
    expected = [f"0.weight[unit={k}, input={j}]" for k in hidden for j in read]
    assert weights == [*expected, *(f"2.weight[unit={k}, input={j}]" for k in range(3) for j in hidden)]


def test_the_end_of_a_large_network_is_not_drawn_as_if_it_were_all_of_it(browser: Browser, tmp_path: Path) -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(32, 2))
    trace = capture(model, torch.randn(1, 1, 6, 6))
    with Opened(browser, write_page(trace, tmp_path / "page.html", language="en")) as page:
        assert page.get_by_role("link", name="Network").count() == 0


class Naming(nn.Module):
    """Scores of three classes."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 2


def named(place: Path, axis: str, **about: str) -> Path:
    trace = capture(Naming(), torch.tensor([[0.1, 2.0, 0.3]]), loss=lambda y: y.sum())
    trace.about.update(about)
    trace[trace.outputs[0]].axes = (Axis("batch"), Axis(axis, ("circle", "cross", "square")))
    return write_page(trace, place / f"{axis}.html", language="en")


def test_the_class_of_an_example_stands_whole_below(browser: Browser, tmp_path: Path) -> None:
    with Opened(browser, named(tmp_path, "class", wanted="cross"), "") as page:
        assert page.locator("footer .word b").all_inner_texts() == ["cross"]
        assert page.locator("footer .cand.taken").count() == 1


def test_networks_side_by_side_are_not_taken_for_scores_of_classes(browser: Browser, tmp_path: Path) -> None:
    with Opened(browser, named(tmp_path, "network"), "") as page:
        page.wait_for_selector("nav")
        assert page.locator("footer .word").count() == 0
        assert page.locator("nav a[href*='/decoding']").count() == 0
