"""A finding: one illness of a training, with what shows it and what cures it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from pellucid.train.diagnosis.words import sentence
from pellucid.words import LANGUAGES

BEYOND = 3e38  # from which a number is as good as infinite in float32


@dataclass(frozen=True)
class Cure:
    """One thing to do. `set` holds fields of the config as `pellucid cure --with` takes them; none: it is the data's.

    `name` is the word `cure.NAME`, filled with `values`; `cost` is 1 for a field that changes nothing else, 2 for one
    that makes training longer, 3 for other data or another network.
    """

    name: str
    set: Mapping[str, Any] = field(default_factory=dict)
    cost: int = 1
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def flags(self) -> str:
        """As they stand behind `--with`."""
        return ",".join(f"{place}={written(value)}" for place, value in self.set.items())


@dataclass(frozen=True)
class Series:
    """One line of the plot that convinces: `name` is the word `line.NAME`, `place` the layer it is of."""

    name: str
    steps: Sequence[float]
    values: Sequence[float | None]
    place: str = ""

    def said(self, language: str) -> str:
        name = sentence(f"line.{self.name}", language)
        return f"{self.place}: {name}" if self.place else name


@dataclass(frozen=True)
class Finding:
    """`number` against `threshold` at `place` (a layer; "" for the whole) and `step`; `sure` from 0 to 1.

    `lasting`: what is still to come of the training cannot take it back; only then is it said while it trains.
    `values` fill the sentence `evidence.ILLNESS`, or the one called `evidence` where there are several, besides these;
    `also` names further sentences of evidence (the words `also.NAME`) with their values. `lines` are the data
    concerned, as a person finds them (file and line); `plot` is drawn over `axis` (the word `axis.AXIS`), with
    `threshold` as a line if `drawn`.
    """

    illness: str
    number: float
    threshold: float
    sure: float
    place: str = ""
    step: int | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    lines: Sequence[str] = ()
    cures: Sequence[Cure] = ()
    plot: Sequence[Series] = ()
    axis: str = "step"
    drawn: bool = False
    logarithmic: bool = False
    lasting: bool = True
    evidence: str = ""
    also: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def json(self, run: str) -> dict[str, Any]:
        """As plain data, with its sentences in both languages. `run` is how commands name the run."""
        ordered = sorted(self.cures, key=lambda cure: cure.cost)
        return {
            **asdict(self),
            "cures": [
                {
                    **asdict(cure),
                    "command": f"pellucid cure {run} --with {cure.flags}" if cure.set else "",
                    "said": {
                        language: sentence(f"cure.{cure.name}", language, **cure.values) for language in LANGUAGES
                    },
                }
                for cure in ordered
            ],
            "plot": [
                {**asdict(one), "said": {language: one.said(language) for language in LANGUAGES}} for one in self.plot
            ],
            "threshold_said": {language: sentence("line.threshold", language) for language in LANGUAGES},
            "axis_said": {language: sentence(f"axis.{self.axis}", language) for language in LANGUAGES},
            "said": {language: self.said(language) for language in LANGUAGES},
        }

    def said(self, language: str) -> dict[str, str]:
        """`title` and `evidence`, as a person reads them."""
        filled = {
            "number": shown(self.number),
            "threshold": shown(self.threshold),
            "place": self.place,
            "step": f"{self.step:,}" if self.step is not None else "",
            **_shown(self.values),
        }
        evidence = [
            sentence(self.evidence or f"evidence.{self.illness}", language, **filled),
            *(sentence(f"also.{name}", language, **_shown(values)) for name, values in self.also.items()),
        ]
        return {
            "title": sentence(f"illness.{self.illness}", language),
            "evidence": ("" if language == "zh" else " ").join(evidence),
            "why": sentence(f"why.{self.illness}", language),
        }


def _shown(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: shown(value) if isinstance(value, float) else value for name, value in values.items()}


def shown(number: float) -> str:
    """Three digits; the largest numbers that float32 has stand for all beyond them."""
    if not abs(number) < BEYOND:
        return "∞" if number > 0 else "?"
    if number == 0 or 0.001 <= abs(number) < 100_000:
        return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"
    return f"{number:.1e}"


def written(value: Any) -> str:
    """As TOML writes it, strings without quotes: so `--with` reads it."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.6g}" if isinstance(value, float) else str(value)
