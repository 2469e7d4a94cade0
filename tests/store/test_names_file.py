"""The names file: whole or not there, and each row found by its ticket key."""

import errno
import io
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.names_file import (
    NamesNotWritten,
    build_names,
    names_path,
    newest_names,
    remove_names,
    sealed_name,
)
from tickets.names import NAME_ROW_BYTES, SEALED_BYTES
from tickets.rows import MalformedRows


def packed(*keys: bytes) -> bytes:
    return b"".join(key + key[:1] * SEALED_BYTES for key in keys)


def key(number: int) -> bytes:
    return number.to_bytes(2, "big") * 8


@given(numbers=st.sets(st.integers(0, 5000), max_size=60), asked=st.integers(0, 5000))
def test_every_row_is_found_and_nothing_else(tmp_path_factory, numbers, asked):
    directory = tmp_path_factory.mktemp("names")
    keys = [key(number) for number in sorted(numbers)]
    path = build_names(directory, 7, io.BytesIO(packed(*keys)))
    for one in keys:
        assert sealed_name(path, one) == one[:1] * SEALED_BYTES
    found = sealed_name(path, key(asked))
    assert (found is not None) == (asked in numbers)


def test_a_newer_file_takes_the_place_of_the_older(tmp_path):
    build_names(tmp_path, 9, io.BytesIO(packed(key(1))))
    build_names(tmp_path, 10, io.BytesIO(packed(key(2))))
    assert newest_names(tmp_path) == names_path(tmp_path, 10)
    assert [path.name for path in tmp_path.iterdir()] == ["names-10.rows"]
    assert names_path(tmp_path, 10).stat().st_mode & 0o007 == 0


@pytest.mark.parametrize(
    ("case", "rows"),
    [
        ("cut short", packed(key(1))[:-1]),
        ("unsorted", packed(key(2), key(1))),
        ("a key twice", packed(key(1), key(1))),
    ],
)
def test_rows_of_another_form_leave_the_file_before_in_place(tmp_path, case, rows):
    build_names(tmp_path, 1, io.BytesIO(packed(key(5))))
    with pytest.raises(MalformedRows):
        build_names(tmp_path, 2, io.BytesIO(rows))
    assert [path.name for path in tmp_path.iterdir()] == ["names-1.rows"]


def test_a_full_card_is_named_and_leaves_nothing_half_written(tmp_path, monkeypatch):
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("store.names_file.os.fsync", full)
    with pytest.raises(NamesNotWritten, match="No space"):
        build_names(tmp_path, 1, io.BytesIO(packed(key(5))))
    assert list(tmp_path.iterdir()) == []


def test_a_gate_that_shows_no_names_has_none(tmp_path):
    build_names(tmp_path, 1, io.BytesIO(packed(key(5))))
    remove_names(tmp_path)
    assert newest_names(tmp_path) is None


@given(st.binary(max_size=4 * NAME_ROW_BYTES))
def test_a_damaged_file_has_names_or_none_and_raises_nothing(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("names") / "names-1.rows"
    path.write_bytes(data)
    found = sealed_name(path, key(1))
    assert found is None or len(found) <= SEALED_BYTES
    assert sealed_name(path.with_name("gone"), key(1)) is None


def test_a_directory_that_is_not_there_has_no_names(tmp_path):
    """sync has not started yet; the first guest of the evening must not end scanner."""
    assert newest_names(tmp_path / "sync") is None


def test_a_pipe_in_the_place_of_the_names_holds_nobody_up(tmp_path):
    """As a hacked sync could put there."""
    os.mkfifo(names_path(tmp_path, 1))
    assert sealed_name(names_path(tmp_path, 1), key(1)) is None
