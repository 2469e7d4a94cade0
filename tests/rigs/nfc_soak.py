"""Ten thousand taps in a process of their own, whose memory nothing else touches.

`python -m tests.rigs.nfc_soak` prints {"read", "traced", "resident"}: how many cards were read, and
by how many bytes the memory grew after the first part.
"""

import contextlib
import gc
import json
import tracemalloc
from collections.abc import Iterable
from pathlib import Path

from drivers.nfc_errors import CardFault
from tests.rigs.nfc_rig import Bench, card, ticket

TAPS, WARM = 10_000, 2_000
HONEST = ("ntag213", "ntag215", "ntag216", "type4", "short_ats", "lost_frames")
HOSTILE = ("empty_read", "endless_wait", "endless_chain", "huge_length", "past_end", "garbled")


def taps(bench: Bench, numbers: Iterable[int]) -> int:
    """Hold card after card to the reader, one in twenty hostile; how many were read."""
    read = 0
    for n in numbers:
        payload, uid = b"ticket %d" % n, b"\x04" + n.to_bytes(6, "big")
        kinds = HOSTILE if n % 20 == 0 else HONEST
        kind = kinds[n // 20 % len(kinds)] if n % 20 == 0 else kinds[n % len(kinds)]
        with contextlib.suppress(CardFault):
            read += bench.read(card(kind, ticket(payload), uid)) == payload
    return read


def resident() -> int:
    """Bytes of memory this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def main() -> None:
    bench = Bench()
    tracemalloc.start()
    read = taps(bench, range(WARM))
    gc.collect()
    traced, held = tracemalloc.get_traced_memory()[0], resident()
    read += taps(bench, range(WARM, TAPS))
    gc.collect()
    grown = tracemalloc.get_traced_memory()[0] - traced
    print(json.dumps({"read": read, "traced": grown, "resident": resident() - held}))


if __name__ == "__main__":
    main()
