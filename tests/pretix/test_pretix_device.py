"""What a device may rely on: its handshake, its token, what each security profile is allowed."""

import json

import pytest

from tests.pretix.conftest import Everything
from tests.rigs.pretix_rig import SOFTWARE

pytestmark = [pytest.mark.heavy, pytest.mark.xdist_group("pretix-everything")]

ORGANIZER = "organizers/admit/"
TOKYO = ORGANIZER + "events/tokyo/"


def test_handshake_names_version_address_and_token(everything: Everything) -> None:
    """The QR of the admin's page is three fields of JSON."""
    server = everything.server
    device = server.device("qr")
    shown = json.loads(server.handshake(device))
    assert shown == {"handshake_version": 1, "url": server.url, "token": device.token}
    assert len(device.token) == 16


def test_initialize_answers_the_device_and_works_once(everything: Everything) -> None:
    """The second use of a token is refused with pretix' own words."""
    server = everything.server
    device = server.device("once", gate="north")
    made = server.initialize(device)
    assert made["organizer"] == "admit"
    assert made["device_id"] == device.id
    assert made["security_profile"] == "pretixscan"
    assert made["gate"]["name"] == "north"
    assert {"api_token", "unique_serial", "name"} <= made.keys()
    again = server.api("").post("device/initialize", {"token": device.token, **SOFTWARE})
    assert again.status_code == 400
    assert again.json() == {"token": ["This initialization token has already been used."]}


def test_initialize_wants_the_four_fields(everything: Everything) -> None:
    """Hardware and software have to be named; a wrong token is told apart."""
    nobody = everything.server.api("")
    missing = nobody.post("device/initialize", {"token": "x"})
    assert missing.status_code == 400
    wanted = {"hardware_brand", "hardware_model", "software_brand", "software_version"}
    assert wanted <= missing.json().keys()
    wrong = nobody.post("device/initialize", {"token": "0000000000000000", **SOFTWARE})
    assert (wrong.status_code, list(wrong.json())) == (400, ["token"])


def test_info_and_update_show_gate_and_server(everything: Everything) -> None:
    """A device learns its name, its gate and the server's version; update takes the same fields."""
    api = everything.server.api(everything.server.token(gate="north"))
    info = api.get("device/info").json()
    assert info["device"]["gate"]["name"] == "north"
    assert info["server"]["version"]["pretix"].startswith("2026.")
    assert isinstance(info["server"]["version"]["pretix_numeric"], int)
    updated = api.post("device/update", {**SOFTWARE, "software_version": "0.0.2", "info": {"a": 1}})
    assert updated.status_code == 200
    assert updated.json()["gate"]["name"] == "north"


def test_roll_kills_the_old_token_at_once(everything: Everything) -> None:
    """A crash before the new token is saved loses the device."""
    server = everything.server
    old = server.api(server.initialize(server.device("roll"))["api_token"])
    new = old.post("device/roll").json()["api_token"]
    assert old.get("device/info").status_code == 401
    assert server.api(new).get("device/info").status_code == 200


@pytest.mark.parametrize("by", ["admin", "device"])
def test_revoked_device_is_told_so(everything: Everything, by: str) -> None:
    """401 with exactly this text is what data are wiped on; an unknown token reads otherwise."""
    server = everything.server
    device = server.device("revoked")
    api = server.api(server.initialize(device)["api_token"])
    if by == "admin":
        server.set_device(device, revoked=True)
    else:
        assert api.post("device/revoke").status_code == 200
    refused = api.get("device/info")
    assert refused.status_code == 401
    assert refused.json() == {"detail": "Device access has been revoked."}
    unknown = server.api("nonsense").get("device/info")
    assert unknown.status_code == 401
    assert unknown.json() != refused.json()


ALL = {"full", "pretixscan", "pretixscan_online_noorders", "pretixscan_online_kiosk"}
SCAN = {"full", "pretixscan"}
ALLOWED = {
    TOKYO: ALL,
    TOKYO + "settings/": ALL,
    TOKYO + "items/": ALL,
    TOKYO + "categories/": ALL,
    TOKYO + "questions/": ALL,
    TOKYO + "checkinlists/": ALL,
    TOKYO + "revokedsecrets/": ALL,
    TOKYO + "blockedsecrets/": ALL,
    TOKYO + "orders/": SCAN,
    ORGANIZER + "reusablemedia/": SCAN,
    TOKYO + "checkinlists/{list}/": {"full"},
    TOKYO + "checkinlists/{list}/status/": ALL,
    TOKYO + "checkinlists/{list}/positions/": ALL - {"pretixscan_online_kiosk"},
    TOKYO + "vouchers/": {"full"},
    ORGANIZER + "giftcards/": {"full"},
}


@pytest.mark.parametrize("profile", sorted(ALL))
def test_profile_allows(everything: Everything, profile: str) -> None:
    """Which profile reads what; outside it 403 with one text."""
    server = everything.server
    api = server.api(server.token(profile))
    some_list = everything.plan.event("tokyo").list("everything")
    for path, allowed in ALLOWED.items():
        answer = api.get(path.format(list=some_list))
        assert answer.status_code == (200 if profile in allowed else 403), path
        if answer.status_code == 403:
            refused = {"detail": "Request denied by device security profile."}
            assert answer.json() == refused, path


def test_event_that_is_taken_away_is_403(everything: Everything) -> None:
    """A lost permission is told on the event itself; the list of events leaves it out."""
    server = everything.server
    device = server.device("narrow", events=["tokyo", "berlin"])
    api = server.api(server.initialize(device)["api_token"])
    assert api.get(TOKYO).status_code == 200
    server.set_device(device, events=["berlin"])
    assert api.get(TOKYO).status_code == 403
    assert [event["slug"] for event in api.rows(ORGANIZER + "events/")] == ["berlin"]


def test_event_selection_follows_the_gate(everything: Everything) -> None:
    """Only lists tied to the device's gate are suggested to it."""
    server, tokyo = everything.server, everything.plan.event("tokyo")
    at_north = server.api(server.token(gate="north"))
    here = {"current_event": "tokyo", "current_checkinlist": tokyo.list("north")}
    assert at_north.get("device/eventselection", None, **here).status_code == 304
    elsewhere = {**here, "current_checkinlist": tokyo.list("everything")}
    moved = at_north.get("device/eventselection", None, **elsewhere)
    assert moved.status_code == 200
    assert moved.json()["checkinlist"] == tokyo.list("north")
