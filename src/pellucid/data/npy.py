"""NumPy's arrays on disk, read without NumPy: .npz is a zip of .npy files, and .npy a short header and the numbers.

Arrays of Python objects are refused: NumPy keeps them as pickles, and a pickle runs code when it is opened.
Source: Robert Kern, "A Simple File Format for NumPy Arrays" (NEP 1), 2007.
"""

import ast
import re
import zipfile
import zlib
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO

import torch
from torch import Tensor

from pellucid.errors import DataError

MAGIC = b"\x93NUMPY"
KINDS = {
    "b1": torch.bool,
    "u1": torch.uint8,
    "i1": torch.int8,
    "i2": torch.int16,
    "i4": torch.int32,
    "i8": torch.int64,
    "f2": torch.float16,
    "f4": torch.float32,
    "f8": torch.float64,
}
# Unsigned numbers in the next larger type; of 64 bits, the few that are too large become negative.
UNSIGNED = {"u2": (torch.int16, torch.int32), "u4": (torch.int32, torch.int64), "u8": (torch.int64, torch.int64)}
TEXT = re.compile(r"[<>|=]?([US])(\d+)")
AGAIN = "Write it again by numpy.savez."


@dataclass(frozen=True, slots=True)
class Array:
    """Numbers as a tensor; texts, one axis of them, as a tuple."""

    numbers: Tensor | None = None
    texts: tuple[str, ...] | None = None
    kind: str = ""

    def __len__(self) -> int:
        return len(self.texts) if self.texts is not None else len(self.numbers)  # type: ignore[arg-type]


def read_arrays(path: Path, largest: int, mend: str) -> dict[str, Array]:
    """Every array of an .npz file by its name. No member is unpacked before its size is known.

    Raises DataError for a file that is damaged, is none, would take more than `largest` bytes (`mend` says what then),
    or holds an array of objects.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            total = sum(member.file_size for member in archive.infolist())
            if total > largest:
                raise DataError(f"{path}: holds {total / 2**30:,.1f} GiB when unpacked", mend=mend)
            found = {}
            for member in archive.infolist():
                if member.filename.endswith(".npy"):
                    name = member.filename.removesuffix(".npy")
                    with archive.open(member) as file:
                        found[name] = read_array(file, member.file_size, f"{path}: {name}")
            return found
    except FileNotFoundError:
        raise DataError(f"{path}: no such file", mend="Check the name.") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        raise DataError(f"{path}: damaged, or not an .npz file ({error})", mend=AGAIN) from None


def read_array(file: IO[bytes], size: int, where: str) -> Array:
    """One .npy of `size` bytes. Raises DataError for a header that is none, or says more than there is."""
    kind, fortran, shape = _header(file, where)
    text = TEXT.fullmatch(kind)
    if "O" in kind:
        raise DataError(
            f"{where}: an array of Python objects, which would run code when opened; it is not opened",
            mend="Save numbers, and names as text: numpy.array(names, dtype=str).",
        )
    plain = kind.lstrip("<>|=")
    if text is None and plain not in KINDS and plain not in UNSIGNED:
        raise DataError(f"{where}: an array of {kind}, neither numbers nor texts", mend="Save numbers or texts.")
    width = int(text[2]) * (4 if text[1] == "U" else 1) if text else int(plain[1:])
    wanted = prod(shape) * width
    content = bytearray(file.read(wanted)) if 0 <= wanted <= size else bytearray()
    if len(content) != wanted:
        raise DataError(f"{where}: its header says {shape}, more than the file holds", mend=AGAIN)
    if text is not None:
        return Array(texts=_texts(content, text[1], width, kind), kind=kind)
    if kind.startswith(">") and width > 1:
        content = bytearray(torch.frombuffer(content, dtype=torch.uint8).view(-1, width).flip(1).numpy().tobytes())
    stored, wider = UNSIGNED.get(plain) or (KINDS[plain], KINDS[plain])
    flat = torch.frombuffer(content, dtype=stored) if content else torch.empty(0, dtype=stored)
    if plain in UNSIGNED:
        flat = flat.to(wider) & (1 << 8 * width) - 1 if width < 8 else flat
    order = list(reversed(range(len(shape))))
    return Array(flat.view(shape[::-1]).permute(order) if fortran else flat.view(shape), kind=plain)


def _header(file: IO[bytes], where: str) -> tuple[str, bool, tuple[int, ...]]:
    head = file.read(8)
    if head[:6] != MAGIC or len(head) < 8:
        raise DataError(f"{where}: not an array of NumPy", mend=AGAIN)
    length = int.from_bytes(file.read(2 if head[6] == 1 else 4), "little")
    try:
        told = ast.literal_eval(file.read(min(length, 1 << 16)).decode("latin-1").strip())
        kind, fortran, shape = told["descr"], bool(told["fortran_order"]), tuple(int(size) for size in told["shape"])
    except (ValueError, SyntaxError, KeyError, TypeError, MemoryError, RecursionError):
        raise DataError(f"{where}: its header cannot be read", mend=AGAIN) from None
    if not isinstance(kind, str) or any(size < 0 for size in shape):
        raise DataError(f"{where}: an array of records or of no shape", mend="Save plain numbers or texts.")
    return kind, fortran, shape


def _texts(content: bytearray, letter: str, width: int, kind: str) -> tuple[str, ...]:
    encoding = "latin-1" if letter == "S" else "utf-32-be" if kind.startswith(">") else "utf-32-le"
    parts = (bytes(content[start : start + width]) for start in range(0, len(content), max(width, 1)))
    return tuple(part.decode(encoding, "replace").rstrip("\0") for part in parts)
