"""The table to begin with: 442 people, ten measures of each, and how far their diabetes had gone a year later.

Read from scikit-learn's archive of the package index, in the units in which it was measured.
Source: Efron, Hastie, Johnstone & Tibshirani, "Least angle regression", 2004.
"""

import gzip

from pellucid.data.columns import Table
from pellucid.data.corpus.archives import archive, member

NAME, TARGET = "sample:diabetes", "progression"
FOLDER = "sklearn/datasets/data"
MEASURES = ("age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6")


def diabetes_table() -> Table:
    """The table, its archive fetched unless it is in the cache. Raises DataError if that cannot be had."""
    rows = [line.split() for line in _unpacked("diabetes_data_raw.csv.gz")]
    targets = [f"{float(line):g}" for line in _unpacked("diabetes_target.csv.gz")]
    columns = [*(list(column) for column in zip(*rows, strict=True)), targets]
    return Table([*MEASURES, TARGET], columns, [f"{NAME}, row {number}" for number in range(1, len(rows) + 1)])


def _unpacked(file: str) -> list[str]:
    return gzip.decompress(member(archive("scikit-learn"), f"{FOLDER}/{file}")).decode().splitlines()
