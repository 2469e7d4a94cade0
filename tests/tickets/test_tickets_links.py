"""Pointers between rows: what is put in comes out, in order, and nothing else is believed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickets.links import MOST_LINKS, link_rows, linked
from tickets.rows import Status, Ticket, pack, unpack

KEYS = st.binary(min_size=16, max_size=16)


@given(KEYS, st.lists(KEYS, max_size=MOST_LINKS))
def test_children_are_found_in_their_order(parent, children):
    rows = {row.key: unpack(pack(row)) for row in link_rows(parent, children)}
    assert linked(parent, rows.get) == tuple(children)


def test_a_row_without_links_has_none():
    assert linked(bytes(16), {}.get) == ()


def test_half_a_pointer_points_nowhere():
    first, second = link_rows(bytes(16), [bytes(range(16))])
    assert linked(bytes(16), {first.key: first}.get) == ()
    assert linked(bytes(16), {second.key: second}.get) == ()


def test_a_ticket_under_the_key_of_a_link_is_no_pointer():
    rows = {row.key: Ticket(row.key) for row in link_rows(bytes(16), [bytes(range(16))])}
    assert linked(bytes(16), rows.get) == ()


def test_a_link_is_marked_as_no_ticket():
    assert all(row.flags == Status.LINK for row in link_rows(bytes(16), [bytes(range(16))]))


def test_more_than_the_most_are_refused_when_made():
    with pytest.raises(ValueError, match="64"):
        list(link_rows(bytes(16), [bytes(16)] * (MOST_LINKS + 1)))
