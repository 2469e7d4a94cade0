"""Which `Host` headers are answered: a defence against DNS rebinding.

A hostile web page can point its own name at this machine and then read what it serves; it cannot
make the browser send a literal address as `Host`. So names are refused, but for our own.
"""

import ipaddress
import re

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_HOST = re.compile(
    r"(?:\[(?P<six>[0-9a-fA-F:.]{2,45})\]|(?P<name>[0-9A-Za-z.-]{1,253}))(?::\d{1,5})?"
)


def allowed_host(header: str, configured: str) -> bool:
    """Whether a request with this `Host` is answered.

    Args:
        header: The header as received: name or address, with or without a port.
        configured: The address the server listens on. With `0.0.0.0` or `::` any literal address
            of the machine is answered, since it has as many as it has networks.
    Source: RFC 9110, section 7.2; RFC 3986, section 3.2.2.
    """
    match = _HOST.fullmatch(header)
    if match is None:
        return False
    host = (match["six"] or match["name"]).lower()
    if host in LOOPBACK or host == configured.lower():
        return True
    return _is_address(configured, unspecified=True) and _is_address(host)


def _is_address(text: str, unspecified: bool = False) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return address.is_unspecified or not unspecified
