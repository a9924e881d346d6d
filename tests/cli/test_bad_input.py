"""Every wrong input gets one clear sentence, how to mend it, exit code 2, no traceback, and nothing half-written."""

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.cli.conftest import PAIRS, TINY, Command

GOOD = PAIRS.read_text(encoding="utf-8")
TRAIN = ["train", "translate"]
STEPS = ["--steps", "2", *TINY]
RUN = "runs/en-zh"


class Case(NamedTuple):
    arguments: list[str]
    says: str  # part of the sentence
    files: dict[str, bytes] = {}  # noqa: RUF012 (never changed)


def lines(count: int) -> bytes:
    return "\n".join(GOOD.split("\n")[: count + 1]).encode()


CASES = {
    # data
    "no file": Case(TRAIN, "no data to train on"),
    "missing file": Case([*TRAIN, "nowhere.tsv", "--from", "en", "--to", "zh"], "nowhere.tsv: no such file"),
    "empty file": Case([*TRAIN, "a.tsv", "--from", "en", "--to", "zh"], "0 usable pairs of 0 read", {"a.tsv": b""}),
    "one column": Case(
        [*TRAIN, "a.tsv", "--from", "en", "--to", "zh"],
        "a.tsv, line 2: expected 2 tab-separated columns, found 1",
        {"a.tsv": b"Save\t\xe4\xbf\x9d\xe5\xad\x98\nOpen\n"},
    ),
    "three columns": Case(
        [*TRAIN, "a.tsv", "--from", "en", "--to", "zh"],
        "a.tsv, line 1: expected 2 tab-separated columns, found 3",
        {"a.tsv": b"a\tb\tc\n"},
    ),
    "commas in a TSV": Case(
        [*TRAIN, "a.tsv", "--from", "en", "--to", "zh"], "Name it .csv, or give --delimiter", {"a.tsv": b"Save,x\n"}
    ),
    "open quote in a CSV": Case(
        [*TRAIN, "a.csv", "--from", "en", "--to", "zh"], "not well-formed CSV", {"a.csv": b'"Save,x\ny,z\n'}
    ),
    "wrong encoding": Case(
        [*TRAIN, "a.tsv", "--from", "en", "--to", "zh"],
        "a.tsv, line 1: byte 6 (0xb1) is not UTF-8",
        {"a.tsv": "Save\t保存\n".encode("gb18030")},
    ),
    "binary file": Case([*TRAIN, "a.tsv", "--from", "en", "--to", "zh"], "NUL byte", {"a.tsv": bytes(range(32))}),
    "unknown format": Case([*TRAIN, "a.doc", "--from", "en", "--to", "zh"], "no format is known", {"a.doc": b"x"}),
    "folder without data": Case([*TRAIN, "empty", "--from", "en", "--to", "zh"], "no file in this folder"),
    "glob without match": Case([*TRAIN, "*.tmx", "--from", "en", "--to", "zh"], "no file matches"),
    "broken JSON": Case(
        [*TRAIN, "a.jsonl", "--from", "en", "--to", "zh"], "a.jsonl, line 1: not JSON", {"a.jsonl": b"{"}
    ),
    "broken TMX": Case([*TRAIN, "a.tmx", "--from", "en", "--to", "zh"], "not well-formed XML", {"a.tmx": b"<tmx><tu>"}),
    "no catalog": Case([*TRAIN, "a.po", "--from", "en", "--to", "zh"], "not a gettext catalog", {"a.po": b"hello"}),
    "cut archive": Case([*TRAIN, "a.tsv.gz", "--from", "en", "--to", "zh"], "damaged", {"a.tsv.gz": b"\x1f\x8b\x08\0"}),
    "no such corpus": Case([*TRAIN, "corpus:songs", "--to", "zh"], "no such corpus"),
    "too few pairs": Case(
        [*TRAIN, "a.tsv"], "20 usable pairs of 20 read; training needs at least 50", {"a.tsv": lines(20)}
    ),
    "languages untold": Case([*TRAIN, "a.tsv"], "does not say which languages", {"a.tsv": b"Save\tx\n"}),
    "unknown language": Case([*TRAIN, str(PAIRS), "--to", "chinesee"], "'chinesee' is not a language known here"),
    "nearest language": Case([*TRAIN, str(PAIRS), "--to", "chinesee"], "Did you mean chinese?"),
    "same language twice": Case([*TRAIN, str(PAIRS), "--from", "en", "--to", "en"], "source and target are both en"),
    "language not in the file": Case([*TRAIN, str(PAIRS), "--from", "en", "--to", "de"], "names en, zh, not de"),
    "show: missing file": Case(["data", "show", "nowhere.tsv"], "nowhere.tsv: no such file"),
    "show: empty file": Case(["data", "show", "a.tsv", "--from", "en", "--to", "zh"], "no pair", {"a.tsv": b""}),
    "corpus: no such language": Case(["corpus", "interface-strings", "--to", "xx"], "no translations into 'xx'"),
    "corpus: no such size": Case(["corpus", "interface-strings", "--size", "huge"], "'huge' is no size"),
    # settings
    "budget of 0": Case([*TRAIN, str(PAIRS), "--budget", "0s"], "budget is '0s': no time to train in"),
    "budget below 0": Case([*TRAIN, str(PAIRS), "--budget=-1m"], "budget is '-1m': not a time"),
    "budget that is no time": Case([*TRAIN, str(PAIRS), "--budget", "5x"], "budget is '5x': not a time"),
    "empty budget": Case([*TRAIN, str(PAIRS), "--budget", ""], "budget is '': not a time"),
    "budget and steps": Case([*TRAIN, str(PAIRS), "--budget", "1m", "--steps", "5"], "say the same thing"),
    "no steps": Case([*TRAIN, str(PAIRS), "--steps", "0"], "training.steps is 0"),
    "no such preset": Case([*TRAIN, str(PAIRS), "--preset", "huge"], "model.preset is 'huge'"),
    "dropout above 1": Case([*TRAIN, str(PAIRS), "--dropout", "1.5"], "model.dropout is 1.5"),
    "vocabulary too small": Case([*TRAIN, str(PAIRS), "--vocabulary", "9"], "tokenizer.vocabulary is 9"),
    "heads that do not divide": Case([*TRAIN, str(PAIRS), "--set", "model.heads=5"], "cannot be split into heads=5"),
    "no CUDA here": Case([*TRAIN, str(PAIRS), *STEPS, "--device", "cuda"], "no CUDA device is usable"),
    "no such device": Case([*TRAIN, str(PAIRS), *STEPS, "--device", "abacus"], "no such device"),
    "--set without value": Case([*TRAIN, str(PAIRS), "--set", "model.heads"], "not a setting"),
    "--set of no field": Case([*TRAIN, str(PAIRS), "--set", "model.head=5"], "Did you mean heads?"),
    "--set below a value": Case([*TRAIN, str(PAIRS), "--set", "task.x=5"], "task"),
    "name that leads out": Case(
        [*TRAIN, "good.tsv", *STEPS, "--name", "../elsewhere"], "leads out of runs", {"good.tsv": lines(200)}
    ),
    "missing TOML": Case([*TRAIN, "--config", "run.toml"], "run.toml: no such file"),
    "broken TOML": Case([*TRAIN, "--config", "run.toml"], "run.toml: not valid TOML", {"run.toml": b"[data\n"}),
    "TOML key misspelled": Case(
        [*TRAIN, "--config", "run.toml"],
        "there is no field training.budgett",
        {"run.toml": b'[training]\nbudgett="1m"'},
    ),
    "TOML key, nearest": Case(
        [*TRAIN, "--config", "run.toml"], "Did you mean budget?", {"run.toml": b'[training]\nbudgett="1m"'}
    ),
    "TOML value of another type": Case(
        [*TRAIN, "--config", "run.toml"], "run.toml: training.seed is 'x'", {"run.toml": b'[training]\nseed="x"'}
    ),
    "run exists": Case([*TRAIN, str(PAIRS), *STEPS, "--name", "en-zh"], "already exists and is not empty"),
    "runs is a file": Case([*TRAIN, str(PAIRS), *STEPS, "--runs", "a.tsv"], "cannot be written", {"a.tsv": b""}),
    # runs
    "no such run": Case(["translate", "runs/en-zg", "x"], "runs/en-zg: no such run"),
    "no such run, nearest": Case(["translate", "runs/en-zg", "x"], "Did you mean runs/en-zh?"),
    "a folder that is no run": Case(["translate", "empty", "x"], "not a run folder"),
    "resume a finished run": Case(["resume", RUN], "this training is finished"),
    "no such split": Case(["evaluate", RUN, "--split", "training"], "no such side"),
    "report of no run": Case(["report", "nowhere"], "nowhere: no such run"),
    "beam of 0": Case(["translate", RUN, "x", "--beam", "0"], "beam is 0"),
    "temperature of 0": Case(["translate", RUN, "x", "--temperature", "0"], "temperature is 0"),
    "no such method": Case(["translate", RUN, "x", "--method", "guess"], "method is 'guess'"),
    "text and file": Case(["translate", RUN, "x", "--file", "a.txt"], "both given", {"a.txt": b"x\n"}),
    "missing text file": Case(["translate", RUN, "--file", "nowhere.txt"], "nowhere.txt: no such file"),
    "output into a file": Case(["translate", RUN, "x", "-o", "a.txt/out.txt"], "cannot be written", {"a.txt": b"x\n"}),
    "damaged config": Case(["translate", "broken", "x"], "config.toml: not valid TOML", {"broken/config.toml": b"["}),
}


@pytest.fixture
def place(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(trained / "runs", tmp_path / "runs")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def everything(place: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(place.rglob("*")) if path.is_file() and path.name != "lock"}


@pytest.mark.parametrize("name", CASES)
def test_bad_input_gets_one_sentence_and_leaves_everything_as_it_was(name: str, place: Path, pellucid: Command) -> None:
    case = CASES[name]
    for file, content in case.files.items():
        (place / file).parent.mkdir(exist_ok=True)
        (place / file).write_bytes(content)
    before = everything(place)
    result = pellucid(*case.arguments)
    assert case.says in result.err, result
    assert result.code == 2
    assert result.err.startswith("error:")
    assert "Traceback" not in result.err
    assert 2 <= len(result.err.strip().split("\n")) <= 3, "a sentence and how to mend it"
    assert everything(place) == before


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-50])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-20] ^= 4
    path.write_bytes(content)


DAMAGE: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "model cut short": (cut, "model.safetensors", "model.safetensors: damaged"),
    "one bit of the model flipped": (flip, "model.safetensors", "does not match its checksum"),
    "pickle in place of the model": (
        lambda path: path.write_bytes(pickle.dumps({"a": 1})),
        "model.safetensors",
        "damaged or not a safetensors file",
    ),
    "no model": (lambda path: path.unlink(), "model.safetensors", "has no model yet"),
    "tokenizer cut short": (cut, "tokenizer.json", "not a tokenizer file"),
    "no tokenizer": (lambda path: path.unlink(), "tokenizer.json", "no such file"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_run_is_named(name: str, place: Path, pellucid: Command) -> None:
    damage, file, says = DAMAGE[name]
    damage(place / RUN / file)
    result = pellucid("translate", RUN, "Save the file")
    assert (result.code, result.out) == (2, "")
    assert says in result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize("arguments", [["--no-such-flag"], ["translate"], ["train", "poetry"], ["--beam"]])
def test_a_command_that_does_not_exist_gets_its_usage(arguments: list[str], pellucid: Command) -> None:
    result = pellucid(*arguments)
    assert result.code == 2
    assert "Traceback" not in result.err
