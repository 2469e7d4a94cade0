"""A set-up code before the camera: carried to sync while it is waited for, and at no other time."""

import pytest

from scanner.setup_code import MOST, SetupDesk

CODE = b'{"handshake_version": 1, "url": "https://pretix.example", "token": "abcdefghijklmnop"}'


class Desk:
    def __init__(self, wanted: bool = True) -> None:
        self.sent: list[dict[str, object]] = []
        self.now = 0.0
        self.desk = SetupDesk(lambda: wanted, self._send, lambda: self.now)

    def _send(self, message: dict[str, object]) -> bool:
        self.sent.append(message)
        return True


def test_a_set_up_code_that_is_waited_for_goes_to_sync_and_to_no_lane() -> None:
    desk = Desk()
    assert desk.desk.takes(CODE)
    assert desk.sent == [{"handshake": CODE.decode()}]


def test_an_enrolled_gate_takes_none() -> None:
    desk = Desk(wanted=False)
    assert not desk.desk.takes(CODE)
    assert not desk.sent


@pytest.mark.parametrize(
    ("case", "payload"),
    [
        ("a ticket", b"AD1:6BF"),
        ("a plain code", b"u3zr9d8wqx"),
        ("other JSON", b'{"url": "https://pretix.example"}'),
        ("nothing", b""),
        ("larger than any", CODE[:-1] + b" " * MOST + b"}"),
    ],
)
def test_what_is_no_set_up_code_is_left_to_the_lane(case: str, payload: bytes) -> None:
    desk = Desk()
    assert not desk.desk.takes(payload)
    assert not desk.sent


def test_a_code_that_stays_in_view_is_carried_every_other_second() -> None:
    desk = Desk()
    for tenth in range(45):
        desk.now = tenth / 10
        assert desk.desk.takes(CODE)
    assert len(desk.sent) == 3


def test_bytes_that_are_no_text_stop_nobody() -> None:
    desk = Desk()
    assert desk.desk.takes(CODE + b"\xff")
    assert desk.sent[0]["handshake"] == CODE.decode() + "\ufffd"
