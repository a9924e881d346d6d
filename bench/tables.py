"""What the benchmark scripts share: the machine in one line, and writing a table into its place in a Markdown page."""

import platform
import resource
import time
from datetime import date
from pathlib import Path

import torch


def replace_section(page: Path, name: str, text: str) -> None:
    """Put `text` between `<!-- name -->` and the next `<!-- end -->` of `page`."""
    begin, end = f"<!-- {name} -->", "<!-- end -->"
    content = page.read_text(encoding="utf-8")
    if begin not in content:
        raise SystemExit(f"{page} holds no line {begin}")
    before, rest = content.split(begin, 1)
    page.write_text(f"{before}{begin}\n{text}\n{end}{rest.split(end, 1)[1]}", encoding="utf-8")


def cpu_seconds() -> float:
    """Time that all cores together have spent on this process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


class Cores:
    """How many cores this process was given since it was made: its CPU time over the time that went by."""

    def __init__(self) -> None:
        self.began, self.used = time.perf_counter(), cpu_seconds()

    def obtained(self) -> float:
        return (cpu_seconds() - self.used) / (time.perf_counter() - self.began)


def machine_line(cores: float | None = None) -> str:
    """Processor, threads, cores obtained if measured, PyTorch and date: what a figure is worth nothing without."""
    threads = torch.get_num_threads()
    obtained = f" ({cores:.1f} cores obtained)" if cores is not None else ""
    return (
        f"{platform.machine()} {processor_features()}, {threads} thread{'s' if threads > 1 else ''}{obtained}, "
        f"PyTorch {torch.__version__}, {date.today()}"
    )


def processor_features() -> str:
    """The widest vector unit, and whether bfloat16 is computed in hardware."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    except OSError:
        return "(features unknown)"
    vectors = next((name for name in ("avx512f", "avx2", "avx", "asimd") if name in flags), "no known vector unit")
    units = [name for name in ("amx_bf16", "avx512_bf16", "bf16") if name in flags]
    return f"with {vectors} and {units[0] if units else 'no bfloat16 unit'}"
