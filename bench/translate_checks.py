"""How many translations keep what a program needs: at first, after trying again, and those that are refused.

    python bench/translate_checks.py [--run runs/en-zh] [--write docs/benchmarks.md]

Held-out texts of a run: those with placeholders, those with tags or entities, and the first of all. For each the
share whose best hypothesis breaks no grave check (data/integrity) as it comes, and what `Run.careful` makes of them:
taken from the beam after mechanical repairs, as first or later hypothesis; from the constrained pass; refused; and the
processor time of `Run.translations` and of `Run.careful`. Then how many pairs one core checks in a
second, training's too. Last, what was written is counted by a pattern of this script's own, and anything broken fails
the script.
"""

import argparse
import re
import sys
from collections import Counter
from pathlib import Path

from tables import cpu_seconds, machine_line, replace_section

import pellucid
from pellucid.data.integrity import breaches
from pellucid.data.slots import FORMAT, MARKUP
from pellucid.generate.careful import Proposal
from pellucid.run import Run
from pellucid.tasks.translate import prepare

# Not data/slots.py's: what a reader of this script would call a placeholder or a tag.
WITNESS = re.compile(
    r"%\(\w+\)[sdif]|%\d+\$[sd]|%[sd](?![a-zA-Z])|%\.?\d*[dfs](?=[a-z]{1,3}\b)|%\d|\{\w*\}|\{\{[^{}]*\}\}|</?[a-z]+|&[a-z]+;"
)


def row(name: str, texts: list[str], run: Run) -> tuple[str, list[tuple[str, Proposal]]]:
    """One line of the table, and the proposals."""
    config = run.config.data
    began = cpu_seconds()
    plain = [found[0].text for found in run.translations(texts, engine="torch")]
    middle = cpu_seconds()
    proposals = run.careful(texts, engine="torch")
    ended = cpu_seconds()
    kept = sum(
        not any(breach.grave for breach in breaches(text, one, config.source, config.target))
        for text, one in zip(texts, plain, strict=True)
    )
    ways = Counter((p.way, p.rank > 0) if p.way == "beam" else (p.way, False) for p in proposals)
    shares = [kept, ways["beam", False], ways["beam", True], ways["constrained", False]]
    passed = len(texts) - ways["none", False]
    cells = [f"{count / len(texts):.1%}" for count in (*shares, passed)]
    line = (
        f"| {name} | {len(texts):,} | {' | '.join(cells)} | {ways['none', False]} "
        f"| {middle - began:.1f} s | {ended - middle:.1f} s |"
    )
    print(line, file=sys.stderr, flush=True)
    return line, list(zip(texts, proposals, strict=True))


def pairs_a_second(run: Run) -> tuple[int, float]:
    """Of all pairs, the best of three rounds, by processor time."""
    config = run.config.data
    splits = prepare(config).splits
    pairs = [(pair.source, pair.target) for pair in splits.train]
    pairs += [(one.source, reference) for one in (*splits.dev, *splits.test) for reference in one.references]
    times = []
    for _ in range(3):
        began = cpu_seconds()
        for source, target in pairs:
            breaches(source, target, config.source, config.target)
        times.append(cpu_seconds() - began)
    return len(pairs), len(pairs) / min(times)


def broken(text: str, translation: str) -> bool:
    """By the witness alone."""
    return sorted(WITNESS.findall(text)) != sorted(WITNESS.findall(translation))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, default=Path("runs/en-zh"))
    parser.add_argument("--most", type=int, default=500, help="of the texts of all kinds")
    parser.add_argument("--write", type=Path, help="a Markdown file in which the table is replaced")
    args = parser.parse_args()
    run = pellucid.open_run(args.run)
    config, splits, decoding = run.config, run.task.data.splits, run.decoding
    texts = list(dict.fromkeys(example.source for example in (*splits.test, *splits.dev)))
    placeholders = [text for text in texts if FORMAT.search(text)]
    tags = [text for text in texts if MARKUP.search(text)]
    lines, written = [], []
    for name, some in (("placeholders", placeholders), ("tags or entities", tags), ("anything", texts[: args.most])):
        line, proposals = row(name, some, run)
        lines.append(line)
        written += [(text, proposal.text) for text, proposal in proposals if proposal.text]
    wrong = [pair for pair in written if broken(*pair)]
    count, rate = pairs_a_second(run)
    text = "\n".join(
        [
            f"{config.data.source}-{config.data.target}, d {config.model.d_model}, {config.model.encoder_layers}+"
            f"{config.model.decoder_layers} layers, trained for {config.training.budget or config.training.steps}, "
            f"beam {decoding.beam}. {machine_line()}.",
            "",
            "| texts with | number | as it comes | beam, first | beam, later | constrained | pass | refused "
            "| plain, processor time | careful |",
            "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
            *lines,
            "",
            f"Written and broken, counted by another pattern: {len(wrong)} of {len(written):,}.",
            f"One core checks {round(rate, -3):,.0f} pairs a second, of all {count:,} of this run.",
        ]
    )
    print(text)
    if args.write:
        replace_section(args.write, "bench/translate_checks.py", text)
    if wrong:
        raise SystemExit("\n".join(f"broken: {source!r} -> {target!r}" for source, target in wrong))


if __name__ == "__main__":
    main()
