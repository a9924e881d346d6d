"""Exports: the same numbers from another engine, written whole or not at all, damage told."""

import json
import shutil
import sys
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import pytest
import torch

from pellucid.adapt.export import WRITERS, write_export
from pellucid.adapt.parity import parity
from pellucid.data.pairs import Example
from pellucid.data.tokenizer import Tokenizer
from pellucid.errors import ConfigError, RunError
from pellucid.generate.config import DecodingConfig
from pellucid.generate.decode import TorchEngine
from pellucid.generate.exported import ABOUT, FORMATS, FormatName
from pellucid.models.translator import Translator, TranslatorConfig
from tests.adapt.conftest import MODELS, Export, exportable, random_model, sources

SINUSOIDAL = [name for name in MODELS if name != "learned"]
CASES = [
    *(("ctranslate2", name) for name in MODELS),
    ("onnx", "pre, relu"),
    # An ONNX export takes seconds.
    *(pytest.param("onnx", name, marks=pytest.mark.slow) for name in ("post, gelu", "pre, silu", "learned")),
    *(("safetensors-hf", name) for name in SINUSOIDAL),
]


def of_references(engine: object, vocabulary: int) -> torch.Tensor:
    """log p of random targets, some empty, of random sources of many lengths."""
    given = sources(vocabulary, [*range(1, 18), 40])
    targets = [row[:-1] for row in reversed(given)]
    targets[3] = []
    return torch.tensor(list(chain.from_iterable(engine.log_probabilities(given, targets))))  # type: ignore[attr-defined]


@pytest.mark.parametrize(("to", "name"), CASES)
def test_an_export_gives_each_token_the_models_log_probability(
    to: FormatName, name: str, exported: Export, tokenizer: Tokenizer
) -> None:
    theirs = of_references(FORMATS[to].open(exported(to, name)), tokenizer.size)
    ours = of_references(TorchEngine(random_model(name, tokenizer.size)), tokenizer.size)
    torch.testing.assert_close(theirs, ours, atol=1e-4, rtol=0)


@pytest.mark.parametrize("settings", [{"method": "greedy"}, {"beam": 4}, {"beam": 3, "length_penalty": 0.4}], ids=str)
@pytest.mark.parametrize(("to", "name"), CASES)
def test_an_export_writes_what_the_model_writes(
    to: FormatName, name: str, settings: dict[str, object], exported: Export, tokenizer: Tokenizer
) -> None:
    config = DecodingConfig.parse({"max_ratio": 1.0, "max_extra": 6, **settings})
    given = sources(tokenizer.size, [6] * 24)  # of one length: other engines have one limit a batch
    ours = TorchEngine(random_model(name, tokenizer.size)).translate_ids(given, config)
    theirs = FORMATS[to].open(exported(to, name)).translate_ids(given, config)
    assert [found[0].tokens for found in theirs] == [found[0].tokens for found in ours]
    scores = [[found[0].log_probability for found in every] for every in (theirs, ours)]
    assert scores[0] == pytest.approx(scores[1], abs=1e-3)


def test_weights_of_8_bits_are_close_and_much_smaller(exported: Export, tokenizer: Tokenizer) -> None:
    folders = exported("ctranslate2", "post, gelu"), exported("ctranslate2", "post, gelu", "int8")
    form = FORMATS["ctranslate2"]
    whole, small = (of_references(form.open(folder), tokenizer.size) for folder in folders)
    assert 1e-3 < (whole - small).abs().mean() < 0.05 * whole.std()
    assert form.size(folders[1]) < 0.5 * form.size(folders[0])  # positions and norms stay whole


def test_there_is_a_writer_for_each_format() -> None:
    assert list(WRITERS) == list(FORMATS)


def test_parity_of_a_model_with_itself_is_whole(tokenizer: Tokenizer) -> None:
    engine = TorchEngine(random_model("pre, relu", tokenizer.size))
    examples = [Example("Save the file", ("保存文件",)), Example("Open the window", ("打开窗口", "开窗"))]
    found = parity(engine, engine, tokenizer, examples, "zh", DecodingConfig())
    assert (found.sentences, found.largest_difference, found.identical) == (2, 0.0, 1.0)
    assert (found.chrf, found.bleu) == (found.chrf_exported, found.bleu_exported)
    assert found.tokens == len(list(chain(*tokenizer.encode_all(["保存文件", "打开窗口"])))) + 2


# What may be asked for


def test_learned_positions_are_refused_where_transformers_has_none(tokenizer: Tokenizer, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"has model\.positions = 'learned'") as raised:
        write_export(
            exportable(random_model("learned", tokenizer.size), tokenizer), "safetensors-hf", tmp_path / "export"
        )
    assert "--to onnx" in raised.value.mend
    assert names(tmp_path) == []


@pytest.mark.parametrize("to", ["onnx", "safetensors-hf"])
def test_8_bits_are_refused_where_there_are_none(to: FormatName, tokenizer: Tokenizer, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"--quantize int8 is not offered with --to {to}"):
        write_export(exportable(random_model("pre, relu", 300), tokenizer), to, tmp_path / "export", "int8")
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("to", "package", "extra"),
    [("ctranslate2", "ctranslate2", "fast"), ("onnx", "onnx", "onnx"), ("onnx", "onnxscript", "onnx")],
)
def test_a_missing_package_is_named_with_what_installs_it(
    to: FormatName, package: str, extra: str, tokenizer: Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)  # as Python has it for a module that cannot be imported
    with pytest.raises(ConfigError, match=f"{package} is not installed") as raised:
        write_export(exportable(random_model("pre, relu", 300), tokenizer), to, tmp_path / "export")
    assert f"pip install 'pellucid[{extra}]'" in raised.value.mend
    assert names(tmp_path) == []


@pytest.mark.parametrize("to", FORMATS)
def test_an_engine_whose_package_is_missing_says_so(
    to: FormatName, exported: Export, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = exported(to, "pre, relu")
    monkeypatch.setitem(sys.modules, FORMATS[to].package, None)
    with pytest.raises(ConfigError, match=f"{FORMATS[to].package} is not installed"):
        FORMATS[to].open(folder)


# Whole or not at all


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_an_export_takes_the_place_of_an_older_one(exported: Export, tokenizer: Tokenizer, tmp_path: Path) -> None:
    folder = tmp_path / "export"
    shutil.copytree(exported("ctranslate2", "pre, relu"), folder)
    write_export(exportable(random_model("post, gelu", tokenizer.size), tokenizer), "safetensors-hf", folder)
    assert content(folder) == content(exported("safetensors-hf", "post, gelu"))
    assert names(tmp_path) == ["export"]


def test_an_export_that_fails_leaves_the_old_one_whole(exported: Export, tokenizer: Tokenizer, tmp_path: Path) -> None:
    folder = tmp_path / "export"
    shutil.copytree(exported("ctranslate2", "pre, relu"), folder)
    before = content(folder)
    with pytest.raises(ConfigError):
        write_export(exportable(random_model("learned", tokenizer.size), tokenizer), "safetensors-hf", folder)
    assert content(folder) == before
    assert names(tmp_path) == ["export"]


def test_a_folder_that_is_no_export_is_left_alone(tokenizer: Tokenizer, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(RunError, match="already exists and is not an export"):
        write_export(exportable(random_model("pre, relu", tokenizer.size), tokenizer), "safetensors-hf", tmp_path)
    assert content(tmp_path) == {"thesis.txt": b"years of work"}


def test_a_file_is_left_alone(tokenizer: Tokenizer, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    for place in (tmp_path / "thesis.txt", tmp_path / "thesis.txt" / "export"):
        with pytest.raises(RunError):
            write_export(exportable(random_model("pre, relu", tokenizer.size), tokenizer), "safetensors-hf", place)
    assert content(tmp_path) == {"thesis.txt": b"years of work"}


def test_an_empty_folder_is_filled(exported: Export, tokenizer: Tokenizer, tmp_path: Path) -> None:
    write_export(exportable(random_model("pre, relu", tokenizer.size), tokenizer), "safetensors-hf", tmp_path)
    assert content(tmp_path) == content(exported("safetensors-hf", "pre, relu"))


# Damage


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def flip(path: Path) -> None:
    changed = bytearray(path.read_bytes())
    changed[-20] ^= 4
    path.write_bytes(changed)


def without(field: str) -> Callable[[Path], object]:
    def change(path: Path) -> None:
        described = json.loads(path.read_text(encoding="utf-8"))
        del described[field]
        path.write_text(json.dumps(described), encoding="utf-8")

    return change


OF_WEIGHTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "cut short": (cut, "does not match its checksum"),
    "emptied": (lambda path: path.write_bytes(b""), "does not match its checksum"),
    "one bit flipped": (flip, "does not match its checksum"),
    "gone": (lambda path: path.unlink(), "is missing"),
}
OF_ABOUT: dict[str, tuple[Callable[[Path], object], str]] = {
    "gone": (lambda path: path.unlink(), f"it holds no {ABOUT}"),
    "garbage": (lambda path: path.write_bytes(b"\xff{"), f"{ABOUT} cannot be read"),
    "a list": (lambda path: path.write_text("[1, 2]"), f"{ABOUT} cannot be read"),
    "without checksums": (without("files"), f"{ABOUT} is not complete"),
    "without a length": (without("max_length"), f"{ABOUT} is not complete"),
    "without a format": (without("format"), f"{ABOUT} cannot be read"),
}
DAMAGE = [(to, file, *how) for to in FORMATS for file in FORMATS[to].weights for how in OF_WEIGHTS.items()]
DAMAGE += [("ctranslate2", ABOUT, *how) for how in OF_ABOUT.items()]
DAMAGE += [("ctranslate2", "shared_vocabulary.json", *how) for how in OF_WEIGHTS.items()]


@pytest.mark.parametrize(("to", "file", "how", "by"), DAMAGE, ids=lambda value: value if isinstance(value, str) else "")
def test_a_damaged_export_is_named(
    to: FormatName,
    file: str,
    how: str,
    by: tuple[Callable[[Path], object], str],
    exported: Export,
    tmp_path: Path,
) -> None:
    folder = tmp_path / "export"
    shutil.copytree(exported(to, "pre, relu"), folder)
    damage, says = by
    damage(folder / file)
    with pytest.raises(RunError, match=says) as raised:
        FORMATS[to].open(folder)
    assert str(folder) in raised.value.message
    assert f"--to {to}" in raised.value.mend


def test_an_export_to_another_format_is_told_apart(exported: Export) -> None:
    with pytest.raises(RunError, match="an export to onnx, not to ctranslate2"):
        FORMATS["ctranslate2"].open(exported("onnx", "pre, relu"))


@pytest.mark.parametrize("to", FORMATS)
def test_a_file_that_no_library_can_read_is_named_though_its_checksum_is_right(
    to: FormatName, exported: Export, tmp_path: Path
) -> None:
    from pellucid.generate.exported import file_checksum

    folder = tmp_path / "export"
    shutil.copytree(exported(to, "pre, relu"), folder)
    file = FORMATS[to].weights[0]
    (folder / file).write_bytes(b"nonsense" * 100)
    described = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    described["files"][file] = file_checksum(folder / file)
    (folder / ABOUT).write_text(json.dumps(described), encoding="utf-8")
    with pytest.raises(RunError, match="damaged export"):
        FORMATS[to].open(folder)


@pytest.mark.parametrize(("change", "said"), [({"norm": "none"}, "layer norm"), ({"residual": False}, "residual")])
@pytest.mark.parametrize("to", ["ctranslate2", "safetensors-hf"])
def test_a_network_that_a_format_cannot_say_is_refused_before_anything_is_written(
    to: FormatName, change: dict[str, object], said: str, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    size = {"d_model": 8, "heads": 2, "feed_forward": 8, "encoder_layers": 1, "decoder_layers": 1}
    model = Translator(TranslatorConfig.parse({**size, **change}), tokenizer.size)
    with pytest.raises(ConfigError, match=said) as caught:
        write_export(exportable(model, tokenizer), to, tmp_path / "export")
    assert "onnx" in caught.value.mend
    assert not (tmp_path / "export").exists()
