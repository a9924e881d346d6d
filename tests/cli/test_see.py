"""`pellucid see`: the walk, one number, a saved trace; within the columns, readable by programs, clear in error."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.cells import cell_len

from pellucid.run import Run
from pellucid.see.capture import capture
from pellucid.see.trace import Trace
from pellucid.see.walk import STAGES
from pellucid.see.words import words
from tests.cli.conftest import Command, lines

RUN = "runs/en-zh"
TEXT, TARGET = "Save the file %s", "保存该文件 %s"
CELL = "decoder.0.cross_attention.weights[head=1, query=2, key=0]"


@pytest.fixture(autouse=True)
def _inside(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(trained)


@pytest.fixture
def saved(trained: Path, pellucid: Command) -> str:
    """A saved pass, made by the command once."""
    if not (trained / "pass.safetensors").exists():
        assert pellucid("see", RUN, TEXT, "--target", TARGET, "--save", "pass.safetensors").code == 0
    return "pass.safetensors"


def numbers_in(line: str) -> list[float]:
    return [float(found.replace("−", "-")) for found in re.findall(r"(?<![\w.])−?\d+(?:\.\d+)?(?![\w.])", line)]


def test_the_walk_asks_eleven_questions_in_order(pellucid: Command) -> None:
    said = lines(pellucid("see", RUN, TEXT))
    asked = [line for line in said if re.match(r"\d+\. ", line)]
    assert asked == [f"{n}. {words('en')[f'{key}.title']}" for n, key in enumerate(STAGES, 1)]


def test_backward_goes_from_the_loss_to_the_text_and_tells_how_exact_it_is(pellucid: Command, saved: str) -> None:
    said = lines(pellucid("see", saved, "--backward"))
    asked = [int(line.split(".")[0]) for line in said if re.match(r"\d+\. ", line)]
    assert asked == list(range(11, 0, -1))
    assert any(line.startswith("dL/d source.embedded") for line in said)
    assert "differ from PyTorch's by at most" in " ".join(said)


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--head", "1"],
        ["--backward"],
        ["--backward", "--head", "1", "--layer", "1"],
        ["--exact", "--head", "0"],
        ["--at", CELL],
        ["--at", CELL, "--exact"],
        ["--at", CELL, "--backward"],
        ["--at", "logits"],
        ["--at", "probabilities[position=1]"],
        ["--at", "embedding.weight", "--backward"],
        ["--at", "decoder.*.weights"],
    ],
    ids=" ".join,
)
def test_every_view_fits_the_columns_there_are(
    pellucid: Command, saved: str, options: list[str], columns: int, language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("PELLUCID_LANG", language)
    said = lines(pellucid("see", saved, *options))
    assert [line for line in said if cell_len(line) > columns] == []
    assert not any("\x1b" in line for line in said)


def test_wider_terminals_show_more_columns(pellucid: Command, saved: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def shown() -> int:
        said = lines(pellucid("see", saved, "--at", "source.embedding"))
        return max(len(numbers_in(line)) for line in said if line.startswith("<|end|>"))

    narrow = shown()
    monkeypatch.setenv("COLUMNS", "120")
    assert shown() > narrow


def test_numbers_stand_under_each_other_beside_wide_characters(pellucid: Command, saved: str) -> None:
    said = lines(pellucid("see", saved, "--at", "target.embedded"))
    start = said.index("target.embedded") + 2
    rows = said[start : start + len(Trace.load(saved)["target"].value[0])]
    assert any(cell_len(row) > len(row) for row in rows), "no wide character among the labels"
    assert len({cell_len(row) for row in rows}) == 1


def test_what_a_window_leaves_out_is_shown_by_the_options_that_it_names(pellucid: Command, saved: str) -> None:
    value = Trace.load(saved)["encoder.0.feed_forward.wide.weight"].value
    seen: list[list[float]] = [[] for _ in value]
    options: list[str] = []
    for _ in range(20):
        said = lines(pellucid("see", saved, "--at", "encoder.0.feed_forward.wide.weight", *options))
        head = next(n for n, line in enumerate(said) if line.startswith("encoder.0.feed_forward.wide.weight") and n > 1)
        for row, line in enumerate(said[head + 2 : head + 2 + len(value)]):
            seen[row] += [float(part.replace("−", "-")) for part in line.split()[1:]]
        options = said[-1].split("--at encoder.0.feed_forward.wide.weight ")[-1].split()
        if options == ["--column", "0"]:
            break
    torch.testing.assert_close(torch.tensor(seen), value, atol=5.1e-4, rtol=0)


def test_a_number_is_explained_with_the_words_of_python(pellucid: Command, saved: str) -> None:
    trace = Trace.load(saved)
    said = " ".join(lines(pellucid("see", saved, "--at", CELL)))
    for part in trace.explain(CELL).text().split("\n"):
        assert part in said.replace("  ", " ")
    exact = json.loads(pellucid("see", saved, "--at", CELL, "--json").out)
    assert exact["exact"] == trace.explain(CELL).exact
    assert exact["value"] == float(trace["decoder.0.cross_attention.weights"].value[0, 1, 2, 0])
    total = eval(exact["exact"])  # the arithmetic that is printed gives the value
    assert total == pytest.approx(exact["value"], abs=1e-7)


def test_operands_are_addresses_that_lead_on_to_a_parameter_or_an_input(pellucid: Command, saved: str) -> None:
    address = "decoder.0.cross_attention.output[position=1, unit=3]"
    found: dict[str, Any] = {}
    for _ in range(200):
        found = json.loads(pellucid("see", saved, "--at", address, "--json").out)
        if not found["operands"]:
            break
        address = found["operands"][0]["address"]
    assert found["text"].endswith(("a parameter", "an input"))


def test_backward_a_number_is_upstream_times_local_added_up(
    pellucid: Command, saved: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")  # a line for each
    address = "encoder.1.feed_forward.relu[position=0, unit=3]"
    said = lines(pellucid("see", saved, "--at", address, "--backward", "--exact"))
    start = next(n for n, line in enumerate(said) if "upstream" in line)
    cells = [line.split()[:3] for line in said[start + 1 :] if "encoder.1.feed_forward.narrow[" in line]
    rows = [[float(cell.replace("−", "-")) for cell in row] for row in cells]
    assert len(rows) == 16
    for upstream, local, product in rows:
        assert upstream * local == pytest.approx(product, abs=1e-12)
    gradient = Trace.load(saved)["encoder.1.feed_forward.relu"].gradient
    assert gradient is not None
    assert sum(row[2] for row in rows) == pytest.approx(float(gradient[0, 0, 3]), rel=1e-4, abs=1e-9)


def test_a_tensor_has_its_summary(pellucid: Command, saved: str) -> None:
    name = "decoder.0.self_attention.weights"
    value = Trace.load(saved)[name].value.double()
    said = " ".join(lines(pellucid("see", saved, "--at", name)))
    zeros = float((value == 0).double().mean())
    assert f"min 0, max {float(value.max()):.4g}, mean {float(value.mean()):.4g}, zeros {zeros:.1%}" in said


def test_masked_scores_are_infinite_and_their_shares_exactly_zero(pellucid: Command, saved: str) -> None:
    masked = lines(pellucid("see", saved, "--at", "decoder.0.self_attention.masked[head=0]"))
    weights = lines(pellucid("see", saved, "--at", "decoder.0.self_attention.weights[head=0]"))
    rows = [[line for line in said if line.startswith("<|begin|>")][-1].split()[1:] for said in (masked, weights)]
    assert set(rows[0][1:]) == {"−∞"}
    assert rows[1] == ["1.000", *["0"] * (len(rows[1]) - 1)]


def test_the_whole_walk_is_json_with_the_numbers_of_the_trace(pellucid: Command, saved: str) -> None:
    found = json.loads(pellucid("see", saved, "--json", "--backward").out, parse_constant=pytest.fail)
    trace = Trace.load(saved)
    assert (found["source"], found["target"]) == (TEXT, TARGET)
    assert [stage["key"] for stage in found["stages"]] == list(STAGES)
    for stage in found["stages"]:
        for step in stage["steps"]:
            value = trace[step["address"]].value
            read = torch.tensor([float(number) for number in flat(step["values"])]).view(value.shape)
            torch.testing.assert_close(read, value.float(), atol=0, rtol=0)
            assert [axis["size"] for axis in step["axes"]] == list(value.shape)
    assert found["stages"][9]["steps"][1]["gradient"] is not None


def test_json_of_one_head_holds_that_head_alone(pellucid: Command, saved: str) -> None:
    found = json.loads(pellucid("see", saved, "--json", "--head", "2").out)
    (weights,) = [s for s in found["stages"][8]["steps"] if s["address"] == "decoder.0.cross_attention.weights"]
    assert weights["cell"] == {"head": 2}
    read = torch.tensor(weights["values"])
    torch.testing.assert_close(read, Trace.load(saved)["decoder.0.cross_attention.weights"].value[:, 2], atol=0, rtol=0)


def flat(values: Any) -> list[Any]:
    return [one for value in values for one in flat(value)] if isinstance(values, list) else [values]


def test_a_saved_trace_shows_what_the_run_showed(pellucid: Command, saved: str) -> None:
    live = lines(pellucid("see", RUN, TEXT, "--target", TARGET))
    assert lines(pellucid("see", saved)) == live
    assert Run.open(RUN).translate([TEXT])[0] in pellucid("see", RUN, TEXT).out


def test_a_saved_trace_of_another_model_is_walked_place_by_place(pellucid: Command, tmp_path: Path) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.ReLU())
    trace = capture(model, torch.ones(1, 3))
    trace.save(tmp_path / "small.safetensors")
    listed = lines(pellucid("see", tmp_path / "small.safetensors", "--at", "*"))
    assert [line.split()[0] for line in listed[1:]] == [step.name for step in trace.steps]
    walked = lines(pellucid("see", tmp_path / "small.safetensors"))
    assert [line for line in walked if line[:2] in ("1.", "2.", "3.")] == ["1. 0", "2. 1"]
    first, second = model[0](torch.ones(1, 3))[0].tolist()
    assert any(line.split() == [f"{first:.3f}".replace("-", "−"), f"{second:.3f}".replace("-", "−")] for line in walked)
    told = json.loads(pellucid("see", tmp_path / "small.safetensors", "--json").out)
    assert [step["address"] for step in told["steps"]] == [step.name for step in trace.steps]


def test_stages_speak_chinese_where_the_terminal_does(
    pellucid: Command, saved: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PELLUCID_LANG", "zh")
    said = pellucid("see", saved).out
    assert all(words("zh")[f"{key}.title"] in said for key in STAGES)


ERRORS = {
    "no such run": (["nowhere", "Save"], "nowhere: no such run"),
    "no text": ([RUN], "no text to translate was given"),
    "empty text": ([RUN, " "], "the text is empty"),
    "empty target": ([RUN, "Save", "--target", ""], "the target is empty"),
    "text too long": ([RUN, "é" * 300], "at most 256"),
    "no such file": (["gone.safetensors"], "gone.safetensors: no such file"),
    "weights": ([f"{RUN}/model.safetensors"], "no trace of this version"),
    "text for a saved trace": (["pass.safetensors", "Save"], "is a saved trace"),
    "head": (["pass.safetensors", "--head", "4"], "there is no head 4"),
    "head at": (["pass.safetensors", "--head", "4", "--at", "decoder.0.cross_attention.weights"], "no head 4"),
    "layer": (["pass.safetensors", "--layer", "-1"], "there is no layer -1"),
    "no address": (["pass.safetensors", "--at", "a b"], "'a b' is no address"),
    "unknown name": (
        ["pass.safetensors", "--at", "decoder.0.cros_attention.weights"],
        "decoder.0.cross_attention.weights",
    ),
    "outside": (["pass.safetensors", "--at", "logits[0, 99, 0]"], "logits[0, 99, 0] is outside"),
    "unknown axis": (["pass.safetensors", "--at", "logits[head=0]"], "Its axes are [batch=0..0"),
    "pattern": (["pass.safetensors", "--at", "nothing.*"], "nothing in the trace fits"),
    "row": (["pass.safetensors", "--at", "source.embedding", "--row", "99"], "--row 99 is outside"),
    "unwritable": (["pass.safetensors", "--save", "pass.safetensors/x"], "cannot be written"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_what_is_wrong_is_told_in_a_sentence(pellucid: Command, saved: str, name: str) -> None:
    arguments, says = ERRORS[name]
    result = pellucid("see", *arguments)
    assert result.code == 2
    assert result.out == ""
    assert says in result.err
    assert "Traceback" not in result.err
    assert len(result.err.strip().split("\n")) <= 2


def test_a_page_is_written_and_holds_the_pass_and_its_decoding(trained: Path, pellucid: Command) -> None:
    done = pellucid("see", RUN, TEXT, "--html", "page.html", "--megabytes", "4")
    assert done.code == 0
    assert done.out == ""
    assert "Open it in any browser" in done.err
    whole = (trained / "page.html").read_text(encoding="utf-8")
    assert len(whole.encode()) <= 4_000_000
    graph = json.loads(re.search(r'id="graph">(.*?)</script>', whole, re.DOTALL)[1])  # type: ignore[index]
    assert graph["title"] == RUN
    assert graph["about"]["source"] == TEXT
    assert graph["decoding"]["nodes"]
    assert [stage["key"] for stage in graph["walk"][0]] == list(STAGES)


def test_a_page_that_cannot_be_written_says_where(pellucid: Command, saved: str) -> None:
    done = pellucid("see", saved, "--html", "/proc/nowhere/page.html")
    assert done.code == 2
    assert "/proc/nowhere/page.html: cannot be written" in done.err


def test_the_paths_of_a_number_add_up_to_its_gradient(pellucid: Command, saved: str) -> None:
    address = "encoder.0.self_attention.value.bias[unit=3]"
    found = json.loads(pellucid("see", saved, "--paths", address, "--json").out)
    trace = Trace.load(saved)
    expected = trace.gradients[trace["encoder.0.self_attention.value.bias"]][3]
    assert found["gradient"] == pytest.approx(float(expected))
    assert sum(group["contribution"] for group in found["groups"]) == pytest.approx(found["gradient"], rel=1e-4)
    said = lines(pellucid("see", saved, "--paths", address))
    for group in found["groups"]:
        assert any(line.startswith(group["through"]) for line in said)


def test_what_if_a_head_were_off_is_what_python_computes(pellucid: Command, saved: str) -> None:
    skip = "decoder.0.cross_attention[head=1]"
    expected = Trace.load(saved).replay(skip=[skip]).loss
    found = json.loads(pellucid("see", saved, "--skip", skip, "--json").out)
    assert found["loss"]["after"] == expected != found["loss"]["before"]
    assert lines(pellucid("see", saved, "--skip", skip))[-1].startswith(f"loss {found['loss']['before']:.6g} -> ")


def test_a_token_is_swapped_by_id_or_by_its_label(pellucid: Command, saved: str) -> None:
    labels = Trace.load(saved)["embedding.weight"].axes[0].labels
    assert labels is not None
    by_id = pellucid("see", saved, "--set", "source[position=1]=40", "--at", "logits[position=0, token=5]")
    by_label = pellucid(
        "see", saved, "--set", f"source[position=1]={labels[40]}", "--at", "logits[position=0, token=5]"
    )
    assert lines(by_id) == lines(by_label)
    assert any(line.startswith("logits[position=0, token=5]: ") for line in lines(by_id))


def test_a_run_against_its_own_saved_pass_shows_no_difference(pellucid: Command, saved: str) -> None:
    said = lines(pellucid("see", RUN, TEXT, "--target", TARGET, "--against", saved))
    assert said[0].startswith("no difference beyond")
    other = json.loads(pellucid("see", RUN, TEXT, "--target", "保存该文件", "--against", saved, "--json").out)
    assert other["first"] is not None
    assert pellucid("see", saved, "--against", RUN).out.startswith("no difference beyond")


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(
    "options",
    [
        ["--paths", "embedding.weight"],
        ["--paths", "decoder.0.feed_forward.narrow.weight[unit=1, input=1]"],
        ["--skip", "encoder.0.feed_forward", "--set", "target[position=1]=30"],
        ["--against", "pass.safetensors"],
    ],
    ids=str,
)
def test_paths_and_changes_fit_the_columns(
    pellucid: Command, saved: str, monkeypatch: pytest.MonkeyPatch, options: list[str], language: str, columns: int
) -> None:
    monkeypatch.setenv("PELLUCID_LANG", language)
    monkeypatch.setenv("COLUMNS", str(columns))
    said = lines(pellucid("see", saved, *options))
    assert max(map(cell_len, said)) <= columns


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--set", "source"], "is not ADDRESS=VALUE"),
        (["--set", "source[position=0]=no such token"], "is no token of this model"),
        (["--set", "loss=much"], "is no number"),
        (["--skip", "nowhere"], "the trace has no nowhere"),
        (["--paths", "source[position=0]"], "whole numbers"),
        (["--against", "runs/other"], "no such run"),
    ],
    ids=str,
)
def test_a_change_that_cannot_be_is_told_in_a_sentence(
    pellucid: Command, saved: str, options: list[str], sentence: str
) -> None:
    result = pellucid("see", saved, *options)
    assert result.code == 2
    assert sentence in " ".join(result.err.split())
    assert "Traceback" not in result.err
