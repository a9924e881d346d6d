"""What a search found, to choose among: each translation as words, and where in the source each word looked.

Made of a watched search (`see/decode.py`), so that the translations are those of `pellucid translate`, to the bit.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pellucid.data.tokenizer import Tokenizer
from pellucid.generate.config import DecodingConfig
from pellucid.generate.decode import END
from pellucid.generate.text import prepare
from pellucid.models.translator import Translator
from pellucid.see.decode import decode_text
from pellucid.see.decoding import Decoding
from pellucid.see.joining import Word, joined


@dataclass(frozen=True, slots=True)
class Alternative:
    """One translation: its words, log p of all its tokens with the end, and the score that ranks it."""

    node: int
    text: str
    words: tuple[Word, ...]
    log_probability: float
    score: float


@dataclass(frozen=True, eq=False)
class Alternatives:
    """The translations of one text, best first; `source` are its words, the last of them its end, without text.

    `kept` are the strings that are copied, `cut` says that the text was longer than the model reads.
    """

    text: str
    source: tuple[Word, ...]
    kept: tuple[str, ...]
    cut: bool
    found: tuple[Alternative, ...]
    decoding: Decoding

    @property
    def layers(self) -> int:
        return self.decoding.attention.size(1)

    @property
    def heads(self) -> int:
        return self.decoding.attention.size(2)

    def shares(self, chosen: Alternative, word: Word, layer: int | None, head: int | None) -> list[float]:
        """The share of each source word in choosing a word: the mean over its tokens of cross-attention weights, which
        are added up over the tokens of the source word and averaged over layers and heads not named. They sum to 1.
        """
        path = self.decoding.path_to(chosen.node)[word.first : word.after]
        rows = [self._looked(node.parent, layer, head) for node in path]
        of_tokens = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
        return [sum(of_tokens[one.first : one.after]) for one in self.source]

    def _looked(self, parent: int | None, layer: int | None, head: int | None) -> list[float]:
        assert parent is not None  # only the root has none, and it is on no path
        return self.decoding.attended(self.decoding.nodes[parent], layer, head)


def alternatives(model: Translator, tokenizer: Tokenizer, text: str, config: DecodingConfig) -> Alternatives:
    """What the search finds for a text: as many translations as it keeps side by side.

    Raises TraceError if the text is empty or a score is nan.
    """
    decoding = decode_text(model, tokenizer, text, config)
    (prepared,) = prepare(tokenizer, [text], model.config.max_length)
    (whole,) = prepare(tokenizer, [text], len(text.encode()) + 2)  # a token has at least a byte
    ended = decoding.ended()[: decoding.width]
    return Alternatives(
        text=decoding.text,
        source=tuple(joined(tokenizer, prepared.ids, prepared.strings)),
        kept=prepared.strings,
        cut=len(prepared.ids) < len(whole.ids),
        found=tuple(
            Alternative(
                node.number,
                node.written,
                tuple(joined(tokenizer, written(decoding, node.number), prepared.strings)),
                node.total,
                node.score or 0.0,
            )
            for node in ended
        ),
        decoding=decoding,
    )


def written(decoding: Decoding, number: int) -> Sequence[int]:
    """The tokens of a hypothesis, without the end."""
    return [node.token for node in decoding.path_to(number) if node.token != END]
