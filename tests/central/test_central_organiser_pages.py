"""The organiser's pages: who may do what, what is shown as text, what a change does."""

import html
import json
import re
import threading
from typing import Any

import pytest
from sqlalchemy import text as sql
from sqlalchemy.exc import DBAPIError

from admission.clock import FakeClock
from central import heartbeats, imports
from central.organiser import audit, pages
from central.organiser.pages import PAGES
from central.organiser.tickets import PAGE
from central.organiser.web import BASE
from store.records import Kind
from tests.rigs.central_rig import CentralRig, Device
from tests.rigs.organiser_rig import Browser, Member

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


@pytest.fixture
def browser(rig: CentralRig) -> Browser:
    """An organiser's browser, logged in."""
    browser = Browser(rig.central)
    assert Member(rig.central).welcome(browser).status_code == 303
    return browser


def test_the_page_says_when_gates_believe_this_server_no_more(
    rig: CentralRig, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its list key was changed while it ran."""
    assert "believe no more" not in browser.get("/").text
    monkeypatch.setattr(pages, "signs", lambda central: False)
    assert "restart <code>admit central serve</code>" in browser.get("/").text


# -- markup is text --------------------------------------------------------------------------------


def test_markup_in_ids_names_and_messages_is_text(
    rig: CentralRig, browser: Browser, north: Device
) -> None:
    """Cross-site scripting by a ticket's id, a gate's words, a file's name, a message, a search."""
    cell = EVIL.replace('"', '""')
    browser.upload(f'id\n"{cell}"\n'.encode(), name=f"{EVIL}.csv")
    browser.upload(f'id,product\n"x{cell}",{EVIL}\n'.encode())
    entered = b"\1" * 16
    north.upload(
        north.scan(entered, rig.key(EVIL), list=EVIL[:60]),
        {"seq": EVIL, "kind": EVIL},
    )
    lane = dict.fromkeys(("name", "direction", "state", "mode"), EVIL)
    fault = {"cause": EVIL, "remedy": EVIL, "where": EVIL, "name": EVIL}
    health = {"lanes": [lane], "faults": [fault], "clock": {"state": EVIL}}
    north.post("/v1/heartbeat", {"nonce": "00" * 16, "health": health})
    browser.post(f"/gates/{north.name}/tell", do="message", text=EVIL)
    imports.cancel(rig.central, EVIL)
    mine = {"key": rig.key(EVIL).hex(), "device": north.name}
    for path in ["/import", *(page.path.format(**mine) for page in PAGES if page.method == "GET")]:
        for query in ("", f"?q={EVIL[:9]}&state={EVIL}"):
            text = browser.get(path + query).text
            assert "<script>alert" not in text, path
            assert "<img" not in text, path


def test_health_of_any_shape_is_shown(rig: CentralRig, browser: Browser, north: Device) -> None:
    """A gate may be newer, or hacked: its words are values or nothing, never a fault here."""
    lists: list[Any] = [{"cause": "x"}], ["plain"], "text", 7, [None, [1]], {"a": 1}, [10**18], True
    for said in lists:
        health = {"faults": said, "lanes": said, "list": said, "clock": said, "ready": said}
        beat = {"nonce": "00" * 16, "health": health}
        assert north.post("/v1/heartbeat", beat).status_code == 200
        for path in ("/", "/gates", f"/gates/{north.name}"):
            assert browser.get(path).status_code == 200
    far = {"list": {"serial": 2**62, "age": 1e300}, "lanes": [{"entered": 1e308}]}
    north.post("/v1/heartbeat", {"nonce": "00" * 16, "health": far})
    assert browser.get(f"/gates/{north.name}").status_code == 200


# -- tickets ---------------------------------------------------------------------------------------


def test_a_ticket_is_found_by_part_of_its_id(browser: Browser, rig: CentralRig) -> None:
    assert 'Ticket <span class="id">G4</span>' in browser.get("/tickets?q=g4").text
    page = browser.get("/tickets?q=A").text
    assert [name for name in ("A1", "A2", "A3", "G4") if f">{name}</a>" in page] == [
        "A1",
        "A2",
        "A3",
    ]


def test_the_ticket_with_just_this_id_is_shown_at_once(browser: Browser, rig: CentralRig) -> None:
    """However many others contain it: with a queue outside nobody looks through pages."""
    rig.import_csv("id\n" + "".join(f"{number}\n" for number in range(200)))
    page = browser.get("/tickets?q=12")
    assert '<span class="id">12</span>' in page.text
    assert "Cancel this ticket" in page.text
    others = browser.get("/tickets?q=12&all=1").text
    assert all(f">{name}</a>" in others for name in ("12", "112", "120"))


def test_a_ticket_is_found_by_what_the_gates_show_of_it(browser: Browser, rig: CentralRig) -> None:
    for text in (rig.key("A1").hex()[-4:], f"…{rig.key('A1').hex()[-4:].upper()}"):
        assert ">A1</" in browser.get("/tickets", params={"q": text}).text


@pytest.mark.parametrize("text", ["%", "_", "\\", "'", "A%", "\0A1", "x" * 5000])
def test_what_is_searched_for_is_text_alone(browser: Browser, text: str) -> None:
    """No wildcards, no quotes that end a query."""
    answer = browser.get("/tickets", params={"q": text})
    assert answer.status_code == 200
    assert (">A1</a>" in answer.text) is ("\0" in text), "what no database keeps is no search"


@pytest.mark.parametrize(
    ("state", "found"),
    [
        ("valid", {"A1", "A2", "A3", "G4", "U0", "S1"}),
        ("cancelled", {"X9"}),
        ("entered", {"A1"}),
        ("not entered", {"A2", "A3", "G4", "U0", "S1", "X9"}),
        ("unpaid", set[str]()),
    ],
)
def test_tickets_are_filtered_by_state(
    browser: Browser, rig: CentralRig, north: Device, state: str, found: set[str]
) -> None:
    presentation = b"\1" * 16
    north.upload(north.scan(presentation, rig.key("A1")), north.outcome(presentation))
    page = browser.get("/tickets", params={"state": state}).text
    everything = {"A1", "A2", "A3", "G4", "U0", "S1", "X9"}
    assert {name for name in everything if f">{name}</a>" in page} == found


def test_paging_shows_every_ticket_once(browser: Browser, rig: CentralRig) -> None:
    rig.import_csv("id\n" + "".join(f"P{number:03}\n" for number in range(2 * PAGE + 7)))
    seen: list[str] = []
    path = "/tickets?q=P"
    while path:
        text = browser.get(path).text
        seen += [part.split("<")[0] for part in text.split('class="id"')[1:]]
        more = re.search(r'class="button" href="([^"]+)"', text)
        path = f"/tickets{html.unescape(more[1])}" if more else ""
    assert len(seen) == len(set(seen)) == 2 * PAGE + 7


def test_cancelling_is_in_force_when_the_gates_say_so(
    browser: Browser, rig: CentralRig, north: Device, south: Device, clock: FakeClock
) -> None:
    """A gate counts once its heartbeat has the new list's number; one that is silent is named."""
    path = f"/tickets/{rig.key('A1').hex()}"
    beat(north, 1)
    beat(south, 1)
    assert browser.post(f"{path}/cancel").status_code == 303
    assert "in force at 0 of 2 gates" in browser.get(path).text
    beat(north, newest(north))
    assert "in force at 1 of 2 gates" in browser.get(path).text
    assert "waiting for south" in browser.get(path).text
    beat(south, newest(south))
    assert "in force at 2 of 2 gates" in browser.get(path).text
    clock.advance(61)
    beat(north, newest(north))
    text = browser.get(path).text
    assert "in force at 1 of 1 gate" in text
    assert "Out of touch: south" in text


def newest(gate: Device) -> int:
    found = gate.get("/v1/statements").json()["statements"]
    return max(one["serial"] for one in found if one["type"] in ("list", "delta"))


def beat(gate: Device, serial: int) -> None:
    health = {"ready": True, "list": {"serial": serial, "age": 1.0}}
    gate.post("/v1/heartbeat", {"nonce": "00" * 16, "health": health})


def test_a_cancelled_ticket_is_refused_and_can_be_taken_back(
    browser: Browser, rig: CentralRig, north: Device
) -> None:
    path = f"/tickets/{rig.key('A1').hex()}"
    browser.post(f"{path}/cancel")
    refused = north.claim(b"\1" * 16, rig.key("A1"))
    assert refused == {"result": "refused", "reason": "cancelled"}
    assert "Take the cancellation back" in browser.get(path).text
    browser.post(f"{path}/reinstate")
    assert north.claim(b"\2" * 16, rig.key("A1")) == {"result": "granted"}


def test_every_change_is_in_the_log_with_the_person(
    browser: Browser, rig: CentralRig, north: Device
) -> None:
    browser.post(f"/tickets/{rig.key('A1').hex()}/cancel")
    browser.post("/gates/token", gate="west")
    browser.post(f"/gates/{north.name}/tell", do="message", text="doors at six")
    browser.post(f"/gates/{north.name}/tell", do="out_of_service", lane="1", text="broken")
    browser.post(f"/gates/{north.name}/revoke", confirm="north")
    browser.upload(b"id\nB1\n")
    browser.imported()
    told = [(row["person"], row["action"], row["outcome"]) for row in audit.log(rig.central)]
    changes = ["import", "revoke", "out_of_service", "message", "token", "cancel"]
    assert told[: len(changes)] == [("ada", change, "done") for change in changes]


def test_what_was_refused_is_in_the_log_as_refused(
    browser: Browser, rig: CentralRig, north: Device
) -> None:
    assert browser.post("/gates/token", gate="No Gate").status_code == 400
    assert "is not" in audit.log(rig.central)[0]["outcome"]


# -- gates -----------------------------------------------------------------------------------------


def test_a_gate_is_told_at_its_next_heartbeat(
    browser: Browser, rig: CentralRig, north: Device
) -> None:
    page = f"/gates/{north.name}"
    browser.post(f"{page}/tell", do="message", text="doors at six")
    assert "message doors at six" in browser.get(page).text
    answer = north.post("/v1/heartbeat", {"nonce": "00" * 16, "health": {}}).json()
    assert answer["commands"] == [{"do": "message", "text": "doors at six"}]
    assert "message doors at six" not in browser.get(page).text


@pytest.mark.parametrize("do", ["release", "admit", "revoke", ""])
def test_no_page_opens_a_gate(browser: Browser, rig: CentralRig, north: Device, do: str) -> None:
    assert browser.post(f"/gates/{north.name}/tell", do=do).status_code == 400
    answer = north.post("/v1/heartbeat", {"nonce": "00" * 16, "health": {}}).json()
    assert answer["commands"] == []


def test_a_gate_is_withdrawn_only_under_its_name(
    browser: Browser, rig: CentralRig, north: Device
) -> None:
    """One press on the wrong button does not close a gate for good."""
    assert browser.post(f"/gates/{north.name}/revoke", confirm="south").status_code == 400
    assert north.get("/v1/statements").status_code == 200
    browser.post(f"/gates/{north.name}/revoke", confirm="north")
    assert north.get("/v1/statements").status_code == 403
    assert "withdrawn" in browser.get(f"/gates/{north.name}").text


def test_a_token_made_on_the_page_enrols_a_gate(
    browser: Browser, rig: CentralRig, client: Any
) -> None:
    text = browser.post("/gates/token", gate="west").text
    made = text.split('token = "')[1].split('"')[0]
    assert Device(client, made, "west").enrolled.status_code == 201
    assert rig.root_keys[0] in text


# -- what to look into -----------------------------------------------------------------------------


def test_a_conflict_shows_both_sides(
    browser: Browser, rig: CentralRig, north: Device, south: Device
) -> None:
    for gate, presentation in ((north, b"\1" * 16), (south, b"\2" * 16)):
        gate.upload(gate.scan(presentation, rig.key("A1")), gate.outcome(presentation))
    text = browser.get("/conflicts").text
    assert "north" in text
    assert "south" in text
    assert ">A1</a>" in text
    assert "1</b> conflicts" in browser.get("/").text


def test_a_parked_record_says_why_and_what_to_do(browser: Browser, north: Device) -> None:
    record = north.record(Kind.SCAN, b"\1" * 16) | {"hash": "00" * 32}
    assert north.upload(record)[0]["result"] == "parked"
    text = browser.get("/parked").text
    assert "hash does not match" in text
    assert "admit journal verify" in text


# -- import ----------------------------------------------------------------------------------------


def test_good_rows_are_taken_and_bad_ones_named_by_line(browser: Browser, rig: CentralRig) -> None:
    assert browser.upload(b"id,entries\nB1,1\nB1,1\nB2,x\nB3,\n").status_code == 303
    text = browser.imported()
    assert "2 tickets imported" in text
    assert "2 rows were left out" in text
    assert "that of line 2 too" in text
    assert ">B3</a>" in browser.get("/tickets?q=B").text


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "the first line is empty"),
        (b"name\nx\n", "there is no column"),
        (b"\xff\xfei\0d\0", "UTF-16"),
        (b"\0" * 1000, "the file is UTF-16 or no text"),
    ],
)
def test_a_file_that_is_no_list_is_refused_by_name(
    browser: Browser, rig: CentralRig, body: bytes, told: str
) -> None:
    browser.upload(body)
    assert told in browser.imported()
    assert "import" in {row["action"] for row in audit.log(rig.central)}


def test_codes_that_can_be_guessed_are_named_on_the_page(browser: Browser) -> None:
    browser.upload(b"id,name,code\nN1,Ada,\nN2,Grace,1001\n")
    text = browser.imported()
    assert "1 names are kept, sealed" in text
    assert "Codes that can be guessed" in text
    assert "1 code is short or in a series (line 3)" in text


def test_an_upload_has_a_bound(
    browser: Browser, rig: CentralRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("central.organiser.uploads.MOST_BYTES", 1000)
    answer = browser.upload(b"id\n" + b"x\n" * 2000)
    assert answer.status_code == 400
    assert "larger than" in answer.text


@pytest.mark.parametrize(
    ("content_type", "body"),
    [("text/csv", b"id\nA\n"), ("multipart/form-data; boundary=x", b"--x\r\n"), ("", b"")],
)
def test_what_is_no_upload_is_refused(browser: Browser, content_type: str, body: bytes) -> None:
    answer = browser.http.post(
        f"{BASE}/import", content=body, headers={"content-type": content_type}
    )
    assert answer.status_code in (400, 403)


def test_an_import_that_was_cut_off_is_told(browser: Browser, rig: CentralRig) -> None:
    """The server was killed in it: the next one says so, and what to do."""
    audit.note(rig.central, "ada", "import", "tickets.csv", outcome=None)
    assert "was cut off" in browser.get("/import").text


def test_an_import_says_how_far_it_is(rig: CentralRig) -> None:
    told: list[tuple[str, int]] = []
    lines = [b"id\n", *(f"N{number}\n".encode() for number in range(1200))]
    imports.import_tickets(rig.central, lines, print, lambda *step: told.append(step))
    assert [rows for what, rows in told if what == "rows"] == [500, 1000, 1200]
    assert told[-1] == ("list", 1207)


def test_a_command_sent_from_the_page_is_one_the_gate_knows(
    rig: CentralRig, north: Device, browser: Browser
) -> None:
    browser.post(f"/gates/{north.name}/tell", do="resync")
    answer = north.post("/v1/heartbeat", {"nonce": "00" * 16, "health": {}}).json()
    assert answer["commands"] == [{"do": "resync"}]
    assert "release" not in json.dumps(sorted(heartbeats._FIELDS))


def test_an_import_that_ends_in_a_fault_of_ours_does_not_block_the_next(
    browser: Browser, rig: CentralRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What nobody foresaw is told, and kept in the server's log; it is not at work for ever."""
    thrown: list[object] = []
    monkeypatch.setattr(threading, "excepthook", thrown.append)
    with monkeypatch.context() as broken:
        broken.setattr("central.organiser.uploads.import_tickets", lambda *_: 1 / 0)
        browser.upload(b"id\nB1\n")
        assert "was not imported" in browser.imported()
    assert len(thrown) == 1
    assert browser.upload(b"id\nB1\n").status_code == 303
    assert "1 tickets imported" in browser.imported()


def test_an_import_by_command_that_is_at_work_is_not_called_cut_off(
    browser: Browser, rig: CentralRig
) -> None:
    """Nobody is told to import a second time what is just being imported."""
    audit.note(rig.central, audit.COMMAND_LINE, "import", "tickets.csv", outcome=None)
    text = browser.get("/import").text
    assert "was cut off." not in text
    assert "by command" in text


def test_an_alarm_shows_what_to_do_and_its_evidence(browser: Browser, north: Device) -> None:
    """In plain words, with the signed heads as they came."""
    north.upload(north.record(Kind.MODE), north.record(Kind.MODE))
    north.seq, north.head = 0, bytes(32)
    north.upload(at=5000)
    text = browser.get("/parked").text
    assert "rolled_back" in text and "an old card or image" in text
    assert "evidence: 2" in text and "signature" in text


def test_records_that_are_missing_are_an_alarm_on_the_first_page(
    browser: Browser, north: Device, clock: FakeClock
) -> None:
    """The figure counts what the page behind it lists."""
    north.scan(b"\1" * 16, b"\1" * 16)
    north.upload(north.scan(b"\2" * 16, b"\2" * 16))
    clock.advance(61)
    assert "have not come" in browser.get("/parked").text
    assert "1</b> parked, alarms" in browser.get("/").text


def test_a_database_without_a_free_turn_is_said_to_be_busy(
    browser: Browser, rig: CentralRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the sender's mistake, as 400 would say."""
    mark = browser.csrf()
    monkeypatch.setattr("central.database.TURN_BUDGET", 0.01)
    with rig.central.database.writing():
        answer = browser.post("/gates/token", csrf=mark, gate="west")
    assert answer.status_code == 503


def test_a_name_that_is_no_text_can_be_in_the_log(rig: CentralRig) -> None:
    """Of a file, for instance: such a byte would be kept by no database."""
    with audit.recorded(rig.central, "ada", "import", "liste\udcff.csv"):
        pass
    assert audit.log(rig.central)[0]["subject"] == "liste?.csv"


def test_a_fault_of_the_database_is_logged_without_what_was_written(rig: CentralRig) -> None:
    """Names of tickets, hashes of passwords, sealed secrets."""
    insert = sql("INSERT INTO nowhere VALUES (:value)")
    with pytest.raises(DBAPIError) as told, rig.central.database.writing() as connection:
        connection.execute(insert, {"value": "GUEST"})
    assert "nowhere" in str(told.value)
    assert "GUEST" not in str(told.value)


def test_a_list_that_is_cut_says_so(
    browser: Browser, north: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    north.upload(north.record(Kind.SCAN, b"\1" * 16) | {"hash": "00" * 32})
    assert "--json" not in browser.get("/parked").text
    monkeypatch.setattr("central.organiser.pages.LATEST", 1)
    assert "admit central parked --json" in browser.get("/parked").text
