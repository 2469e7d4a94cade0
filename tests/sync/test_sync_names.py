"""Names come as they were signed, only where a page shows them, and hold up nothing else."""

from hashlib import blake2b

import pytest

from store.names_file import newest_names, sealed_name
from sync.names import PAUSE, NameFiles
from sync.pull import Puller
from tests.rigs.server import EVENT, roots
from tests.sync.test_sync_pull import TICKETS, gz, published  # noqa: F401
from tickets.bodies import HASH_BYTES, NamesHead
from tickets.names import NAME_ROW_BYTES, SEALED_BYTES

ROWS = b"".join(ticket.key + ticket.key[-1:] * SEALED_BYTES for ticket in TICKETS)
HEAD = NamesHead(len(TICKETS), len(ROWS), blake2b(ROWS, digest_size=HASH_BYTES).digest())


class Time:
    at = 0.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def now():
    return Time()


@pytest.fixture
def puller(gate, mirror, tmp_path, now):
    made = Puller(gate, mirror, roots(), EVENT, tmp_path)
    made.names = NameFiles(gate, tmp_path, True, now)
    return made


@pytest.fixture
def named(published):  # noqa: F811
    published.publish(HEAD, 1)
    published.lists[HEAD.hash.hex()] = gz(ROWS)
    return published


def test_names_are_fetched_by_the_hash_that_was_signed(named, puller, tmp_path):
    puller.poll()
    path = newest_names(tmp_path)
    assert path is not None and path.stat().st_size == len(TICKETS) * NAME_ROW_BYTES
    assert sealed_name(path, TICKETS[6].key) == TICKETS[6].key[-1:] * SEALED_BYTES
    assert puller.fault is None


def test_a_gate_that_shows_none_fetches_none_and_removes_what_it_had(named, puller, gate, tmp_path):
    puller.poll()
    puller.names = NameFiles(gate, tmp_path, False)
    puller.poll()
    assert newest_names(tmp_path) is None
    named.lists.clear()
    puller.poll()
    assert puller.fault is None


@pytest.mark.parametrize(
    "body",
    [gz(ROWS[:-1] + b"\0"), gz(ROWS)[:-9], b"names"],
    ids=["another hash", "cut short", "no gzip"],
)
def test_names_that_were_not_signed_are_refused_and_the_list_is_current(
    named, puller, now, tmp_path, body
):
    """A fault of the names is shown; the list is no older for it."""
    named.lists[HEAD.hash.hex()] = body
    puller.poll()
    assert newest_names(tmp_path) is None
    assert puller.fault is not None and puller.completed is not None
    named.lists[HEAD.hash.hex()] = gz(ROWS)
    puller.poll()
    assert newest_names(tmp_path) is None, "asked again at once"
    now.at += PAUSE
    puller.poll()
    assert newest_names(tmp_path) is not None and puller.fault is None
