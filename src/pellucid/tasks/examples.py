"""What a classifier is trained on: rows of a table or images, with the class and the side of each.

Files in, one tensor of inputs out; what must be kept to read further files in the same way (the columns of a table, the
size of images and how bright they are) is a `Form`. Stands between data/ and tasks/classify.py.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from pellucid.config import Config
from pellucid.data.columns import Table, is_missing, joined, read_table
from pellucid.data.images import DEV, FREE, TEST, Images, read_images
from pellucid.data.rows import Sides, split_contents, split_rows
from pellucid.data.samples import TABLES, read_sample_table
from pellucid.data.schema import Meaning, Schema, fitted, usable_rows
from pellucid.errors import DataError, RunError
from pellucid.files import REPLACE, write_text
from pellucid.models.cnn import Shape

FEWEST = 3  # examples of a class: one for each side


class ImageForm(Config):
    """The size of the images that a network reads, and how bright those of the training side are."""

    channels: int = Field(description="1: gray, 3: red, green and blue")
    height: int = Field(description="in pixels")
    width: int = Field(description="in pixels")
    means: tuple[float, ...] = Field(description="brightness of each channel, 0 to 1")
    deviations: tuple[float, ...] = Field(description="standard deviation of each channel")

    @classmethod
    def fitted(cls, pixels: Tensor) -> "ImageForm":
        """From the pixels of the training side."""
        counts = torch.stack([pixels[:, c].flatten().bincount(minlength=256) for c in range(pixels.size(1))]).double()
        shares = counts / counts.sum(1, keepdim=True)
        values = torch.arange(256).double() / 255
        means = shares @ values
        deviations = ((shares * (values - means[:, None]) ** 2).sum(1)).sqrt()
        return cls(
            channels=pixels.size(1),
            height=pixels.size(2),
            width=pixels.size(3),
            means=tuple(means.tolist()),
            deviations=tuple(d if d > 0 else 1.0 for d in deviations.tolist()),
        )

    @property
    def shape(self) -> Shape:
        return Shape(self.channels, self.height, self.width)

    def standardized(
        self, brightness: Float[Tensor, "image channel height width"]
    ) -> Float[Tensor, "image channel height width"]:
        """(x - mean) / deviation of each channel; brightness is 0 to 1."""
        means, deviations = (torch.tensor(values)[:, None, None] for values in (self.means, self.deviations))
        return (brightness - means) / deviations


@dataclass(frozen=True, slots=True)
class Form:
    """What a trained classifier must know to read a file: its classes, and the form of images or of a table."""

    classes: tuple[str, ...]
    image: ImageForm | None = None
    table: Schema | None = None

    def save(self, folder: Path) -> None:
        """Write classes.json and, for a table, columns.json."""
        image = self.image.model_dump(mode="json") if self.image else None
        text = json.dumps({"classes": self.classes, "image": image}, ensure_ascii=False, indent=1)
        if self.table is not None:
            self.table.save(folder / "columns.json")
        write_text(folder / "classes.json", text + "\n")

    @classmethod
    def load(cls, folder: Path) -> "Form":
        """Raises RunError if a file is missing or damaged."""
        path = folder / "classes.json"
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            classes, image = tuple(map(str, told["classes"])), told["image"]
        except FileNotFoundError:
            raise RunError(f"{path}: no such file", mend=REPLACE) from None
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise RunError(f"{path}: damaged ({error})", mend=REPLACE) from None
        if image is not None:
            return cls(classes, image=ImageForm.parse(image, where=str(path)))
        return cls(classes, table=Schema.load(folder / "columns.json"))


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """All examples. `inputs` are float32 rows of a table, or images as bytes; `origins` says where each stood."""

    form: Form
    inputs: Tensor
    labels: Tensor
    sides: Sides
    origins: Sequence[str]
    kind: str
    read: int
    fingerprint: str
    table: Table | None = None
    notes: list[dict[str, object]] = field(default_factory=list)

    def counts(self) -> list[dict[str, object]]:
        """How many of each class are on each side."""
        sides = {"train": self.sides.train, "dev": self.sides.dev, "test": self.sides.test}
        counted = {
            side: self.labels[torch.tensor(numbers, dtype=torch.int64)].bincount(minlength=len(self.form.classes))
            for side, numbers in sides.items()
        }
        return [
            {"class": name, **{side: int(counts[number]) for side, counts in counted.items()}}
            for number, name in enumerate(self.form.classes)
        ]


def examples_of_images(
    files: Sequence[str], size: str | None, colours: str, held_out: float, seed: int, form: Form | None
) -> Examples:
    """Read images and put each on a side, by what their pixels are: two equal images are never on two sides."""
    images = read_images(files, size, colours)  # type: ignore[arg-type]
    contents = [one.numpy().tobytes() for one in images.pixels]
    check_counts(images.labels, images.classes, ", ".join(files))
    sides = image_sides(images, contents, held_out, seed)
    check_sides(sides, ", ".join(files))
    known = form or Form(images.classes, image=ImageForm.fitted(images.pixels[torch.tensor(sides.train)]))
    digest = hashlib.sha256(json.dumps([images.classes, list(images.pixels.shape)]).encode())
    digest.update(images.labels.numpy().tobytes())
    for content in contents:
        digest.update(content)
    twice = len(contents) - len(set(contents))
    return Examples(
        known,
        images.pixels,
        images.labels,
        sides,
        images.origins,
        images.kind,
        len(images),
        digest.hexdigest(),
        notes=[{"kind": "twice", "count": twice}] if twice else [],
    )


def with_others(own: Examples, others: Examples) -> Examples:
    """The run's own examples with others as the test side, so that they are scored in the same way."""
    count = len(own.labels)
    table = None
    if own.table is not None and others.table is not None and own.form.table is not None:
        table = joined(own.form.table.only(own.table), others.table, Path(others.kind))
    return replace(
        own,
        inputs=torch.cat([own.inputs, others.inputs]),
        labels=torch.cat([own.labels, others.labels]),
        sides=Sides(own.sides.train, own.sides.dev, list(range(count, count + len(others.labels)))),
        origins=[*own.origins, *others.origins],
        table=table,
    )


def other_examples(files: Sequence[str], form: Form, delimiter: str | None, missing: str) -> Examples:
    """Examples that a trained classifier is to be scored on, read into its own form: sizes, columns, classes.

    Raises DataError for a class that it does not know, and for whatever reading refuses.
    """
    everything = Sides([], [], [])
    if form.image is not None:
        colours = "gray" if form.image.channels == 1 else "rgb"
        images = read_images(files, f"{form.image.width}x{form.image.height}", colours, fewest_classes=1)  # type: ignore[arg-type]
        named = [images.classes[label] for label in images.labels.tolist()]
        unknown = next((n for n, name in enumerate(named) if name not in form.classes), None)
        if unknown is not None:
            raise DataError(
                f"{images.origins[unknown]}: its class {named[unknown]} is none that the run knows",
                mend=f"It knows {', '.join(form.classes)}.",
            )
        labels = torch.tensor([form.classes.index(name) for name in named])
        return Examples(form, images.pixels, labels, everything, images.origins, images.kind, len(images), "")
    assert form.table is not None, "a form is of images or of a table"
    meaning = Meaning(form.table.target.name, "category", missing=missing)  # type: ignore[arg-type]
    table = usable_rows(form.table.only(table_of(files, delimiter)), form.table.as_taken(meaning))
    labels = form.table.targets(table)
    return Examples(form, form.table.encode(table), labels, everything, table.lines, "table", len(table), "", table)


def image_sides(images: Images, contents: Sequence[bytes], held_out: float, seed: int) -> Sides:
    """The sides that the files say, as far as they do; the rest drawn class by class.

    Files that have a test of their own but no development side give a share of their training side for that.
    """
    given = images.sides.tolist()
    strata = [str(label) for label in images.labels.tolist()]
    named = {side: [n for n, one in enumerate(given) if one == side] for side in set(given)}
    if set(named) == {FREE}:
        return split_contents(contents, seed, held_out, strata)
    rest = [n for n, one in enumerate(given) if one not in (DEV, TEST)]
    drawn = split_contents([contents[n] for n in rest], seed, held_out, [strata[n] for n in rest])
    dev, test = named.get(DEV), named.get(TEST)
    train = [rest[n] for n in drawn.train]
    if dev is not None:
        train += [rest[n] for n in drawn.dev]
    if test is not None:
        train += [rest[n] for n in drawn.test]
    return Sides(
        sorted(train),
        dev if dev is not None else [rest[n] for n in drawn.dev],
        test if test is not None else [rest[n] for n in drawn.test],
    )


def examples_of_table(
    files: Sequence[str],
    target: str | None,
    delimiter: str | None,
    categorical: Sequence[str],
    left_out: Sequence[str],
    missing: str,
    held_out: float,
    seed: int,
    form: Form | None,
) -> Examples:
    """Read a table and put each row on a side, class by class."""
    table = table_of(files, delimiter)
    target = target or (TABLES.get(files[0].removeprefix("sample:")) if files[0].startswith("sample:") else None)
    if target is None:
        raise DataError(
            f"{', '.join(files)}: which column is to be predicted?",
            mend=f"Give --target; the columns are: {', '.join(table.names)}.",
        )
    meaning = Meaning(target, "category", categorical, left_out, missing)  # type: ignore[arg-type]
    usable = usable_rows(table, meaning)
    names = usable.column(target)
    if len(set(names)) < 2:
        raise DataError(
            f"{', '.join(files)}: all {len(names):,} rows are of one class, {names[0]}; there is nothing to tell apart",
            mend="Choose another --target, or add rows of another class.",
        )
    sides = split_rows(usable, seed, held_out, names)
    schema = form.table if form and form.table else fitted(usable.rows(sides.train), usable, meaning)
    known = form or Form(schema.target.categories, table=schema)
    labels = schema.targets(usable)
    check_counts(labels, known.classes, ", ".join(files))
    check_sides(sides, ", ".join(files))
    digest = hashlib.sha256(json.dumps([table.names, table.columns], ensure_ascii=False).encode())
    return Examples(
        known,
        schema.encode(usable),
        labels,
        sides,
        usable.lines,
        "table",
        len(table),
        digest.hexdigest(),
        usable,
    )


def table_of(files: Sequence[str], delimiter: str | None = None) -> Table:
    """The rows of tables or of one sample."""
    if len(files) == 1 and files[0].startswith("sample:"):
        return read_sample_table(files[0])
    return read_table(files, delimiter)


def check_counts(labels: Tensor, classes: Sequence[str], where: str) -> None:
    """Raises DataError for a class with fewer examples than there are sides."""
    for number, count in enumerate(labels.bincount(minlength=len(classes)).tolist()):
        if count < FEWEST:
            what = f"{count} example" + ("" if count == 1 else "s")
            raise DataError(
                f"{where}: class {classes[number]} has {what}; at least {FEWEST} are needed, one for each side",
                mend="Add examples of it, or take the class out.",
            )


def check_sides(sides: Sides, where: str) -> None:
    """Raises DataError for a side without any example."""
    for name, side in (("training", sides.train), ("development", sides.dev), ("test", sides.test)):
        if not side:
            raise DataError(
                f"{where}: no example is left for the {name} side",
                mend="Add examples, or hold out another share (data.held_out).",
            )


def shown_row(table: Table, number: int) -> dict[str, str]:
    """A row as a person reads it, cells without a value left out."""
    return {name: cell for name, cell in table.row(number).items() if not is_missing(cell)}
