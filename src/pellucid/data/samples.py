"""Tables to begin with: scikit-learn's own, read from its archive of the package index as columns with names.

sample:diabetes        442 people, 10 measures, and how far the illness had gone a year later (Efron et al., 2004)
sample:wine            178 wines of three growers, 13 measures (Forina et al., 1991)
sample:breast-cancer   569 tumours, 30 measures of their cells, malignant or benign (Wolberg et al., 1995)
sample:iris            150 flowers of three species, 4 measures (Fisher, 1936)
"""

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pellucid.data.columns import Table
from pellucid.data.corpus.archives import archive, member
from pellucid.errors import DataError

PREFIX = "sample:"
FOLDER = "sklearn/datasets/data"
CELLS = (
    *("radius", "texture", "perimeter", "area", "smoothness", "compactness", "concavity", "concave points"),
    *("symmetry", "fractal dimension"),
)
WINE = (
    *("alcohol", "malic_acid", "ash", "alcalinity_of_ash", "magnesium", "total_phenols", "flavanoids"),
    *("nonflavanoid_phenols", "proanthocyanins", "color_intensity", "hue", "od280/od315_of_diluted_wines", "proline"),
)


@dataclass(frozen=True, slots=True)
class Sample:
    """A table of the archive: how it is read, and the column that is usually predicted."""

    read: Callable[[Path, str], Table]
    target: str


def sample_table(name: str) -> Table:
    """The table of a name such as `sample:wine`, its archive fetched unless it is in the cache.

    Raises DataError for any other name, or if the archive cannot be had.
    """
    return sample_of(name).read(archive("scikit-learn"), name)


def sample_of(name: str) -> Sample:
    """Raises DataError, naming those there are, if there is none of that name."""
    if name not in SAMPLES:
        raise DataError(f"{name}: there is no such sample", mend=f"There are {', '.join(SAMPLES)}.")
    return SAMPLES[name]


def is_sample(name: str) -> bool:
    return name.startswith(PREFIX)


def _diabetes(path: Path, name: str) -> Table:
    names = ["age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6", "progression"]
    rows = [line.split() for line in _unpacked(path, "diabetes_data_raw.csv.gz")]
    targets = [_short(line) for line in _unpacked(path, "diabetes_target.csv.gz")]
    return _table(name, names, [[*row, target] for row, target in zip(rows, targets, strict=True)])


def _labelled(file: str, names: tuple[str, ...], target: str) -> Callable[[Path, str], Table]:
    """A file whose first line counts rows and columns and names the classes, which stand as numbers in the last one."""

    def read(path: Path, name: str) -> Table:
        head, *lines = member(path, f"{FOLDER}/{file}").decode().split()
        classes = head.split(",")[2:]
        rows = [line.split(",") for line in lines]
        return _table(name, [*names, target], [[*row[:-1], classes[int(row[-1])]] for row in rows])

    return read


SAMPLES = {
    "sample:diabetes": Sample(_diabetes, "progression"),
    "sample:wine": Sample(_labelled("wine_data.csv", WINE, "grower"), "grower"),
    "sample:breast-cancer": Sample(
        _labelled(
            "breast_cancer.csv",
            tuple(f"{which} {cell}" for which in ("mean", "error of", "worst") for cell in CELLS),
            "diagnosis",
        ),
        "diagnosis",
    ),
    "sample:iris": Sample(
        _labelled("iris.csv", ("sepal length", "sepal width", "petal length", "petal width"), "species"), "species"
    ),
}


def _unpacked(path: Path, file: str) -> list[str]:
    return gzip.decompress(member(path, f"{FOLDER}/{file}")).decode().splitlines()


def _short(number: str) -> str:
    """151 for 1.510000000000000000e+02."""
    return f"{float(number):g}"


def _table(name: str, names: list[str], rows: list[list[str]]) -> Table:
    lines = [f"{name}, row {number}" for number in range(1, len(rows) + 1)]
    return Table(names, [list(column) for column in zip(*rows, strict=True)], lines)
