"""PNG: a picture of bytes as a file's content, so that a report can show images without any library that draws them.

Source: ISO/IEC 15948, "Portable Network Graphics".
"""

import base64
import struct
import zlib

import torch
from torch import Tensor
from torch.nn import functional as F

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GRAY, RGB = 0, 2  # colour types


def png(picture: Tensor) -> bytes:
    """The file of one picture. Shapes: bytes (1 or 3 channels, height, width)."""
    channels, height, width = picture.shape
    rows = picture.permute(1, 2, 0).reshape(height, width * channels)
    filtered = torch.cat([torch.zeros(height, 1, dtype=torch.uint8), rows], dim=1)  # 0: each line as it is
    head = struct.pack(">IIBBBBB", width, height, 8, GRAY if channels == 1 else RGB, 0, 0, 0)
    body = zlib.compress(filtered.contiguous().numpy().tobytes(), 9)
    return SIGNATURE + _chunk(b"IHDR", head) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def png_text(picture: Tensor) -> str:
    """The same in base64, to stand in JSON and in pages."""
    return base64.b64encode(png(picture)).decode()


def thumbnail(picture: Tensor, side: int) -> Tensor:
    """A picture no larger than `side`, its proportions kept; a smaller one as it is."""
    height, width = picture.shape[1:]
    if max(height, width) <= side:
        return picture
    size = [max(round(one * side / max(height, width)), 1) for one in (height, width)]
    small = F.interpolate(picture[None].float(), size, mode="bilinear", antialias=True)[0]
    return small.round().clamp(0, 255).to(torch.uint8)


def sheet(rows: Tensor, gap: int = 1, between: int = 128) -> Tensor:
    """Many pictures as one, with gray lines between. Shapes: (row, column, channel, height, width) -> a picture."""
    high, wide, channels, height, width = rows.shape
    whole = torch.full((channels, high * (height + gap) - gap, wide * (width + gap) - gap), between, dtype=torch.uint8)
    for row in range(high):
        for column in range(wide):
            top, left = row * (height + gap), column * (width + gap)
            whole[:, top : top + height, left : left + width] = rows[row, column]
    return whole


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
