"""Export: one trained model, written as a folder in the format of another engine.

Here is what all formats share: what may be asked for, writing the folder whole or not at all, and pellucid.json. How
each writes its weights stands in a file of its own.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from pellucid.adapt.ctranslate2 import write_ctranslate2
from pellucid.adapt.huggingface import write_huggingface
from pellucid.adapt.onnx import write_onnx
from pellucid.data.tokenizer import Tokenizer
from pellucid.errors import ConfigError, RunError
from pellucid.files import replacing_folder, unwritable
from pellucid.generate.config import DecodingConfig
from pellucid.generate.exported import ABOUT, FORMATS, FormatName, Quantization, file_checksum
from pellucid.models.translator import Translator


@dataclass(frozen=True, slots=True)
class Exportable:
    """What a format is written from. `weights` is a checksum by which to know the weights again."""

    model: Translator
    tokenizer: Tokenizer
    decoding: DecodingConfig  # how the run translates unless told otherwise
    weights: str


WRITERS: dict[FormatName, Callable[[Exportable, Quantization, Path], None]] = {
    "ctranslate2": lambda what, quantize, folder: write_ctranslate2(what.model, what.tokenizer, quantize, folder),
    "onnx": lambda what, quantize, folder: write_onnx(what.model, what.tokenizer, folder),
    "safetensors-hf": lambda what, quantize, folder: write_huggingface(
        what.model, what.tokenizer, what.decoding, folder
    ),
}


def write_export(what: Exportable, to: FormatName, folder: Path, quantize: Quantization = "none") -> None:
    """Write `what` as `to` into `folder`, atomically, in place of an older export.

    Raises ConfigError if there is no such format, it has no such numbers, a package is missing or the model cannot be
    expressed in it; RunError if something else stands in `folder` or nothing can be written there.
    """
    check_format(to, quantize)
    _check_form(what.model, to)
    if folder.exists() and not _may_be_replaced(folder):
        raise RunError(f"{folder}: already exists and is not an export", mend="Choose another --output, or remove it.")
    try:
        with replacing_folder(folder) as unfinished:
            WRITERS[to](what, quantize, unfinished)
            described = {
                "format": to,
                "quantize": quantize,
                "weights": what.weights,
                "max_length": what.model.config.max_length,
                "files": {path.name: file_checksum(path) for path in sorted(unfinished.iterdir())},
            }
            (unfinished / ABOUT).write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise unwritable(folder, error) from None


def check_format(to: str, quantize: str) -> tuple[FormatName, Quantization]:
    """The two as given. Raises ConfigError, saying what there is, if a format or its kind of numbers is not offered."""
    form = FORMATS.get(cast(FormatName, to))
    if form is None:
        raise ConfigError(f"--to is {to!r}: no such format", mend=f"Use {_or(FORMATS)}.")
    every = list(dict.fromkeys(number for one in FORMATS.values() for number in one.quantizations))
    if quantize not in every:
        raise ConfigError(f"--quantize is {quantize!r}: not offered", mend=f"Use {_or(every)}.")
    if quantize not in form.quantizations:
        able = [name for name, one in FORMATS.items() if quantize in one.quantizations]
        raise ConfigError(
            f"--quantize {quantize} is not offered with --to {to}",
            mend=f"It is with --to {_or(able)}; or leave it out.",
        )
    return cast(FormatName, to), quantize


def _check_form(model: Translator, to: FormatName) -> None:
    """Raises ConfigError for a network whose blocks the other engine cannot have: onnx alone takes any."""
    config = model.config
    if to != "onnx" and (config.norm == "none" or not config.residual):
        lacks = "no layer norm" if config.norm == "none" else "no residual connections"
        raise ConfigError(f"--to {to}: this network has {lacks}, which that format cannot say", mend="Use --to onnx.")


def _or(names: Iterable[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} or {last}" if most else last


def _may_be_replaced(folder: Path) -> bool:
    """Whether it is an export, whole or damaged, or an empty folder."""
    return folder.is_dir() and ((folder / ABOUT).is_file() or not any(folder.iterdir()))
