"""All catalogs of the default corpus's small set, as they are in the wild."""

from pathlib import Path
from zipfile import ZipFile

import polib
import pytest

from pellucid.data.corpus.fetch import download
from pellucid.data.corpus.interface_strings import Package, packages
from pellucid.data.localization import open_document

KEPT = ("msgctxt", "msgid", "msgid_plural", "comment", "tcomment", "occurrences", "obsolete")


@pytest.mark.slow
@pytest.mark.parametrize("package", packages("small"), ids=lambda package: package.name)
def test_real_catalogs_are_read_as_polib_reads_them_and_only_filled_entries_change(
    package: Package, tmp_path: Path
) -> None:
    wheel = download(package.name, package.version, package.sha256, tmp_path)
    with ZipFile(wheel) as archive:
        catalogs = {name: archive.read(name) for name in archive.namelist() if name.endswith((".po", ".pot"))}
    path, filled = tmp_path / "catalog.po", tmp_path / "filled.po"
    for name, content in catalogs.items():
        path.write_bytes(content)
        document = open_document(path)
        assert document.filled({}) == content, name
        before = polib.pofile(str(path))
        texts = [(unit.context, unit.source, unit.target) for unit in document.units if not unit.plural]
        live = [entry for entry in before if not entry.obsolete and not entry.msgid_plural]
        assert texts == [(entry.msgctxt or "", entry.msgid, entry.msgstr) for entry in live], name
        proposals = {u.number: f"译 {u.source}" for u in document.units if u.state == "untranslated"}
        filled.write_bytes(document.filled(proposals))
        again = open_document(filled)
        entries = {document.units[number].line for number in proposals}  # the flag is of a whole entry
        for unit, then in zip(document.units, again.units, strict=True):
            assert then.target == proposals.get(unit.number, unit.target)
            assert then.state == ("needs review" if unit.line in entries and then.target else unit.state)
        for entry, after in zip(before, polib.pofile(str(filled)), strict=True):
            assert [getattr(entry, field) for field in KEPT] == [getattr(after, field) for field in KEPT]
            changed = (entry.msgstr, entry.msgstr_plural) != (after.msgstr, after.msgstr_plural)
            flags = ["fuzzy"] * changed + [flag for flag in entry.flags if flag != "fuzzy" or not changed]
            assert sorted(after.flags) == sorted(flags)
