"""Sentences translated a second, and how long a cold start takes: ours beside Hugging Face generate and CTranslate2.

    python bench/translate.py [--run runs/en-zh] [--sentences 200] [--rounds 5] [--write docs/benchmarks.md]

All engines hold the weights of one trained run. In one process, taking turns: our decoding in PyTorch and `generate`
of the run's export to Hugging Face, greedy and with a beam of 5, 32 sentences at a time and one by one, on held-out
sentences of about 16 tokens given as token ids. As whole processes, taking turns: `pellucid translate --engine
ctranslate2`, from file to file with tokens, slots and everything else that it does, beside a script of ten lines that
has CTranslate2 do the same batches on as many workers. Then the time from pressing Enter to the end: `pellucid --help`
and one sentence by either engine.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from peers.marian_loop import translate as generate
from tables import Cores, machine_line, replace_section
from transformers import AutoModelForSeq2SeqLM, logging

import pellucid
from pellucid.adapt.export import Exportable, write_export
from pellucid.data.batching import padded
from pellucid.data.slots import take_out
from pellucid.data.tokenizer import EOS
from pellucid.generate.config import DecodingConfig
from pellucid.generate.exported import Quantization
from pellucid.run import Run

LENGTH = 16  # tokens of a source, about
BATCH, BEAM = 32, 5
PELLUCID = Path(sys.executable).parent / "pellucid"
ALONE = Path(__file__).parent / "peers" / "ctranslate2_alone.py"
Rows = list[list[int]]


def small_config(budget: str) -> pellucid.TranslateConfig:
    return pellucid.TranslateConfig.parse(
        {
            "data": {"files": ["corpus:interface-strings"], "source": "en", "target": "zh"},
            "model": {"preset": "small"},
            "training": {"budget": budget},
        }
    )


def sentences(run: Run, count: int) -> list[str]:
    """Held-out sources whose length in tokens comes nearest to LENGTH."""
    splits = run.task.data.splits
    texts = [example.source for example in (*splits.test, *splits.dev)]
    return sorted(texts, key=lambda text: abs(len(ids_of(run, text)) - LENGTH))[:count]


def exportable(run: Run) -> Exportable:
    return Exportable(run.model, run.tokenizer, run.decoding, run.weights_checksum)


def ids_of(run: Run, text: str) -> list[int]:
    return [*run.tokenizer.encode(take_out(text, run.tokenizer.is_word).text), EOS]


def in_one_process(run: Run, folder: Path, sources: Rows, rounds: int) -> tuple[str, float]:
    """Ours and `generate` on the same ids, taking turns: the table and the cores obtained."""
    logging.set_verbosity_error()
    theirs = AutoModelForSeq2SeqLM.from_pretrained(folder).eval()
    engine = run.engine("torch")

    def ours_at(beam: int, batch: int) -> Rows:
        decoding = DecodingConfig(method="beam" if beam > 1 else "greedy", beam=beam, batch=batch)
        return [list(found[0].tokens) for found in engine.translate_ids(sources, decoding)]

    def theirs_at(beam: int, batch: int) -> Rows:
        order = sorted(range(len(sources)), key=lambda i: -len(sources[i]))
        rows: Rows = [[]] * len(sources)
        for start in range(0, len(order), batch):
            some = order[start : start + batch]
            source = padded([sources[i] for i in some], 0)
            limit = min(3 * source.size(1) + 12, engine.max_length)
            for i, row in zip(some, generate(theirs, source, beam, limit), strict=True):
                rows[i] = row
        return rows

    lines = [
        "| decoding | batch | Pellucid, sentences/s | Hugging Face generate | faster by | same translation |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    cores = Cores()
    for beam, batch in ((1, BATCH), (1, 1), (BEAM, BATCH), (BEAM, 1)):
        ratios, rates, outputs = [], [], []
        for _ in range(rounds):
            (mine, my_rows), (other, other_rows) = (timed(run_at, beam, batch) for run_at in (ours_at, theirs_at))
            ratios.append(other / mine)
            rates.append((len(sources) / mine, len(sources) / other))
            outputs = [a == b for a, b in zip(my_rows, other_rows, strict=True)]
        name = f"beam {beam}" if beam > 1 else "greedy"
        mine, other = (statistics.median(column) for column in zip(*rates, strict=True))
        lines.append(
            f"| {name} | {batch} | {mine:,.0f} | {other:,.0f} | {statistics.median(ratios):.2f} times "
            f"| {sum(outputs) / len(outputs):.0%} |"
        )
        print(lines[-1], file=sys.stderr, flush=True)
    return "\n".join(lines), cores.obtained()


def timed(work: Callable[[int, int], Rows], beam: int, batch: int) -> tuple[float, Rows]:
    began = time.perf_counter()
    rows = work(beam, batch)
    return time.perf_counter() - began, rows


def file_to_file(run: Run, folder: Path, lines: Path, count: int, rounds: int) -> list[str]:
    """Rows of whole processes: the command and the script, on the export that stands in the run's folder."""
    rows = []
    numbers: tuple[Quantization, ...] = ("none", "int8")
    for quantize in numbers:
        write_export(exportable(run), "ctranslate2", run.path / "ctranslate2", quantize)
        for beam in (1, BEAM):
            method = ["--method", "greedy"] if beam == 1 else ["--method", "beam", "--beam", str(beam)]
            ours = (PELLUCID, "translate", run.path, "--file", lines, "-o", folder / "ours.txt", *method)
            alone = (sys.executable, ALONE, run.path / "ctranslate2", lines, folder / "alone.txt")
            alone = (*alone, beam, torch.get_num_threads())
            pairs = [(command(*ours, "--engine", "ctranslate2"), command(*alone)) for _ in range(rounds)]
            mine, other = (statistics.median(column) for column in zip(*pairs, strict=True))
            ratio = statistics.median(b / a for a, b in pairs)
            number = "float32" if quantize == "none" else quantize
            name = f"beam {beam}" if beam > 1 else "greedy"
            rows.append(f"| {number}, {name} | {count / mine:,.0f} | {count / other:,.0f} | {ratio:.2f} times |")
            print(rows[-1], file=sys.stderr, flush=True)
    return rows


def command(*words: object) -> float:
    """Run it; seconds."""
    began = time.perf_counter()
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, words))}\n{done.stderr[-2000:]}")
    return time.perf_counter() - began


def starts(run: Run, rounds: int) -> list[str]:
    sentence = "Save changes before closing?"
    wanted = {
        "`pellucid --help`": (PELLUCID, "--help"),
        "one sentence, PyTorch": (PELLUCID, "translate", run.path, sentence, "--engine", "torch"),
        "one sentence, CTranslate2": (PELLUCID, "translate", run.path, sentence, "--engine", "ctranslate2"),
    }
    rows = []
    for name, words in wanted.items():
        command(*words)  # the disk's cache is warm for all
        seconds = [command(*words) for _ in range(rounds)]
        rows.append(f"| {name} | {statistics.median(seconds):.2f} s | {min(seconds):.2f} to {max(seconds):.2f} s |")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, default=Path("runs/bench/en-zh-small"), help="trained now if not there")
    parser.add_argument("--budget", default="8m", help="of that training")
    parser.add_argument("--sentences", type=int, default=200)
    parser.add_argument("--lines", type=int, default=5000, help="of the file that goes through the whole process")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--write", type=Path, help="a Markdown file in which the tables are replaced")
    args = parser.parse_args()
    if not args.run.exists():
        pellucid.train(small_config(args.budget), args.run)
    run = pellucid.open_run(args.run)
    config = run.config.model
    texts = sentences(run, args.sentences)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_export(exportable(run), "safetensors-hf", folder / "hf")
        table, cores = in_one_process(run, folder / "hf", [ids_of(run, text) for text in texts], args.rounds)
        splits = run.task.data.splits
        many = [" ".join(pair.source.split()) for pair in splits.train[: args.lines]]
        (folder / "lines.txt").write_text("\n".join(many) + "\n", encoding="utf-8")
        processes = file_to_file(run, folder, folder / "lines.txt", len(many), args.rounds)
    text = "\n".join(
        [
            f"{run.config.data.source}-{run.config.data.target}, d {config.d_model}, {config.encoder_layers}+"
            f"{config.decoder_layers} layers, {run.tokenizer.size:,} tokens of vocabulary; {len(texts)} sentences of "
            f"about {LENGTH} tokens, medians of {args.rounds}. {machine_line(cores)}.",
            "",
            table,
            "",
            f"From file to file as whole processes, {len(many):,} lines, start included:",
            "",
            "| CTranslate2 | through `pellucid translate`, sentences/s | alone | Pellucid is faster by |",
            "| --- | ---: | ---: | ---: |",
            *processes,
            "",
            "From pressing Enter to the end:",
            "",
            "| command | median | lowest to highest |",
            "| --- | ---: | ---: |",
            *starts(run, args.rounds),
        ]
    )
    print(text)
    if args.write:
        replace_section(args.write, "bench/translate.py", text)


if __name__ == "__main__":
    main()
