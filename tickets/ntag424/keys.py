"""The keys of an event's cards: what the organiser keeps, what gates get, what each card holds.

    organiser's secret (32 bytes)
      ├─ master of the gates (16 bytes): proofs of a card. Central gives it to enrolled gates.
      └─ master of the desk (16 bytes): changing a card. Never leaves the desk that makes cards.

Each card's own keys are diversified from a master by its UID (NXP AN10922), so that a key read out
of one card makes no other. All cards say in plain which event's keys they hold (the key's version),
so that no key is ever tried on a card that cannot have it.
"""

from dataclasses import dataclass, field
from hashlib import blake2b

from tickets.cards import UID_BYTES
from tickets.ntag424.aes import BLOCK, ZERO, cmac

MASTER_BYTES = BLOCK
FACTORY_KEY = ZERO
FACTORY_VERSION = 0

ADMIN, LIVE, SUN, META, SPARE = range(5)
"""Numbers of a card's keys: changing it, the live answer, the message's code, its encryption."""


def diversified(master: bytes, input_: bytes) -> bytes:
    """Return the 16-byte key that ``master`` (16 bytes) has for ``input_``.

    Args:
        input_: 16 to 31 bytes; with fewer, AN10922 pads otherwise than a CMAC does.
    Raises:
        ValueError: the input has another length.
    Source: NXP AN10922, section 2.2 (AES-128).
    """
    if not BLOCK <= len(input_) <= 31:
        raise ValueError(f"a diversification input has 16 to 31 bytes, not {len(input_)}")
    return cmac(master, b"\x01" + input_)


@dataclass(frozen=True, slots=True)
class GateKeys:
    """What a reader needs to have cards prove themselves."""

    master: bytes = field(repr=False)
    """16 bytes."""
    version: int
    """1..255: what this event's cards answer when asked for a key's version."""

    def live(self, uid: bytes) -> bytes:
        """The key a card of this UID proves itself with."""
        return _of_card(self.master, uid, b"admit live")

    def sun(self, uid: bytes) -> bytes:
        """The key that signs the message of a card of this UID."""
        return _of_card(self.master, uid, b"admit sun ")

    @property
    def meta(self) -> bytes:
        """The key that hides UID and counter in a message. One for all cards: the UID is inside, so
        it keeps nobody from anything but following a card about.
        """
        return diversified(self.master, b"admit metadata key")


@dataclass(frozen=True, slots=True)
class DeskKeys:
    """What it takes to make a card: the keys of the gates, and the right to change it."""

    gate: GateKeys
    master: bytes = field(repr=False)

    def of(self, number: int, uid: bytes) -> bytes:
        """The key that a card of this UID holds under ``number``, 0..4."""
        known = {LIVE: self.gate.live, SUN: self.gate.sun}
        if number in known:
            return known[number](uid)
        if number == META:
            return self.gate.meta
        return _of_card(self.master, uid, b"admit key " + bytes([number]))


def desk_keys(secret: bytes) -> DeskKeys:
    """Return the keys of an event by the 32-byte ``secret`` of its cards."""
    master = _derived(secret, b"admit-card-desk")
    return DeskKeys(gate_keys(_derived(secret, b"admit-card-gate")), master)


def gate_keys(master: bytes) -> GateKeys:
    """Return the keys of a gate by the 16 bytes that central gave it.

    Raises:
        ValueError: another length.
    """
    if len(master) != MASTER_BYTES:
        raise ValueError(f"a card master key has {MASTER_BYTES} bytes, not {len(master)}")
    # A byte of what is derived tells nothing of the key, and other events' cards from ours.
    return GateKeys(master, 1 + diversified(master, b"admit key version")[0] % 255)


def _of_card(master: bytes, uid: bytes, purpose: bytes) -> bytes:
    if len(uid) != UID_BYTES:
        raise ValueError(f"a card's UID has {UID_BYTES} bytes, not {len(uid)}")
    return diversified(master, uid + purpose)


def _derived(secret: bytes, person: bytes) -> bytes:
    return blake2b(b"", digest_size=MASTER_BYTES, key=secret, person=person).digest()
