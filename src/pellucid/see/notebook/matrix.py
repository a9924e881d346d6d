"""Numbers drawn: a table of colored cells with labels on both axes, and where it is large a window and a picture.

Arrays are drawn here and not by treescope, which was tried for it (0.1.10): with PyTorch 2.13 it raises an
AttributeError (`Tensor.names` is gone); its cells hold no numbers; labels appear only under the pointer; without a
script nothing is drawn, so an untrusted or exported notebook stays empty; it is white in a dark notebook; and a label
with `</script>` in it leaves "Rendering array..." for good.
"""

import base64
import math
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

import torch
from torch import Tensor

from pellucid.see.notebook.words import say
from pellucid.see.operation import Axis

MINUS = "\N{MINUS SIGN}"
WINDOW = (12, 12)  # rows and columns that are written out; a third more where that makes the window whole
DENSE = 13  # columns beyond which cells are set tighter
PICTURE = 240  # the most numbers of a picture along one axis
WIDE = 480  # the most pixels that it takes on the screen
NEGATIVE, POSITIVE, SHARE, HIDDEN = (64, 132, 196), (200, 118, 34), (58, 140, 138), (128, 128, 128)  # on both papers


@dataclass(frozen=True)
class Look:
    """What colors mean in one drawing: the magnitude of the strongest, and whether these are shares."""

    largest: float
    shares: bool = False

    @property
    def legend(self) -> str:
        if self.shares:
            return (
                f'<p class="legend"><span>0</span><i class="s"></i><span>1</span><span>{say("shares_scale")}</span></p>'
            )
        end = short(self.largest)
        return f'<p class="legend"><span>{MINUS}{end}</span><i class="signed"></i><span>+{end}</span></p>'


def look_of(*values: Tensor) -> Look:
    """One look for all of them; shares are what is between 0 and 1 and sums to 1 in each row, or hides from all."""
    largest = 0.0
    shares = True
    for value in values:
        finite = value.detach().double().nan_to_num(0.0, 0.0, 0.0)
        if not value.numel():
            continue
        largest = max(largest, float(finite.abs().max()))
        sums = finite.sum(-1) if value.dim() else finite
        whole = ((sums - 1).abs() < 1e-3) | (sums == 0)
        shares = bool(shares and value.dim() and value.size(-1) > 1 and (finite >= 0).all() and whole.all())
    return Look(1.0, True) if shares and largest > 0 else Look(largest)


def breakable(name: str) -> str:
    """HTML of a name that may go on in the next line after a dot."""
    return escape(name).replace(".", ".<wbr>")


# --- numbers --------------------------------------------------------------------------------------------------------


def short(value: float, digits: int = 3) -> str:
    """A number to read: `digits` significant ones, whole thousands written out, with a true minus sign."""
    text = f"{value:.{digits}g}"
    return typeset(f"{value:,.0f}" if "e+" in text and abs(value) < 1e7 else text)


def exact(value: float, dtype: torch.dtype) -> str:
    """As many digits as bring the number back."""
    return repr(value) if dtype == torch.float64 else f"{value:.9g}"


def typeset(text: str) -> str:
    """Minus signs and infinity as they are printed in books."""
    if text in ("inf", "-inf", "nan"):
        return {"inf": "∞", "-inf": f"{MINUS}∞", "nan": "NaN"}[text]
    return text.replace("-", MINUS)


def writer(values: Tensor, decimals: int = 3) -> Callable[[float], str]:
    """How the numbers of a matrix are written, so that their digits stand under each other; whole ones stay whole."""
    finite = values[values.isfinite()]
    largest = float(finite.abs().max()) if finite.numel() else 0.0
    if largest and not 1e-2 <= largest < 1e5:
        kind = ".2e"
    else:
        kind = f".{max(0, decimals - max(0, math.floor(math.log10(largest)) - 1))}f" if largest else ".0f"

    def write(value: float) -> str:
        if not math.isfinite(value):
            return typeset(str(value))
        return typeset(f"{value:.0f}" if value.is_integer() and abs(value) < 1e5 else f"{value:{kind}}")

    return write


# --- tables ---------------------------------------------------------------------------------------------------------


def windowed(size: int, most: int) -> bool:
    return size > most + most // 3


def window(size: int, most: int) -> list[int | None]:
    """The positions that are written out: all, or the first and the last few around a gap."""
    if not windowed(size, most):
        return list(range(size))
    last = max(1, most // 4)
    return [*range(most - last), None, *range(size - last, size)]


def label(axis: Axis, position: int) -> str:
    return axis.labels[position] if axis.labels and position < len(axis.labels) else str(position)


def matrix(
    values: Tensor,
    axes: Sequence[Axis],
    look: Look,
    *,
    cell: Callable[[int, int], str],
    most: tuple[int, int] = WINDOW,
    small: bool = False,
    mark: Callable[[int, int], str] | None = None,
) -> str:
    """A table of a matrix; `cell` gives the address of a number, `mark` what is to be said of it beyond its value."""
    rows, columns = (window(size, limit) for size, limit in zip(values.shape, most, strict=True))
    numbers = values.detach().double().cpu()
    write = writer(numbers, 2 if small else 3)
    corner = f"{escape(axes[0].name)} ↓ {escape(axes[1].name)} →"
    head = "".join(
        f'<th scope="col" title="{escape(label(axes[1], j))}">{escape(label(axes[1], j))}</th>'
        if j is not None
        else "<th>…</th>"
        for j in columns
    )
    body = []
    for i in rows:
        if i is None:
            body.append(f"<tr><th>⋮</th>{''.join('<td class=gap>⋮</td>' for _ in columns)}</tr>")
            continue
        cells = []
        for j in columns:
            if j is None:
                cells.append("<td class=gap>…</td>")
                continue
            value = float(numbers[i, j])
            full = f"{cell(i, j)} = {exact(value, values.dtype)}"
            said = f", {mark(i, j)}" if mark and mark(i, j) else ""
            cells.append(f'<td{colored(value, look)} title="{escape(full + said)}">{write(value)}</td>')
        name = escape(label(axes[0], i))
        body.append(f'<tr><th scope="row" title="{name}">{name}</th>{"".join(cells)}</tr>')
    kind = "cells small" if small else "cells dense" if len(columns) > DENSE else "cells"
    return (
        f'<div class="scroll"><table class="{kind}"><thead><tr><th class="corner">{corner}</th>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def colored(value: float, look: Look) -> str:
    """Class and strength of a cell's color."""
    if math.isnan(value) or value == math.inf:
        return ' class="odd"'
    if value == -math.inf:
        return ' class="hidden"'
    strength = min(1.0, abs(value) / look.largest) if look.largest else 0.0
    if not strength:
        return ""
    return f' class="{"s" if look.shares else "n" if value < 0 else "p"}" style="--t:{strength:.2f}"'


# --- pictures -------------------------------------------------------------------------------------------------------


def picture(values: Tensor, look: Look, title: str, pixels: int = WIDE) -> str:
    """All numbers as pixels; where there are more than fit, each pixel is the strongest of those under it."""
    numbers = strongest(values.detach().double().cpu(), PICTURE)
    strength = (numbers.nan_to_num(0.0, 0.0, 0.0).abs() / (look.largest or 1.0)).clamp(max=1.0)
    hue = torch.tensor([SHARE if look.shares else POSITIVE, SHARE if look.shares else NEGATIVE, HIDDEN])
    kind = torch.where(numbers.isinf() | numbers.isnan(), 2, (numbers < 0).long())
    opacity = torch.where(kind == 2, 0.35, strength) * 255
    rows = torch.cat([hue[kind], opacity.round().long()[..., None]], dim=-1)
    height, width = rows.shape[:2]
    size = max(1, min(14, pixels // max(height, width)))
    return (
        f'<img class="picture" width="{width * size}" height="{height * size}" alt="{escape(title)}" '
        f'title="{escape(title)}" src="data:image/png;base64,{base64.b64encode(png(rows)).decode()}">'
    )


def strongest(values: Tensor, most: int) -> Tensor:
    """A matrix of at most `most` rows and columns: of each block, the number of the largest magnitude."""
    for _ in range(2):
        size = values.size(0)
        if size > most:
            block = math.ceil(size / most)
            padded = torch.nn.functional.pad(values, (0, 0, 0, -size % block)).reshape(-1, block, values.size(1))
            at = padded.abs().nan_to_num(nan=math.inf).argmax(1, keepdim=True)
            values = padded.gather(1, at).squeeze(1)
        values = values.T
    return values


def png(pixels: Tensor) -> bytes:
    """A PNG file of (row, column, 4) bytes: red, green, blue, opacity. Source: the PNG specification, ISO 15948."""
    height, width = pixels.shape[:2]
    lines = torch.cat([torch.zeros(height, 1, dtype=torch.long), pixels.flatten(1)], dim=1)  # each begins: no filter

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    data = zlib.compress(bytes(lines.flatten().tolist()), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
