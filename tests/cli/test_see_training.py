"""`pellucid see --why` and `--flow`: the next step of a training, in a terminal."""

import json
import re
import shutil
from pathlib import Path

import pytest
from rich.cells import cell_len

from tests.cli.conftest import TRAININGS, Command, lines

RUN = "runs/en-zh"
WHY = ("--why", "decoder.0.feed_forward.wide.weight[3, 5]")


@pytest.fixture(autouse=True)
def _inside(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(trained)


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("text", [(), ("Save the file", "--target", "保存文件")])
def test_why_and_flow_fit_eighty_columns(
    text: tuple[str, ...], language: str, pellucid: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PELLUCID_LANG", language)
    printed = lines(pellucid("see", RUN, *text, *WHY, "--flow"))
    assert all(cell_len(line) <= 80 for line in printed)
    assert any("Muon" in line for line in printed)
    assert any(line.startswith("decoder.0") for line in printed)


def test_the_arithmetic_ends_in_the_new_weight(pellucid: Command) -> None:
    printed = " ".join(lines(pellucid("see", RUN, *WHY)))
    told = json.loads(pellucid("see", RUN, *WHY, "--json").out)
    assert f"= {told['why']['new']:.7g}" in printed
    assert told["on"] == "batch"
    assert told["over"] is True
    assert told["step"] == 13
    assert len(told["why"]["pushes"]) == told["examples"]


def test_exact_arithmetic_gives_the_value_when_it_is_evaluated(pellucid: Command) -> None:
    told = json.loads(pellucid("see", RUN, *WHY, "--json").out)["why"]
    for line in told["lines"]:
        assert eval(line["exact"], {"min": min, "sqrt": lambda x: x**0.5}) == pytest.approx(line["value"], rel=1e-12)


def test_the_places_of_one_pair_are_named_by_the_token_wanted_there(pellucid: Command) -> None:
    told = json.loads(pellucid("see", RUN, "Save the file", "--target", "保存文件", *WHY, "--json").out)
    names = [push["name"] for push in told["why"]["pushes"]]
    assert told["on"] == "one"
    assert names[0].startswith("position 0, where ")
    assert names[-1] == f"position {len(names) - 1}, where <|end|> should come"


def test_flow_alone_is_json_too(pellucid: Command) -> None:
    told = json.loads(pellucid("see", RUN, "--flow", "--json").out)
    assert told["flow"]["rows"][0]["place"] == "embedding"
    assert "why" not in told


def test_what_has_no_step_to_take_is_one_sentence(pellucid: Command, tmp_path: Path, trained: Path) -> None:
    shutil.copytree(trained / RUN, tmp_path / "bare")
    shutil.rmtree(tmp_path / "bare" / "state")
    for arguments, said in (
        ((tmp_path / "bare", "--flow"), "no saved state"),
        ((RUN, "--why", "decoder.0.feed_forward.wide.weight"), "0 of 2 indices"),
        ((RUN, "--why", "decoder.0.nothing[1]"), "has no decoder.0.nothing"),
        ((RUN, "--why", "decoder_norm[0, 0, 0]"), "is no parameter"),
    ):
        result = pellucid("see", *arguments)
        assert result.code == 2
        assert said in " ".join(result.err.split())
        assert "Traceback" not in result.err


def test_a_step_is_written_as_a_page_that_opens_at_the_weight(pellucid: Command, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    done = pellucid("see", RUN, "Save the file", "--target", "保存文件", *WHY, "--html", str(path))
    assert done.code == 0
    assert str(path) in done.err.replace("\n", "")
    graph = re.findall(r'id="graph">(.*?)</script>', path.read_text(encoding="utf-8"), re.DOTALL)[0]
    told = json.loads(graph)
    why = json.loads(pellucid("see", RUN, "Save the file", "--target", "保存文件", *WHY, "--json").out)["why"]
    assert told["start"] == f"{why['address']}&step"
    assert told["training"]["why"]["pushes"] == [push["gradient"] for push in why["pushes"]]
    assert told["training"]["why"]["who"]["en"] == [push["name"] for push in why["pushes"]]
    assert told["training"]["why"]["who"]["zh"][-1].endswith("应出现 <|end|>")
    flow = pellucid("see", RUN, "--flow", "--html", "/proc/nowhere/page.html")
    assert flow.code == 2
    assert "cannot be written" in flow.err


# Every other task

TOLD = {  # a weight, an input of a person's own, and how a push of the next batch is called
    "regress": ("layers.0.linear.weight[1, 1]", "2", "houses.csv, line "),
    "classify": ("output.bias[1]", "0", "flowers.csv, line "),
    "pictures": ("stages.0.convolutions.0.convolution.weight[1, 0, 1, 2]", "3", "images["),
    "language": ("recurrent.0.from_state.weight[2, 3]", "kinga and", ": "),
    "embed": ("word.weight[3, 2]", "kinga kingb", ", "),
}


@pytest.mark.parametrize("name", TRAININGS)
def test_of_every_task_the_next_step_is_told_in_both_languages_and_as_json(
    name: str, every_task: Path, pellucid: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(every_task)
    weight, text, named = TOLD[name]
    told = json.loads(pellucid("see", f"runs/{name}", "--why", weight, "--flow", "--json").out)
    pushes = told["why"]["pushes"]
    assert told["on"] == "batch"
    assert told["why"]["difference_from_pytorch"] < 1e-6
    assert len(pushes) >= told["examples"] > 1
    assert all(named in push["name"] for push in pushes if push["index"] is not None)
    assert sum(push["gradient"] for push in pushes) == pytest.approx(told["why"]["gradient"], rel=1e-3, abs=1e-7)
    assert any(row["gradient"] for row in told["flow"]["rows"])
    for language in ("en", "zh"):
        monkeypatch.setenv("PELLUCID_LANG", language)
        for given in ((), (text,)):
            printed = lines(pellucid("see", f"runs/{name}", *given, "--why", weight, "--flow"))
            assert all(cell_len(line) <= 80 for line in printed)


@pytest.mark.parametrize("name", TRAININGS)
def test_of_every_task_the_next_step_is_a_page(
    name: str, every_task: Path, pellucid: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(every_task)
    weight, text, _ = TOLD[name]
    for given in ((), (text,)):
        done = pellucid("see", f"runs/{name}", *given, "--why", weight, "--html", tmp_path / "page.html")
        assert done.code == 0, done.err
        page = (tmp_path / "page.html").read_text(encoding="utf-8")
        graph = json.loads(re.findall(r'id="graph">(.*?)</script>', page, re.DOTALL)[0])
        assert graph["training"]["why"]["who"]["en"]
