"""Writing files so that a crash at any moment leaves either the old file or the new one, whole.

Every write goes to a temporary name in the same folder, is flushed to the disk, and is then renamed.
Tensors are stored as safetensors with a checksum in the header; nothing here ever unpickles.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pellucid.errors import RunError

if TYPE_CHECKING:
    from torch import Tensor

HEADER = "pellucid"  # the entry of a safetensors header that holds description and checksum
REPLACE = "Put a good copy of the run in its place, or train again."
UNFINISHED = ".part"  # ends the name of a file while it is being written


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; when the block ends well, it takes the place of `path`.

    The content is synced before the rename and the folder after it, so that the rename itself survives a power cut.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=UNFINISHED, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
        _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Yield a new folder beside `path`; when the block ends well, it takes the place of `path`, whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=UNFINISHED, dir=path.parent))
    try:
        yield temporary
        for file in temporary.iterdir():
            with file.open("rb+") as opened:
                os.fsync(opened.fileno())
        temporary.chmod(0o777 & ~_umask())
        if path.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=UNFINISHED, dir=path.parent))
            path.replace(old)  # an empty folder may be replaced, a full one may not
            try:
                temporary.replace(path)
            except BaseException:
                old.replace(path)
                raise
            shutil.rmtree(old)
        else:
            temporary.replace(path)
        _sync_folder(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_tensors(path: Path, tensors: Mapping[str, "Tensor"], about: Mapping[str, Any] | None = None) -> None:
    """Write named tensors and a JSON-able description as one safetensors file with a checksum, atomically."""
    from safetensors.torch import save_file

    whole = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
    described = json.dumps(about or {}, ensure_ascii=False, sort_keys=True)
    # One entry, because several would be written in an order that differs from run to run.
    header = json.dumps({"about": described, "sha256": _checksum(whole, described)})
    with replacing(path) as temporary:
        save_file(whole, str(temporary), metadata={HEADER: header})


def read_tensors(path: Path) -> tuple[dict[str, "Tensor"], dict[str, Any]]:
    """Read what `write_tensors` wrote.

    Raises RunError, naming the file, if it is missing, cut short, not safetensors, or does not match its checksum.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="pt") as file:
            header = json.loads((file.metadata() or {}).get(HEADER, "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except FileNotFoundError as error:
        raise RunError(f"{path}: no such file", mend=REPLACE) from error
    except (SafetensorError, OSError, ValueError) as error:
        raise RunError(f"{path}: damaged or not a safetensors file ({error})", mend=REPLACE) from error
    about = header.get("about", "{}")
    if header.get("sha256") != _checksum(tensors, about):
        raise RunError(f"{path}: its content does not match its checksum; the file is damaged", mend=REPLACE)
    return tensors, json.loads(about)


def tensors_checksum(path: Path) -> str:
    """The checksum that `write_tensors` put into the header of `path`; empty if there is none. Reads no tensor."""
    return str(_header(path).get("sha256", ""))


def described(path: Path) -> dict[str, Any]:
    """The description that `write_tensors` put into the header of `path`. Raises RunError if there is none."""
    header = _header(path)
    if "about" not in header:
        raise RunError(f"{path}: damaged or not a file of a run", mend=REPLACE)
    about: dict[str, Any] = json.loads(header["about"])
    return about


def _header(path: Path) -> dict[str, Any]:
    """Empty if the file is not one that `write_tensors` wrote."""
    try:
        with path.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        found: dict[str, Any] = json.loads(header["__metadata__"][HEADER])
    except (OSError, ValueError, KeyError, TypeError, OverflowError, MemoryError):
        return {}
    return found if isinstance(found, dict) else {}


def _checksum(tensors: Mapping[str, "Tensor"], about: str) -> str:
    import torch

    digest = hashlib.sha256(about.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().contiguous().reshape(-1).view(torch.uint8).cpu().numpy().data)
    return digest.hexdigest()


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
