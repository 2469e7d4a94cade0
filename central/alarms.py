"""Alarms, told once each, with the evidence they rest on, which is kept for good."""

import json
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any

from sqlalchemy import Connection, func, select

from central.inserts import insert_new
from central.schema import alarm, evidence

MOST_EVIDENCE = 16
"""Pieces of evidence of one alarm: two heads and two records say it all."""
MOST_BODY = 65_536
"""Characters of one piece that are kept."""

Piece = tuple[str, Mapping[str, Any]]
"""What it is (`head`, `record`, `run`), and its JSON."""


def raise_alarm(
    connection: Connection,
    now: float,
    device: str,
    name: str,
    detail: str,
    *,
    about: str = "",
    pieces: Iterable[Piece] = (),
) -> None:
    """Tell of something that somebody must look into; told before, it gains its evidence only.

    Args:
        about: What it is told of once, such as a journal; default: its detail.
    """
    identity = f"{device} {name} {about or detail}".encode()
    digest = blake2b(identity, digest_size=32).digest()
    row = {"digest": digest, "name": name, "device": device, "detail": detail, "raised": now}
    insert_new(connection, alarm, row)
    kept = select(func.count()).select_from(evidence).where(evidence.c.alarm == digest)
    room = MOST_EVIDENCE - connection.execute(kept).scalar_one()
    for what, told in list(pieces)[: max(room, 0)]:
        body = json.dumps(told, sort_keys=True)[:MOST_BODY]
        named = blake2b(digest + f"{what} {body}".encode(), digest_size=32).digest()
        piece = {"digest": named, "alarm": digest, "what": what, "body": body, "received": now}
        insert_new(connection, evidence, piece)
