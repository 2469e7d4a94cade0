"""A gate that was withdrawn: marked first, then wiped, and nobody's until it is enrolled anew."""

import errno
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import pytest

from store.mirror import Mirror
from store.mirror_reader import MirrorUnreadable
from store.withdrawn import MARK, Withdrawn, is_withdrawn, read_mark, write_mark
from sync import withdrawal
from sync.errors import ServerRefused
from sync.identity import Identity

IDENTITY = Identity("ab" * 8, "FEST2026", bytes(32))
EPOCH = b"E" * 8


class Ended(Exception):
    """Instead of the end of the process."""


@pytest.fixture
def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """sync's directory of a gate that has worked."""

    def ended(code: int) -> None:
        raise Ended

    monkeypatch.setattr("os._exit", ended)
    for name in ("device.key", "identity.json", "cards.json", "list-7.db", "names-7.db", "lock"):
        (tmp_path / name).write_text("secret")
    (tmp_path / "aside").mkdir()
    (tmp_path / "aside" / "list-8.db").write_text("secret")
    return tmp_path


def end(gate: Path) -> None:
    mirror = Mirror(gate / "mirror.db")
    mirror.acknowledge(EPOCH, [9], 7)
    with pytest.raises(Ended):
        withdrawal.end_by(gate, mirror, IDENTITY, "old-token")()


def test_all_but_the_mark_is_wiped(gate: Path) -> None:
    end(gate)
    assert {path.name for path in gate.iterdir()} == {MARK, "lock"}
    mark = read_mark(gate)
    assert mark is not None and mark.device == IDENTITY.device
    assert b"secret" not in (gate / MARK).read_bytes()
    assert "old-token" not in (gate / MARK).read_text()


@pytest.mark.parametrize(("token", "may"), [(None, False), ("old-token", False), ("new", True)])
def test_only_a_new_token_enrols_again(gate: Path, token: str | None, may: bool) -> None:
    end(gate)
    assert withdrawal.may_enrol(gate, token) is may
    assert is_withdrawn(gate)


def test_a_power_cut_in_the_middle_is_made_up_for(gate: Path) -> None:
    """Marked, and nothing wiped yet."""
    write_mark(gate, Withdrawn(IDENTITY.device, withdrawal.token_hash("old-token")))
    assert not withdrawal.may_enrol(gate, "old-token")
    assert {path.name for path in gate.iterdir()} == {MARK, "lock"}


def test_a_new_key_is_not_wiped_with_the_old_one(gate: Path) -> None:
    """The token is used by it: a cut before the end of the enrolment must not lose the gate."""
    end(gate)
    assert not withdrawal.may_enrol(gate, "old-token")
    (gate / "device.key").write_text("new")
    assert withdrawal.may_enrol(gate, "new")
    assert (gate / "device.key").exists()


@pytest.mark.parametrize("token", ["old-token", "new"])
def test_what_another_thread_wrote_meanwhile_is_wiped_at_the_next_start(
    gate: Path, token: str
) -> None:
    """A list was on its way while the gate was withdrawn."""
    end(gate)
    (gate / "list-9.db").write_text("secret")
    withdrawal.may_enrol(gate, token)
    assert {path.name for path in gate.iterdir()} == {MARK, "lock"}


def test_after_a_new_enrolment_the_server_is_sent_what_it_has_not(gate: Path) -> None:
    """What it acknowledged to the old device it has."""
    end(gate)
    mirror = Mirror(gate / "mirror.db")
    withdrawal.enrolled_anew(gate, mirror)
    assert (mirror.position(f"records/{EPOCH.hex()}"), mirror.acknowledged(EPOCH)) == (7, {9})
    assert not is_withdrawn(gate)


@pytest.mark.parametrize("damage", [b"", b"[]", b"{}", b'{"acknowledged": 7}', b"\xff"])
def test_a_damaged_mark_is_a_mark(gate: Path, damage: bytes) -> None:
    (gate / MARK).write_bytes(damage)
    assert is_withdrawn(gate)
    assert not withdrawal.may_enrol(gate, None)
    assert not (gate / "device.key").exists()


@pytest.mark.parametrize(
    ("status", "name", "so"),
    [(403, "device_revoked", True), (403, "token_refused", False), (500, "device_revoked", False)],
)
def test_only_the_servers_own_word_withdraws(status: int, name: str, so: bool) -> None:
    assert withdrawal.says_so(ServerRefused("https://central.example", status, name)) is so


def test_a_full_card_is_wiped_too(gate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no room for the mark before what is wiped has gone."""
    full = [True]

    def write(directory: Path, mark: Withdrawn) -> None:
        if full and full.pop():
            raise OSError(errno.ENOSPC, "No space left on device")
        write_mark(directory, mark)

    monkeypatch.setattr(withdrawal, "write_mark", write)
    end(gate)
    assert {path.name for path in gate.iterdir()} == {MARK, "lock"}


def test_a_mirror_that_cannot_be_read_keeps_no_secret(
    gate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the server has is sent again then; that is all."""

    def broken(mirror: Mirror) -> NoReturn:
        raise MirrorUnreadable(gate / "mirror.db", "disk I/O error")

    monkeypatch.setattr(Mirror, "acknowledgements", broken)
    end(gate)
    assert {path.name for path in gate.iterdir()} == {MARK, "lock"}


def test_two_threads_that_are_told_wipe_once(gate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A heartbeat and an upload are refused at once: one ends the process, the other waits."""
    entered, calls = threading.Event(), []
    mirror = Mirror(gate / "mirror.db")
    hold = threading.Event()

    def wipe(directory: Path, mark: Withdrawn) -> None:
        calls.append(mark)
        entered.set()
        hold.wait(10)

    monkeypatch.setattr(withdrawal, "_mark_and_wipe", wipe)
    ended = withdrawal.end_by(gate, mirror, IDENTITY, "old-token")
    threads = [threading.Thread(target=suppressed, args=(ended,), daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert entered.wait(10)
    hold.set()
    for thread in threads:
        thread.join(0.1)
    assert len(calls) == 1


def suppressed(work: Callable[[], None]) -> None:
    with suppress(Ended):
        work()
