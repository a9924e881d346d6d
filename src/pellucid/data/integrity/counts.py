"""Two bags of strings held against each other: what one lacks and what the other has too much of."""

from collections import Counter
from collections.abc import Iterable, Iterator

from pellucid.data.integrity.breach import Breach


def differences(kind: str, wanted: Iterable[str], found: Iterable[str], grave: bool) -> Iterator[Breach]:
    """A breach `kind`-missing for each string that stands less often in `found`, `kind`-extra for each more often."""
    one, other = Counter(wanted), Counter(found)
    if one == other:
        return
    for string in one - other:
        yield Breach(f"{kind}-missing", string, "", grave)
    for string in other - one:
        yield Breach(f"{kind}-extra", "", string, grave)
