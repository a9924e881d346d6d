"""Files that nobody should open: damaged, or made to lie, to run code, or to take all memory. Generated, not kept.

Each is a file of a run by its name and the bytes that take its place; what they are made from is a healthy run.
"""

import gzip
import io
import json
import pickle
import random
import struct
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

HUGE = 2**62


class Hostile(NamedTuple):
    file: str  # of the run, such as model.safetensors
    what: str
    content: bytes


class Payload:
    """Unpickled, it makes a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, tuple[str, str]]:
        return open, (str(self.mark), "w")


def split(content: bytes) -> tuple[dict[str, Any], bytes]:
    """The header of a safetensors file and its numbers."""
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def joined(header: bytes | Mapping[str, Any], numbers: bytes, length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + numbers


def told_about(header: Mapping[str, Any], name: str, **fields: Any) -> dict[str, Any]:
    """The header with other fields for one tensor."""
    return {**header, name: {**header[name], **fields}}


def safetensors(file: str, good: bytes, mark: Path) -> Iterator[Hostile]:
    """What can be wrong with a file of tensors."""
    header, numbers = split(good)
    names = [name for name in header if name != "__metadata__"]
    first, last = names[0], names[-1]
    size = len(numbers)
    cuts = sorted({0, 1, 7, 8, 9, 20, len(good) - size - 1, len(good) - size, len(good) - 1, len(good) - size // 2})
    for cut in cuts:
        yield Hostile(file, f"cut after {cut} bytes", good[:cut])
    draw = random.Random(7)
    for place in sorted(draw.sample(range(len(good) - size, len(good)), 6)):
        flipped = bytearray(good)
        flipped[place] ^= 1 << draw.randrange(8)
        yield Hostile(file, f"a bit of byte {place} flipped", bytes(flipped))
    for length in (0, 1, 2**31, 2**40, HUGE, 2**63, 2**64 - 1, len(good), len(good) * 1000):
        yield Hostile(file, f"header said to be of {length} bytes", joined(header, numbers, length))
    for shape in ([HUGE], [2**32, 2**32], [2**31, 2**31, 2**31], [-1], [2**63], [0], [1], [1.5], "x", None, [[2]]):
        yield Hostile(file, f"shape {shape}", joined(told_about(header, first, shape=shape), numbers))
    spans = (
        [0, HUGE],
        [HUGE, HUGE + 4],
        [8, 0],
        [-8, 0],
        [0, 2**64],
        [0, size + 4],
        [size, size + 8],
        [4, 12],
        [0],
        "x",
    )
    for span in spans:
        yield Hostile(file, f"offsets {span}", joined(told_about(header, last, data_offsets=span), numbers))
    for kind in ("F128", "PICKLE", "", 7, None, "f32", "I8"):
        yield Hostile(file, f"numbers of kind {kind!r}", joined(told_about(header, first, dtype=kind), numbers))
    over = told_about(header, last, data_offsets=header[first]["data_offsets"])
    yield Hostile(file, "two tensors in one place", joined(over, numbers))
    huge = {"shape": [HUGE // 4], "dtype": "F32", "data_offsets": [0, HUGE]}
    yield Hostile(file, "a tensor too many, huge", joined({**header, "more": huge}, numbers))
    yield Hostile(file, "a tensor too few", joined({k: v for k, v in header.items() if k != first}, numbers))
    yield Hostile(file, "no tensors", joined({}, b""))
    yield Hostile(file, "no description", joined({name: header[name] for name in names}, numbers))
    for metadata in (
        {},
        {"pellucid": "{"},
        {"pellucid": "[]"},
        {"pellucid": "[" * 100_000},
        {"pellucid": "null"},
        [1],
        5,
    ):
        told = str(metadata)[:20]
        yield Hostile(file, f"description {told}", joined({**header, "__metadata__": metadata}, numbers))
    yield Hostile(file, "names twice", joined(_twice(header, first), numbers))
    yield Hostile(file, "header nested", joined(b'{"a":' * 50_000 + b"1" + b"}" * 50_000, numbers))
    yield Hostile(file, "header not UTF-8", joined(b'{"\xff\xfe": 1}', numbers))
    yield Hostile(file, "header no object", joined(b"[1, 2]", numbers))
    yield Hostile(file, "header of spaces", joined(b" " * 1_000_000, numbers))
    yield Hostile(file, "bytes behind the last tensor", good + b"\0" * 100)
    yield from no_safetensors(file, good, mark)


def _twice(header: Mapping[str, Any], name: str) -> bytes:
    other = json.dumps({name: {"dtype": "F32", "shape": [HUGE], "data_offsets": [0, 4]}})[1:-1]
    return json.dumps(header)[:-1].encode() + f", {other}}}".encode()


def no_safetensors(file: str, good: bytes, mark: Path) -> Iterator[Hostile]:
    """Files of other kinds, under its name."""
    yield Hostile(file, "a pickle that runs code", pickle.dumps(Payload(mark)))
    yield Hostile(file, "a pickle that runs code, protocol 0", pickle.dumps(Payload(mark), protocol=0))
    yield Hostile(
        file, "a zip that torch.load would unpickle", zipped({"archive/data.pkl": pickle.dumps(Payload(mark))})
    )
    yield Hostile(file, "a zip bomb", zipped({"weights": b"\0" * 50_000_000}))
    yield Hostile(file, "a gzip bomb", gzip.compress(b"\0" * 50_000_000))
    yield Hostile(file, "gzipped", gzip.compress(good))
    yield Hostile(file, "empty", b"")
    yield Hostile(file, "zeros", b"\0" * 4096)
    yield Hostile(file, "0xff", b"\xff" * 4096)
    yield Hostile(file, "text", "不是权重\n".encode() * 50)
    yield Hostile(file, "a web page", b"<!doctype html><title>404</title>")
    yield Hostile(file, "a pointer of git-lfs", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    yield Hostile(file, "noise", random.Random(1).randbytes(3000))


def zipped(files: Mapping[str, bytes]) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return held.getvalue()


def texts(file: str, good: bytes, mark: Path) -> Iterator[Hostile]:
    """What can be wrong with a file of JSON or TOML, whichever."""
    for share in (0.1, 0.3, 0.5, 0.7, 0.9, 0.99):
        yield Hostile(file, f"cut after {share:.0%}", good[: int(share * len(good))])
    yield Hostile(file, "not UTF-8", good[:50] + b"\xff\xfe\xfa" + good[50:])
    yield Hostile(file, "UTF-16", good.decode().encode("utf-16"))
    yield Hostile(file, "NUL bytes inside", good[:80] + b"\0\0" + good[80:])
    yield Hostile(file, "a pickle that runs code", pickle.dumps(Payload(mark)))
    yield Hostile(file, "a zip bomb", zipped({"all": b"\0" * 50_000_000}))
    yield Hostile(file, "noise", random.Random(2).randbytes(3000))
    yield Hostile(file, "noise of letters", random.Random(3).randbytes(2000).hex().encode())


def tokenizers(file: str, good: bytes, mark: Path) -> Iterator[Hostile]:
    yield from texts(file, good, mark)
    held = json.loads(good)
    vocabulary = held["model"]["vocab"]
    ends = list(vocabulary)

    def told(**model: Any) -> bytes:
        return json.dumps({**held, "model": {**held["model"], **model}}).encode()

    yield Hostile(file, "empty", b"")
    yield Hostile(file, "no object", b"[]")
    yield Hostile(file, "nothing in it", b"{}")
    yield Hostile(file, "nested", b'{"model":' * 50_000 + b"1" + b"}" * 50_000)
    yield Hostile(file, "a list nested", b"[" * 1_000_000)
    yield Hostile(file, "no model", json.dumps({k: v for k, v in held.items() if k != "model"}).encode())
    yield Hostile(file, "a model of no kind", told(type="Pickle"))
    yield Hostile(file, "no vocabulary", told(vocab={}, merges=[]))
    yield Hostile(file, "a token less", told(vocab={k: v for k, v in vocabulary.items() if k != ends[-1]}))
    yield Hostile(file, "a token more", told(vocab={**vocabulary, "one more": len(vocabulary)}))
    yield Hostile(file, "a number beyond all", told(vocab={**vocabulary, ends[-1]: 2**32 - 1}))
    yield Hostile(file, "a number below 0", told(vocab={**vocabulary, ends[-1]: -1}))
    yield Hostile(file, "two tokens of one number", told(vocab={**vocabulary, ends[-1]: 0}))
    yield Hostile(file, "a merge of what is no token", told(merges=["qqq zzz"]))
    yield Hostile(file, "a token that is a number", told(vocab=[1, 2, 3]))
    yield Hostile(
        file, "special tokens exchanged", good.replace(b"<|pad|>", b"<|xxx|>").replace(b"<|end|>", b"<|pad|>")
    )


def configs(file: str, good: bytes, mark: Path) -> Iterator[Hostile]:
    yield from (one for one in texts(file, good, mark) if not one.what.startswith("cut"))
    text = good.decode()

    def told(**fields: str) -> bytes:
        lines = [
            next((f"{name} = {value}" for name, value in fields.items() if line.startswith(f"{name} =")), line)
            for line in text.splitlines()
        ]
        assert lines != text.splitlines(), fields
        return "\n".join(lines).encode()

    yield Hostile(file, "empty", b"task = 5")
    yield Hostile(file, "a list nested", b"a = " + b"[" * 100_000)
    yield Hostile(file, "tables nested", b"[" + b".".join([b"a"] * 20_000) + b"]\nb = 1")
    yield Hostile(file, "cut", good[: len(good) // 2] + b'"')
    yield Hostile(file, "a task of no kind", told(task='"os.system"'))
    yield Hostile(file, "a task that is a path", told(task='"../../evil"'))
    yield Hostile(file, "a field too many", good + b"\n[evil]\nrun = true\n")
    yield Hostile(file, "a field twice", good + b"\n" + text.split("\n")[0].encode())
    for name in ("d_model", "feed_forward", "max_length", "heads"):
        for value in ("0", "-1", '"x"', "1e400", str(2**40), str(HUGE), str(2**70), "[1]"):
            yield Hostile(file, f"{name} of {value}", told(**{name: value}))
    yield Hostile(file, "another width", told(d_model="32"))
    for value in ("0", "3", "1001", "1000000000"):
        yield Hostile(file, f"{value} encoder layers", told(encoder_layers=value))


def exports(folder: str, weights: str, good: Mapping[str, bytes], mark: Path) -> Iterator[Hostile]:
    """What can be wrong with an exported folder: the weights against pellucid.json, and pellucid.json itself."""
    content, about = good[weights], json.loads(good["pellucid.json"])
    file, told = f"{folder}/{weights}", f"{folder}/pellucid.json"
    for cut in (0, 1, 100, len(content) // 2, len(content) - 1):
        yield Hostile(file, f"cut after {cut} bytes", content[:cut])
    yield from no_safetensors(file, content, mark)
    for name, fields in {
        "no files": {"files": {}},
        "no list of files": {"files": None},
        "files elsewhere": {"files": {**about["files"], "../../outside": "0"}},
        "a file that is missing": {"files": {**about["files"], "more.bin": "0"}},
        "another format": {"format": "pickle"},
        "endless sentences": {"max_length": HUGE},
        "sentences of no length": {"max_length": 0},
        "sentences of a word": {"max_length": "long"},
        "weights of another run": {"weights": "0"},
    }.items():
        yield Hostile(told, name, json.dumps({**about, **fields}).encode())
    yield Hostile(told, "nested", b"[" * 1_000_000)
    yield Hostile(told, "not UTF-8", b"\xff\xfe{}")
    yield Hostile(told, "a list", b"[]")
    yield Hostile(told, "empty", b"")


def all_of(run: Path, mark: Path) -> list[Hostile]:
    """Every hostile file for a translator's run with an export to ctranslate2 and recorded snapshots."""

    def bytes_of(file: str) -> bytes:
        return (run / file).read_bytes()

    state = sorted((run / "state").glob("step-*"))[-1].name
    snapshots = sorted((run / "recorded").glob("step-*"))[0].name
    export = {path.name: path.read_bytes() for path in (run / "ctranslate2").iterdir()}
    return [
        *safetensors("model.safetensors", bytes_of("model.safetensors"), mark),
        *safetensors(f"state/{state}", bytes_of(f"state/{state}"), mark),
        *no_safetensors(f"recorded/{snapshots}", bytes_of(f"recorded/{snapshots}"), mark),
        *tokenizers("tokenizer.json", bytes_of("tokenizer.json"), mark),
        *configs("config.toml", bytes_of("config.toml"), mark),
        *exports("ctranslate2", "model.bin", export, mark),
    ]
