"""One page of a trace: a self-contained HTML file in which a person walks through all numbers of a pass.

The file holds the graph as JSON, the numbers as blocks (blocks.py), how each number is made as recipes (recipe.py),
and the modules of page/ as they are: an import map gives each its name, so that nothing is built or bundled.
"""

import base64
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from html import escape
from importlib.resources import files
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pellucid.files import write_text
from pellucid.see.address import Address, region_of
from pellucid.see.blocks import Blocks, Packed, Piece, estimated, fit
from pellucid.see.decoding import stored
from pellucid.see.explain import LEAVES
from pellucid.see.likely import Likely, asked_by, rows_needed
from pellucid.see.look import embedded, look
from pellucid.see.moves import Moves
from pellucid.see.moves_page import Names, Updates, finite
from pellucid.see.operation import Operation, Step, result
from pellucid.see.ops.moving import Moving
from pellucid.see.recipe import Recipe, describe, described_by_cell, moved
from pellucid.see.trace import Trace
from pellucid.see.translation import is_translation
from pellucid.see.walk import Walk
from pellucid.see.ways import gates_of
from pellucid.see.ways_page import megabytes_for, paths_in, paths_of
from pellucid.words import LANGUAGES

FORMAT = "pellucid.page.1"
MEGABYTES = 10.0
# Nothing may be fetched: scripts, styles and pictures are those within the file.
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' data:; style-src 'unsafe-inline'; img-src data: blob:; "
    "connect-src data: blob:"
)
# What is cut off never comes to life, and neither does anything in an old browser: then one sentence says which it is.
WATCH = (
    'addEventListener("load", () => { const app = document.getElementById("app"); '
    'if (window.pellucid || app.querySelector(".sorry:not(.loading)")) return; app.replaceChildren(); '
    'const new_ = HTMLScriptElement.supports?.("importmap") && "DecompressionStream" in window '
    '&& "withResolvers" in Promise; '
    'document.getElementById(new_ ? "broken" : "old").hidden = false; });'
)
EXACT = {"max", "min", "abs", "sqrt"}  # of these and of + - * / every machine gives the same digits
PATHS = 0.15  # of a file, which what groups the paths of the chain rule may take


def write_page(
    trace: Trace,
    path: str | Path,
    *,
    title: str = "",
    megabytes: float = MEGABYTES,
    language: str | None = None,
    moves: Moves | None = None,
    names: Names | None = None,
    at: str = "",
) -> Path:
    """Write the page of a trace; returns its path. What does not fit into `megabytes` keeps some of its rows.

    It opens `at` an address, after which may stand what the page has after the # of its own: "&backward", "&head=2".
    `moves` are how the training step that it is a pass of moves the weights; `names` is what each push is called.
    Raises AddressError if there is no such address.
    """
    whole = page(trace, title=title, megabytes=megabytes, language=language, moves=moves, names=names, at=at)
    write_text(Path(path), whole)
    return Path(path)


def page(
    trace: Trace,
    *,
    title: str = "",
    megabytes: float = MEGABYTES,
    language: str | None = None,
    moves: Moves | None = None,
    names: Names | None = None,
    at: str = "",
) -> str:
    """The whole page."""
    check_start(trace, at)
    title = title or (f"runs/{trace.about['run']}" if "run" in trace.about else "a model")
    code = modules()
    words = {one: words_of(one, str(trace.about.get("kind", ""))) for one in LANGUAGES}
    with as_it_was(trace):
        graph, blocks = gathered(trace, int(megabytes * 1e6), moves, names, at)
    graph |= {"title": title, "language": language}
    if at:
        graph["start"] = at
    imports = {f"pellucid/{name}": script_address(name, source) for name, source in code.items()}
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<title>{escape(title)} · Pellucid</title>
<link rel="icon" href="data:,">
<style>{look()}{text("page.css")}</style>
<body>
<noscript><p class="sorry">{escape(words["en"]["page.noscript"])}</p>
<p class="sorry" lang="zh">{escape(words["zh"]["page.noscript"])}</p>
<style>.loading {{ display: none }}</style></noscript>
<div id="app"><p class="sorry loading">{escape(" · ".join(words[one]["page.loading"] for one in LANGUAGES))}</p></div>
{sentence("broken", words, "page.broken")}
{sentence("old", words, "page.browser")}
<script>{WATCH}</script>
<script type="application/json" id="graph">{embedded(graph)}</script>
<script type="application/json" id="words">{embedded(words)}</script>
<script type="importmap">{json.dumps({"imports": imports})}</script>
<script type="module" async>import "pellucid/main.js";</script>
{"".join(map(block_element, range(len(blocks.starts)), blocks.elements()))}</body>
</html>
"""


def sentence(key: str, words: Mapping[str, Mapping[str, str]], word: str) -> str:
    """In every language, for one whose page cannot say which is the reader's."""
    told = "".join(f'<p class="sorry" lang="{one}">{escape(words[one][word])}</p>' for one in LANGUAGES)
    return f'<div id="{key}" role="alert" hidden>{told}</div>'


def check_start(trace: Trace, at: str) -> None:
    """Raises AddressError where there is no such number, slice or tensor; the page's own views begin with a slash."""
    address = at.partition("&")[0]
    if not address or address.startswith("/"):
        return
    parsed = Address.parse(address)
    step = trace[parsed.name]
    region_of(parsed, step.axis_names, step.shape)


def block_element(number: int, text: str) -> str:
    """Numbers come last: the page is at work while the browser still reads them."""
    return f'<script type="text/plain" id="blocks-{number}">{text}</script>\n'


def words_of(language: str, kind: str) -> dict[str, str]:
    """All words of a language; those said otherwise of a pass of this kind stand in their place: KEY@KIND."""
    words: dict[str, str] = json.loads(text(f"words/{language}.json"))
    plain = {key: said for key, said in words.items() if "@" not in key}
    return {key: words.get(f"{key}@{kind}", said) for key, said in plain.items()}


def modules() -> dict[str, str]:
    """The page's modules by name."""
    folder = files("pellucid.see").joinpath("page")
    return {
        one.name: one.read_text(encoding="utf-8")
        for one in sorted(folder.iterdir(), key=lambda one: one.name)
        if one.name.endswith(".js")
    }


def text(name: str) -> str:
    return files("pellucid.see").joinpath("page", *name.split("/")).read_text(encoding="utf-8")


def script_address(name: str, source: str) -> str:
    """A module as an address that needs no server; its name is what a browser's console calls it."""
    named = f"{source}\n//# sourceURL=pellucid/{name}\n"
    return "data:text/javascript;base64," + base64.b64encode(named.encode()).decode()


# --- the graph -------------------------------------------------------------------------------------------------------


def gathered(
    trace: Trace, size: int, moves: Moves | None = None, names: Names | None = None, at: str = ""
) -> tuple[dict[str, Any], Blocks]:
    """The graph as JSON and the blocks, both within `size` bytes where that can be had by leaving rows out."""
    unkept = unasked(trace)
    attentions = trace.attentions()
    steps = list(trace.flat())
    aside = [step for step in trace.select("*") if step not in set(steps)]
    gradients: Mapping[Step, Tensor] = trace.gradients if trace.loss is not None else {}
    numbers = {step: number for number, step in enumerate([*steps, *aside])}
    recipes = {step: recipe_of(trace, step, numbers) for step in numbers}
    derived = {step: derivable(trace, step, recipes[step]) for step in numbers}
    labels = Labels()
    entries = [
        entry(trace, step, numbers, recipes[step], labels, aside=step in set(aside)) for step in [*steps, *aside]
    ]
    asked, rows = asked_by(trace, at)
    needed = {step: [*rows.get(step, ()), *some] for step, some in {**rows, **rows_needed(trace, numbers)}.items()}
    updates = None if moves is None else Updates(moves, names, numbers, labels.number, needed)
    if updates is not None:
        entries += updates.entries
    head: dict[str, Any] = {
        "format": FORMAT,
        "steps": entries,
        "labels": labels.lists,
        "aliases": {name: numbers[trace[held]] for name, held in trace.aliases.items() if held in trace},
        "outputs": [numbers[trace[name]] for name in trace.outputs],
        "loss": None if trace.loss is None else numbers[trace[trace.loss]],
        "training_step": trace.training_step,
        "about": trace.about,
        "walk": walked(trace, numbers),
        "decoding": decoded(trace),
        "attentions": [
            {
                "place": call.place,
                "reason": call.reason,
                **{
                    part: numbers[getattr(call, part)]
                    for part in ("query", "key", "value", "scores", "scaled", "masked", "weights", "heads", "output")
                    if getattr(call, part) is not None
                },
            }
            for call in attentions
        ],
    }
    if updates is not None:
        head |= {"training": updates.head, "start": updates.start}
    absent = {numbers[step] for step in with_parts(unkept, numbers)} - (set() if updates is None else updates.weights())
    for number in absent:
        entries[number]["how"] = "not kept"
    pieces = [
        one for one in pieces_of(trace, numbers, recipes, derived, gradients, needed, asked) if one.key[1] not in absent
    ]
    room = max(size - len(embedded(head).encode()) - len("".join(modules().values())) * 4 // 3 - 150_000, 100_000)
    blocks = Blocks()
    gates = gates_of(trace)
    head["paths"] = paths_in(trace, gates, numbers, blocks, room * PATHS)
    if head["paths"] is None:  # then at least those of the number that is asked for
        head["megabytes"] = megabytes_for(gates, PATHS)
        head["grouped"] = paths_of(trace, at.partition("&")[0])
    room -= len(embedded([head["paths"], head.get("grouped")]).encode())

    def put(some: Sequence[Piece], characters: float) -> bool:
        """Put pieces into the file within so many characters; whether all of their rows are there."""
        found = fit(some, int(characters))
        for piece in some:
            kind, number = piece.key
            if updates is not None and kind in updates.KINDS:
                updates.place(piece, found[piece.key], blocks, entries)
            else:
                place(piece, found[piece.key], blocks, head["decoding"] if kind in DECODING else entries[number])
        return not any(piece.rows for piece in some)

    extra = [piece for piece in pieces if piece.key[0] == "weight gradient"]
    kept = [piece for piece in pieces if piece.key[0] != "weight gradient"]
    if updates is None:
        whole = put(kept, room - blocks.length)
    else:  # the pass itself first, then the number that was asked for, then all other weights
        weights = updates.weights()
        whole = put([piece for piece in kept if piece.key[0] != "value" or piece.key[1] not in weights], room / 2)
        whole &= put(updates.asked(), (room - blocks.length) / 2)
        whole &= put(updates.pieces(), room - blocks.length)
        more = updates.more()
        if whole and sum(map(estimated, more)) <= room - blocks.length:
            whole = put(more, room - blocks.length)
    # Gradients of weights come last: the page can add them up from those of what the weights made.
    if whole and sum(map(estimated, extra)) <= room - blocks.length:
        put(extra, room - blocks.length)
    head |= {"blocks": blocks.index, "elements": blocks.starts, "characters": blocks.length}
    for step, number in numbers.items():
        if number in absent:
            continue
        if derived[step] is not None:
            entries[number]["value"] = {"derived": derived[step]}
        if step in gradients and "gradient" not in entries[number]:
            entries[number]["gradient"] = {"added": True}
    return head, blocks


@contextmanager
def as_it_was(trace: Trace) -> Iterator[None]:
    """Let go of the values that a trace did not keep, and that were computed anew to write them down."""
    before = [(step, step.held, step.narrowed, step.how) for step in trace.steps if not step.kept]
    try:
        yield
    finally:
        for step, held, narrowed, how in before:
            step.held, step.narrowed, step.how = held, narrowed, how


def unasked(trace: Trace) -> set[Step]:
    """Steps whose values were neither kept nor are what those that were kept are made of, nor came out."""
    kept = {step for step in trace.steps if step.kept}
    if len(kept) == len(trace.steps):
        return set()
    made = {one for step in kept if not step.leaf and step.shape.numel() > 1 for one in step.operands.values()}
    return set(trace.steps) - kept - made - {trace[name] for name in trace.outputs}


def with_parts(steps: set[Step], numbers: Iterable[Step]) -> set[Step]:
    """With what they were opened into, and what stands beside the model's steps and is made of them."""
    found, waiting = set(steps), list(steps)
    while waiting:
        inside = [one for one in waiting.pop().inside if one not in found]
        found.update(inside)
        waiting += inside
    known = {one for step in numbers for one in step.inside}
    beside = [step for step in numbers if step.how == "opened" and step not in known]
    return found | {step for step in beside if found & set(step.operands.values())}


SIDES = {
    **dict.fromkeys(("tokens", "embeddings", "positions"), "encoder"),
    **dict.fromkeys(("encoder_attention", "add_and_norm", "feed_forward"), "encoder"),
    "keys_and_values": "between",
    **dict.fromkeys(("decoder_attention", "cross_attention", "projection", "softmax"), "decoder"),
}
# The name of the step of a stage that is looked at first, where it is not the last.
SHOWN = {
    **dict.fromkeys(("tokens", "embeddings", "positions"), r"^source(\.|$)"),
    **dict.fromkeys(("encoder_attention", "decoder_attention", "cross_attention"), r"weights$"),
    "softmax": "^probabilities$",
}


def walked(trace: Trace, numbers: Mapping[Step, int]) -> list[list[dict[str, Any]]] | None:
    """The eleven stages of a translation, for each layer; None if the trace is of something else."""
    if not is_translation(trace):
        return None
    layers = max(Walk(trace).layers.values())
    found = []
    for layer in range(layers):
        stages = []
        for stage in Walk(trace, layer).stages():
            steps = [trace[name] for name in stage.steps]
            wanted = SHOWN.get(stage.key, "")
            show = next((one for one in reversed(steps) if re.search(wanted, one.name)), steps[-1])
            stages.append(
                {
                    "number": stage.number,
                    "key": stage.key,
                    "side": SIDES[stage.key],
                    "steps": [numbers[one] for one in steps],
                    "show": numbers[show],
                    "title": {one: stage.title(one) for one in LANGUAGES},
                    "sentence": {one: stage.sentence(one) for one in LANGUAGES},
                }
            )
        found.append(stages)
    return found


DECODING = ("logits", "attention")  # tensors of a decoding, beside those of the steps


def decoded(trace: Trace) -> dict[str, Any] | None:
    """How the target was decoded, with the fate of each hypothesis in words; its tensors are blocks."""
    if trace.decoding is None:
        return None
    found, _ = stored(trace.decoding)
    for node, entry in zip(trace.decoding.nodes, found["nodes"], strict=True):
        entry["fate"]["reason"] = {one: node.fate.reason(one) for one in LANGUAGES}
        for candidate, told in zip(node.candidates, entry["candidates"], strict=True):
            told["fate"]["reason"] = {one: candidate.fate.reason(one) for one in LANGUAGES}
    found["shapes"] = {kind: list(getattr(trace.decoding, kind).shape) for kind in DECODING}
    found["path"] = [node.number for node in trace.decoding.path]
    return found


class Labels:
    """Lists of labels, each kept once."""

    def __init__(self) -> None:
        self.lists: list[list[str]] = []
        self._known: dict[tuple[str, ...], int] = {}

    def number(self, labels: tuple[str, ...]) -> int:
        if labels not in self._known:
            self._known[labels] = len(self.lists)
            self.lists.append(list(labels))
        return self._known[labels]


def entry(
    trace: Trace,
    step: Step,
    numbers: Mapping[Step, int],
    recipe: Recipe | None,
    labels: Labels,
    *,
    aside: bool,
) -> dict[str, Any]:
    """A step as the page reads it."""
    operation = elementary(trace, step)
    found: dict[str, Any] = {
        "name": step.name,
        "op": step.op,
        "shape": list(step.value.shape),
        "dtype": str(step.value.dtype).removeprefix("torch."),
        "axes": [[axis.name, labels.number(axis.labels)] if axis.labels else [axis.name] for axis in step.axes],
        "operands": [[role, numbers[operand]] for role, operand in step.operands.items()],
        "place": step.place,
        "how": "captured" if step.op == "parameter" else step.how,  # one not kept was read from the model, unchanged
        "formula": LEAVES.get(step.op) or operation.text,
        "whole": trace.operation(step).text,
    }
    if step.difference is not None:
        found["difference"] = finite(step.difference)
    if step.inside:
        found["inside"] = [numbers[one] for one in step.inside]
    if recipe is not None:
        found["recipe"] = recipe.body
        others = steps_read(recipe.body, found["operands"])
        if others:
            found["reads"] = others
    if aside:
        found["aside"] = True
    settings = {key: value for key, value in step.settings.items() if plain(value)}
    if settings:
        found["settings"] = settings
    return found


def steps_read(body: Any, operands: Sequence[tuple[str, int]]) -> list[int]:
    """Steps other than its operands that a recipe names, as the angle of a rotation."""
    if body[0] != "cells":
        return []
    known = {number for _, number in operands}
    found: dict[int, None] = {}
    for form, *numbers in body[2]:
        places = iter(numbers)
        for leaf in leaves(body[1][form]):
            step = next(places)
            if leaf == "s":
                next(places)
                if step not in known:
                    found[step] = None
    return list(found)


def leaves(form: Any) -> Iterator[str]:
    """The kinds of an expression's leaves in order: "s" a cell, "c" a constant."""
    if form[0] in ("s", "c"):
        yield form[0]
    for part in form[1:]:
        if isinstance(part, list):
            for one in [part] if part and isinstance(part[0], str) else part:
                yield from leaves(one)


def elementary(trace: Trace, step: Step) -> Operation:
    """The operation that explains a step: of a fused one, that of its last inner step."""
    while step.inside:
        step = step.inside[-1]
    return trace.operation(step)


def plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return len(value) < 8 and all(plain(one) for one in value)
    if isinstance(value, float):
        return value == value and abs(value) != float("inf")
    return isinstance(value, str | int) and value is not None


def recipe_of(trace: Trace, step: Step, numbers: Mapping[Step, int]) -> Recipe | None:
    if step.leaf or step.inside or step.how == "whole":
        return None
    found = describe(step, trace.operation(step))
    if found is not None:
        return found

    def place_of(address: str) -> tuple[int, int]:
        other, cell = trace.cell(address)
        return numbers[other], sum(i * stride for i, stride in zip(cell, strides(other.value.shape), strict=True))

    operation = trace.operation(step)
    body = described_by_cell(step, operation, place_of)
    if body is not None:
        return Recipe(body)
    return moved(step, operation) if isinstance(operation, Moving) else None  # as far as the number it was taken from


def strides(shape: Sequence[int]) -> list[int]:
    return [prod(shape[d + 1 :]) for d in range(len(shape))]


def pieces_of(
    trace: Trace,
    numbers: Mapping[Step, int],
    recipes: Mapping[Step, Recipe | None],
    derived: Mapping[Step, Any],
    gradients: Mapping[Step, Tensor],
    needed: Mapping[Step, Sequence[int]],
    asked: Collection[Step] = (),
) -> Iterator[Piece]:
    """All tensors that the file is to hold, those first that the page reads first."""
    likely = Likely(trace, asked)

    def piece(kind: str, step: Step, tensor: Tensor) -> Piece:
        return Piece((kind, numbers[step]), tensor, needed.get(step, ()), weight=likely.weight(kind, step, tensor))

    if trace.decoding is not None:
        for kind in DECODING:
            tensor = getattr(trace.decoding, kind)
            yield Piece((kind, -1), tensor, weight=likely.weight(kind, None, tensor))
    for step in sorted(numbers, key=likely.order):
        if step.value.is_complex():  # has no place on a scale of numbers; the page says that it is not there
            continue
        if derived[step] is None:
            yield piece("value", step, step.value)
        recipe = recipes[step]
        if recipe is not None and recipe.table is not None:
            yield piece("table", step, recipe.table)
    for step in numbers:
        if step in gradients and not step.value.is_complex():
            yield piece("weight gradient" if step.op == "parameter" else "gradient", step, gradients[step])


def place(piece: Piece, packed: Packed, blocks: Blocks, entry: dict[str, Any]) -> None:
    """Put a piece into the file, and into the entry of what it belongs to where it lies."""
    kind = piece.key[0]
    entry["gradient" if kind == "weight gradient" else kind] = blocks.placed(piece, packed)


# --- what need not be stored -----------------------------------------------------------------------------------------


def derivable(trace: Trace, step: Step, recipe: Recipe | None) -> Any:
    """True (or what fills the gaps) if the page gets exactly these digits from the operands by itself, else None."""
    if recipe is None or not step.value.is_floating_point() or step.value.numel() < 64:
        return None
    operands = list(step.operands.values())
    body = recipe.body
    if body[0] in ("x", "map"):
        return moved_exactly(step, recipe, operands)
    if not exact(body) or any(not one.value.is_floating_point() for one in operands):
        return None
    with torch.no_grad():
        doubles = {role: one.value.double() for role, one in step.operands.items()}
        try:
            again = result(trace.operation(step), step, doubles).to(step.value.dtype)
        except (RuntimeError, TypeError, LookupError):
            return None
    return True if same(again, step.value) else None


def exact(body: Any) -> bool:
    """Whether it is a few of those operations that round alike everywhere, of single cells."""
    kind = body[0]
    if kind in ("x", "n"):
        return True
    if kind == "f":
        return body[1] in EXACT and all(exact(one) for one in body[2])
    if kind in ("+", "*"):
        return len(body[1]) <= 3 and all(exact(one) for one in body[1])
    return kind in ("-", "/") and all(exact(one) for one in body[1:])


def moved_exactly(step: Step, recipe: Recipe, operands: Sequence[Step]) -> Any:
    body = recipe.body
    if body[0] == "x":
        source = operands[body[1]].value
        if source.dtype != step.value.dtype:
            return None
        index = torch.full(step.value.shape, body[2])
        for d, factor in body[3]:
            size = step.value.size(d)
            index += (torch.arange(size) * factor).view([size if k == d else 1 for k in range(step.value.dim())])
        return True if same(source.flatten()[index], step.value) else None
    if recipe.table is None or not body[1] or any(operands[n].value.dtype != step.value.dtype for n in body[1]):
        return None
    filled_in = step.value[recipe.table == 0]
    fill = filled_in[0] if filled_in.numel() else step.value.new_zeros(())
    row = torch.cat([fill.view(1), *(operands[n].value.flatten() for n in body[1])])
    if not same(row[recipe.table.long()], step.value):
        return None
    number = float(fill)
    return {"fill": number if abs(number) != float("inf") else "-inf" if number < 0 else "inf"}


def same(a: Tensor, b: Tensor) -> bool:
    """Equal to the last digit, the sign of zeros included."""
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    whole = {2: torch.int16, 4: torch.int32, 8: torch.int64}[b.element_size()]
    return bool((a.contiguous().view(whole) == b.contiguous().view(whole)).all())
