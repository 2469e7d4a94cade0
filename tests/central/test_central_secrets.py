"""What central holds is never printed by accident."""

from tests.rigs.central_rig import CentralRig


def test_no_key_is_in_what_central_is_printed_as(rig: CentralRig) -> None:
    """A failed test, a debugger or a log line prints it whole."""
    central = rig.central
    secrets = (
        central.event_secret,
        central.event_key,
        central.list_seed,
        central.card_key or b"\0" * 16,
    )
    assert not any(repr(secret) in repr(central) for secret in secrets)
