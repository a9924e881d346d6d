"""Train a translator on the example pairs, use it, and see how it does on sentences that it has not seen.

    python examples/train_in_python.py

The 218 pairs are enough to see every part at work, and far too few for good translations.
"""

from pathlib import Path

import pellucid

CONFIG = Path(__file__).parent / "en-zh.toml"


def main() -> None:
    run = pellucid.train(CONFIG)
    print(f"{run.path}: {run.status}, {run.ending()}")

    sentences = ["Delete the selected files?", "The server is not ready."]
    for sentence, translation in zip(sentences, run.translate(sentences), strict=True):
        print(f"{sentence} -> {translation}")

    scores = run.evaluate()["subsets"]["all"]["systems"]
    for system, score in scores.items():
        print(f"{system}: chrF {score['chrf']['value']}")


if __name__ == "__main__":
    main()
