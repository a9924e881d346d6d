"""What each command prints when all is well."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.cells import cell_len

import pellucid.cli as cli
from pellucid.cli.words import words
from tests.cli.conftest import PAIRS, TINY, Command, lines

RUN = "runs/en-zh"
ESCAPE = "\x1b"


@pytest.fixture(autouse=True)
def _inside(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(trained)


def test_texts_given_as_arguments_are_translated_one_a_line(pellucid: Command) -> None:
    result = pellucid("translate", RUN, "Save the file", "Close the window")
    assert len(lines(result)) == 2
    assert result.err == ""


def test_a_run_is_found_by_its_name_alone(pellucid: Command) -> None:
    assert lines(pellucid("translate", "en-zh", "Save")) == lines(pellucid("translate", RUN, "Save"))


def test_a_file_has_as_many_lines_after_as_before_and_empty_ones_stay_empty(pellucid: Command, tmp_path: Path) -> None:
    source, target = tmp_path / "in.txt", tmp_path / "out.txt"
    source.write_text("Save the file\n\n  \nClose the window\n", encoding="utf-8")
    assert pellucid("translate", RUN, "--file", source, "-o", target).code == 0
    translated = target.read_text(encoding="utf-8").split("\n")
    assert len(translated) == 5
    assert [line.strip() for line in (translated[1], translated[2], translated[4])] == ["", "", ""]


def test_json_holds_texts_and_scores_best_first(pellucid: Command) -> None:
    result = json.loads(lines(pellucid("translate", RUN, "Save the file", "--n-best", "3", "--json"))[0])
    scores = [translation["score"] for translation in result["translations"]]
    assert result["source"] == "Save the file"
    assert len(scores) == 3
    assert scores == sorted(scores, reverse=True)


def test_sampling_with_a_seed_repeats(pellucid: Command) -> None:
    arguments = ("translate", RUN, "Save the file", "--temperature", "1.5", "--seed", "4")
    assert pellucid(*arguments).out == pellucid(*arguments).out


def test_runs_are_listed(pellucid: Command) -> None:
    table = lines(pellucid("runs"))
    assert any("en-zh" in line and "finished" in line for line in table)
    (run,) = json.loads(pellucid("runs", "--json").out)
    assert (run["name"], run["task"], run["steps"], run["status"]) == ("en-zh", "en-zh", 12, "finished")


def test_no_runs_say_how_to_make_one(pellucid: Command, tmp_path: Path) -> None:
    assert "pellucid train translate" in pellucid("runs", tmp_path).out


def test_an_evaluation_holds_the_model_and_both_baselines(pellucid: Command) -> None:
    result = json.loads(pellucid("evaluate", RUN, "--json").out)
    assert set(result["subsets"]["all"]["systems"]) == {"model", "copy", "memory"}
    on_file = json.loads(pellucid("evaluate", RUN, "--file", PAIRS, "--beam", "1", "--json").out)
    assert on_file["pairs"] > 200


def test_what_would_be_read_is_shown(pellucid: Command) -> None:
    survey = json.loads(pellucid("data", "show", PAIRS, "--json").out)
    assert survey["read"] == sum(survey["removed"].values()) + survey["kept"]
    assert survey["train"] + survey["dev"] + survey["test"] == survey["kept"]
    assert str(survey["read"]) in pellucid("data", "show", PAIRS).out


def test_a_report_is_written_anew(pellucid: Command) -> None:
    (path,) = lines(pellucid("report", RUN))
    assert "<!doctype html>" in Path(path).read_text(encoding="utf-8")[:20]


def test_training_as_json_prints_nothing_else(pellucid: Command, tmp_path: Path) -> None:
    result = pellucid("train", "translate", PAIRS, "--steps", "2", *TINY, "--runs", tmp_path, "--json")
    kinds = [json.loads(line)["kind"] for line in lines(result)]
    assert kinds[:2] == ["data", "plan"]
    assert kinds[-2:] == ["end", "test"]


def test_piped_training_holds_no_control_characters(pellucid: Command, tmp_path: Path) -> None:
    result = pellucid("train", "translate", PAIRS, "--steps", "2", *TINY, "--runs", tmp_path)
    assert ESCAPE not in result.out
    assert "\r" not in result.out


def test_flags_override_the_file(pellucid: Command, tmp_path: Path) -> None:
    config = tmp_path / "run.toml"
    config.write_text(f'[data]\nfiles = ["{PAIRS}"]\n[training]\nbudget = "9h"\nseed = 3\n')
    result = pellucid("train", "translate", "--config", config, "--steps", "2", *TINY, "--runs", tmp_path, "--json")
    assert json.loads(lines(result)[1])["steps"] == 2
    assert "seed = 3" in (tmp_path / "en-zh" / "config.toml").read_text()


@pytest.mark.parametrize("columns", [40, 80, 120])
@pytest.mark.parametrize("command", [("runs",), ("evaluate", RUN), ("data", "show", str(PAIRS))])
def test_no_line_is_wider_than_the_terminal(
    command: tuple[str, ...], columns: int, pellucid: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    for name in ("en", "zh"):
        monkeypatch.setenv("PELLUCID_LANG", name)
        assert max(map(cell_len, lines(pellucid(*command)))) <= columns


def test_a_process_takes_its_width_from_its_terminal(pellucid: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("PYTHONIOENCODING", "utf-8")
    command = ["data", "show", str(PAIRS)]
    process = [sys.executable, "-m", "pellucid", *command]
    done = subprocess.run(process, capture_output=True, encoding="utf-8", check=True)
    assert max(map(cell_len, done.stdout.split("\n"))) <= 40
    assert done.stdout == pellucid(*command).out


COMMANDS = [
    [],
    ["train", "translate"],
    ["translate"],
    ["evaluate"],
    ["export"],
    ["runs"],
    ["resume"],
    ["report"],
    ["data", "show"],
]


@pytest.mark.parametrize("command", [*COMMANDS, ["corpus", "interface-strings"], ["demo", "translate"]])
def test_every_command_explains_itself(command: list[str], pellucid: Command) -> None:
    result = pellucid(*command, "--help")
    assert result.code == 0
    assert "Usage" in result.out


def test_the_command_line_starts_without_the_heavy_libraries() -> None:
    script = "import sys, pellucid.cli.main; print(*sys.modules)"
    loaded = set(
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    )
    assert not loaded & {"torch", "tokenizers", "plotly", "numpy", "sacrebleu", "pydantic"}


def test_both_languages_say_everything() -> None:
    english, chinese = words("en"), words("zh")
    assert list(english) == list(chinese)
    for key, sentence in english.items():
        assert set(re.findall(r"{(\w+)}", sentence)) == set(re.findall(r"{(\w+)}", chinese[key])), key


def test_every_sentence_that_is_said_is_written_down() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in Path(cli.__file__).parent.glob("*.py"))
    said = set(re.findall(r"""(?:say|_say)\(\s*"([\w.]+)""", source))
    assert said <= set(words("en"))


def test_it_speaks_chinese_where_the_terminal_does(pellucid: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PELLUCID_LANG", "zh")
    assert "状态" in pellucid("runs").out
    assert pellucid("translate", "nowhere", "x").err.startswith("错误：")


def started(arguments: list[str], place: Path) -> "subprocess.Popen[bytes]":
    environment = {**os.environ, "PELLUCID_LANG": "en", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "pellucid", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=place,
        env=environment,
    )


def wait_for(condition: Callable[[], bool], seconds: float = 180) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_ctrl_c_saves_and_resume_goes_on(tmp_path: Path, pellucid: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = ["--steps", "150", "--set", "training.evaluate_every=150", "--name", "cut"]
    process = started(["train", "translate", str(PAIRS), *settings, *TINY], tmp_path)
    metrics = tmp_path / "runs" / "cut" / "metrics.jsonl"
    wait_for(lambda: metrics.exists() and '"step"' in metrics.read_text(encoding="utf-8"))
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=180)
    assert process.returncode == 130
    assert b"Finishing this step" in err
    assert b"pellucid resume runs/cut" in out
    monkeypatch.chdir(tmp_path)
    assert json.loads(pellucid("runs", "--json").out)[0]["status"] == "stopped"
    assert pellucid("resume", "runs/cut").code == 0
    (run,) = json.loads(pellucid("runs", "--json").out)
    assert (run["status"], run["steps"]) == ("finished", 150)


def test_a_reader_that_goes_away_is_no_error(trained: Path) -> None:
    command = (
        f"yes 'Save the file' | head -600 | {sys.executable} -m pellucid translate {RUN} --method greedy | head -1"
    )
    done = subprocess.run(["bash", "-c", command], capture_output=True, cwd=trained, check=True)
    assert len(done.stdout.split(b"\n")) == 2
    assert done.stderr == b""
