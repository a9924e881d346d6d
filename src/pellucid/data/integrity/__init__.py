"""What must be the same in a text and its translation, one module a family.

    placeholders.py  %s, {name}, ${path};  icu.py  plural and select blocks
    markup.py        HTML and XML tags and entities
    accelerators.py  the & or _ before a menu's letter
    ends.py          line breaks and white space at the ends, the closing mark
    numbers.py       numbers;  copied.py  addresses and code-like words
    glossary.py      terms that a person has laid down;  inflection.py  their English forms

`breaches` runs them all. repair.py sets right what can be set right without choosing words.
A new kind of breach needs a sentence in words.en.json and words.zh.json.
"""

from pellucid.data.integrity.breach import Breach
from pellucid.data.integrity.check import breaches
from pellucid.data.integrity.glossary import Term, read_glossary
from pellucid.data.integrity.repair import repaired

__all__ = ["Breach", "Term", "breaches", "read_glossary", "repaired"]
