"""What is written into a card: the URL's template, and the settings of its file.

Source: NXP NT4H2421Gx data sheet, section 10.7.1 (ChangeFileSettings); NFC Forum NDEF 1.0, RTD URI.
"""

from dataclasses import dataclass

from tickets.errors import GateError
from tickets.ntag424.keys import META, SUN
from tickets.ntag424.sun import CODE_BYTES

FILE_BYTES = 256
LONGEST_URL = 160
"""Characters: with the message behind them they fit the file."""
_SCHEME = "https://"
_HIDDEN, _CODE = "0" * 32, "0" * (2 * CODE_BYTES)
_READ_FREE_WRITE_BY_ADMIN = b"\x00\xe0"
_SIGNED = 0x40
_UID_AND_COUNTER_AS_TEXT = 0xC1
_NOBODY = 0xF


class UrlUnfit(GateError):
    """An address that no card can carry in front of its message."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The contents of a card's NDEF file, and how the card fills them in."""

    file: bytes
    """With its length in front, as the file begins."""
    settings: bytes
    """The data of ChangeFileSettings."""

    @property
    def signs(self) -> bool:
        """Whether the card gives messages."""
        return self.settings[0] == _SIGNED


LIVE_ONLY = Layout(bytes(2), b"\x00" + _READ_FREE_WRITE_BY_ADMIN)
"""Nothing to read: such a card can be asked, but there is no message that could be carried away."""


def signed_url(url: str) -> Layout:
    """Return the layout of a card that shows ``url`` with a message behind it.

    Raises:
        UrlUnfit: not an https address, too long, or not plain ASCII.
    """
    rest = url.removeprefix(_SCHEME)
    plain = rest.isascii() and rest.isprintable() and not set(rest) & set(' #"<>\\^`{|}')
    if rest == url or not rest or not plain or len(url) > LONGEST_URL:
        raise UrlUnfit(
            f"{url[:60]!r} cannot be a card's address",
            f"Write https:// and at most {LONGEST_URL} plain characters, without #",
        )
    text = f"{rest}{'&' if '?' in rest else '?'}card="
    record = b"\x04" + f"{text}{_HIDDEN}&mac={_CODE}".encode()
    message = b"\xd1\x01" + bytes([len(record)]) + b"U" + record
    file = len(message).to_bytes(2, "big") + message
    code = len(file) - len(_CODE)
    hidden = code - len("&mac=") - len(_HIDDEN)
    settings = bytes([_SIGNED]) + _READ_FREE_WRITE_BY_ADMIN + bytes([_UID_AND_COUNTER_AS_TEXT])
    settings += sdm_rights(META, SUN)
    # The text that the code covers begins where it ends: it covers none.
    return Layout(
        file, settings + b"".join(at.to_bytes(3, "little") for at in (hidden, code, code))
    )


def sdm_rights(meta: int, file: int) -> bytes:
    """Two bytes: which keys hide and sign; the counter alone is for nobody to ask."""
    return bytes([0xF0 | _NOBODY, meta << 4 | file])
