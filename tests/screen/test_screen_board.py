"""The steward page says what happened, what to do, and how far it can be trusted."""

import json

import pytest

from admission.verdict import NEXT_STEP, Reason
from screen import sentences
from screen.board import CALLS_HOLD, FRESH, GUEST_HOLD, LAST_SCANS, Board, LastSeen
from screen.errors import LinkLost
from screen.faces import NOTICE_HOLD, Face
from screen.messages import Event, Guest, read_status
from tests.rigs.fake_scanner import NOW, lane, status

GONE = LinkLost("The gate program has stopped", "It restarts by itself")


def told(*lanes, **changes):
    return read_status(json.dumps(status(*lanes, **changes)).encode())


def verdict(seq, **facts):
    values = {"seq": seq, "kind": "verdict", "lane": "entry-1", "at": NOW + seq}
    return Event(**(values | {"verdict": "admitted"} | facts))


def refusal(seq, **facts):
    return verdict(seq, verdict="refused", reason="unpaid", **facts)


@pytest.fixture
def board():
    board = Board("north-1", ("entry-1", "exit-1"))
    board.hear_status(told(lane("entry-1"), lane("exit-1", direction="exit")))
    return board


def test_a_gate_that_never_spoke_is_shown_as_such():
    board = Board("north-1", ("entry-1",))
    assert board.face("entry-1", 0.0)["face"] is Face.DOWN
    assert board.steward(0.0)["link"]["up"] is False
    assert [card["name"] for card in board.steward(0.0)["lanes"]] == ["entry-1"]


def test_the_last_verdict_is_on_top_with_its_next_step(board):
    board.hear_event(refusal(1), 0.0)
    top = board.steward(0.0)["top"]
    assert (top["verdict"], top["reason"]) == ("refused", "unpaid")
    assert top["next"] == NEXT_STEP[Reason.UNPAID]


def test_a_refusal_stays_on_top_of_admissions_at_other_lanes(board):
    board.hear_event(refusal(1), 0.0)
    board.hear_event(verdict(2, lane="exit-1"), 1.0)
    assert board.steward(1.0)["top"]["reason"] == "unpaid"
    assert board.steward(CALLS_HOLD)["top"]["lane"] == "exit-1"


def test_an_admission_to_look_at_stays_on_top_too(board):
    board.hear_event(verdict(1, attention="check ID"), 0.0)
    board.hear_event(verdict(2), 1.0)
    assert board.steward(1.0)["top"]["attention"] == "check ID"


def test_an_old_verdict_loses_its_colour(board):
    board.hear_event(refusal(1), 0.0)
    assert not board.steward(FRESH - 1)["top"]["old"]
    assert board.steward(FRESH)["top"]["old"]


def test_a_fresh_alert_stands_near_the_top(board):
    board.hear_event(Event(seq=1, kind="alert", lane="entry-1", cause="Someone jumped"), 0.0)
    assert board.steward(1.0)["calls"] == board.steward(1.0)["alerts"]
    assert board.steward(FRESH)["calls"] == []
    assert board.steward(FRESH)["alerts"][0]["cause"] == "Someone jumped"


def test_the_head_of_the_page_says_how_the_gate_stands(board):
    assert board.steward(0.0)["brief"] == {"well": True, "text": "Online"}
    board.hear_status(told(server=OFFLINE))
    offline = f"Offline since {sentences.clock(NOW)}"
    assert board.steward(0.0)["brief"] == {"well": False, "text": offline}
    board.lose(GONE, LastSeen(None, None))
    assert board.steward(0.0)["brief"] == {"well": False, "text": "Not heard"}


def test_the_last_scans_are_kept_newest_first(board):
    for seq in range(1, LAST_SCANS + 6):
        board.hear_event(verdict(seq), 0.0)
    scans = board.steward(0.0)["scans"]
    assert len(scans) == LAST_SCANS
    assert scans[0]["at"] == sentences.seconds(NOW + LAST_SCANS + 5)


def test_history_fills_the_list_but_moves_no_face(board):
    board.hear_event(refusal(1, state="released"), 0.0, fresh=False)
    assert board.face("entry-1", 0.0) == {"face": Face.IDLE, "reason": "", "cue": ""}
    assert len(board.steward(0.0)["scans"]) == 1


def test_green_ends_with_the_lane_state(board):
    board.hear_event(verdict(1), 0.0)
    board.hear_event(Event(seq=2, kind="state", lane="entry-1", state="released"), 0.0)
    assert board.face("entry-1", 0.0)["face"] is Face.ADMITTED
    board.hear_event(Event(seq=3, kind="outcome", lane="entry-1", state="locked"), 1.0)
    assert board.face("entry-1", 1.0)["face"] is Face.IDLE


def test_green_ends_when_the_gate_falls_silent(board):
    board.hear_event(verdict(1, state="released"), 0.0)
    board.lose(GONE, LastSeen(None, None))
    assert board.face("entry-1", 0.0)["face"] is Face.DOWN
    steward = board.steward(0.0)
    assert steward["top"] is None
    assert {card["state"] for card in steward["lanes"]} == {"unknown"}


def test_a_verdict_before_the_silence_does_not_return_with_the_gate(board):
    board.hear_event(refusal(1), 0.0)
    board.lose(GONE, LastSeen(None, None))
    board.hear_status(told(lane("entry-1")))
    assert board.face("entry-1", 1.0)["face"] is Face.IDLE


def notice(seq, name="hold_still"):
    return Event(seq=seq, kind="notice", lane="entry-1", name=name, cause="half read")


def test_a_guest_is_asked_to_hold_a_card_still_for_a_moment(board):
    board.hear_event(notice(1), 0.0)
    assert board.face("entry-1", 1.0)["face"] is Face.HOLD_STILL
    assert board.face("entry-1", NOTICE_HOLD)["face"] is Face.IDLE
    assert board.face("exit-1", 1.0)["face"] is Face.IDLE_EXIT
    board.hear_event(notice(2, "no_ticket"), 9.0)
    assert board.face("entry-1", 9.0)["face"] is Face.NO_TICKET


def test_no_notice_hides_what_concerns_the_guest_being_served(board):
    board.hear_event(notice(1), 0.0)
    board.hear_event(Event(seq=2, kind="state", lane="entry-1", state="checking"), 0.5)
    assert board.face("entry-1", 0.5)["face"] is Face.CHECKING
    board.hear_event(refusal(3, state="locked"), 1.0)
    assert board.face("entry-1", 1.0)["face"] is Face.REFUSED


def test_a_notice_of_a_newer_gate_changes_nothing(board):
    board.hear_event(notice(1, "dance"), 0.0)
    assert board.face("entry-1", 0.0)["face"] is Face.IDLE


def test_each_verdict_sounds_once(board):
    board.hear_event(refusal(1), 0.0)
    first = board.face("entry-1", 0.0)["cue"]
    assert first and board.face("entry-1", 1.0)["cue"] == first
    board.hear_event(refusal(2), 2.0)
    assert board.face("entry-1", 2.0)["cue"] not in ("", first)


def test_what_was_last_known_is_shown_with_its_age(board):
    board.lose(GONE, LastSeen(told(lane("entry-1", entered=41)), 130.0))
    steward = board.steward(0.0)
    assert steward["link"]["age"] == "What stands below is 2 min old."
    assert steward["link"]["remedy"] == GONE.remedy


def test_an_open_question_is_asked(board):
    asked = {"presentation": "ab12", "at": NOW}
    board.hear_status(told(lane("entry-1", question=asked)))
    assert board.steward(0.0)["questions"] == [
        {"lane": "entry-1", "at": sentences.seconds(NOW), "presentation": "ab12"}
    ]


def test_readers_are_called_as_their_faults_call_them():
    uris = "camera:rpicam:0", "nfc:tty:AMA0:pn532", "wedge:hid:ACME", "novel:thing"
    readers = [{"uri": uri, "state": "ok"} for uri in uris] + [{"state": "no_picture"}]
    board = Board("north-1", ("entry-1",))
    board.hear_status(told(lane("entry-1", readers=readers)))
    assert board.steward(0.0)["lanes"][0]["readers"] == [
        "reader 1 (camera): ok",
        "reader 2 (card reader): ok",
        "reader 3 (hand scanner): ok",
        "reader 4: ok",
        "reader 5: no picture",
    ]


def test_attendees_are_told_nothing_personal(board):
    """The page at the lane gets a face, a reason and a number to sound by: nothing else."""
    board.hear_event(refusal(1, detail="Ada Lovelace", ticket="a1b2", attention="minor"), 0.0)
    assert set(board.face("entry-1", 0.0)) == {"face", "reason", "cue"}
    assert "Ada" not in str(board.face("entry-1", 0.0))


OFFLINE = {"online": False, "last_contact": NOW}


@pytest.mark.parametrize(
    ("case", "changes", "well", "sentence"),
    [
        ("all is well", {}, True, "Online. Tickets are checked against this gate's own list "
         "(12 s old) and its own scans and other gates."),
        ("cut off", {"server": OFFLINE, "list": {"serial": 7, "age": 200}}, False,
         f"Server out of reach since {sentences.clock(NOW)}: tickets are checked against this "
         "gate's own list (3 min old) and its own scans."),
        ("authority out", {"authority": {"state": "out", "since": NOW}}, False,
         f"Other gates cannot be asked since {sentences.clock(NOW)}: tickets are checked against "
         "this gate's own list (12 s old) and its own scans."),
        ("stands alone", {"authority": {"state": "none"}}, True,
         "Online. Tickets are checked against this gate's own list (12 s old) and its own scans."),
        ("old list", {"list": {"serial": 7, "age": 90_000, "state": "old"}}, False,
         "Online. Tickets are checked against this gate's own list (25 h 00 min old) and its own "
         "scans and other gates."),
        ("no list", {"list": {"serial": None}, "server": OFFLINE}, False,
         f"No ticket list yet. Server out of reach since {sentences.clock(NOW)}. "
         "Call the supervisor."),
    ],
)  # fmt: skip
def test_what_still_works_is_said_in_words(case, changes, well, sentence):
    assert sentences.checked_against(told(**changes)) == (well, sentence)


def test_a_gate_without_a_server_misses_none():
    alone = Board("north-1", ("entry-1",), alone=True)
    alone.hear_status(told(server=OFFLINE, authority={"state": "none"}))
    page = alone.steward(0.0)
    assert page["brief"] == {"well": True, "text": "No server"}
    assert all(line["well"] for line in page["health"])


@pytest.mark.parametrize(
    ("span", "text"),
    [(None, "of unknown age"), (-3, "0 s"), (59.9, "59 s"), (60, "1 min"), (7500, "2 h 05 min"),
     (345_600, "4 days")],
)  # fmt: skip
def test_ages(span, text):
    assert sentences.age(span) == text


def test_a_time_outside_the_calendar_is_left_out():
    assert sentences.clock(1e12) == ""


def test_waiting_parked_and_conflicts_are_told():
    server = {"online": True, "waiting": 1, "parked": 2, "conflicts": ["ticket a1b2"]}
    assert sentences.exchange(told(server=server)) == [
        (True, "1 scan waits to be uploaded."),
        (False, "2 records were refused by the server and kept. Tell the organiser."),
        (False, "Used twice: ticket a1b2"),
    ]


def test_an_unknown_clock_is_told():
    well, text = sentences.time_known(told(clock={"state": "unknown"}).clock)
    assert not well and "does not know the time" in text


def test_a_guests_name_stands_beside_its_verdict_and_is_forgotten(board):
    """It may come before or after the verdict; after some seconds nothing here knows it."""
    board.hear_guest(Guest(presentation="ab", name="Ada Lovelace", lane="entry-1"), 0.0)
    board.hear_event(verdict(1, presentation="ab"), 0.0)
    assert board.steward(1.0)["top"]["guest"] == "Ada Lovelace"
    assert board.steward(GUEST_HOLD)["top"]["guest"] == ""
    assert "Ada" not in repr(vars(board))


def test_a_name_is_on_no_other_verdict_list_or_attendee_page(board):
    """Not beside another ticket, not among the last scans, not in what a lane's page gets."""
    board.hear_event(verdict(1, presentation="ab"), 0.0)
    board.hear_guest(Guest(presentation="cd", name="Ada Lovelace", lane="entry-1"), 0.0)
    shown = board.steward(1.0)
    assert shown["top"]["guest"] == ""
    assert "Ada" not in json.dumps([shown["scans"], shown["lanes"], board.face("entry-1", 1.0)])


def test_a_lost_gate_takes_the_name_with_it(board):
    board.hear_guest(Guest(presentation="ab", name="Ada Lovelace", lane="entry-1"), 0.0)
    board.lose(GONE, LastSeen(None, None))
    assert "Ada" not in repr(vars(board))
