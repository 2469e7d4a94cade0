"""Keysets from the roots' ceremony: taken if gates would take them; all else signed anew."""

from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path

import pytest

from central import imports
from central import keysets as keysets_module
from central.errors import CentralFault
from central.keysets import keyring_of, keysets, take_keyset
from central.lists import publish_list, refresh
from central.setup import initialise, open_central
from central.statements import publish, publish_policy, statements_after
from tickets.attacks import StatementRejected
from tickets.bodies import Keyset, NamesHead
from tickets.ceremony import finished, prepare, signed_by
from tickets.key_files import Role, SecretKey, change_key, load_key, new_key, save_key
from tickets.statements import read_statement

EVENT = "FEST2026"
NOW = 1_795_000_000.0


class Desk:
    """An organiser's computer with one event, and its roots."""

    def __init__(self, directory: Path) -> None:
        self.keys, self.url = directory / "keys", f"sqlite:///{directory / 'central.db'}"
        for role in Role:
            save_key(new_key(role, EVENT), self.keys)
        self.root, self.other = load_key(self.keys, Role.ROOT), new_key(Role.ROOT, EVENT)
        initialise(self.url, self.keys, lambda: NOW)
        self.open()
        publish_policy(self.central, {"lists": {"main": {}}, "products": {}})
        imports.import_tickets(self.central, iter([b"id\n", b"anna\n"]), print)

    def open(self) -> None:
        """Start the server, anew after a change of its keys."""
        self.central = open_central(self.url, self.keys, lambda: NOW)

    def wires(self) -> list[bytes]:
        """The keysets that were published."""
        with self.central.database.reading() as connection:
            return keysets(connection)

    def served(self) -> list[dict[str, object]]:
        """What gates are served, in order."""
        return statements_after(self.central, 0)["statements"]  # type: ignore[return-value]

    def keyset(self, *roots: SecretKey, **changes: object) -> bytes:
        """The one in force with changes, signed."""
        ring, last = keyring_of(self.wires(), EVENT)
        assert ring is not None
        assert last is not None
        assert isinstance(last.body, Keyset)
        fields = {name: getattr(last.body, name) for name in last.body.__slots__} | changes
        request = prepare(Keyset(**fields), EVENT, self.wires()[-1], NOW, 86_400)
        for root in roots or (self.root,):
            request = signed_by(request, root)
        return finished(request)

    def types(self) -> list[str]:
        """What gates are served, in order."""
        return [str(said["type"]) for said in self.served()]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """One with a policy and a list of one ticket."""
    yield Desk(tmp_path)


def lists(*keys: SecretKey) -> dict[bytes, bytes]:
    """As a keyset names them."""
    return {key.kid: key.public for key in keys}


def test_gates_are_served_every_keyset(desk: Desk) -> None:
    """One that was away follows from root to root."""
    assert take_keyset(desk.central, desk.keyset()) == ["keyset"]
    assert desk.types() == ["keyset", "policy", "list", "keyset"]


def test_a_list_key_changes_with_an_overlap(desk: Desk) -> None:
    """Both are named; then the new one signs; then the old one goes, and nothing of it is left."""
    old, new = load_key(desk.keys, Role.LIST), new_key(Role.LIST, EVENT)
    save_key(new, desk.keys / "next")
    assert take_keyset(desk.central, desk.keyset(lists=lists(old, new))) == ["keyset"]
    change_key(desk.keys, Role.LIST)
    desk.open()
    done = take_keyset(desk.central, desk.keyset(lists=lists(new), revoked=(old.kid,)))
    assert done == ["keyset", "policy", "list"]
    assert desk.types() == ["keyset", "keyset", "keyset", "policy", "list"]


def test_what_a_crash_left_undone_is_finished_by_the_same_keyset(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else gates that are new would wait for a list that a withdrawn key has signed."""
    old, new = load_key(desk.keys, Role.LIST), new_key(Role.LIST, EVENT)
    save_key(new, desk.keys / "next")
    take_keyset(desk.central, desk.keyset(lists=lists(old, new)))
    change_key(desk.keys, Role.LIST)
    desk.open()
    wire = desk.keyset(lists=lists(new), revoked=(old.kid,))
    with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
        patch.setattr(keysets_module, "publish_list", lambda central: 1 // 0)
        take_keyset(desk.central, wire)
    assert take_keyset(desk.central, wire) == ["list"]
    assert take_keyset(desk.central, wire) == []


def test_a_server_that_runs_with_the_key_before_signs_nothing_more(desk: Desk) -> None:
    """Gates would refuse it, and all that builds on it: it says to be restarted."""
    running = desk.central
    old, new = load_key(desk.keys, Role.LIST), new_key(Role.LIST, EVENT)
    save_key(new, desk.keys / "next")
    take_keyset(running, desk.keyset(lists=lists(old, new)))
    change_key(desk.keys, Role.LIST)
    desk.open()
    take_keyset(desk.central, desk.keyset(lists=lists(new), revoked=(old.kid,)))
    served = desk.served()
    with pytest.raises(CentralFault, match=r"restart admit central serve"):
        imports.cancel(running, "anna")
    with pytest.raises(CentralFault, match=r"restart admit central serve"):
        publish_list(running)
    assert desk.served() == served
    assert refresh(desk.central) == "delta"  # the cancellation, kept till then


def test_names_are_signed_anew_with_the_list(desk: Desk) -> None:
    """A gate that reads all from the start would meet news by a withdrawn key, again and again."""
    with desk.central.database.writing() as connection:
        publish(connection, desk.central, NamesHead(0, 0, bytes(32)))
    old, new = load_key(desk.keys, Role.LIST), new_key(Role.LIST, EVENT)
    save_key(new, desk.keys / "next")
    take_keyset(desk.central, desk.keyset(lists=lists(old, new)))
    change_key(desk.keys, Role.LIST)
    desk.open()
    done = take_keyset(desk.central, desk.keyset(lists=lists(new), revoked=(old.kid,)))
    assert done == ["keyset", "policy", "names", "list"]
    ring, _ = keyring_of(desk.wires(), EVENT)
    assert ring is not None
    for said in desk.served():
        if said["type"] != "keyset":
            read_statement(b64decode(str(said["wire"])), EVENT, ring)


def test_a_keyset_without_the_servers_list_key_is_refused(desk: Desk) -> None:
    """Gates would refuse all that the server signs; nothing was published."""
    with pytest.raises(CentralFault, match="list key of this server"):
        take_keyset(desk.central, desk.keyset(lists=lists(new_key(Role.LIST, EVENT))))
    assert len(desk.wires()) == 1


def test_a_keyset_that_the_roots_have_not_signed_is_refused(desk: Desk) -> None:
    """Or an older one."""
    before = desk.wires()[-1]
    fields = {"roots": lists(desk.other), "threshold": 1, "issuers": {}, "lists": {}}
    request = prepare(Keyset(**fields), EVENT, b"", NOW + 9, 86_400)
    with pytest.raises(StatementRejected):
        take_keyset(desk.central, finished(signed_by(request, desk.other)))
    take_keyset(desk.central, desk.keyset())
    with pytest.raises(StatementRejected, match="roll_back"):
        take_keyset(desk.central, before)
    assert take_keyset(desk.central, desk.wires()[-1]) == []


def test_roots_change_and_one_that_left_cannot_come_back_by_init(desk: Desk) -> None:
    """`admit central init` signs with one root, as long as that is the event's."""
    both = desk.keyset(desk.root, desk.other, roots=lists(desk.root, desk.other), threshold=2)
    take_keyset(desk.central, both)
    with pytest.raises(CentralFault, match="2 of 2 roots"):
        initialise(desk.url, desk.keys, lambda: NOW)
    gone = desk.keyset(desk.root, desk.other, roots=lists(desk.other), threshold=1)
    take_keyset(desk.central, gone)
    with pytest.raises(CentralFault, match="cannot sign it alone"):
        initialise(desk.url, desk.keys, lambda: NOW)


def test_init_again_keeps_the_keys_of_tickets_that_are_out_there(desk: Desk) -> None:
    """And the second of two roots, and a list key that is about to go."""
    issuer, listing = new_key(Role.ISSUER, EVENT), new_key(Role.LIST, EVENT)
    ring, _ = keyring_of(desk.wires(), EVENT)
    assert ring is not None
    issuers, listed = {**ring.issuers, **lists(issuer)}, {**ring.lists, **lists(listing)}
    both = lists(desk.root, desk.other)
    named: dict[str, object] = {"roots": both, "issuers": issuers, "lists": listed}
    take_keyset(desk.central, desk.keyset(desk.root, desk.other, **named))
    initialise(desk.url, desk.keys, lambda: NOW)
    after, _ = keyring_of(desk.wires(), EVENT)
    assert after is not None
    assert (after.roots, after.issuers, after.lists) == (both, issuers, listed)


def test_init_again_keeps_what_was_withdrawn(desk: Desk) -> None:
    """For another year; a stolen key does not come back by it."""
    take_keyset(desk.central, desk.keyset(revoked=(b"stolenid",)))
    initialise(desk.url, desk.keys, lambda: NOW)
    ring, _ = keyring_of(desk.wires(), EVENT)
    assert ring is not None
    assert ring.revoked == {b"stolenid"}
