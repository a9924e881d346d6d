"""Localization files, read and rewritten byte for byte: what is untranslated in them can be filled, nothing else moves.

`open_document` (opening.py) gives a `Document` (document.py) of units; one module a format finds their places:

    po.py          gettext catalogs; po_strings.py: how these write a text
    xliff.py       XLIFF 1.2 and 2.0; android.py: strings.xml; xml_places.py: where things stand in XML
    json_texts.py  JSON, nested or flat
    table.py       tab- and comma-separated tables

written.py keeps the bytes; plural_forms.py and plurals.py know which forms a plural has in a language.
"""

from pellucid.data.localization.document import Document, Unit
from pellucid.data.localization.opening import is_localization, open_document

__all__ = ["Document", "Unit", "is_localization", "open_document"]
