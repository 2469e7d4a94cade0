"""A keyset in plain words: what who signs it reads first."""

import time
from collections.abc import Iterator, Mapping

from tickets.bodies import Keyset
from tickets.ceremony import Request, keyset_in, signers
from tickets.cose import key_id

_MEANS = {
    "roots": "root key (signs keysets)",
    "issuers": "issuer key (makes tickets)",
    "lists": "list key (signs lists and rules)",
    "pretix": "key of pretix (makes tickets)",
}


def words(request: Request) -> Iterator[str]:
    """Yield the lines: event, life, each key with what happens to it, what is still missing."""
    statement, keyset = request.statement, request.keyset
    before = keyset_in(request.before) if request.before else None
    yield f"Keyset {statement.serial} of event {statement.event}"
    yield f"  in force until {_day(statement.expires)}, made on {_day(statement.issued)}"
    if before is None:
        yield "  the FIRST keyset of this event: sign it only if there was none before"
    for name, meaning in _MEANS.items():
        now, was = _keys(keyset, name), _keys(before, name) if before else {}
        for kid in sorted(now.keys() | was.keys()):
            yield f"  {_fate(kid in now, kid in was, before is None):8} {meaning} {kid.hex()}"
    for kid in sorted(keyset.revoked):
        new = before is None or kid not in before.revoked
        yield f"  {'WITHDRAWN' if new else 'withdrawn'} {kid.hex()}: counts no more, in any role"
    yield f"  {keyset.threshold} of {len(keyset.roots)} roots must sign the next keyset"
    yield f"Fingerprint: {request.fingerprint}"
    yield from missing(request)


def missing(request: Request) -> Iterator[str]:
    """Yield who has signed, and for each side that lacks some how many it lacks."""
    have = signers(request)
    yield f"Signed by: {', '.join(sorted(kid.hex() for kid in have)) or 'nobody yet'}"
    sides = {"its own roots": request.keyset}
    if request.before:
        sides["the roots before"] = keyset_in(request.before)
    for name, body in sides.items():
        count = len((have & body.roots.keys()) - set(request.keyset.revoked))
        if count < body.threshold:
            yield f"Missing: {body.threshold - count} more of {name}"


def _fate(now: bool, was: bool, first: bool) -> str:
    if now and was:
        return "stays"
    if now:
        return "is" if first else "NEW"
    return "LEAVES"


def _keys(keyset: Keyset, name: str) -> Mapping[bytes, bytes]:
    if name == "pretix":
        return {key_id(key): key for key in keyset.pretix}
    found: Mapping[bytes, bytes] = getattr(keyset, name)
    return found


def _day(at: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(at))
