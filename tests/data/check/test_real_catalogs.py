"""Real catalogs, as programs ship them: nothing is found where a person who read them found nothing either."""

from pathlib import Path
from zipfile import ZipFile

import pytest

from pellucid.data.check.whole import check_files
from pellucid.data.corpus.fetch import check_content, download
from pellucid.data.corpus.interface_strings import packages

# Package, folder of the language, catalog, and how many pairs it has at least.
CLEAN = [
    ("Trac", "de", "messages.mo", 1200),
    ("Trac", "fr", "messages.mo", 1400),
    ("horizon", "de", "django.po", 2400),
    ("horizon", "de", "djangojs.po", 1000),
    ("ironic-ui", "de", "djangojs.po", 200),
    ("ironic-ui", "zh_Hans", "djangojs.po", 200),
    ("sahara-dashboard", "de", "django.po", 600),
    ("sahara-dashboard", "fr", "django.po", 500),
    ("sahara-dashboard", "zh_Hans", "django.po", 500),
]
# What was found in others by reading, and is there: each a slip of a translator.
FAULTY = [
    ("horizon", "fr", "django.po", "number-differs", "51200"),
    ("octavia-dashboard", "zh_Hans", "djangojs.po", "number-differs", "65536"),
    ("Trac", "zh_CN", "messages.mo", "wrong-script", "Did you mean this?"),
    ("horizon", "fr", "djangojs.po", "identical-sides", "Create a new user"),
]


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    wanted = {name for name, *_ in (*CLEAN, *FAULTY)}
    found = {}
    for package in packages("default"):
        if package.name in wanted:
            wheel = download(package.name, package.version, package.sha256, tmp_path_factory.mktemp("wheel"))
            check_content(wheel, package.sha256)
            found[package.name] = wheel
    return found


def unpacked(wheel: Path, language: str, name: str, folder: Path) -> Path:
    """The largest catalog of that name, as a package may have several."""
    with ZipFile(wheel) as archive:
        members = [info for info in archive.infolist() if info.filename.endswith(f"/{language}/LC_MESSAGES/{name}")]
        path = folder / f"{language}-{name}"
        path.write_bytes(archive.read(max(members, key=lambda info: info.file_size)))
    return path


@pytest.mark.slow
@pytest.mark.parametrize(("package", "language", "name", "pairs"), CLEAN)
def test_nothing_is_found_in_a_clean_catalog(
    wheels: dict[str, Path], tmp_path: Path, package: str, language: str, name: str, pairs: int
) -> None:
    path = unpacked(wheels[package], language, name, tmp_path)
    (checked,) = check_files([path], languages=("en", language[:2]))
    assert checked.findings.faults == []
    assert checked.size["pairs"] >= pairs


@pytest.mark.slow
@pytest.mark.parametrize(("package", "language", "name", "kind", "text"), FAULTY)
def test_slips_that_were_shipped_are_found(
    wheels: dict[str, Path], tmp_path: Path, package: str, language: str, name: str, kind: str, text: str
) -> None:
    path = unpacked(wheels[package], language, name, tmp_path)
    (checked,) = check_files([path], languages=("en", language[:2]))
    assert any(fault.kind == kind and text in f"{fault.said('en')}" for fault in checked.findings.faults)
