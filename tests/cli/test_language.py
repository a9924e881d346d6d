"""`pellucid train language`, `generate` and `demo memory` as a person meets them."""

import json
import os
import sys
from pathlib import Path

import pytest

from pellucid.cli.main import main
from tests.cli.conftest import Command, lines
from tests.tasks.test_language import text

TINY = ["--threads", "1", "--width", "16", "--layers", "1", "--context", "16", "--set", "writing.length=20"]
RUN = "runs/book"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with book.txt and the run that was trained on it by the command itself."""
    place = tmp_path_factory.mktemp("work")
    (place / "book.txt").write_text(text(), encoding="utf-8")
    before, arguments = Path.cwd(), sys.argv
    os.chdir(place)
    sys.argv = ["pellucid", "train", "language", "book.txt", "--steps", "12", *TINY]
    try:
        with pytest.raises(SystemExit) as stop:
            main()
    finally:
        os.chdir(before)
        sys.argv = arguments
    assert not stop.value.code
    return place


@pytest.fixture(autouse=True)
def _inside(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(written)


def test_a_training_leaves_a_whole_run(written: Path) -> None:
    there = {path.name for path in (written / RUN).iterdir()}
    assert there >= {"config.toml", "tokenizer.json", "model.safetensors", "metrics.jsonl", "report.html", "state"}


def test_training_prints_bits_per_character_beside_the_baselines(pellucid: Command) -> None:
    shown = lines(pellucid("train", "language", "book.txt", "--steps", "4", "--cell", "rnn", "--name", "rnn", *TINY))
    whole = "\n".join(shown)
    for part in (
        "to train on",
        "bits per character",
        "this model",
        "zlib (gzip)",
        "What it writes:",
        "Next:",
    ):
        assert part in whole
    assert max(map(len, shown)) <= 80


def test_with_json_each_event_is_a_line_and_nothing_else_is_printed(pellucid: Command) -> None:
    result = pellucid("train", "language", "book.txt", "--steps", "3", "--cell", "lstm", "--name", "l", "--json", *TINY)
    events = [json.loads(line) for line in lines(result)]
    assert {event["kind"] for event in events} >= {"data", "plan", "step", "evaluation", "end", "test"}
    assert events[-1]["systems"]["model"]["bits_per_character"] > 0


def test_a_text_is_gone_on_with_and_a_seed_repeats_it(pellucid: Command) -> None:
    one, same, other = (
        pellucid("generate", RUN, "She sees", "--length", "15", "--seed", seed).out for seed in (1, 1, 2)
    )
    assert one == same != other
    assert one.startswith("She sees")
    assert len(one) == len("She sees") + 15 + 1


def test_generate_gives_json_with_the_settings_and_one_object_a_sample(pellucid: Command) -> None:
    result = pellucid("generate", RUN, "He", "--json", "--samples", "2", "--temperature", "0", "--length", "5")
    first, second = (json.loads(line) for line in lines(result))
    assert (first["prompt"], first["temperature"], first["seed"], second["seed"]) == ("He", 0.0, 1, 2)
    assert first["text"] == second["text"], "at temperature 0 nothing is drawn"
    assert len(first["text"]) == 5


def test_a_prompt_with_characters_never_learned_is_read_and_said(pellucid: Command) -> None:
    result = pellucid("generate", RUN, "Ω!", "--length", "3")
    assert result.code == 0
    assert "never learned '!' 'Ω'" in result.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("generate", RUN, "He", "--temperature", "-1"), "temperature is -1.0"),
        (("generate", "runs/none", "He"), "no such run"),
        (("train", "language"), "no text to train on"),
        (("train", "language", "book.txt", "--cell", "cnn"), "model.cell is 'cnn'"),
        (("train", "language", "absent.txt"), "absent.txt: no such file"),
        (("translate", RUN, "text"), "is a run of language"),
    ],
)
def test_a_mistake_is_one_sentence_and_its_mend(pellucid: Command, arguments: tuple[str, ...], message: str) -> None:
    result = pellucid(*arguments)
    assert result.code == 2
    assert message in result.err
    assert "Traceback" not in result.err
    assert len(result.err.strip().splitlines()) == 2


def test_bpe_is_trained_and_written_in_whole_characters(pellucid: Command, written: Path) -> None:
    (written / "zh.txt").write_text("春眠不觉晓，处处闻啼鸟。\n夜来风雨声，花落知多少。\n" * 100, encoding="utf-8")
    arguments = ["--pieces", "bpe", "--vocabulary", "300", "--steps", "30", "--name", "zh"]
    lines(pellucid("train", "language", "zh.txt", *arguments, *TINY))
    assert lines(pellucid("generate", "runs/zh", "春", "--length", "40"))[0].startswith("春")


def test_the_memory_demo_prints_three_tables_and_writes_a_page(pellucid: Command, tmp_path: Path) -> None:
    shown = lines(pellucid("demo", "memory", "--steps", "1", "--output", tmp_path / "memory.html"))
    assert sum(line.lstrip().startswith("Transformer") for line in shown) == 3
    assert max(map(len, shown[:-1])) <= 80, "all but the path of the page"
    page = (tmp_path / "memory.html").read_text(encoding="utf-8")
    assert "What does a recurrent network forget?" in page
    assert "循环网络会忘记什么？" in page
