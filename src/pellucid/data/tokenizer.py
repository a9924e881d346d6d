"""Tokens: text as the numbers that a network reads, and back without loss.

One byte-level BPE for both languages, trained on the training side only; nothing is unknown, because any byte
is a token. What must be copied letter for letter travels as slots (`slots.py`), each one token.
The file is Hugging Face `tokenizers` format. Stands between text and batches.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from tokenizers import AddedToken
from tokenizers import Tokenizer as Engine
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer

from pellucid.data.slots import CHARACTERS
from pellucid.errors import RunError
from pellucid.files import REPLACE, write_text

PAD, BOS, EOS = 0, 1, 2
SPECIAL = ["<|pad|>", "<|begin|>", "<|end|>"]
WITHOUT_SPACES = "⺀-鿿가-힣！-｠"  # scripts written without spaces between words, as ranges of a regular expression
SMALLEST = len(SPECIAL) + len(CHARACTERS) + 256  # the special tokens, the slots and every byte
_WITHOUT_SPACES = re.compile(f"[{WITHOUT_SPACES}]")


class Tokenizer:
    """Text to ids and back: `decode(encode(text)) == text` for any text.

    A text that begins with a letter of a spaced script is given a space in front, so that a word has one token
    wherever it stands; decoding takes that space away again.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.engine.encode_special_tokens = True  # a text that spells <|end|> is a text
        self._words: dict[str, bool] = {}

    @classmethod
    def train(cls, texts: Iterable[str], vocabulary: int) -> "Tokenizer":
        """Learn at most `vocabulary` tokens (special tokens, slots and bytes included) by merging frequent pairs.

        Source: Sennrich et al., "Neural Machine Translation of Rare Words with Subword Units", 2016.
        """
        engine = Engine(BPE())
        engine.pre_tokenizer = ByteLevel(add_prefix_space=False)
        engine.decoder = ByteLevelDecoder()
        trainer = BpeTrainer(
            vocab_size=max(vocabulary, SMALLEST) - len(CHARACTERS),
            min_frequency=2,
            special_tokens=SPECIAL,
            initial_alphabet=ByteLevel.alphabet(),
            show_progress=False,
        )
        engine.train_from_iterator((_spaced(text) for text in texts), trainer)
        # Slots match inside words too, and take no space with them. They are text, not special: decoding shows them.
        engine.add_tokens([AddedToken(slot, normalized=False) for slot in CHARACTERS])
        return cls(engine)

    @classmethod
    def load(cls, path: Path) -> "Tokenizer":
        """Raises RunError if the file is missing, not a tokenizer, or not one of ours."""
        engine = load_engine(path)
        if [engine.token_to_id(token) for token in SPECIAL] != [PAD, BOS, EOS]:
            raise RunError(f"{path}: not the tokenizer of a translator", mend=REPLACE)
        return cls(engine)

    def save(self, path: Path) -> None:
        write_text(path, self.engine.to_str(pretty=True))

    @property
    def size(self) -> int:
        return int(self.engine.get_vocab_size())

    @property
    def slot_ids(self) -> dict[str, int]:
        """The token of each slot, by its character."""
        vocabulary = self.engine.get_vocab()
        return {slot: vocabulary[slot] for slot in CHARACTERS}

    def names(self) -> list[str]:
        """The name of every token by its id, as tokenizer.json has it; each stands once."""
        vocabulary = self.engine.get_vocab()
        return sorted(vocabulary, key=lambda name: vocabulary[name])

    def encode(self, text: str) -> list[int]:
        return self.encode_all([text])[0]

    def encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        spaced = [_spaced(text) for text in texts]
        return [encoding.ids for encoding in self.engine.encode_batch(spaced, add_special_tokens=False)]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of `ids`; special tokens are passed over."""
        text = str(self.engine.decode([number for number in ids if number >= len(SPECIAL)], skip_special_tokens=False))
        return text.removeprefix(" ")

    def is_word(self, text: str) -> bool:
        """Whether the text is one token: frequent enough in training that it need not be spelled."""
        known = self._words.get(text)
        if known is None:
            known = self._words[text] = len(self.encode(text)) == 1
        return known

    def tokens(self, ids: Sequence[int]) -> list[str]:
        """Each id's own text, for showing: a token that is part of a character shows as its replacement sign."""
        return [
            SPECIAL[i] if i < len(SPECIAL) else str(self.engine.decode([i], skip_special_tokens=False)) for i in ids
        ]


def _spaced(text: str) -> str:
    """With one space in front, except before a script that is written without spaces (and an empty text)."""
    return text if not text or _WITHOUT_SPACES.match(text) else " " + text


def load_engine(path: Path) -> Engine:
    """What a tokenizer.json holds. Raises RunError if the file is missing or not a tokenizer that can be used."""
    try:
        engine = Engine.from_str(path.read_text(encoding="utf-8"))
        numbers = sorted(engine.get_vocab().values())
    except FileNotFoundError:
        raise RunError(f"{path}: no such file", mend=REPLACE) from None
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # the library raises the bare class for a file it cannot read, or a panic of Rust's
        reason = " ".join(str(error).split())[:200]
        raise RunError(f"{path}: not a tokenizer file ({reason})", mend=REPLACE) from None
    if numbers != list(range(len(numbers))):
        raise RunError(f"{path}: damaged; the numbers of its tokens have gaps", mend=REPLACE)
    return engine
