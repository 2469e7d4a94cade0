"""List rows have one width and one order; nothing else is read."""

import gzip
import struct
import tracemalloc
import zlib
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickets.rows import (
    ROW_BYTES,
    MalformedRows,
    Status,
    Ticket,
    inflate,
    pack,
    unpack,
    unpack_all,
)

U16, U32 = st.integers(0, 2**16 - 1), st.integers(0, 2**32 - 1)
FLAGS = st.integers(0, 127).map(Status)
TICKETS = st.builds(Ticket, st.binary(min_size=16, max_size=16), U16, U16, FLAGS, U32, U32)


def row(first: int, **changes) -> bytes:
    return pack(Ticket(bytes((first,)) * 16, **changes))


def test_a_row_is_30_bytes_big_endian():
    flags = Status.CANCELLED | Status.ATTENTION
    ticket = Ticket(b"k" * 16, 2, 3, flags, 4, 5)
    assert pack(ticket) == b"k" * 16 + struct.pack(">HHHII", 2, 3, 33, 4, 5)
    assert ROW_BYTES == 30


@given(TICKETS)
def test_what_is_packed_is_unpacked(ticket):
    assert unpack(pack(ticket)) == ticket


@given(st.lists(TICKETS, unique_by=lambda ticket: ticket.key))
def test_sorted_rows_are_read_in_order(tickets):
    ordered = sorted(tickets, key=lambda ticket: ticket.key)
    assert list(unpack_all(b"".join(map(pack, ordered)))) == ordered


def test_the_order_of_rows_is_the_order_of_their_bytes():
    rows = [row(2), row(1), row(255), row(128)]
    assert list(unpack_all(b"".join(sorted(rows))))


@pytest.mark.parametrize(
    ("case", "rows"),
    [
        ("out of order", row(2) + row(1)),
        ("a key twice", row(1) + row(1, product=2)),
        ("cut short", row(1)[:-1]),
        ("bytes after the end", row(1) + b"\0"),
        ("an unknown flag", row(1)[:20] + b"\x80\x00" + row(1)[22:]),
    ],
)
def test_rows_off_their_form_are_refused(case, rows):
    with pytest.raises(MalformedRows):
        list(unpack_all(rows))


@given(st.binary(max_size=120))
def test_no_bytes_crash_it(noise):
    try:
        list(unpack_all(noise))
        unpack(noise)
    except MalformedRows as error:
        assert error.remedy


@pytest.mark.parametrize(
    "ticket",
    [
        Ticket(b"short"),
        Ticket(bytes(17)),
        Ticket(bytes(16), product=-1),
        Ticket(bytes(16), entries=2**16),
        Ticket(bytes(16), valid_until=2**32),
        Ticket(bytes(16), flags=Status(8192)),
    ],
)
def test_what_does_not_fit_is_not_packed(ticket):
    with pytest.raises(ValueError, match=r"bytes|fit"):
        pack(ticket)


# Unpacking a compressed list

gz = partial(gzip.compress, mtime=0)
"""The same bytes at every run: a test's name holds them."""


@pytest.mark.parametrize("compress", [gzip.compress, zlib.compress])
@pytest.mark.parametrize("size", [0, 1, 30, 100_000])
def test_a_compressed_list_is_unpacked_up_to_its_announced_size(compress, size):
    assert inflate(compress(bytes(size)), size) == bytes(size)


@pytest.mark.parametrize(
    ("case", "data"),
    [
        ("empty", b""),
        ("no gzip", b"<html>502 Bad Gateway</html>"),
        ("cut short", gz(bytes(100))[:-1]),
        ("cut in the middle", gz(bytes(range(100)))[:40]),
        ("wrong checksum", gz(bytes(100))[:-8] + bytes(8)),
        ("a second stream", gz(b"a") + gz(b"b")),
        ("bytes after the end", gz(b"a") + b"\0"),
        ("one byte too many", gz(bytes(101))),
    ],
)
def test_a_compressed_list_off_its_form_is_refused(case, data):
    with pytest.raises(MalformedRows):
        inflate(data, 100)


def test_a_small_body_never_fills_the_memory():
    bomb = gzip.compress(bytes(50_000_000))
    tracemalloc.start()
    with pytest.raises(MalformedRows, match="more than"):
        inflate(bomb, 1000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000
