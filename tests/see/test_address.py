"""Addresses: printed and parsed by one grammar, and errors that say what is there."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.see.address import Address, AddressError, index_of

NAMES = st.from_regex(r"[a-z_][a-z_0-9]*(\.[a-z_0-9]+){0,4}", fullmatch=True)
CELLS = st.lists(
    st.tuples(st.one_of(st.none(), st.from_regex(r"[a-z][a-z_]*", fullmatch=True)), st.integers(-99, 9999)), max_size=4
)


@given(NAMES, st.one_of(st.none(), CELLS.map(tuple)), st.one_of(st.none(), st.integers(0, 10**6)))
def test_what_is_printed_is_read_back(
    name: str, cell: tuple[tuple[str | None, int], ...] | None, step: int | None
) -> None:
    address = Address(name, cell, step)
    assert Address.parse(str(address)) == address


@pytest.mark.parametrize("text", ["", "a b", "a[", "a[x]", "a[1,]", "a[head=]", "a[=3]", "x:a", "a[1]]"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(AddressError):
        Address.parse(text)


def test_axes_are_found_by_name_and_by_order() -> None:
    axes, shape = ("batch", "head", "query"), (1, 4, 7)
    assert index_of(Address.parse("s[0, 2, -1]"), axes, shape) == (0, 2, 6)
    assert index_of(Address.parse("s[query=5, batch=0, head=3]"), axes, shape) == (0, 3, 5)


@pytest.mark.parametrize("text", ["s[0, 1]", "s[0, 4, 0]", "s[batch=0, head=1, key=2]", "s[batch=0, batch=0, head=1]"])
def test_a_cell_that_is_not_there_names_the_axes(text: str) -> None:
    with pytest.raises(AddressError) as caught:
        index_of(Address.parse(text), ("batch", "head", "query"), (1, 4, 7))
    assert "head=0..3" in caught.value.mend
