"""The archives of default data: fetched once, checked, read without being installed."""

import hashlib
import tarfile
from pathlib import Path
from zipfile import ZipFile

import pytest

from pellucid.data.corpus.archives import ARCHIVES, archive, member, members
from pellucid.errors import DataError


@pytest.mark.parametrize("name", ARCHIVES)
def test_an_archive_is_fetched_once_and_is_the_one_listed(name: str) -> None:
    path = archive(name)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == ARCHIVES[name].sha256
    written = path.stat().st_mtime_ns
    assert archive(name) == path
    assert path.stat().st_mtime_ns == written
    assert path.stat().st_size / 1e6 == pytest.approx(ARCHIVES[name].megabytes, abs=0.1)


def test_the_texts_of_a_source_archive_are_read_without_building_it() -> None:
    path = archive("shakespeare")
    texts = [name for name in members(path, "_gut.txt") if "shksprdata" in name]
    assert len(texts) > 30
    assert b"wherefore art thou Romeo" in member(path, "romeo_and_juliet_gut.txt")


def made(folder: Path, kind: str) -> Path:
    (folder / "a.csv").write_text("1,2\n")
    path = folder / f"made.{kind}"
    if kind == "zip":
        with ZipFile(path, "w") as packed:
            packed.write(folder / "a.csv", "package/data/a.csv")
    else:
        with tarfile.open(path, "w:gz") as tar:
            tar.add(folder / "a.csv", "package/data/a.csv")
    return path


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_a_file_is_found_by_what_its_name_ends_with(tmp_path: Path, kind: str) -> None:
    path = made(tmp_path, kind)
    assert members(path, ".csv") == ["package/data/a.csv"]
    assert member(path, "data/a.csv") == b"1,2\n"
    with pytest.raises(DataError, match=r"holds no b\.csv"):
        member(path, "b.csv")


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_a_damaged_archive_is_refused_in_one_sentence(tmp_path: Path, kind: str) -> None:
    path = made(tmp_path, kind)
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(DataError, match="damaged"):
        members(path, ".csv")
