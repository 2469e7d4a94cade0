"""pretix asked before a release: what its answers mean, and that no claim is left behind."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from store.mirror import Intent, JournalFact
from sync.backend import Claim, Granted, Refused, Taken, Unreachable
from sync.errors import ClaimOnTheWay, ServerFault, ServerRefused
from sync.pretix.authority import ON_THE_WAY
from sync.pretix.checkins import moment
from sync.settle import Settler
from tests.rigs.fake_pretix import FakePretix
from tests.rigs.pretix_gate import PretixGate

AT = 1_795_000_000.25
EPOCH = b"epoch..1"


@pytest.fixture
def server() -> Iterator[FakePretix]:
    made = FakePretix()
    yield made
    made.stop()


class Desk:
    """A gate that asks for the ticket `s1`."""

    def __init__(self, directory: Path, server: FakePretix) -> None:
        self.server = server
        self.order = server.order("A", server.position("s1"))
        self.gate = PretixGate(directory, server.url, server.token)
        self.gate.poll()
        self.mirror = self.gate.mirror
        self.authority = self.gate.server.authority()
        self.gate.now += ON_THE_WAY + 1  # no earlier run has left anything
        self.settler = Settler(self.authority, self.mirror, self.gate._monotonic)

    def claim(self, number: int, ticket: str = "s1", seconds: float = 2.0, **facts):
        claim = Claim(p(number), self.gate.key(ticket), "main (demo)", "entry", AT, **facts)
        intent = (claim.presentation, claim.ticket_key, claim.list, "entry", AT, "pretix", EPOCH)
        self.mirror.intend(Intent(*intent))
        result = self.authority.claim(claim, seconds)
        self.mirror.answered(claim.presentation, type(result).__name__.lower())
        return result

    def lost(self, number: int) -> None:
        """A claim that the server carries out, and whose answer nobody hears."""
        self.server.lose_answers = 1
        assert self.claim(number) == Unreachable()

    def tell(self, number: int, **facts) -> None:
        """What the journal says, and what is done about it."""
        self.mirror.note([JournalFact(p(number), **facts)])
        self.settle()

    def settle(self) -> None:
        self.settler.judge(True, EPOCH, self.gate.now)
        self.settler.work()

    @property
    def held(self) -> int:
        return len(self.order["positions"][0]["checkins"])


@pytest.fixture
def desk(server: FakePretix, tmp_path: Path) -> Desk:
    return Desk(tmp_path, server)


def p(number: int) -> bytes:
    return bytes([number]) * 16


def test_a_claim_is_an_unforced_check_in(desk):
    """By its number where nobody tells the code."""
    assert desk.claim(1) == Granted()
    [(call, body)] = desk.server.scans.asked
    assert (call, body["force"], body["nonce"]) == ("redeem", False, p(1).hex())
    assert body["name"] == desk.order["positions"][0]["id"]
    assert body["datetime"] == moment(AT)


def test_a_ticket_used_elsewhere_is_told_with_place_and_time(desk):
    row = desk.server.check_in(desk.order, device_id=9, list=1, datetime=moment(AT - 60))
    assert row["device_id"] == 9
    assert desk.claim(1) == Taken("device 9", AT - 60)


def test_a_reason_of_the_server_is_told_by_our_name(desk):
    desk.server.order("A", status="c")
    assert desk.claim(1) == Refused("cancelled")


@pytest.mark.parametrize(
    ("off", "result"),
    [(0.0, Refused("too_late")), (-7200.0, Unreachable()), (7200.0, Unreachable())],
)
def test_a_refusal_for_the_time_counts_only_where_both_clocks_agree(desk, off, result):
    """A gate that does not know the time asks by a wrong one: `on_unknown_clock` is to decide."""
    desk.server.refuse["redeem"] = (400, {"status": "error", "reason": "invalid_time"})
    desk.gate.api.time()
    at = desk.gate.api.now() + off
    claim = Claim(p(1), desk.gate.key("s1"), "main (demo)", "entry", at)
    assert desk.authority.claim(claim, 2.0) == result


def test_a_ticket_that_is_gone_is_unknown(desk):
    desk.order["positions"][0]["canceled"] = True
    assert desk.claim(1) == Refused("unknown")


def test_what_was_shown_is_what_is_asked_for(desk):
    """A code that was swapped since the last download is refused; its ticket's number is not."""
    desk.order["positions"][0]["secret"] = "new"
    assert desk.claim(1, code="s1") == Refused("unknown")
    assert desk.claim(2, code="new") == Granted()


def test_a_signed_ticket_on_no_list_is_asked_for_by_its_code(desk):
    desk.server.order("B", desk.server.position("signed"))
    assert desk.claim(1, "signed", unlisted=True, code="signed") == Granted()
    assert desk.server.scans.asked[0][1]["name"] == "signed"


def test_the_code_of_a_claim_is_kept_nowhere(desk):
    desk.server.order("B", desk.server.position("signedsecret"))
    desk.claim(1, "signedsecret", unlisted=True, code="signedsecret")
    files = [path for path in desk.gate.directory.rglob("*") if path.is_file()]
    assert not [path for path in files if b"signedsecret" in path.read_bytes()]
    assert "signedsecret" not in repr(Claim(p(1), b"", "", "entry", AT, code="signedsecret"))


def test_what_no_name_of_the_server_fits_is_no_refusal(desk):
    assert desk.claim(1, "never sold") == Unreachable()
    assert desk.server.scans.asked == []


@pytest.mark.parametrize("status", [429, 500, 502, 401, 403])
def test_a_server_that_does_not_judge_is_no_answer(desk, status):
    desk.server.refuse["redeem"] = (status, {"detail": "no"})
    assert desk.claim(1) == Unreachable()


@pytest.mark.parametrize(
    "said", [{"message": "no Route matched"}, {"detail": "No CheckinList matches."}, [], "no"]
)
def test_what_is_not_found_but_the_ticket_is_no_refusal(desk, said):
    """A gateway whose server is being renewed would turn every guest away."""
    desk.server.refuse["redeem"] = (404, said)
    assert desk.claim(1) == Unreachable()


def test_a_device_that_was_revoked_gets_no_answer_and_ends_elsewhere(desk):
    desk.server.revoked_device = True
    assert desk.claim(1) == Unreachable()


@pytest.mark.parametrize(
    ("case", "facts", "left"),
    [
        ("entered", {"verdict": "admitted", "counts": True}, 1),
        ("turned back", {"verdict": "admitted", "counts": False, "ended": AT + 9}, 0),
        ("refused here", {"verdict": "refused", "ended": AT + 1}, 0),
    ],
)
@pytest.mark.parametrize("answer", ["heard", "lost"])
def test_the_journal_decides_what_a_claim_comes_to(desk, case, facts, left, answer):
    if answer == "lost":
        desk.lost(1)
    else:
        desk.claim(1)
    desk.tell(1, **facts)
    assert desk.held == left
    assert desk.mirror.open_intents() == []


def test_an_annulment_names_the_time_at_which_nobody_had_gone(desk):
    """Fifteen minutes count from there, however long the link was away."""
    desk.claim(1)
    desk.tell(1, verdict="admitted", counts=False, ended=AT + 9)
    assert desk.server.scans.asked[-1][1]["datetime"] == moment(AT + 9)


def test_a_claim_that_never_got_out_is_waited_out_and_annulled_twice(desk):
    desk.server.cut_at = 1
    assert desk.claim(1) == Unreachable()
    desk.server.cut_at = None
    desk.tell(1, verdict="refused")
    assert [call for call, _ in desk.server.scans.asked] == ["annul"]
    desk.settle()
    assert len(desk.server.scans.asked) == 1
    assert desk.mirror.open_intents() != []
    desk.gate.now += ON_THE_WAY
    desk.settle()
    assert [call for call, _ in desk.server.scans.asked] == ["annul", "annul"]
    assert desk.mirror.open_intents() == []


def test_a_claim_that_arrives_between_the_annulments_is_given_back(desk):
    desk.server.cut_at = 1
    desk.claim(1)
    desk.server.cut_at = None
    desk.tell(1, verdict="refused")
    arrives(desk, 1)
    desk.gate.now += ON_THE_WAY
    desk.settle()
    assert desk.held == 0


def test_a_claim_that_arrives_after_all_is_found_among_our_check_ins(desk):
    """pretix has no tombstones: a request that hung for an hour is stored."""
    desk.server.cut_at = 1
    desk.claim(1)
    desk.server.cut_at = None
    desk.tell(1, verdict="refused")
    desk.gate.now += ON_THE_WAY
    desk.settle()
    arrives(desk, 1)
    desk.gate.poll(seldom=False)
    desk.settler.compare(EPOCH, lambda: None)
    desk.settle()
    assert desk.held == 0
    assert desk.authority.open_claims() == []


def arrives(desk: Desk, number: int) -> None:
    """A claim of before is carried out by the server only now."""
    position = desk.order["positions"][0]["id"]
    body = {"nonce": p(number).hex(), "type": "entry", "datetime": moment(AT), "force": False}
    path = ["events", "demo", "checkinlists", "1", "positions", str(position), "redeem"]
    assert desk.server.scans.call(path, body)[0] == 201


def test_one_claim_that_is_waited_for_holds_up_no_other(desk):
    desk.server.cut_at = 1
    desk.claim(1)
    desk.server.cut_at = None
    desk.claim(2)
    desk.mirror.note([JournalFact(p(n), verdict="refused", ended=AT) for n in (1, 2)])
    desk.settle()
    assert [intent.presentation for intent in desk.mirror.open_intents()] == [p(1)]
    with pytest.raises(ClaimOnTheWay):
        desk.authority.annul(p(1))


def test_a_guest_who_turned_back_may_turn_round_again_at_once(desk):
    """The claim before is given back with the next one, not after it."""
    desk.claim(1)
    assert desk.claim(2, instead_of=p(1)) == Granted()
    assert desk.held == 1


def test_a_lost_answer_does_not_burn_the_ticket_for_the_next_try(desk):
    desk.lost(1)
    desk.mirror.note([JournalFact(p(1), verdict="refused", ended=AT)])
    assert desk.claim(2) == Granted()


def test_an_entry_that_stands_is_not_given_back_by_the_next_try(desk):
    desk.claim(1)
    desk.tell(1, verdict="admitted", counts=True)
    assert desk.claim(2) == Taken("device 7", AT)


def test_a_claim_that_can_be_taken_back_no_more_is_closed_and_named(desk, caplog):
    desk.claim(1)
    desk.tell(1, verdict="admitted", counts=False, ended=AT + 3600)
    assert desk.mirror.how_closed(p(1)) == "not_ours"
    assert "15 minutes" in caplog.text


def test_an_annulment_that_finds_no_server_is_tried_again(desk):
    desk.claim(1)
    desk.mirror.note([JournalFact(p(1), verdict="refused", ended=AT)])
    desk.server.refuse["annul"] = (502, {"detail": "away"})
    with pytest.raises(ServerFault):
        desk.settle()
    desk.server.refuse.clear()
    desk.settle()
    assert desk.held == 0


def test_after_a_restart_any_claim_may_still_be_on_its_way(desk):
    desk.server.cut_at = 1
    desk.claim(1)
    desk.server.cut_at = None
    again = desk.gate.server.authority()
    with pytest.raises(ClaimOnTheWay):
        again.annul(p(1))
    desk.gate.now += ON_THE_WAY
    again.annul(p(1))


def test_a_claim_of_a_list_that_is_gone_is_named(desk):
    desk.mirror.intend(Intent(p(1), b"K" * 16, "gone (demo)", "entry", AT, "pretix"))
    with pytest.raises(ServerRefused, match="list_missing"):
        desk.authority.annul(p(1))


def test_a_probe_says_whether_the_server_answers(desk):
    assert desk.authority.probe(2.0)
    desk.server.refuse["version"] = (503, {})
    assert not desk.authority.probe(2.0)
