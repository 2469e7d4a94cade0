"""What reading a ticket of each format costs beside one Ed25519 verification.

All are timed in turns in one run, so that what else the machine does falls on all alike.
"""

import json
import statistics
import time
from collections.abc import Callable, Mapping

from nacl.signing import SigningKey, VerifyKey

from tickets import ad1, ad2, cose
from tickets.credential import Credential, Format
from tickets.parse import parse
from tickets.trust import trust_of

ROUNDS = 4000
TARGETS = {Format.AD1: 1.6, Format.AD2: 3.0}
"""Most that a read may cost, in PyNaCl verifications."""

_SEED, _PHONE = bytes(range(32)), bytes(range(1, 33))
_PUBLIC = cose.public_key_of(_SEED)
_KID = cose.key_id(_PUBLIC)
_PRETIX_KEY = bytes.fromhex("03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8")
_PRETIX_CODE = (
    b"==AAT1CLOA+Hh/0K5aOu5kIKYg/W94a75xrr4JT++hZQGC+GMm7aX6KIjJL0XSlH+RCFle51B1ixXn5/eA/hvgWwGgdi"
    b"ZCKMGg9h4CKK4gRCSDRN0MjMxUGdhdUCKAEAcAQA"
)
"""Made by the generator of pretix 2026.8.0, with the key above."""


def measure(rounds: int = ROUNDS) -> dict[str, object]:
    """Return p50 and p99 in microseconds of all, and the ratios of the medians."""
    calls = {"verify": _bare_verify()} | _reads()
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            times[name].append(_timed(call))
    bare = statistics.median(times["verify"])
    told: dict[str, object] = {"rounds": rounds}
    for name, found in times.items():
        told |= _percentiles(name, found)
    ratios = {name: round(statistics.median(times[name]) / bare, 3) for name in calls}
    del ratios["verify"]
    targets = {name.value: most for name, most in TARGETS.items()}
    return told | {"ratio_p50": ratios, "targets": targets}


def _reads() -> dict[str, Callable[[], object]]:
    """A call for each format that reads a good ticket of it."""
    trust = trust_of("FEST2026", {_KID: _PUBLIC}, pretix_keys=[_PRETIX_KEY])
    reads: dict[str, Callable[[], object]] = {}
    for form, payload in _payloads().items():
        found = parse(payload, trust)
        if not (isinstance(found, Credential) and found.format is form):
            raise AssertionError(f"the {form} ticket to be timed is not read")
        reads[form.value] = lambda payload=payload: parse(payload, trust)  # type: ignore[misc]
    return reads


def _payloads() -> Mapping[Format, bytes]:
    since, until = 1_790_000_000, 1_800_000_000
    ticket = ad1.sign(_SEED, _KID, "FEST2026", bytes(16), valid_from=since, valid_until=until)
    phone = cose.public_key_of(_PHONE)
    bound = ad1.sign(_SEED, _KID, "FEST2026", bytes(16), valid_until=until, holder_key=phone)
    return {
        Format.AD1: ad1.to_qr_text(ticket).encode(),
        Format.AD2: ad2.to_qr_text(ad2.sign(_PHONE, bound, 1_795_000_000)).encode(),
        Format.PRETIX_SIG1: _PRETIX_CODE,
        Format.OPAQUE: b"2p5jxf7c8rfg7hsbhx5wxvbnxxxphyzw",
    }


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
