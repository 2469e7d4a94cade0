"""Names of guests: sealed when they come in, served sealed, and nowhere else."""

import base64
import gzip
from typing import Any

import pytest
from sqlalchemy import select

from central.imports import Imported, import_tickets
from central.lists import publish_list
from central.schema import guest
from central.setup import open_central
from tests.central.conftest import ON_SQLITE
from tests.rigs.central_rig import CentralRig, Device
from tickets.cose import split_first
from tickets.credential import Credential, Format
from tickets.keys import cti_of
from tickets.names import NAME_ROW_BYTES, open_name
from tickets.strength import weak_codes

STRONG = "7QXW3RT9KM2VB8YHFC5N"
NAMES = f"id,name,code\nV1,Ada Lovelace,\nV2,Grace Hopper,{STRONG}\nV3,Alan Turing,SHORT-7\nV4,,\n"


def taken(rig: CentralRig, text: str) -> Imported:
    bad: list[object] = []
    done = import_tickets(rig.central, text.encode().splitlines(keepends=True), bad.append)
    assert bad == []
    return done


def said(north: Device) -> list[dict[str, Any]]:
    found = north.get("/v1/statements?after=0").json()["statements"]
    return [one for one in found if one["type"] == "names"]


def served(north: Device) -> dict[bytes, bytes]:
    """Ticket key -> sealed name, as a gate fetches them."""
    import cbor2

    payload = split_first(base64.b64decode(said(north)[0]["wire"]), 1)[0].payload
    head = cbor2.loads(payload)["body"]
    rows = gzip.decompress(north.get(f"/v1/lists/{head['hash'].hex()}").content)
    assert len(rows) == head["size"] == head["rows"] * NAME_ROW_BYTES
    starts = range(0, len(rows), NAME_ROW_BYTES)
    return {rows[at : at + 16]: rows[at + 16 : at + NAME_ROW_BYTES] for at in starts}


def opened(rig: CentralRig, north: Device, *credentials: Credential) -> set[str | None]:
    rows, key = served(north).values(), rig.central.event_key
    return {open_name(key, who, sealed) for who in credentials for sealed in rows} - {None}


def signed(rig: CentralRig, ticket_id: str) -> Credential:
    return Credential(Format.AD1, cti_of(rig.central.event_secret, ticket_id))


def opaque(code: str) -> Credential:
    return Credential(Format.OPAQUE, code.encode())


def test_a_name_opens_with_the_code_of_its_ticket_alone(rig: CentralRig, north: Device) -> None:
    done = taken(rig, NAMES)
    assert (done.named, done.weak, done.weak_lines) == (2, 1, (4,))
    assert opened(rig, north, signed(rig, "V1")) == {"Ada Lovelace"}
    assert opened(rig, north, opaque(STRONG)) == {"Grace Hopper"}
    assert opened(rig, north, signed(rig, "V2"), opaque("V1"), opaque("SHORT-7")) == set()


def test_a_code_that_can_be_guessed_gets_no_name(rig: CentralRig, north: Device) -> None:
    """A series is found by its neighbours, its first one by the second."""
    rows = "".join(f"W{n},Guest {n},SUMMERFESTIVAL2026-GENERAL-{n:08}\n" for n in range(600))
    done = taken(rig, f"id,name,code\n{rows}")
    assert (done.named, done.weak) == (0, 600)
    assert done.weak_lines == (2, 3, 4, 5, 6)
    assert said(north) == []
    assert "600 codes" in weak_codes(done.weak, done.weak_lines)


@ON_SQLITE
def test_no_name_is_in_the_database(rig: CentralRig) -> None:
    """Nor a code; ids are the organiser's own books."""
    taken(rig, NAMES)
    files = [path for path in rig.directory.iterdir() if path.name.startswith("central.db")]
    data = b"".join(path.read_bytes() for path in files)
    assert b"V2" in data
    for secret in ("Ada", "Lovelace", "Grace", "Hopper", "Turing", STRONG):
        assert secret.encode() not in data


def test_an_import_that_changes_no_name_sends_nothing_anew(rig: CentralRig, north: Device) -> None:
    taken(rig, NAMES)
    first = said(north)
    taken(rig, NAMES)
    assert said(north) == first
    taken(rig, NAMES.replace("Ada Lovelace", "Ada King"))
    assert said(north)[0]["serial"] > first[0]["serial"]
    assert opened(rig, north, signed(rig, "V1")) == {"Ada King"}


def test_a_row_without_a_name_takes_it_away(rig: CentralRig, north: Device) -> None:
    taken(rig, NAMES)
    taken(rig, "id\nV1\n")
    assert len(served(north)) == 1
    assert opened(rig, north, signed(rig, "V1")) == set()


def test_the_name_of_a_code_that_was_replaced_goes_with_it(rig: CentralRig, north: Device) -> None:
    taken(rig, NAMES)
    taken(rig, "id,code,name\nV2,ANOTHER0CODE9WITH4MANY7SIGNS2,Grace Hopper\n")
    assert opened(rig, north, opaque(STRONG)) == set()
    assert opened(rig, north, opaque("ANOTHER0CODE9WITH4MANY7SIGNS2")) == {"Grace Hopper"}


def test_new_lists_leave_the_names_in_place(rig: CentralRig, north: Device) -> None:
    """Both lie in one table of bodies, of which only the last lists are kept."""
    taken(rig, NAMES)
    for _ in range(4):
        publish_list(rig.central)
    assert len(served(north)) == 2


def test_only_two_bodies_of_names_are_kept(rig: CentralRig) -> None:
    from central.lists import bodies_of_names
    from central.schema import list_body

    for number in range(5):
        taken(rig, f"id,name\nV1,Guest number {number}\n")
    with rig.central.database.reading() as connection:
        kept = bodies_of_names(connection)
        there = set(connection.execute(select(list_body.c.number)).scalars())
    assert len(kept) == 2 and set(kept) <= there and len(there) <= 4


@ON_SQLITE
@pytest.mark.parametrize("version", ["1", "3"])
def test_a_database_of_an_older_version_gets_the_table(rig: CentralRig, version: str) -> None:
    with rig.central.database.writing() as connection:
        guest.drop(connection)
        connection.exec_driver_sql(f"UPDATE meta SET value = '{version}' WHERE name = 'schema'")
    again = open_central(rig.db, rig.keys)
    with again.database.reading() as connection:
        assert connection.execute(select(guest)).all() == []
    again.database.close()
