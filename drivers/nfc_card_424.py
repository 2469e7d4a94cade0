"""A simulated NTAG 424 DNA: what the chip answers, byte for byte, and what it keeps.

Its memory may be a file, so that a card that was made at one reader is shown at another, as a guest
carries it. Modelled: keys and their versions, EV2First, CommMode.Full, the NDEF file with its
rights, the signed message with its counter, torn power between two commands. Not modelled: LRP,
random UIDs, the limits on failed attempts (they are counted).
Source: NXP NT4H2421Gx data sheet, sections 8 to 10.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from drivers.nfc_cards import KINDS, NdefCard
from tickets.ntag424 import commands
from tickets.ntag424.aes import BLOCK, ZERO, decrypt, encrypt, short_mac
from tickets.ntag424.ev2 import MAC_BYTES, Challenge, Session
from tickets.ntag424.layout import FILE_BYTES
from tickets.ntag424.sun import Reading, code_of

Random = Callable[[int], bytes]
FREE, NEVER = 0xE, 0xF
FACTORY_SETTINGS = b"\x00\xe0\xee"
_STATUS = {name: code.to_bytes(2, "big") for name, code in {
    "ok": 0x9100, "more": 0x91AF, "wrong_key": 0x91AE, "denied": 0x919D, "length": 0x917E,
    "integrity": 0x911E, "parameter": 0x919E, "no_key": 0x9140, "unknown": 0x911C,
}.items()}  # fmt: skip


@dataclass(slots=True)
class Memory:
    """What a chip keeps without power; all of it as it leaves the factory."""

    keys: list[str] = field(default_factory=lambda: [ZERO.hex()] * 5)
    versions: list[int] = field(default_factory=lambda: [0] * 5)
    file: str = ""
    """The NDEF file in hex; what is missing is zero."""
    settings: str = FACTORY_SETTINGS.hex()
    """As ChangeFileSettings takes them."""
    counter: int = 0
    failed: int = 0
    """Attempts with wrong keys."""


class Ntag424(NdefCard):
    """The chip."""

    def __init__(
        self, uid: bytes, memory: Memory | None = None, random: Random = os.urandom
    ) -> None:
        super().__init__(uid, b"", FILE_BYTES)
        self.memory = memory or Memory()
        self.power: int | None = None
        """Commands until it leaves the field; None: it stays."""
        self._random = random
        self._asked: tuple[int, bytes] | None = None
        self._session: Session | None = None
        self._reading = False

    def reset(self) -> None:
        super().reset()
        self._asked, self._session, self._reading = None, None, False

    def block(self, frame: bytes) -> bytes | None:
        if self.power == 0:
            self.gone = True
            return None
        return super().block(frame)

    def apdu(self, command: bytes) -> bytes:
        if self.power is not None:
            self.power -= 1
        if command[:1] == b"\x00":
            self._asked = None
            return super().apdu(command)
        if command[:1] != b"\x90" or len(command) < 5 or command[-1]:
            return _STATUS["unknown"]
        self._reading = False
        data = command[5:-1] if len(command) > 5 else b""
        return self._native(command[1], data)

    def read(self, offset: int, size: int) -> bytes:
        if self.selected == "ndef" and not self._reading:
            self._reading = True  # one message, however many parts it is read in
            self._count()
            self.ndef_file = self._shown()
        return super().read(offset, size)

    def keep(self) -> None:
        """Called whenever the memory changed; a card with a file writes it."""

    # --- the chip's own commands

    def _native(self, code: int, data: bytes) -> bytes:
        if code == 0xAF and self._asked is not None:
            return self._prove(data)
        self._asked = None
        answers = {0x71: self._challenge, 0x64: self._version, 0xF5: self._settings}
        answers |= {0x8D: self._write, 0xC4: self._change_key, 0x5F: self._change_settings}
        return answers[code](data) if code in answers else _STATUS["unknown"]

    def _challenge(self, data: bytes) -> bytes:
        self._session = None
        if len(data) < 2 or data[0] > 4:
            return _STATUS["no_key"]
        ours = self._random(BLOCK)
        self._asked = data[0], ours
        return encrypt(self._key(data[0]), ours) + _STATUS["more"]

    def _prove(self, data: bytes) -> bytes:
        number, ours = self._asked or (0, b"")
        self._asked = None
        if len(data) != 2 * BLOCK:
            return _STATUS["length"]
        plain = decrypt(self._key(number), data)
        if plain[BLOCK:] != ours[1:] + ours[:1]:
            self.memory.failed += 1
            self.keep()
            return _STATUS["wrong_key"]
        theirs, transaction = plain[:BLOCK], self._random(4)
        answer = transaction + theirs[1:] + theirs[:1] + bytes(12)
        hidden = encrypt(self._key(number), answer)
        if number == 0:
            self._session = Challenge(self._key(0), theirs, ours).session(hidden)
        return hidden + _STATUS["ok"]

    def _version(self, data: bytes) -> bytes:
        if len(data) != 1 or data[0] > 4:
            return _STATUS["no_key"]
        return bytes([self.memory.versions[data[0]]]) + _STATUS["ok"]

    def _settings(self, data: bytes) -> bytes:
        if data != bytes([commands.NDEF_FILE]):
            return _STATUS["parameter"]
        kept = bytes.fromhex(self.memory.settings)
        return b"\x00" + kept[:3] + FILE_BYTES.to_bytes(3, "little") + kept[3:] + _STATUS["ok"]

    def _write(self, data: bytes) -> bytes:
        if len(data) < 7 or data[0] != commands.NDEF_FILE:
            return _STATUS["parameter"]
        if bytes.fromhex(self.memory.settings)[2] & 0x0F != FREE:  # low half of the second: write
            return _STATUS["denied"]
        at, size = (int.from_bytes(data[i : i + 3], "little") for i in (1, 4))
        if size != len(data) - 7 or at + size > FILE_BYTES:
            return _STATUS["length"]
        file = bytearray(self._plain())
        file[at : at + size] = data[7:]
        self.memory.file = bytes(file).hex()
        self.keep()
        return _STATUS["ok"]

    def _change_settings(self, data: bytes) -> bytes:
        settings = self._opened(0x5F, data)
        if isinstance(settings, int) or len(settings) < 3:
            return _STATUS["integrity"]
        self.memory.settings = settings.hex()
        self.keep()
        return self._confirmed()

    def _change_key(self, data: bytes) -> bytes:
        told = self._opened(0xC4, data)
        number = data[0] if data else 9
        if isinstance(told, int) or number > 4 or len(told) != (17 if number == 0 else 21):
            return _STATUS["integrity"]
        key = told[:BLOCK]
        if number:
            key = bytes(a ^ b for a, b in zip(key, self._key(number), strict=True))
            if commands.checksum(key) != told[17:]:
                return _STATUS["integrity"]
        self.memory.keys[number], self.memory.versions[number] = key.hex(), told[16]
        self.keep()
        if number:
            return self._confirmed()
        self._session = None  # it was opened with the key that is no more
        return _STATUS["ok"]

    # --- secure messages

    def _opened(self, code: int, data: bytes) -> bytes | int:
        """The data of a command in CommMode.Full; a number: it was not made in this session."""
        session = self._session
        if session is None or len(data) < 1 + BLOCK + MAC_BYTES:
            return 0
        counted = session.count.to_bytes(2, "little") + session.transaction
        if short_mac(session.mac_key, bytes([code]) + counted + data[:-MAC_BYTES]) != data[-8:]:
            self._session = None
            return 0
        start = b"\xa5\x5a" + session.transaction + session.count.to_bytes(2, "little") + bytes(8)
        iv = encrypt(session.encryption_key, start)
        plain = decrypt(session.encryption_key, data[1:-MAC_BYTES], iv).rstrip(b"\x00")
        return plain[:-1] if plain.endswith(b"\x80") else 0

    def _confirmed(self) -> bytes:
        session = self._session
        if session is None:
            return _STATUS["denied"]
        session.count += 1
        counted = session.count.to_bytes(2, "little") + session.transaction
        return short_mac(session.mac_key, b"\x00" + counted) + _STATUS["ok"]

    # --- the signed message

    def _count(self) -> None:
        if self._signs and self.memory.counter < 2**24 - 1:
            self.memory.counter += 1
            self.keep()

    @property
    def _signs(self) -> bool:
        return bool(bytes.fromhex(self.memory.settings)[0] & 0x40)

    def _plain(self) -> bytes:
        return bytes.fromhex(self.memory.file).ljust(FILE_BYTES, b"\x00")

    def _shown(self) -> bytes:
        file = bytearray(self._plain())
        if self._signs:
            kept = bytes.fromhex(self.memory.settings)
            meta, signer = kept[5] >> 4, kept[5] & 0x0F
            hidden_at, _, code_at = (
                int.from_bytes(kept[at : at + 3], "little") for at in (6, 9, 12)
            )
            counter = self.memory.counter.to_bytes(3, "little")
            plain = b"\xc7" + self.uid + counter + self._random(5)
            code = code_of(self._key(signer), Reading(self.uid, self.memory.counter))
            file[hidden_at : hidden_at + 32] = (
                encrypt(self._key(meta), plain).hex().upper().encode()
            )
            file[code_at : code_at + 16] = code.hex().upper().encode()
        return bytes(file)

    def _key(self, number: int) -> bytes:
        return bytes.fromhex(self.memory.keys[number])


class PocketCard(Ntag424):
    """A chip whose memory is a file: the card that a guest carries from reader to reader."""

    def __init__(self, path: Path) -> None:
        """Take the card in ``path``, a JSON object; without it, one as it leaves the factory.

        Raises:
            ValueError: the file holds no card.
        """
        self.path = path
        uid, memory = b"\x04" + os.urandom(6), Memory()
        if path.exists():
            try:
                body = json.loads(path.read_text())
                uid, memory = bytes.fromhex(body.pop("uid")), Memory(**body)
            except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
                raise ValueError(f"'file' holds no card: {type(error).__name__}") from error
        super().__init__(uid, memory)
        self.keep()

    def keep(self) -> None:
        aside = self.path.with_name(f".{self.path.name}.new")
        aside.write_text(json.dumps({"uid": self.uid.hex(), **asdict(self.memory)}))
        aside.replace(self.path)


def _factory(uid: bytes, ndef: bytes) -> Ntag424:
    if len(ndef) + 2 > FILE_BYTES:
        raise ValueError(f"a message of {len(ndef)} bytes does not fit on ntag424")
    return Ntag424(uid, Memory(file=(len(ndef).to_bytes(2, "big") + ndef).hex()))


KINDS["ntag424"] = _factory
