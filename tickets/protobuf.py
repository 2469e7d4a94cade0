"""As much of protobuf's wire format as signed codes of pretix use, read in its one form.

Source: Protocol Buffers, "Encoding". Protobuf's own readers also take long forms, repeated fields
and numbers below zero; no encoder that pretix uses writes them, so here they are refused. Unknown
fields are passed over as everywhere: a newer pretix may add one, and its tickets are good.
"""

from collections.abc import Mapping

VARINT, FIXED64, TEXT, FIXED32 = 0, 1, 2, 5
"""Wire types; 3 and 4, groups, are long out of use."""
_MAX_VARINT = 9
"""Bytes of 2**63 - 1, the largest number of an int64."""
_FIXED = {FIXED64: 8, FIXED32: 4}


class ProtobufError(ValueError):
    """The bytes are no message of the expected form."""


def message(data: bytes, types: Mapping[int, int]) -> dict[int, int]:
    """Return the numbers of one message by field; absent fields are absent.

    Args:
        data: The whole message, bounded by the caller.
        types: Wire type of each known field, `VARINT` or `TEXT`; texts are checked and left out.
    Raises:
        ProtobufError: cut short, a known field twice or of another type, a group, a number that is
            negative or not in its shortest form, or a text that is not UTF-8.
    """
    found: dict[int, int] = {}
    seen: set[int] = set()
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        field, kind = tag >> 3, tag & 7
        if not field or field in seen or types.get(field, kind) != kind:
            raise ProtobufError(f"field {field} has no place here")
        begin = at
        value, at = _value(data, at, kind)
        if field not in types:
            continue
        seen.add(field)
        if kind == VARINT:
            found[field] = value
        else:
            _check_text(data[begin:at][-value:] if value else b"")
    return found


def _value(data: bytes, at: int, kind: int) -> tuple[int, int]:
    """Return the number, or the length of the bytes, at ``at``, and the offset after all of it."""
    value = 0
    if kind in (VARINT, TEXT):
        value, at = _varint(data, at)
    if kind == TEXT:
        at += value
    elif kind in _FIXED:
        at += _FIXED[kind]
    elif kind != VARINT:
        raise ProtobufError(f"wire type {kind} is not used")
    if at > len(data):
        raise ProtobufError("cut short")
    return value, at


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for place, byte in enumerate(data[at : at + _MAX_VARINT]):
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            if not byte and place:
                raise ProtobufError("a number is not in its shortest form")
            return value, at + place + 1
    raise ProtobufError("a number is cut short, negative or too large")


def _check_text(text: bytes) -> None:
    try:
        text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ProtobufError("a text is not UTF-8") from error
