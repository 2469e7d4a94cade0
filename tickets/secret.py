"""Secrets that never print: not in a log, a message, a traceback's locals, a dump or a pickle."""

import hmac
from typing import NoReturn

MASK = "********"
"""What is shown of every secret."""


class Secret:
    """Text that no log, traceback or dump may show: `repr` and `str` are `********`."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself; call it only where it is sent."""
        return self._text

    def __repr__(self) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")


class SecretBytes(bytes):
    """Bytes for a cipher, a signature or a hash, that show nothing of themselves.

    They are bytes wherever these are asked for; to write them down takes a call that says so, such
    as ``hex()``. Parts of them are plain bytes again.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__

    def __format__(self, _: str) -> str:
        return MASK

    def __reduce_ex__(self, _: object) -> NoReturn:
        raise TypeError("a secret is not pickled")
