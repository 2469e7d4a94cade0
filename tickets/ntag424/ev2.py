"""AuthenticateEV2First and the secure messages after it. Pure: bytes for a card, bytes from it.

A card that answers the challenge holds the key: a copy of what it said before is no answer.
Source: NXP NT4H2421Gx data sheet, sections 9.1 (messages) and 9.1.5 (EV2First); worked examples in
NXP AN12196.
"""

from dataclasses import dataclass, field
from hmac import compare_digest

from tickets.ntag424.aes import BLOCK, cmac, decrypt, encrypt, padded, short_mac

MAC_BYTES = 8
_MAC_LABEL, _ENC_LABEL = b"\x5a\xa5", b"\xa5\x5a"
_DERIVING = b"\x00\x01\x00\x80"


class NoProof(Exception):
    """What the card sent does not come from the key it was asked about."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """One EV2First exchange, between the card's challenge and its answer to ours."""

    key: bytes = field(repr=False)
    ours: bytes = field(repr=False)
    """RndA: 16 random bytes of ours, used once."""
    theirs: bytes = field(repr=False)
    """RndB, as the card drew it."""

    @classmethod
    def met(cls, key: bytes, first: bytes, ours: bytes) -> "Challenge":
        """Take the card's 16-byte challenge ``first``; ``ours`` are 16 random bytes."""
        return cls(key, ours, decrypt(key, first))

    @property
    def reply(self) -> bytes:
        """The 32 bytes that prove our key to the card, and ask for its own."""
        return encrypt(self.key, self.ours + _rotated(self.theirs))

    def session(self, answer: bytes) -> "Session":
        """Judge the card's 32-byte ``answer``; returns the session it opens.

        Raises:
            NoProof: it was not made with the key, or not for this challenge.
        """
        if len(answer) != 2 * BLOCK:
            raise NoProof(f"an answer of {len(answer)} bytes")
        plain = decrypt(self.key, answer)
        if not compare_digest(plain[4:20], _rotated(self.ours)):
            raise NoProof("another answer than the key gives")
        return Session(plain[:4], self._derived(_ENC_LABEL), self._derived(_MAC_LABEL))

    def _derived(self, label: bytes) -> bytes:
        a, b = self.ours, self.theirs
        mixed = bytes(x ^ y for x, y in zip(a[2:8], b[:6], strict=True))
        return cmac(self.key, label + _DERIVING + a[:2] + mixed + b[6:] + a[8:])


def _rotated(block: bytes) -> bytes:
    return block[1:] + block[:1]


@dataclass(slots=True)
class Session:
    """An authenticated session: each command and its answer belong to its number."""

    transaction: bytes
    """4 bytes that the card gave the session."""
    encryption_key: bytes = field(repr=False)
    mac_key: bytes = field(repr=False)
    count: int = 0

    def full(self, command: int, header: bytes, data: bytes) -> bytes:
        """Return header, encrypted ``data`` and code of a command in CommMode.Full."""
        hidden = encrypt(self.encryption_key, padded(data), self._iv(_ENC_LABEL))
        return header + hidden + self._mac(command, header + hidden)

    def maced(self, command: int, header: bytes) -> bytes:
        """Return header and code of a command in CommMode.MAC."""
        return header + self._mac(command, header)

    def answered(self, answer: bytes) -> bytes:
        """Judge what came back with status 9100; returns it without its code, still encrypted.

        Raises:
            NoProof: it was not made in this session for this command.
        """
        self.count += 1
        data, code = answer[:-MAC_BYTES], answer[-MAC_BYTES:]
        if not compare_digest(self._mac(0, data), code):
            raise NoProof("an answer of another session")
        return data

    def opened(self, data: bytes) -> bytes:
        """Decrypt the data of an answer that `answered` has judged; its padding stays."""
        return decrypt(self.encryption_key, data, self._iv(_MAC_LABEL))

    def _mac(self, code: int, rest: bytes) -> bytes:
        return short_mac(self.mac_key, bytes([code]) + self._counted() + self.transaction + rest)

    def _iv(self, label: bytes) -> bytes:
        return encrypt(self.encryption_key, label + self.transaction + self._counted() + bytes(8))

    def _counted(self) -> bytes:
        return self.count.to_bytes(2, "little")
