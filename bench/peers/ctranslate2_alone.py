"""What a person would write who has CTranslate2 and an exported model: a file in, a file out, nothing checked.

python bench/peers/ctranslate2_alone.py runs/en-zh/ctranslate2 lines.txt out.txt BEAM WORKERS
"""

import sys
from pathlib import Path

import ctranslate2
from tokenizers import Tokenizer


def main(folder: Path, source: Path, output: Path, beam: int, workers: int) -> None:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    translator = ctranslate2.Translator(str(folder), inter_threads=workers, intra_threads=1)
    lines = source.read_text(encoding="utf-8").splitlines()
    tokens = [[*encoding.tokens, tokenizer.id_to_token(2)] for encoding in tokenizer.encode_batch(lines)]
    longest = max(map(len, tokens))
    results = translator.translate_batch(
        tokens, beam_size=beam, max_batch_size=32, max_decoding_length=min(3 * longest + 12, 256)
    )
    ids = [[tokenizer.token_to_id(token) for token in result.hypotheses[0]] for result in results]
    output.write_text("\n".join(tokenizer.decode_batch(ids)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))
