"""scanner's own memory of statements: whatever the card made of it, reading it ends well."""

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scanner.kept import Kept, fingerprint

FILES = ("keyset.cbor", "policy.cbor", f"rows-{1:019d}-{2:019d}.cbor", "serials.json")


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.dictionaries(
        st.sampled_from(FILES),
        st.binary(max_size=100)
        | st.sampled_from([b"[" * 50_000, b"\x9f" * 50_000, b'{"serials": [], "trust": "T"}']),
    )
)
def test_no_bytes_on_the_card_stop_a_start(tmp_path: Path, content: dict[str, bytes]) -> None:
    """What cannot be read is passed over; sync's copy is verified instead."""
    for name in FILES:
        (tmp_path / name).write_bytes(content.get(name, b""))
    wires, marks = Kept(tmp_path, "T").load()
    assert all(isinstance(wire, bytes) for wire in wires)
    assert marks == {}


def test_event_roots_and_threshold_make_the_fingerprint() -> None:
    """In whatever order the roots are named."""
    one, two = b"1" * 32, b"2" * 32
    same = {fingerprint("E", (one, two), 2), fingerprint("E", (two, one), 2)}
    others = {fingerprint("F", (one, two), 2), fingerprint("E", (one, two), 1)}
    assert len(same) == 1
    assert len(same | others | {fingerprint("E", (one,), 1)}) == 4
