"""The formats that a trained model is exported to, and what every exported folder has in common.

Each folder holds the weights, tokenizer.json and pellucid.json, which says of which run's weights it is, how long a
sentence may be, and the checksum of each file. Nothing here imports torch: an export may be run without it.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from pellucid.errors import ConfigError, RunError
from pellucid.generate.engine import Engine

ABOUT = "pellucid.json"
EXPORT = "`pellucid export {run} --to {name}` makes it."
AGAIN = "`pellucid export {run} --to {name}` makes it anew."

LONGEST = 1_000_000  # tokens of a sentence, that an export may say

FormatName = Literal["ctranslate2", "onnx", "safetensors-hf"]
Quantization = Literal["none", "int8"]


@dataclass(frozen=True, slots=True)
class Format:
    """What one format is called, where it lies in a run's folder, what runs it and what it can hold."""

    label: str  # as people call what runs it
    folder: str
    weights: tuple[str, ...]  # the files that hold them
    package: str  # that runs it
    extra: str  # of pellucid, that installs the package
    quantizations: tuple[Quantization, ...]
    open: Callable[[Path], Engine]

    def is_installed(self) -> bool:
        return find_spec(self.package) is not None

    def size(self, folder: Path) -> int:
        """Bytes of the weights of an export in `folder`."""
        return sum((folder / name).stat().st_size for name in self.weights)


def _ctranslate2(folder: Path) -> Engine:
    from pellucid.generate.ctranslate2 import CTranslate2Engine

    return CTranslate2Engine(folder)


def _onnx(folder: Path) -> Engine:
    from pellucid.generate.onnx import OnnxEngine

    return OnnxEngine(folder)


def _huggingface(folder: Path) -> Engine:
    from pellucid.generate.huggingface import HuggingFaceEngine

    return HuggingFaceEngine(folder)


FORMATS: dict[FormatName, Format] = {
    "ctranslate2": Format(
        "CTranslate2", "ctranslate2", ("model.bin",), "ctranslate2", "fast", ("none", "int8"), _ctranslate2
    ),
    "onnx": Format("ONNX Runtime", "onnx", ("encoder.onnx", "decoder.onnx"), "onnxruntime", "onnx", ("none",), _onnx),
    "safetensors-hf": Format(
        "Transformers",
        "safetensors-hf",
        ("model.safetensors",),
        "transformers",
        "huggingface",
        ("none",),
        _huggingface,
    ),
}


def require(package: str, extra: str) -> None:
    """Raises ConfigError, saying how to install it, unless `package` can be imported."""
    if find_spec(package) is None:
        raise ConfigError(f"{package} is not installed", mend=f"Install it with: pip install 'pellucid[{extra}]'")


def about(folder: Path) -> dict[str, Any] | None:
    """What the export says of itself; None if `folder` is no export."""
    try:
        described = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return described if isinstance(described, dict) and described.get("format") in FORMATS else None


def checked(folder: Path, name: FormatName) -> dict[str, Any]:
    """What the export says of itself, when its files are what they were when it was written.

    Raises RunError if `folder` is no export to the format `name`, or a file of it is missing or has changed. Engines
    call it first, because not all libraries survive a damaged file.
    """
    described = about(folder)
    again = AGAIN.format(run=folder.parent, name=name)
    if described is None:
        if (folder / ABOUT).exists():
            raise RunError(f"{folder}: damaged export, {ABOUT} cannot be read", mend=again)
        raise RunError(f"{folder}: not an exported model, it holds no {ABOUT}", mend=f"Remove it; then {again}")
    if described["format"] != name:
        raise RunError(f"{folder}: an export to {described['format']}, not to {name}", mend=again)
    files, length = described.get("files"), described.get("max_length")
    named = set(files) if isinstance(files, dict) else set()
    if not set(FORMATS[name].weights) <= named or not isinstance(length, int) or not 0 < length <= LONGEST:
        raise RunError(f"{folder}: damaged export, {ABOUT} is not complete", mend=again)
    for file, sha256 in described["files"].items():
        if Path(file).name != file:
            raise RunError(f"{folder}: damaged export, {ABOUT} names a file elsewhere", mend=again)
        try:
            unchanged = file_checksum(folder / file) == sha256
        except OSError:
            raise RunError(f"{folder}: damaged export, {file} is missing", mend=again) from None
        if not unchanged:
            raise RunError(f"{folder}: damaged export, {file} does not match its checksum", mend=again)
    return described


def damaged(folder: Path, name: FormatName, error: Exception) -> RunError:
    """The error to raise when a library cannot read what `checked` let pass."""
    reason = " ".join(str(error).split())[:200]
    return RunError(f"{folder}: damaged export ({reason})", mend=AGAIN.format(run=folder.parent, name=name))


def file_checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
