"""Writing files so that a crash at any moment leaves either the old file or the new one, whole.

Every write goes to a temporary name in the same folder, is flushed to the disk, and is then renamed.
Tensors are stored as safetensors with a checksum in the header; nothing here ever unpickles.
"""

import ctypes
import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pellucid.errors import RunError

if TYPE_CHECKING:
    from torch import Tensor

HEADER = "pellucid"  # the entry of a safetensors header that holds description and checksum
REPLACE = "Put a good copy of the run in its place, or train again."
UNFINISHED = ".part"  # ends the name of a file while it is being written
AT_FDCWD, RENAME_EXCHANGE = -100, 2  # of renameat2(2)
UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.EFBIG, errno.ENOTDIR)
LONGEST_HEADER = 100_000_000  # bytes, as the safetensors library has it
KINDS = {  # of numbers, as safetensors names them
    "torch.float64": "F64",
    "torch.float32": "F32",
    "torch.float16": "F16",
    "torch.bfloat16": "BF16",
    "torch.int64": "I64",
    "torch.int32": "I32",
    "torch.int16": "I16",
    "torch.int8": "I8",
    "torch.uint8": "U8",
    "torch.bool": "BOOL",
}


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; when the block ends well, it takes the place of `path`.

    The content is synced before the rename and the folder after it, so that the rename itself survives a power cut.
    """
    with _named(path):
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
            with suppress(OSError):  # of a disk that can only be read any more
                temporary.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Yield a new folder beside `path`; when the block ends well, it takes the place of `path`, whole."""
    with _named(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=UNFINISHED, dir=path.parent))
        try:
            yield temporary
            for file in temporary.iterdir():
                with file.open("rb+") as opened:
                    os.fsync(opened.fileno())
            temporary.chmod(0o777 & ~_umask())
            if not path.exists():
                temporary.replace(path)
            elif not exchanged(temporary, path):
                old = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=UNFINISHED, dir=path.parent))
                path.replace(old)  # an empty folder may be replaced, a full one may not
                try:
                    temporary.replace(path)
                except BaseException:
                    old.replace(path)
                    raise
                shutil.rmtree(old)
            _sync_folder(path.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def exchanged(one: Path, other: Path) -> bool:
    """Have two folders take each other's name in one step that cannot be cut in two; False where a system cannot."""
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError, TypeError):
        return False
    done = rename(AT_FDCWD, os.fsencode(one.absolute()), AT_FDCWD, os.fsencode(other.absolute()), RENAME_EXCHANGE)
    return bool(done == 0)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """An OSError of what happens here is one of `path`, not of a temporary name or of none."""
    try:
        yield
    except OSError as error:
        error.filename, error.filename2 = str(path), None
        raise


@contextmanager
def told_if_unwritable(path: Path) -> Iterator[None]:
    """What is raised where something cannot be written becomes a RunError; `path` where the error names no file."""
    try:
        yield
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        raise unwritable(path, error) from None


def unwritable(path: str | Path, error: OSError) -> RunError:
    """The error to raise where something could not be written: what the error names, or `path`."""
    return RunError(f"{error.filename or path}: cannot be written ({error.strerror or error})", mend=_mend(error))


def failure_of(error: OSError | MemoryError | RuntimeError) -> RunError:
    """What to say of an error of the system's that nobody nearer to it has put into words."""
    if not isinstance(error, OSError):
        return RunError("there is not enough memory for this", mend="Close other programs, or take less at once.")
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
        return unwritable("output", error)
    return RunError(f"{error.filename or 'a file'}: {error.strerror or error}", mend=_mend(error))


def _mend(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "Free some space on that disk, or choose another place."
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return "Choose a place that you may write to, or change its permissions."
    if error.errno == errno.EIO:
        return "The disk reports a fault: look after it, or choose another place."
    return "Check the name." if error.errno == errno.ENOENT else "Choose another place."


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_tensors(path: Path, tensors: Mapping[str, "Tensor"], about: Mapping[str, Any] | None = None) -> None:
    """Write named tensors and a JSON-able description as one safetensors file with a checksum, atomically.

    One tensor after the other goes to the file, so that no copy of all is held. A full disk is an OSError, as ever.
    """
    whole = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
    described = json.dumps(about or {}, ensure_ascii=False, sort_keys=True)
    # One entry, because several would be written in an order that differs from run to run.
    metadata = json.dumps({"about": described, "sha256": _checksum(whole, described)})
    # Those of the largest numbers first: so each begins where its kind of number may begin.
    order = sorted(whole, key=lambda name: (-whole[name].element_size(), name))
    header: dict[str, Any] = {"__metadata__": {HEADER: metadata}}
    end = 0
    for name in order:
        tensor = whole[name]
        begin, end = end, end + tensor.numel() * tensor.element_size()
        header[name] = {
            "dtype": KINDS[str(tensor.dtype)],
            "shape": list(tensor.shape),
            "data_offsets": [begin, end],
        }
    encoded = json.dumps(header, separators=(",", ":")).encode()
    encoded += b" " * (-len(encoded) % 8)
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.write(len(encoded).to_bytes(8, "little"))
        file.write(encoded)
        for name in order:
            file.write(_bytes_of(whole[name]))


def read_tensors(path: Path) -> tuple[dict[str, "Tensor"], dict[str, Any]]:
    """Read what `write_tensors` wrote.

    Raises RunError, naming the file, if it is missing, cut short, not safetensors, or does not match its checksum.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="pt") as file:
            header = json.loads((file.metadata() or {}).get(HEADER, "{}"))
            about, sha256 = str(header.get("about", "{}")), header.get("sha256")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except FileNotFoundError as error:
        raise RunError(f"{path}: no such file", mend=REPLACE) from error
    except (SafetensorError, OSError, ValueError, AttributeError, RecursionError, MemoryError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise RunError(f"{path}: damaged or not a safetensors file ({reason})", mend=REPLACE) from error
    if sha256 != _checksum(tensors, about):
        raise RunError(f"{path}: its content does not match its checksum; the file is damaged", mend=REPLACE)
    return tensors, _object(about, path)


def shapes_of(path: Path) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor in a safetensors file, from its header. Raises RunError if it is none."""
    header = _whole_header(path)
    try:
        shapes = {name: tuple(map(int, told["shape"])) for name, told in header.items() if name != "__metadata__"}
    except (KeyError, TypeError, ValueError):
        shapes = {}
    if not shapes:
        raise RunError(f"{path}: damaged or not a safetensors file", mend=REPLACE)
    return shapes


def tensors_checksum(path: Path) -> str:
    """The checksum that `write_tensors` put into the header of `path`; empty if there is none. Reads no tensor."""
    return str(_header(path).get("sha256", ""))


def described(path: Path) -> dict[str, Any]:
    """The description that `write_tensors` put into the header of `path`. Raises RunError if there is none."""
    header = _header(path)
    if "about" not in header:
        raise RunError(f"{path}: damaged or not a file of a run", mend=REPLACE)
    return _object(str(header["about"]), path)


def _object(text: str, path: Path) -> dict[str, Any]:
    """The JSON object that `text` is. Raises RunError if it is none."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise RunError(f"{path}: damaged or not a file of a run", mend=REPLACE)
    return found


def _header(path: Path) -> dict[str, Any]:
    """What `write_tensors` put into the header besides the tensors; empty if the file is not one that it wrote."""
    try:
        found = json.loads(_whole_header(path)["__metadata__"][HEADER])
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _whole_header(path: Path) -> dict[str, Any]:
    """Empty if the file is not safetensors. However long the file says that its header is, no more is read than is."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > min(LONGEST_HEADER, path.stat().st_size - 8):
                return {}
            found = json.loads(file.read(length))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _checksum(tensors: Mapping[str, "Tensor"], about: str) -> str:
    digest = hashlib.sha256(about.encode(errors="surrogatepass"))
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(_bytes_of(tensor))
    return digest.hexdigest()


def _bytes_of(tensor: "Tensor") -> memoryview:
    import torch

    return tensor.detach().contiguous().reshape(-1).view(torch.uint8).cpu().numpy().data


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
