"""A regression, told in the terminal: rows, R², coefficients beside the closed form, or networks of growing size."""

import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from pellucid.cli.console import out
from pellucid.cli.tables import title_of
from pellucid.cli.words import say

if TYPE_CHECKING:
    from pellucid.run import Run
    from pellucid.tasks.regress import RegressConfig

Event = Mapping[str, Any]
COEFFICIENTS = 16  # shown; the report has all
UNBOUNDED = 1e4  # of shares and losses: from here on a table would have no room for its names
NARROW = 72  # columns below which intervals, t and p are left out


def data_line(event: Event) -> str:
    facts = {**event, "train": f"{event['train']:,}"}
    lines = [say("regress.data", **facts)]
    if event["dropped"]:
        lines.append(say("regress.dropped", **event))
    if event["left_out"]:
        said = ", ".join(f"{name} ({why})" for name, why in event["left_out"].items())
        lines.append(say("regress.left_out", columns=said))
    return "\n".join(lines)


def score_text(scores: Mapping[str, float]) -> str:
    return f"R² {_short(scores['r2'], 3)}"


def _short(value: float, digits: int) -> str:
    """So many digits behind the point; of a training that has left all bounds, an exponent in place of them."""
    return f"{value:.{digits}f}" if not abs(value) >= UNBOUNDED else f"{value:.2g}"


def evaluation(event: Event) -> None:
    scores = event["scores"]
    sizes = {name.removeprefix("rmse_"): value for name, value in scores.items() if name.startswith("rmse_")}
    if sizes:
        said = "  ".join(f"{size}:{value:.2f}" for size, value in sizes.items())
        out.print(say("regress.sizes", step=event["step"], sizes=said), markup=False)
        return
    facts = {name: f"{value:.4g}" for name, value in scores.items()}
    out.print(say("regress.evaluation", step=event["step"], loss=_short(event["loss"], 4), **facts), markup=False)


def print_outcome(run: "Run", tested: Event) -> None:
    """Scores beside the baselines, coefficients or sizes, and next steps."""
    config = run.config
    print_tested(run, tested)
    out.print()
    out.print(say("report.written", path=run.path / "report.html"), markup=False, soft_wrap=True)
    out.print(say("next.title"))
    files = " ".join(map(str, config.data.files))
    target = f" --target {config.data.target}" if config.data.target and ":" not in files else ""
    target += "".join(f" --leave-out {shlex.quote(name)}" for name in config.data.leave_out)
    target += f" --missing {config.data.missing}" if config.data.missing != "refuse" else ""
    facts = {"run": run.path, "files": files, "target": target}
    own = ":" in config.data.files[0]
    for key in ("see", "predict", *(() if config.model.depth else ("network",)), *(("own",) if own else ())):
        out.print("  " + say(f"regress.next.{key}", **facts), markup=False, soft_wrap=True)


def print_tested(run: "Run", tested: Event) -> None:
    print_scores(tested)
    out.print()
    if run.config.model.sizes:
        print_sizes(tested)
    else:
        print_coefficients(tested)


def print_scores(tested: Event) -> None:
    out.print(
        say(title_of("regress.scores", tested), rows=f"{tested['rows']:,}", target=tested["target"]), markup=False
    )
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("")
    for name in ("r2", "rmse", "mae"):
        table.add_column(say(f"regress.{name}"), justify="right", no_wrap=True)
    for system, scores in tested["systems"].items():
        wide = out.width >= NARROW
        interval = f" [dim]{_short(scores['low'], 2)} … {_short(scores['high'], 2)}[/]" if wide else ""
        cells = [f"{_short(scores['r2'], 3)}{interval}", f"{scores['rmse']:.4g}", f"{scores['mae']:.4g}"]
        table.add_row(say(f"regress.{system}"), *cells, style="bold" if system == "model" else None)
    out.print(table)
    out.print(say("regress.interval" if out.width >= NARROW else "regress.r2_meaning"), style="dim", markup=False)


def print_coefficients(tested: Event) -> None:
    """Closed form and, of a linear network, descent; the ones that weigh most where there are many."""
    rows: Sequence[Event] = tested["coefficients"]
    chosen = sorted(rows[1:], key=lambda row: -abs(row["standardized"]))[: COEFFICIENTS - 1]
    shown = [rows[0], *(row for row in rows[1:] if row in chosen)]
    linear = rows[0]["descent"] is not None
    wide = out.width >= NARROW
    out.print(say("regress.coefficients" if linear else "regress.coefficients_closed"), markup=False)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column(say("regress.column"), overflow="fold")
    table.add_column(say("regress.closed_form"), justify="right", no_wrap=True)
    if linear:
        table.add_column(say("regress.descent"), justify="right", no_wrap=True)
    for name in ("error", *(("t", "p") if wide else ())):
        table.add_column(say(f"regress.{name}"), justify="right", no_wrap=True)
    for row in shown:
        cells = [f"{row['closed_form']:.5g}", *([f"{row['descent']:.5g}"] if linear else [])]
        if row["standard_error"] is None:
            cells += [say("regress.reference"), *(("", "") if wide else ())]
        else:
            cells += [f"{row['standard_error']:.3g}"]
            cells += [f"{row['t']:.2f}", f"{row['p']:.2g}" if row["p"] else "<1e-300"] if wide else []
        table.add_row(escape(row["name"]), *cells, style="bold" if row["p"] is not None and row["p"] < 0.05 else None)
    out.print(table)
    if len(shown) < len(rows):
        out.print(say("regress.more", count=len(rows) - len(shown)), style="dim", markup=False)
    if wide:
        out.print(say("regress.bold"), style="dim", markup=False)


def print_sizes(tested: Event) -> None:
    """How near each network comes, as its neurons grow."""
    curve = tested.get("curve", {})
    known = "function" in curve
    out.print(say("regress.growing", function=curve.get("text", tested["target"])), markup=False)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in ("neurons", *(("distance",) if known else ()), "rmse", "r2"):
        table.add_column(say(f"regress.{name}"), justify="right", no_wrap=True)
    table.add_column("")
    for network in tested["networks"]:
        scores = network["scores"]
        distance = [f"{network['distance']:.4f}"] if known else []
        bar = "█" * round(20 * max(scores["r2"], 0))
        table.add_row(str(network["neurons"]), *distance, f"{scores['rmse']:.4f}", _short(scores["r2"], 3), bar)
    out.print(table)
    if known:
        out.print(say("regress.noise", noise=curve["noise"]), style="dim", markup=False)


def about(config: "RegressConfig") -> str:
    return f"{config.data.target or config.data.files[0]}"


def scores_of(tested: Event) -> dict[str, float]:
    return {name: tested["systems"]["model"][name] for name in ("r2", "rmse", "mae")}


def score_of(line: Event) -> str:
    scores = line["scores"] if "scores" in line else scores_of(line)
    return f"R² {_short(scores['r2'], 3)}"
