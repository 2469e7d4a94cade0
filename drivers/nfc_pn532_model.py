"""The firmware of a PN532 on a pseudo terminal: what nfcpy's real serial driver talks to in tests.

Modelled: frames and their checksums, the commands nfcpy uses, the speed of the line (bytes of
another speed are noise), the time of the radio at 106 kbit/s, time-outs. Not modelled: the chip's
own latency, collisions, noise. Source: PN532 user manual (UM0701-02), chapters 6 and 7.
"""

from __future__ import annotations

import os
import pty
import select
import termios
import threading
import time
import tty
from collections.abc import Callable

from nfc.clf.device import Device  # type: ignore[import-untyped]

from drivers.nfc_cards import Card
from drivers.nfc_pn532 import timeout_of
from drivers.nfc_sim import HandField

ACK = bytes.fromhex("0000FF00FF00")
SPEEDS = (9600, 19200, 38400, 57600, 115_200, 230_400, 460_800, 921_600)
LINE_SPEEDS = {getattr(termios, f"B{speed}"): speed for speed in SPEEDS}
RADIO_BYTE = 9 / 106_000
"""Seconds of one byte with its parity bit at 106 kbit/s."""
TURN = 100e-6
"""Seconds between a frame and its answer (ISO/IEC 14443-3: 87 us, rounded)."""
SELECTION = 4e-3
"""Seconds to find and select a card: request, two levels of anticollision."""
FIFO, RX_MODE = 0x6339, 0x6303


class Pn532Model:
    """A chip with cards to hold to it (`field`), at ``path``. Runs in a thread of its own."""

    def __init__(self, paced: bool = True) -> None:
        self.field = HandField(time.monotonic)
        self.mute = False
        """True: it answers nothing, as a chip without power."""
        self.commands = 0
        self.speed = 115_200
        self._paced = paced
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)  # ours stays open: a closed line is not an unplugged one
        self.path = os.ttyname(self._slave)
        self._registers = {RX_MODE: 0x80}
        self._next_speed: int | None = None
        self._step = 11
        self._card: Card | None = None
        self._input = b""
        self._stopped = False
        self._thread = threading.Thread(target=self._serve, name="pn532", daemon=True)
        self._thread.start()

    def unplug(self) -> None:
        """The line is gone, for good; who reads it gets an error. Safe to call twice."""
        if self._stopped:
            return
        self._stopped = True
        self._thread.join()
        os.close(self._master)
        os.close(self._slave)

    # --- the line

    def _serve(self) -> None:
        while not self._stopped:
            if not select.select([self._master], [], [], 0.05)[0]:
                continue
            data = os.read(self._master, 4096)
            self._wait(10 * len(data) / self.speed)
            # The acknowledgement that ends the old speed may be read after the new one is set.
            line = LINE_SPEEDS.get(termios.tcgetattr(self._master)[4])
            if self.mute or line not in (self.speed, self._next_speed):
                self._input = b""
                continue
            self._input += data
            while (frame := self._frame()) is not None:
                self._heard(frame)

    def _frame(self) -> bytes | None:
        """The data of the next whole frame; empty for an acknowledgement."""
        start = self._input.find(b"\x00\xff")
        head = self._input[start + 2 :] if start >= 0 else b""
        if len(head) < 3:
            return None
        if head[:2] == b"\x00\xff":
            self._input = head[2:]
            return b""
        long = head[:2] == b"\xff\xff"
        size = int.from_bytes(head[2:4], "big") if long else head[0]
        at = 5 if long else 2
        if len(head) < at + size + 1:
            return None
        self._input = head[at + size + 1 :]
        data = head[at : at + size]
        return data if sum(head[at : at + size + 1]) & 0xFF == 0 else None

    def _heard(self, data: bytes) -> None:
        if not data:
            self.speed, self._next_speed = self._next_speed or self.speed, None
            return
        self.commands += 1
        self._send(ACK)
        self._send(_framed(bytes([0xD5, data[1] + 1]) + self._command(data[1], data[2:])))

    def _send(self, data: bytes) -> None:
        self._wait(10 * len(data) / self.speed)
        os.write(self._master, data)

    def _wait(self, seconds: float) -> None:
        if self._paced:
            time.sleep(seconds)

    # --- the commands

    def _command(self, code: int, data: bytes) -> bytes:
        known: dict[int, Callable[[bytes], bytes]] = {
            0x00: lambda data: data,  # Diagnose: the line test echoes
            0x02: lambda _: bytes.fromhex("32010607"),
            0x06: self._read_registers,
            0x08: self._write_registers,
            0x10: self._set_speed,
            0x16: lambda _: b"\x00",
            0x32: self._configure,
            0x42: self._communicate,
            0x4A: self._list,
        }
        return known.get(code, _nothing)(data)

    def _read_registers(self, data: bytes) -> bytes:
        names = (int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2))
        return bytes(self._registers.get(name, 0) for name in names)

    def _write_registers(self, data: bytes) -> bytes:
        for i in range(0, len(data), 3):
            self._registers[int.from_bytes(data[i : i + 2], "big")] = data[i + 2]
        return b""

    def _set_speed(self, data: bytes) -> bytes:
        self._next_speed = SPEEDS[data[0]]  # taken at the computer's acknowledgement
        return b""

    def _configure(self, data: bytes) -> bytes:
        if data[0] == 0x01 and not data[1] & 1:
            self._card = None
        if data[0] == 0x02:
            self._step = data[3]
        return b""

    def _list(self, data: bytes) -> bytes:
        self._registers |= {RX_MODE: 0x80, FIFO: 0x26}
        wanted = data[2:].replace(b"\x88", b"", 1) if len(data) > 6 else data[2:]
        card = self.field.card()
        if data[1] != 0 or card is None or (wanted and wanted != card.uid):
            self._wait(TURN)
            return b"\x00"
        self._wait(SELECTION)
        card.select()
        self._card = card
        about = bytes([1, 1, *card.sens_res[::-1], *card.sel_res, len(card.uid)])
        return about + card.uid

    def _communicate(self, data: bytes) -> bytes:
        card = self._card if self._card is not None and self._card is self.field.card() else None
        self._wait(RADIO_BYTE * (len(data) + 2))
        given = card.answer(data) if card is not None else None
        if given is None:
            self._wait(timeout_of(self._step))
            return b"\x01"
        self._wait(TURN + RADIO_BYTE * (len(given) + 2))
        if not self._registers[RX_MODE] & 0x80 and len(given) > 1:
            given = bytes(Device.add_crc_a(bytearray(given)))
        return b"\x00" + given


def _nothing(_: bytes) -> bytes:
    return b""


def _framed(data: bytes) -> bytes:
    size = len(data)
    if size < 256:
        head = bytes([size, -size & 0xFF])
    else:
        long = size.to_bytes(2, "big")
        head = b"\xff\xff" + long + bytes([-sum(long) & 0xFF])
    return b"\x00\x00\xff" + head + data + bytes([-sum(data) & 0xFF, 0])
