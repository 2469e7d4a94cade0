"""What devices send: hand scanners, cards, pictures, and the readers' processes (`drivers/`)."""

from contextlib import suppress

from drivers.errors import PictureError, UriError
from drivers.messages import MessageError, decode, encode
from drivers.nfc_errors import CardFault
from drivers.nfc_type2 import find_message
from drivers.nfc_type4 import parse_capabilities
from drivers.picture_header import read_header
from drivers.uri import DriverUri
from drivers.wedge_frames import MOST_LINE, Framer
from drivers.wedge_keys import LAYOUTS, Keyboard, text_of


def reader_message(data: bytes) -> None:
    """From a reader's process, which a hostile picture or card may have taken over."""
    with suppress(MessageError):
        message = decode(data)
        assert decode(encode(message)) == message


def hand_scanner(data: bytes) -> None:
    """Bytes of a serial scanner, in two pieces; cut anywhere, they are the same codes."""
    whole, pieces = Framer(0.05), Framer(0.05)
    expected = whole.feed(data, 0.0) + whole.idle(1.0)
    half = len(data) // 2
    found = pieces.feed(data[:half], 0.0) + pieces.feed(data[half:], 0.0) + pieces.idle(1.0)
    assert found == expected
    assert all(0 < len(code) <= MOST_LINE for code in found)


def keyboard(data: bytes) -> None:
    """Keys of a scanner that types: pairs of key code, and up or down with a layout."""
    keys = Keyboard()
    for code, way in zip(data[::2], data[1::2], strict=False):
        if keys.key(code, bool(way & 1)):
            text_of(keys.take(), list(LAYOUTS)[way % len(LAYOUTS)])


def tag_memory(data: bytes) -> None:
    """The data area of a type 2 tag, after the size that it claims."""
    with suppress(CardFault):
        place = find_message(data[1:], 8 * (data[0] if data else 0))
        assert place is None or place.size > 0


def tag_capabilities(data: bytes) -> None:
    """The capability container of a type 4 tag."""
    with suppress(CardFault):
        assert parse_capabilities(data).length_field in (2, 4)


def picture(data: bytes) -> None:
    """The head of a picture file; what it says is judged before anything is unpacked."""
    with suppress(PictureError):
        assert read_header(data).pixels > 0


def device_uri(data: bytes) -> None:
    """A device's address in the configuration."""
    with suppress(UriError):
        DriverUri.parse(data.decode("utf-8", "replace"))


TARGETS = {
    "reader_message": reader_message,
    "hand_scanner": hand_scanner,
    "keyboard": keyboard,
    "tag_memory": tag_memory,
    "tag_capabilities": tag_capabilities,
    "picture": picture,
    "device_uri": device_uri,
}
