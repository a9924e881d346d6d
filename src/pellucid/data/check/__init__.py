"""Checking data before anything is trained on it: what is wrong, where it stands, and how to mend it.

`check_files` in whole.py takes whatever files a person has; one module a family of faults does the finding:

    lines.py       bytes: encodings, damaged archives, line ends
    characters.py  what no text should hold: control characters, mojibake, invisible marks
    tables.py      the form of a table: columns, delimiters, quotes, its header
    cells.py       the values of columns: missing, mixed, infinite, far away, always the same
    targets.py     what is to be predicted: leaks, contradictions, rare classes
    pictures.py    a folder of class folders; arrays.py: .npz and IDX; pixels.py: what both become
    texts.py       text files: repeated stretches, boilerplate, long lines
    pairs.py       sentences and their translations, row by row: sides.py has what is wrong with one alone, twins.py
                   what is held out; read as far as can be by pair_rows.py, catalogs.py and memories.py
    mend.py        what can be put right in them

A family gets a `Findings` (fault.py) and adds faults to it, each of a kind with a sentence in words.en.json and
words.zh.json. A new kind needs these two sentences, its mend in both, and a test that plants it.
"""
