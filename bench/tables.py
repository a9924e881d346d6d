"""What the benchmark scripts share: the line about the machine, and writing a table into its place in a page."""

import os
import platform
import resource
from datetime import date
from pathlib import Path

FEATURES = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")  # of processors, that decide how fast a matrix product is


def machine(threads: int, cores: float | None = None) -> str:
    """The processor, the cores really obtained (own CPU time over wall time) if measured, versions and the date."""
    import torch

    obtained = f" ({cores:.1f} cores obtained while measuring)" if cores is not None else ""
    return f"{processor()}, {threads} threads{obtained}, PyTorch {torch.__version__}, {date.today()}."


def processor() -> str:
    """Such as `x86_64 with avx2, 2 cores`; Linux tells the features, other systems do not."""
    try:
        flags = next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("flags"))
        found = [name for name in FEATURES if name in flags.split()]
    except (OSError, StopIteration):
        found = []
    return f"{platform.machine()}{' with ' + ', '.join(found) if found else ''}, {os.cpu_count()} cores"


def replace_section(page: Path, name: str, text: str) -> None:
    """Put `text` between `<!-- name -->` and the next `<!-- end -->` of `page`."""
    begin, end = f"<!-- {name} -->", "<!-- end -->"
    content = page.read_text(encoding="utf-8")
    if begin not in content:
        raise SystemExit(f"{page} holds no line {begin}")
    before, rest = content.split(begin, 1)
    page.write_text(f"{before}{begin}\n{text}\n{end}{rest.split(end, 1)[1]}", encoding="utf-8")


def cpu_seconds() -> float:
    """Of this process so far, all threads."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
