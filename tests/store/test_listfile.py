"""List files: built aside and checked, looked up by ticket key, refused by name when damaged."""

import os
import subprocess
import sys
from hashlib import blake2b
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from store import listfile
from store.listfile import ListDamaged, ListFile, ListNotWritten, build_list, list_serials
from store.mirror import Mirror, MirrorNotWritten, StoredStatement
from tickets.rows import MalformedRows, Status, Ticket, pack

TICKETS = st.builds(
    Ticket,
    key=st.binary(min_size=16, max_size=16),
    product=st.integers(0, 2**16 - 1),
    entries=st.integers(0, 2**16 - 1),
    flags=st.sampled_from([Status(0), Status.CANCELLED, Status.UNPAID | Status.ATTENTION]),
    valid_from=st.integers(0, 2**32 - 1),
    valid_until=st.integers(0, 2**32 - 1),
)


def numbered(number: int) -> Ticket:
    return Ticket(number.to_bytes(16, "big"), product=number % 7 + 1)


def rows_of(count: int) -> bytes:
    return b"".join(pack(numbered(number)) for number in range(1, count + 1))


@settings(max_examples=25, deadline=None)
@given(st.lists(TICKETS, max_size=50, unique_by=lambda ticket: ticket.key))
def test_every_ticket_is_found_as_it_was_packed(tmp_path_factory, tickets):
    directory = tmp_path_factory.mktemp("lists")
    rows = b"".join(pack(t) for t in sorted(tickets, key=lambda t: t.key))
    opened = ListFile(build_list(directory, 3, rows))
    assert (opened.serial, opened.rows) == (3, len(tickets))
    assert all(opened.get(ticket.key) == ticket for ticket in tickets)
    assert b"".join(opened.packed()) == rows
    opened.close()


def test_a_key_that_is_not_on_the_list_is_none(tmp_path):
    assert ListFile(build_list(tmp_path, 1, rows_of(5))).get(bytes(16)) is None


def test_a_list_is_read_in_slices(tmp_path, monkeypatch):
    """Keys must rise across the edge of a slice too, and nothing is lost there."""
    monkeypatch.setattr(listfile, "_SLICE", 4)
    opened = ListFile(build_list(tmp_path, 1, BytesIO(rows_of(10))))
    assert [opened.get(numbered(n).key) for n in range(1, 11)] == [
        numbered(n) for n in range(1, 11)
    ]
    with pytest.raises(MalformedRows):
        build_list(tmp_path, 2, BytesIO(rows_of(4) + rows_of(1)))


@pytest.mark.parametrize(
    ("case", "rows"),
    [
        ("cut in the middle of a row", rows_of(3)[:-1]),
        ("unsorted", pack(numbered(2)) + pack(numbered(1))),
        ("one key twice", pack(numbered(2)) + pack(numbered(2))),
        ("a flag that means something newer", pack(numbered(1))[:20] + b"\x80\x00" + bytes(8)),
    ],
)
def test_rows_that_are_no_list_are_refused_and_leave_nothing(tmp_path, case, rows):
    build_list(tmp_path, 1, rows_of(1))
    with pytest.raises(MalformedRows):
        build_list(tmp_path, 2, rows)
    assert [path.name for path in tmp_path.iterdir()] == ["list-1.db"], case


def test_the_last_two_lists_are_kept_and_the_one_in_use(tmp_path):
    for serial in (1, 2, 3, 10):
        build_list(tmp_path, serial, rows_of(1), in_use=1)
    assert list_serials(tmp_path) == [10, 3, 1]


def test_a_build_that_was_killed_is_cleared_away(tmp_path):
    (tmp_path / "list-7.db.part").write_bytes(b"half")
    build_list(tmp_path, 8, rows_of(1))
    assert [path.name for path in tmp_path.iterdir()] == ["list-8.db"]


def test_a_list_in_use_survives_its_replacement(tmp_path):
    """A handle on the old file answers from it until it is closed."""
    opened = ListFile(build_list(tmp_path, 1, rows_of(100)))
    build_list(tmp_path, 1, rows_of(1))
    assert opened.get(numbered(100).key) == numbered(100)


def damage(path: Path, how: str) -> None:
    body = path.read_bytes()
    if how == "missing":
        path.unlink()
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "truncated":
        path.write_bytes(body[: len(body) // 2])
    elif how == "noise":
        path.write_bytes(os.urandom(len(body)))
    elif how == "another database":
        path.write_bytes(body.replace(b"CREATE TABLE meta", b"CREATE TABLE else"))
    elif how == "a directory":
        path.unlink()
        path.mkdir()


@pytest.mark.parametrize(
    "how", ["missing", "empty", "truncated", "noise", "another database", "a directory"]
)
def test_a_damaged_list_is_refused_by_name_when_opened(tmp_path, how):
    path = build_list(tmp_path, 1, rows_of(1000))
    damage(path, how)
    with pytest.raises(ListDamaged) as caught:
        ListFile(path)
    assert caught.value.remedy


def test_damage_inside_is_named_when_met_and_the_file_is_kept(tmp_path):
    path = build_list(tmp_path, 1, rows_of(2000))
    body = bytearray(path.read_bytes())
    body[8192:] = bytes(len(body) - 8192)
    path.write_bytes(body)
    opened = ListFile(path)
    with pytest.raises(ListDamaged):
        for number in range(1, 2001):
            opened.get(numbered(number).key)
    assert listfile.set_aside(path).name == "list-1.db.damaged"
    assert list_serials(tmp_path) == []


def test_the_hash_is_over_the_rows_as_packed(tmp_path):
    path = build_list(tmp_path, 1, rows_of(10))
    expected = blake2b(rows_of(10), digest_size=32).digest()
    assert listfile.rows_hash(path) == expected
    command = [sys.executable, "-P", "-m", "store.listfile", "hash"]
    where = {**os.environ, "PYTHONPATH": str(Path(listfile.__file__).parents[1])}
    done = subprocess.run([*command, path], capture_output=True, text=True, check=True, env=where)
    assert done.stdout.strip() == expected.hex()
    path.unlink()
    gone = subprocess.run([*command, path], capture_output=True, text=True, check=False, env=where)
    assert (gone.returncode, gone.stdout) == (1, "")
    assert "No such file" in gone.stderr


def test_a_refused_write_is_named_and_nothing_is_left(tmp_path, monkeypatch):
    def no_space(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(listfile.os, "fsync", no_space)
    with pytest.raises(ListNotWritten, match="No space left"):
        build_list(tmp_path, 1, rows_of(10))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.heavy
def test_a_disk_that_is_really_full_is_named_and_the_last_list_stays(tmp_path):
    """Needs root, for a file system of 1 MB."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", tmp_path], check=True)
    try:
        build_list(tmp_path, 1, rows_of(10))
        with pytest.raises(ListNotWritten, match=r"full|No space"):
            build_list(tmp_path, 2, rows_of(60_000))
        assert [path.name for path in tmp_path.iterdir()] == ["list-1.db"]
        mirror = Mirror(tmp_path / "mirror.db")
        (tmp_path / "filler").write_bytes(bytes(os.statvfs(tmp_path).f_bavail * 4096))
        with pytest.raises(MirrorNotWritten):
            mirror.add_statement(StoredStatement("keyset", 1, bytes(32), bytes(500_000)))
        (tmp_path / "filler").unlink()
        mirror.move("statements", 1)
        assert mirror.position("statements") == 1, "works again once there is space"
    finally:
        subprocess.run(["umount", "--lazy", tmp_path], check=True)
