"""The one form of CBOR that Admit signs: deterministic, no tags, no surprises.

Source: RFC 8949, section 4.2.1 (core deterministic encoding). cbor2 by itself takes trailing
bytes, long forms and tags that run decoders (regular expressions, e-mail, dates); here whatever
would not be written back byte for byte is refused.
"""

from collections.abc import Mapping
from typing import NoReturn

import cbor2


class CborError(ValueError):
    """The bytes are not deterministic CBOR of plain values."""


def _refuse_tag(*_: object) -> NoReturn:
    raise cbor2.CBORDecodeError("tags are not used")


# Every tag for which cbor2 would run a decoder of its own; any other goes to `tag_hook`.
_TAGS = (0, 1, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004)
_NO_TAGS = dict.fromkeys((*_TAGS, 43000, 55799), _refuse_tag)


def encode(value: object) -> bytes:
    """Return the deterministic encoding of plain values (`decode` takes exactly these).

    Raises:
        cbor2.CBOREncodeError: ``value`` holds something CBOR has no plain form for.
    """
    return cbor2.dumps(value, canonical=True)


def decode(data: bytes, depth: int = 8) -> object:
    """Return the value of ``data``, which the caller has bounded in size and verified.

    Args:
        data: One whole item, nothing after it.
        depth: Deepest nesting that is read.
    Raises:
        CborError: not CBOR, tagged, nested deeper than ``depth``, a duplicate key, an
            indefinite length, or any form but the deterministic one.
    """
    try:
        value: object = cbor2.loads(
            data,
            max_depth=depth,
            allow_indefinite=False,
            allow_duplicate_keys=False,
            semantic_decoders=_NO_TAGS,
            tag_hook=_refuse_tag,
        )
        again = cbor2.dumps(value, canonical=True)
    except cbor2.CBORError as error:
        raise CborError(str(error)) from error
    if again != data:
        raise CborError("not in deterministic form, or bytes follow it")
    return value


def is_plain(value: object) -> bool:
    """Say whether ``value`` holds only None, bool, int, float, text, bytes, lists and text maps."""
    if isinstance(value, Mapping):
        return all(type(key) is str and is_plain(item) for key, item in value.items())
    if isinstance(value, list):
        return all(is_plain(item) for item in value)
    return value is None or type(value) in (bool, int, float, str, bytes)
