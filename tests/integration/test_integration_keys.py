"""Every key of an event changes while the gate runs; admit.toml stays as it was."""

from dataclasses import replace
from pathlib import Path

import pytest

from central.imports import cancel
from central.keysets import keysets, take_keyset
from central.setup import open_central
from tests.integration.conftest import CSV, POLICY
from tests.rigs.central_rig import EVENT, CentralRig, make_event
from tests.rigs.real_gate import RealGate, code_of, until
from tickets.bodies import Keyset
from tickets.ceremony import finished, keyset_in, prepare, signed_by
from tickets.key_files import Role, SecretKey, change_key, load_key, new_key, save_key


def named(*keys: SecretKey) -> dict[bytes, bytes]:
    """As a keyset names them."""
    return {key.kid: key.public for key in keys}


class Organiser:
    """The ceremony, and the server that it changes."""

    def __init__(self, rig: CentralRig) -> None:
        self.rig = rig
        self.root = load_key(rig.keys, Role.ROOT)

    def publish(self, *roots: SecretKey, **changes: object) -> list[str]:
        """The keyset in force with changes, signed; what was published with it."""
        central = open_central(self.rig.db, self.rig.keys)
        with central.database.reading() as connection:
            before = keysets(connection)[-1]
        body: Keyset = replace(keyset_in(before), **changes)  # type: ignore[arg-type]
        request = prepare(body, EVENT, before, central.now(), 86_400)
        for root in roots:
            request = signed_by(request, root)
        done = take_keyset(central, finished(request))
        central.database.close()
        return done

    def restart(self) -> None:
        """Of the server's process, as after `admit keys change list`."""
        port = int(self.rig.url.rsplit(":", 1)[1])
        self.rig.kill()
        self.rig.start(port)


@pytest.mark.heavy
@pytest.mark.timeout(180)
def test_list_key_issuer_key_and_root_change_on_a_running_gate(tmp_path: Path) -> None:
    """With an overlap; then the old ones count no more, and a cancellation still acts."""
    rig = make_event(tmp_path, csv=CSV, policy=POLICY)
    rig.start()
    organiser, keys = Organiser(rig), rig.keys
    old_list, old_issuer = load_key(keys, Role.LIST), load_key(keys, Role.ISSUER)
    new_list, new_issuer, last_issuer = (new_key(r, EVENT) for r in (Role.LIST, *[Role.ISSUER] * 2))
    new_root = new_key(Role.ROOT, EVENT)
    save_key(new_list, keys / "next")
    try:
        with RealGate(tmp_path, "north", rig, rig.url) as gate:
            gate.start()
            gate.ready()

            def news(serial: int) -> None:
                until(lambda: gate.status()["list"]["serial"] > serial, "a newer list", 40)

            # Both keys of each kind are named; the server goes over to its new one.
            both = {"lists": named(old_list, new_list), "issuers": named(old_issuer, new_issuer)}
            organiser.publish(organiser.root, **both)
            change_key(keys, Role.LIST)
            organiser.restart()
            # The old ones go, and with them the root; the list is signed anew.
            before = gate.status()["list"]["serial"]
            done = organiser.publish(
                *(organiser.root, new_root),
                roots=named(new_root),
                lists=named(new_list),
                issuers=named(new_issuer),
                revoked=(old_list.kid, old_issuer.kid),
            )
            assert done == ["keyset", "policy", "list"]
            news(before)
            assert gate.present(code_of(rig, "T1"))["reason"] == "forged"
            assert gate.enter(code_of(rig, "T1", new_issuer.secret))["outcome"] == "passage"
            # Gate and exchange start anew, from what they kept: now the new root alone counts.
            gate.kill("scanner"), gate.kill("sync")
            gate.start()
            gate.ready()
            before = gate.status()["list"]["serial"]
            organiser.publish(new_root, issuers=named(new_issuer, last_issuer))
            central = open_central(rig.db, keys)
            cancel(central, "T2")
            central.database.close()
            news(before)
            assert gate.present(code_of(rig, "T2", last_issuer.secret))["reason"] == "cancelled"
            assert gate.enter(code_of(rig, "T3", last_issuer.secret))["outcome"] == "passage"
            assert gate.present(code_of(rig, "T4"))["reason"] == "forged"
            assert {"statement", "withdrawn", "expired", "freeze"}.isdisjoint(gate.faults())
    finally:
        rig.kill()
        rig.central.database.close()
