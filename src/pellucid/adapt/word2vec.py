"""Word vectors as the text file that word2vec's program wrote, which other libraries read.

The first line holds the number of words and of their dimensions; each further line a word and its numbers.
Source: Mikolov et al., 2013, https://code.google.com/archive/p/word2vec/.
"""

from collections.abc import Sequence
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from pellucid.errors import RunError
from pellucid.files import write_text


def write_word2vec(path: Path, words: Sequence[str], table: Float[Tensor, "word dimension"]) -> None:
    """Write all vectors, with as many digits as a 32-bit number has. Raises RunError if `path` cannot be written."""
    lines = [f"{len(words)} {table.size(1)}"]
    for word, row in zip(words, table.tolist(), strict=True):
        lines.append(" ".join([word, *(f"{value:.9g}" for value in row)]))  # a word holds no space, being cut at spaces
    try:
        write_text(path, "\n".join(lines) + "\n")
    except OSError as error:
        raise RunError(f"{path}: cannot be written ({error.strerror})", mend="Choose another --output.") from None
