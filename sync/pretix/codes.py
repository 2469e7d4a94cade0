"""Codes of scans that are not uploaded yet: asked of scanner, opened here, kept nowhere.

scanner seals them to the notary's root key, which it trusts already; see docs/adr/0022 and 0027.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

from sync.link import Link, ScannerBabbles
from sync.pretix.notary import NotaryKeys
from tickets.sealing import NotSealedForUs, open_sealed

log = logging.getLogger(__name__)
_PATIENCE = 5.0
MOST = 30
"""Codes of one question: of the longest there are, so many fit into one message."""


class Codes:
    """Reads codes of records by their number.

    Args:
        socket: Path of scanner's `sync.sock`.
    """

    def __init__(self, socket: Path, keys: NotaryKeys) -> None:
        self._socket, self._seed = socket, keys.signer("root")[1]

    def of(self, epoch: bytes, seqs: Sequence[int]) -> dict[int, bytes]:
        """The codes of those records that have one.

        Raises:
            ScannerGone, ScannerBabbles: ask again later.
        """
        link = Link(self._socket)
        try:
            asked = {"op": "sealed", "epoch": epoch.hex(), "seqs": list(seqs[:MOST])}
            answer = link.ask(asked, _PATIENCE)
        finally:
            link.close()
        try:
            sealed = {int(seq): bytes.fromhex(text) for seq, text in answer["sealed"].items()}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ScannerBabbles(f"sealed: {error}") from error
        return {seq: code for seq, box in sealed.items() if (code := self._open(box)) is not None}

    def _open(self, box: bytes) -> bytes | None:
        try:
            return open_sealed(self._seed, box)
        except NotSealedForUs as error:  # of an enrolment before: the ticket's number may serve
            log.warning("%s", error)
            return None
