"""What reading an AD1 ticket costs beside the one Ed25519 verification in it.

Both are timed in turns in one run, so that what else the machine does falls on both alike.
"""

import json
import statistics
import time
from collections.abc import Callable

from nacl.signing import SigningKey, VerifyKey

from tickets import ad1, cose
from tickets.credential import Credential
from tickets.parse import parse
from tickets.trust import trust_of

ROUNDS = 4000
TARGET = 1.6
"""Most that a read may cost, in PyNaCl verifications."""

_SEED = bytes(range(32))
_PUBLIC = cose.public_key_of(_SEED)
_KID = cose.key_id(_PUBLIC)


def measure(rounds: int = ROUNDS) -> dict[str, float]:
    """Return p50 and p99 in microseconds of both, and the ratio of the medians."""
    read, bare = _read_ticket(), _bare_verify()
    reads, verifies = [], []
    for _ in range(rounds):
        verifies.append(_timed(bare))
        reads.append(_timed(read))
    ratio = statistics.median(reads) / statistics.median(verifies)
    return {
        "rounds": rounds,
        **_percentiles("read_ad1", reads),
        **_percentiles("verify", verifies),
        "ratio_p50": round(ratio, 3),
        "target": TARGET,
    }


def _read_ticket() -> Callable[[], object]:
    signed = ad1.sign(
        _SEED, _KID, "FEST2026", bytes(16), valid_from=1_790_000_000, valid_until=1_800_000_000
    )
    payload = ad1.to_qr_text(signed).encode()
    trust = trust_of("FEST2026", {_KID: _PUBLIC})
    if not isinstance(parse(payload, trust), Credential):
        raise AssertionError("the ticket to be timed is not read")
    return lambda: parse(payload, trust)


def _bare_verify() -> Callable[[], object]:
    message = SigningKey(_SEED).sign(bytes(90))  # about what a ticket signs
    key = VerifyKey(_PUBLIC)
    return lambda: key.verify(message.message, message.signature)


def _timed(call: Callable[[], object]) -> float:
    start = time.perf_counter_ns()
    call()
    return (time.perf_counter_ns() - start) / 1000


def _percentiles(name: str, times: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(times, n=100)
    return {f"{name}_p50_us": round(cuts[49], 1), f"{name}_p99_us": round(cuts[98], 1)}


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))  # noqa: T201
