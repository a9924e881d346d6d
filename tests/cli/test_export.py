"""`pellucid export` and `translate --engine`: what a person sees of them, and what is said when something is wrong."""

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path

import pytest
from rich.cells import cell_len

from pellucid.cli.main import main
from pellucid.files import read_tensors
from pellucid.run import Run
from tests.cli.conftest import Command
from tests.conftest import shapes_unchecked

RUN = "runs/en-zh"
FORMATS = ["ctranslate2", "onnx", "safetensors-hf"]
ENGINES = ["ctranslate2", "onnx"]


@pytest.fixture(scope="module")
def exported(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose run is exported to every format, by the command itself."""
    place = tmp_path_factory.mktemp("exported")
    shutil.copytree(trained / "runs", place / "runs")
    before, arguments = Path.cwd(), sys.argv
    os.chdir(place)
    try:
        for to in FORMATS:
            sys.argv = ["pellucid", "export", RUN, "--to", to, "--json"]
            with shapes_unchecked(), redirect_stdout(io.StringIO()) as out, pytest.raises(SystemExit) as stop:
                main()
            assert not stop.value.code
            (place / f"{to}.json").write_text(out.getvalue(), encoding="utf-8")
    finally:
        os.chdir(before)
        sys.argv = arguments
    return place


@pytest.fixture
def place(exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(exported / "runs", tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("to", FORMATS)
def test_each_export_stands_in_the_run_and_equals_it(to: str, exported: Path) -> None:
    found = json.loads((exported / f"{to}.json").read_text(encoding="utf-8"))
    assert (found["path"], found["format"]) == (f"{RUN}/{to}", to)
    assert (exported / RUN / to / "pellucid.json").is_file()
    assert found["parity"]["largest_difference"] < 1e-4
    assert found["parity"]["identical"] > 0.9


@pytest.mark.parametrize("method", ["greedy", "beam"])
@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_translates_as_torch_does(engine: str, method: str, place: Path, pellucid: Command) -> None:
    texts = ["Save the file", "Open {name} again", "Close the window"]
    ours = pellucid("translate", RUN, *texts, "--engine", "torch", "--method", method)
    theirs = pellucid("translate", RUN, *texts, "--engine", engine, "--method", method)
    assert theirs.code == 0
    assert theirs.out == ours.out


@pytest.mark.parametrize(
    ("to", "columns", "language"), [("ctranslate2", 80, "en"), ("ctranslate2", 120, "zh"), ("safetensors-hf", 80, "zh")]
)
def test_no_line_of_the_comparison_is_wider_than_the_terminal(
    to: str, columns: int, language: str, place: Path, pellucid: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("PELLUCID_LANG", language)
    done = pellucid("export", RUN, "--to", to)
    assert (done.code, done.err) == (0, "")
    assert max(map(cell_len, done.out.split("\n"))) <= columns


def test_ctranslate2_translates_without_loading_torch(place: Path) -> None:
    code = f"import sys; sys.argv = ['pellucid', 'translate', '{RUN}', 'Save the file']\n"
    code += "from pellucid.cli.main import main\ntry: main()\nexcept SystemExit: pass\n"
    code += "print({'torch', 'onnxruntime', 'transformers', 'sacrebleu'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.endswith("set()\n")
    assert done.stderr == ""


def test_without_transformers_the_export_is_written_and_how_to_compare_is_said(
    place: Path, pellucid: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)  # as Python has it for a module that cannot be imported
    result = pellucid("export", RUN, "--to", "safetensors-hf", "-o", "hf", "--json")
    assert result.code == 0
    assert json.loads(result.out)["parity"] is None
    assert "pip install 'pellucid[huggingface]'" in result.err
    assert (place / "hf" / "model.safetensors").is_file()


def test_without_the_data_the_export_is_written_and_not_compared(place: Path, pellucid: Command) -> None:
    config = place / RUN / "config.toml"
    config.write_text(config.read_text(encoding="utf-8").replace("pairs.tsv", "gone.tsv"), encoding="utf-8")
    result = pellucid("export", RUN)
    assert result.code == 0
    assert "can no longer be read" in result.err


# auto


def engine_of(place: Path, **decoding: object) -> str:
    run = Run.open(place / RUN)
    return type(run.engine("auto", run.decoding.changed(**decoding))).__name__


def test_auto_takes_ctranslate2_and_torch_where_it_samples(place: Path) -> None:
    assert engine_of(place) == "CTranslate2Engine"
    assert engine_of(place, method="sample") == "TorchEngine"


def test_auto_never_takes_onnx(place: Path) -> None:
    shutil.rmtree(place / RUN / "ctranslate2")
    assert engine_of(place) == "TorchEngine"


def test_auto_takes_torch_where_ctranslate2_is_not_installed(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ctranslate2", None)
    assert engine_of(place) == "TorchEngine"


def change_weights(place: Path) -> None:
    run = Run.open(place / RUN)
    weights, about = read_tensors(place / RUN / "model.safetensors")
    run.save_model({name: tensor * 1.01 for name, tensor in weights.items()}, about)


def test_an_export_of_older_weights_is_not_used(place: Path, pellucid: Command) -> None:
    change_weights(place)
    assert engine_of(place) == "TorchEngine"
    for engine in ENGINES:
        result = pellucid("translate", RUN, "Save", "--engine", engine)
        assert (result.code, result.out) == (2, "")
        assert f"{RUN}/{engine}: is not of this run's present weights" in result.err
        assert f"`pellucid export {RUN} --to {engine}`" in result.err


def test_an_export_written_anew_is_loaded_anew(place: Path, pellucid: Command) -> None:
    run = Run.open(place / RUN)
    first = run.engine("ctranslate2")
    assert run.engine("ctranslate2") is first
    assert pellucid("export", RUN, "--quantize", "int8").code == 0
    assert run.engine("ctranslate2") is not first


# What can be wrong


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


WRONG: dict[str, tuple[list[str], str]] = {
    "no such engine": (["translate", RUN, "x", "--engine", "abacus"], "--engine is 'abacus': no such engine"),
    "no such format": (["export", RUN, "--to", "tape"], "--to is 'tape': no such format"),
    "no such numbers": (["export", RUN, "--quantize", "int3"], "--quantize is 'int3': not offered"),
    "8 bits in ONNX": (["export", RUN, "--to", "onnx", "--quantize", "int8"], "int8 is not offered with --to onnx"),
    "8 bits for transformers": (["export", RUN, "--to", "safetensors-hf", "--quantize", "int8"], "is not offered with"),
    "no such run": (["export", "runs/en-zg"], "runs/en-zg: no such run"),
    "not an export": (["export", RUN, "-o", RUN], "already exists and is not an export"),
    "into a file": (["export", RUN, "-o", f"{RUN}/config.toml/x"], "cannot be written"),
    "sampling": (["translate", RUN, "x", "--engine", "ctranslate2", "--top-k", "5"], "ctranslate2 does not sample"),
}
DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "ctranslate2/model.bin": (cut, "does not match its checksum"),
    "onnx/encoder.onnx": (cut, "does not match its checksum"),
    "onnx/decoder.onnx": (lambda path: path.unlink(), "decoder.onnx is missing"),
    "ctranslate2/pellucid.json": (lambda path: path.write_bytes(b"\xff{"), "pellucid.json cannot be read"),
    "onnx/pellucid.json": (lambda path: path.unlink(), "it holds no pellucid.json"),
    "ctranslate2": (shutil.rmtree, "does not exist"),
}


def is_told(result: object, says: str) -> None:
    code, out, err = result  # type: ignore[misc]
    assert (code, out) == (2, ""), err
    assert says in err
    assert err.startswith("error:")
    assert "Traceback" not in err
    assert 2 <= len(err.strip().split("\n")) <= 3, "a sentence and how to mend it"


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_is_told_in_a_sentence(name: str, place: Path, pellucid: Command) -> None:
    arguments, says = WRONG[name]
    before = {path: path.read_bytes() for path in sorted(place.rglob("*")) if path.is_file()}
    is_told(pellucid(*arguments), says)
    assert {path: path.read_bytes() for path in sorted(place.rglob("*")) if path.is_file()} == before


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_export_is_told_in_a_sentence(name: str, place: Path, pellucid: Command) -> None:
    damage, says = DAMAGE[name]
    damage(place / RUN / name)
    engine = name.split("/")[0]
    is_told(pellucid("translate", RUN, "Save", "--engine", engine), says)


def test_a_damaged_export_is_mended_by_exporting_again(place: Path, pellucid: Command) -> None:
    (place / RUN / "ctranslate2" / "pellucid.json").write_text("{")
    assert pellucid("export", RUN).code == 0
    assert pellucid("translate", RUN, "Save", "--engine", "ctranslate2").code == 0
