"""Whatever files a person has, checked: each input told apart by its name and content, and given to its own checks."""

import glob
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

from pellucid.data.check.arrays import check_idx, check_npz
from pellucid.data.check.fault import KEPT, Checked, Findings, kinds
from pellucid.data.check.mend import Mender
from pellucid.data.check.pairs import check_pairs
from pellucid.data.check.pictures import check_folder
from pellucid.data.check.pixels import check_read_images
from pellucid.data.check.tables import check_read_table, check_table
from pellucid.data.check.texts import check_texts, check_works
from pellucid.data.columns import SUFFIXES, Table
from pellucid.data.curves import curve_table, is_curve
from pellucid.data.diabetes import NAME as DIABETES
from pellucid.data.diabetes import TARGET as PROGRESSION
from pellucid.data.diabetes import diabetes_table
from pellucid.data.idx import is_idx
from pellucid.data.images import IMAGE_SUFFIXES
from pellucid.data.languages import languages_in_name
from pellucid.data.pairs import Pair
from pellucid.data.read import CORPUS
from pellucid.data.read import KINDS as PAIR_SUFFIXES
from pellucid.data.samples import IMAGES, TABLES, read_sample, read_sample_table
from pellucid.data.table import header
from pellucid.data.textfile import read_lines
from pellucid.data.works import FOLDER_KINDS, SAMPLE, read_works
from pellucid.errors import ConfigError, DataError

Kind = Literal["table", "images", "text", "pairs"]
ONLY_PAIRS = (*(suffix for suffix in PAIR_SUFFIXES if suffix not in (".tsv", ".tab", ".txt", ".csv")), ".zip")
AS = f"Say what it is: --as {', '.join(get_args(Kind))}."


def check_files(
    files: Sequence[str | Path],
    kind: Kind | None = None,
    *,
    target: str | None = None,
    delimiter: str | None = None,
    languages: tuple[str | None, str | None] = (None, None),
    ignored: Sequence[str] = (),
    kept: int = KEPT,
    held_out: Sequence[Pair] = (),
    mender: Mender | None = None,
) -> list[Checked]:
    """Check every input by itself; sentence pairs, whose files belong together, as one.

    `target` is the column to be predicted, of tables; `languages` are those of pairs, which may not be among those
    `held_out`, and of which a `mender` gets each. Kinds in `ignored` are not noted, and of each kind `kept` faults are.
    Raises DataError for what is not there or of no known format, ConfigError for other data where pairs are asked for.
    """
    if not files:
        raise DataError("no file was given", mend="Name what is to be checked: a table, a folder of images, a text.")
    unknown = sorted(set(ignored) - set(kinds()))
    if unknown:
        raise DataError(f"there is no kind of fault {unknown[0]!r}", mend=f"There are {', '.join(sorted(kinds()))}.")
    names = [str(file) for file in files]
    told = {name: kind or kind_of(name, any(languages)) for name in names}
    other = next((name for name in names if told[name] != "pairs"), None)
    if (mender or held_out) and other:
        raise ConfigError(
            f"{other}: is {told[other]}; only sentence pairs are mended or held out", mend="Leave it out."
        )
    found = [
        _checked(name, told[name], Findings(name, frozenset(ignored), kept), target, delimiter)
        for name in dict.fromkeys(names)
        if told[name] != "pairs"
    ]
    pairs = [name for name in names if told[name] == "pairs"]
    if pairs:
        findings = Findings(" ".join(pairs), frozenset(ignored), kept)
        if mender:
            findings.tell = mender.fault
        size = check_pairs(pairs, findings, *languages, delimiter, held_out, mender)
        found.append(Checked(findings.name, "pairs", size, findings))
    return found


def _checked(name: str, kind: Kind, findings: Findings, target: str | None, delimiter: str | None) -> Checked:
    if target and kind != "table":
        raise DataError(
            f"--target {target} names a column, and {name} is no table", mend="Leave --target out, or check it alone."
        )
    if kind == "table":
        if is_made(name):
            table, usual = made_table(name)
            size = check_read_table(table, findings, target or usual)
        else:
            size = check_table(name, findings, target, delimiter)
    elif kind == "images":
        size = _check_images(name, findings)
    else:
        size = check_works(read_works([name]), findings) if name.startswith(SAMPLE) else check_texts(name, findings)
    return Checked(name, kind, size, findings)


def _check_images(name: str, findings: Findings) -> dict[str, int]:
    path = Path(name)
    if name.startswith("sample:"):
        return check_read_images(read_sample(name), findings)
    if not path.exists():
        raise DataError(f"{name}: no such file or folder", mend="Check the name.")
    if is_idx(path):
        return check_idx([path] if path.is_dir() else _idx_pair(path), findings)
    if path.is_dir():
        return check_folder(path, findings)
    if path.suffix.lower() == ".npz":
        return check_npz(path, findings)
    raise DataError(f"{name}: not a place of images", mend="Give a folder of class folders, an .npz or IDX files.")


def _idx_pair(path: Path) -> list[Path]:
    """A file of images or labels, and the other that is named alike."""
    name = path.name
    other = name.replace("images", "labels").replace("idx3", "idx1")
    if other == name:
        other = name.replace("labels", "images").replace("idx1", "idx3")
    beside = path.with_name(other)
    return [path, beside] if beside.exists() else [path]


def made_table(name: str) -> tuple[Table, str]:
    """A sample or a curve as a table, and what is usually predicted in it. Raises DataError for no such name."""
    if is_curve(name):
        return curve_table(name, 400, 0.1, 0), "y"
    if name == DIABETES:
        return diabetes_table(), PROGRESSION
    return read_sample_table(name), TABLES.get(name.removeprefix("sample:"), "")


def is_made(name: str) -> bool:
    """Whether a name is of a sample or a curve rather than of a file."""
    return name.startswith("sample:") or is_curve(name)


def kind_of(name: str, with_languages: bool = False) -> Kind:
    """What an input is. Raises DataError for what is not there, or of no known format."""
    if name == CORPUS or name.startswith("corpus:"):
        return "pairs"
    if name.startswith("sample:") or is_curve(name):
        sample = name.removeprefix("sample:")
        return "text" if name.startswith(SAMPLE) else "images" if sample in IMAGES else "table"
    path = Path(name)
    if path.is_dir():
        return _kind_of_folder(path, with_languages)
    if not path.exists() and glob.has_magic(name):
        first = next((Path(found) for found in sorted(glob.glob(name, recursive=True))), None)  # noqa: PTH207 (may be absolute)
        if first is None:
            raise DataError(f"{name}: no file matches", mend="Check the pattern; `ls` shows what is there.")
        return kind_of(str(first), with_languages)
    if not path.exists():
        raise DataError(f"{name}: no such file", mend="Check the name; a pattern must be quoted.")
    found = _kind_of_file(path, with_languages)
    if found is None:
        raise DataError(f"{name}: no format is known for this name", mend=AS)
    return found


def _kind_of_file(path: Path, with_languages: bool) -> Kind | None:
    suffix = next((one for one in reversed(path.suffixes) if one != ".gz"), "").lower()
    if suffix == ".npz" or is_idx(path):
        return "images"
    if suffix in ONLY_PAIRS:
        return "pairs"
    if suffix in (".csv", ".tsv", ".tab", ".parquet"):
        return "pairs" if with_languages or _holds_languages(path, suffix) else "table"
    if suffix in FOLDER_KINDS:
        return "pairs" if with_languages else "text"
    return "pairs" if with_languages else None


def _holds_languages(path: Path, suffix: str) -> bool:
    """Whether a table is of sentence pairs: its name, or its first line, names two languages, or source and target."""
    if suffix == ".parquet":
        return False
    if len(languages_in_name(path)) == 2:
        return True
    try:
        first = next((line for _, line in read_lines(path)), "")
        return header(first.split("," if suffix == ".csv" else "\t"), (None, None), path) is not None
    except DataError:  # of a fault that the checks of tables find
        return False


def _kind_of_folder(folder: Path, with_languages: bool) -> Kind:
    if is_idx(folder):
        return "images"
    names = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    if any(path.suffix.lower() in IMAGE_SUFFIXES for path in names):
        return "images"
    for path in names:
        found = _kind_of_file(path, with_languages)
        if found is not None and not (found == "table" and path.suffix not in SUFFIXES):
            return found
    raise DataError(f"{folder}: no file in this folder has a known format", mend=AS)
