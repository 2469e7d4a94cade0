"""Runs in the venv of `cwt`, not in ours: one JSON question in, one JSON answer out.

{"do": "verify", "token", "public", "kid"}           -> {"claims": CBOR} or {"refused": why}
{"do": "sign", "claims": CBOR, "seed", "public", "kid"} -> {"token"}
"""

import json
import sys

import cbor2
from cwt import COSE, CWT, COSEKey, DecodeError, VerifyError

ALGORITHM, KID, EDDSA = 1, 4, -8


def main() -> None:
    """Answer one question."""
    asked = json.load(sys.stdin)
    given = {name: bytes.fromhex(value) for name, value in asked.items() if name != "do"}
    print(json.dumps({"verify": _verify, "sign": _sign}[asked["do"]](given)))


def _key(given: dict[str, bytes]) -> COSEKey:
    key = {1: 1, 2: given["kid"], 3: EDDSA, -1: 6, -2: given["public"]}
    return COSEKey.new(key | ({-4: given["seed"]} if "seed" in given else {}))


def _verify(given: dict[str, bytes]) -> dict[str, str]:
    try:
        claims = CWT.new().decode(given["token"], _key(given))
    except (VerifyError, DecodeError, ValueError) as error:
        return {"refused": f"{type(error).__name__}: {error}"}
    return {"claims": cbor2.dumps(claims, canonical=True).hex()}


def _sign(given: dict[str, bytes]) -> dict[str, str]:
    header = {ALGORITHM: EDDSA, KID: given["kid"]}
    return {"token": COSE.new().encode(given["claims"], _key(given), header, {}).hex()}


if __name__ == "__main__":
    main()
