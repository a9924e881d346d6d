"""All checks of a text and its translation, one after the other."""

from collections.abc import Iterator, Sequence

from pellucid.data.filters import CONTROL
from pellucid.data.integrity.accelerators import accelerator_breaches
from pellucid.data.integrity.breach import Breach
from pellucid.data.integrity.copied import copied_breaches
from pellucid.data.integrity.ends import end_breaches
from pellucid.data.integrity.glossary import Term, term_breaches
from pellucid.data.integrity.icu import icu_breaches, is_icu, plain_pairs
from pellucid.data.integrity.markup import markup_breaches
from pellucid.data.integrity.numbers import number_breaches
from pellucid.data.integrity.placeholders import placeholder_breaches


def breaches(
    source: str, target: str, source_language: str, target_language: str, terms: Sequence[Term] = ()
) -> tuple[Breach, ...]:
    """What of `source` its translation `target` does not hold as it must, the grave first; empty if nothing.

    Languages are codes such as en and zh. An empty or blank source asks nothing of its translation but to be so too.
    """
    if not target.strip() and source.strip():
        return (Breach("empty", source, "", grave=True),)
    if "://" in target and f"/{target_language}/" in target and f"/{target_language}/" not in source:
        # A page of the same site in the other language is the same page.
        target = target.replace(f"/{target_language}/", f"/{source_language}/")
    found = _all(source, target, source_language, target_language, terms)
    return tuple(sorted(dict.fromkeys(found), key=lambda breach: not breach.grave))


def _all(
    source: str, target: str, source_language: str, target_language: str, terms: Sequence[Term]
) -> Iterator[Breach]:
    if is_icu(source) or is_icu(target):
        yield from icu_breaches(source, target, target_language)
        for one, other in plain_pairs(source, target):
            yield from _plain(one, other, target_language)
        yield from end_breaches(source, target, source_language, target_language)
    else:
        yield from _plain(source, target, target_language)
        yield from number_breaches(source, target)
        yield from accelerator_breaches(source, target)
        yield from end_breaches(source, target, source_language, target_language)
    if not target.isprintable() or "\ufffd" in target:
        for sign in dict.fromkeys(CONTROL.findall(target)):
            if sign not in source:
                yield Breach("control", "", sign, grave=True)  # no XML can hold it, and no person means it
    if terms:
        yield from term_breaches(source, target, terms, source_language, target_language)


def _plain(source: str, target: str, target_language: str) -> Iterator[Breach]:
    yield from placeholder_breaches(source, target, target_language)
    yield from markup_breaches(source, target)
    yield from copied_breaches(source, target)
