"""The default corpus: read from wheels without installing them, whole or not at all."""

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import polib
import pytest

from pellucid.data.corpus import interface_strings
from pellucid.data.corpus.catalogs import pairs_in_wheel
from pellucid.data.corpus.fetch import download
from pellucid.data.corpus.interface_strings import Package, collect, packages
from pellucid.errors import DataError

PERMISSIVE = {"Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause"}


def catalog(*entries: polib.POEntry) -> polib.POFile:
    made = polib.POFile()
    made.extend(entries)
    return made


def wheel(path: Path, members: dict[str, bytes | str]) -> Path:
    with ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def compiled(place: Path, made: polib.POFile) -> bytes:
    made.save_as_mofile(str(place / "x.mo"))
    return (place / "x.mo").read_bytes()


@pytest.fixture
def example(tmp_path: Path) -> Path:
    entry = polib.POEntry
    po = catalog(
        entry(msgid="Save", msgstr="保存"),
        entry(msgid="Old", msgstr="旧", flags=["fuzzy"]),
        entry(msgid="Gone", msgstr="没了", obsolete=True),
        entry(msgid="Line one\nline\ttwo", msgstr="第一行\n第二行"),
        entry(msgid="app.menu.title", msgstr="标题"),
        entry(msgid="Device", msgstr="設備"),
        entry(msgid="%d file", msgid_plural="%d files", msgstr_plural={0: "%d 个文件"}),
    )
    mo = catalog(entry(msgid="Open", msgstr="打开"))
    english = {"title": "Charging limit", "list": ["One", "Two"], "more": {"name": "Room name"}, "only": "English only"}
    chinese = {"title": "充电限制", "list": ["二", "一"], "more": {"name": "房间名"}}
    return wheel(
        tmp_path / "demo-1.0-py3-none-any.whl",
        {
            "demo/locale/zh_CN/LC_MESSAGES/a.po": str(po),
            "demo/locale/zh_CN/LC_MESSAGES/a.mo": compiled(tmp_path, catalog(entry(msgid="Twin", msgstr="同一目录"))),
            "demo/locale/zh_Hans/LC_MESSAGES/b.mo": compiled(tmp_path, mo),
            "demo/locale/de/LC_MESSAGES/a.po": str(catalog(entry(msgid="Save", msgstr="Speichern"))),
            "demo/locale/zh_CN/LC_MESSAGES/broken.mo": b"\xde\x12\x04\x95broken",
            "demo/translations/en.json": json.dumps(english),
            "demo/translations/zh-Hans.json": json.dumps(chinese),
            "demo/code.py": "raise SystemExit('run')",
        },
    )


def test_a_wheel_gives_its_finished_and_fitting_translations(example: Path) -> None:
    found = {(pair.source, pair.target) for pair in pairs_in_wheel(example, "zh")}
    assert found == {
        ("Save", "保存"),
        ("Line one line two", "第一行 第二行"),
        ("%d files", "%d 个文件"),
        ("Open", "打开"),
        ("Charging limit", "充电限制"),
        ("Room name", "房间名"),
    }


def test_each_pair_says_from_which_file_it_is(example: Path) -> None:
    origins = {pair.source: pair.origin for pair in pairs_in_wheel(example, "de")}
    assert origins == {"Save": "demo/demo/locale/de/LC_MESSAGES/a.po"}


def test_a_file_that_is_no_wheel_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.whl"
    path.write_bytes(b"PK but not really")
    with pytest.raises(DataError, match="damaged"):
        list(pairs_in_wheel(path, "zh"))


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch, example: Path, tmp_path: Path) -> tuple[dict[str, Path], list[str]]:
    """A list of two packages, their wheels, and which were fetched."""
    other = wheel(
        tmp_path / "other-2.0-py3-none-any.whl", {"o/locale/zh/LC_MESSAGES/o.po": 'msgid "Stop"\nmsgstr "停止"\n'}
    )
    wheels = {"demo": example, "other": other}
    made = [
        Package(name, "1", "MIT", 0.1, hashlib.sha256(path.read_bytes()).hexdigest(), "small")
        for name, path in wheels.items()
    ]
    monkeypatch.setattr(interface_strings, "packages", lambda size: made)
    return wheels, []


def fetcher(wheels: dict[str, Path], fetched: list[str], offline: str = "") -> Callable[[Package, Path], Path]:
    def fetch(package: Package, folder: Path) -> Path:
        if package.name == offline:
            raise DataError("no network", mend="Find one.")
        fetched.append(package.name)
        return Path(shutil.copy(wheels[package.name], folder))

    return fetch


def test_a_corpus_is_fetched_once(listed: tuple[dict[str, Path], list[str]], tmp_path: Path) -> None:
    wheels, fetched = listed
    first = collect("zh", cache=tmp_path / "cache", fetch=fetcher(wheels, fetched))
    again = collect("zh", cache=tmp_path / "cache", fetch=fetcher({}, fetched))
    german = collect("de", cache=tmp_path / "cache", fetch=fetcher({}, fetched))
    assert first == again
    assert fetched == ["demo", "other"]
    assert first.read_text(encoding="utf-8").startswith("en\tzh\torigin\n")
    assert len(first.read_text(encoding="utf-8").splitlines()) == 1 + 7
    assert len(german.read_text(encoding="utf-8").splitlines()) == 1 + 1


def test_a_collection_that_broke_off_goes_on_where_it_was(
    listed: tuple[dict[str, Path], list[str]], tmp_path: Path
) -> None:
    wheels, fetched = listed
    with pytest.raises(DataError, match="no network"):
        collect("zh", cache=tmp_path / "cache", fetch=fetcher(wheels, fetched, offline="other"))
    assert not list((tmp_path / "cache").rglob("en-zh.tsv")), "a table is there whole or not at all"
    collect("zh", cache=tmp_path / "cache", fetch=fetcher(wheels, fetched))
    assert fetched == ["demo", "other"]


def test_a_wheel_of_another_content_is_refused(listed: tuple[dict[str, Path], list[str]], tmp_path: Path) -> None:
    wheels, fetched = listed
    with pytest.raises(DataError, match="SHA-256 differs"):
        collect("zh", cache=tmp_path / "cache", fetch=fetcher({**wheels, "demo": wheels["other"]}, fetched))


def test_every_listed_package_is_pinned_and_permissive() -> None:
    large = packages("large")
    assert len({package.name.lower() for package in large}) == len(large)
    for package in large:
        assert re.fullmatch(r"[0-9a-f]{64}", package.sha256), package.name
        assert package.licence in PERMISSIVE, package.name
    small, default = packages("small"), packages("default")
    assert set(small) < set(default) < set(large)
    assert sum(package.megabytes for package in default) <= 101


def test_a_package_that_cannot_be_fetched_is_named_with_a_mend(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(DataError, match="no-such-package 1 could not be fetched") as caught:
        download("no-such-package", "1", "0" * 64, tmp_path)
    assert "network" in caught.value.mend


@pytest.mark.slow
def test_the_small_corpus_is_collected_for_real(tmp_path: Path) -> None:
    table = collect("zh", "small", cache=tmp_path)
    assert len(table.read_text(encoding="utf-8").splitlines()) > 10_000
