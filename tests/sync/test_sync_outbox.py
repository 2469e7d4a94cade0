"""The outbox: every record goes up once it may, a scan with its outcome, none is forgotten."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.outbox import BATCH, LONGEST, OUTCOME_WAIT, PUT_OFF, Outbox

EPOCH = b"epoch..1"


def scan(seq: int, presentation: str, verdict: str = "admitted") -> dict:
    return {"seq": seq, "kind": "scan", "presentation": presentation, "verdict": verdict}


def outcome(seq: int, presentation: str) -> dict:
    return {"seq": seq, "kind": "passage", "presentation": presentation}


def resumed(seq: int, presentation: str, by: str) -> dict:
    return {"seq": seq, "kind": "resumed", "presentation": presentation, "detail": f"by {by}"}


def fault(seq: int) -> dict:
    return {"seq": seq, "kind": "fault"}


def outbox(*entries: dict, position: int = 0, acknowledged: tuple[int, ...] = ()) -> Outbox:
    made = Outbox(EPOCH, position, acknowledged)
    made.add(entries, now=0.0)
    return made


def seqs(box: Outbox, now: float = 0.0) -> list[int]:
    return [entry["seq"] for entry in box.batch(now)]


def test_an_admitted_scan_waits_for_its_outcome_and_others_overtake_it():
    box = outbox(scan(1, "a"), scan(2, "b", "refused"), fault(3))
    assert seqs(box) == [2, 3]
    box.add([outcome(4, "a")], now=1.0)
    assert seqs(box) == [1, 4, 2, 3], "together with its outcome"


def test_a_scan_whose_outcome_never_comes_goes_up_alone_at_last():
    box = outbox(scan(1, "a"))
    assert seqs(box, OUTCOME_WAIT - 1) == []
    assert seqs(box, OUTCOME_WAIT) == [1]
    box.done([1])
    box.add([outcome(2, "a")], now=OUTCOME_WAIT)
    assert seqs(box, OUTCOME_WAIT) == [2], "and the outcome after it"


def test_a_record_that_is_put_off_lets_the_others_pass_and_comes_again():
    """Longer each time, but it is never given up."""
    box = outbox(scan(1, "a"), outcome(2, "a"), fault(3))
    box.put_off([1, 77], now=0.0)
    assert seqs(box, 1.0) == [3]
    assert seqs(box, PUT_OFF) == [1, 2, 3]
    for _ in range(40):
        box.put_off([1], now=100.0)
    assert seqs(box, 100.0 + LONGEST) == [1, 2, 3]
    assert box.position == 0


def test_a_new_entry_waits_for_the_interrupted_one_that_it_takes_the_place_of():
    interrupted = outcome(2, "a") | {"kind": "interrupted"}
    box = outbox(scan(1, "a"), interrupted)
    box.put_off([1], now=0.0)
    box.add([scan(3, "b"), resumed(4, "a", by="b"), outcome(5, "b"), scan(6, "a")], now=1.0)
    assert seqs(box, 1.0) == []
    box.done([1, 2])
    assert seqs(box, 1.0) == [3, 4, 5]


def test_a_resumed_goes_up_with_the_scan_it_speaks_of():
    """Alone, it would free the ticket while its guest is in the arm."""
    interrupted = outcome(2, "a") | {"kind": "interrupted"}
    box = outbox(scan(1, "a"), interrupted, scan(3, "b"), resumed(4, "a", by="b"))
    assert seqs(box) == [1, 2], "the new scan waits for its outcome, and resumed with it"
    box.add([outcome(5, "b")], now=1.0)
    assert seqs(box) == [1, 2, 3, 4, 5], "right behind its scan, which stands from then on"


def test_a_resumed_whose_scan_went_up_without_its_outcome_goes_with_it():
    box = outbox(scan(1, "b"), resumed(2, "a", by="b"))
    assert seqs(box, OUTCOME_WAIT) == [1, 2]


@pytest.mark.parametrize("by", ["b", "nobody", ""])
def test_a_resumed_whose_scan_is_up_already_goes_up_at_once(by):
    box = outbox(scan(1, "b"), resumed(2, "a", by), acknowledged=(1,))
    assert seqs(box) == [2]


def test_the_position_stays_before_the_first_that_is_not_acknowledged():
    box = outbox(scan(1, "a"), fault(2), fault(3))
    assert box.done([2, 3]) == 0
    box.add([outcome(4, "a")], now=0.0)
    assert box.done([1]) == 3
    assert box.done([4]) == 4
    assert box.waiting(4) == 0


def test_after_a_restart_what_was_acknowledged_beyond_the_position_is_not_sent_again():
    box = outbox(scan(1, "a"), fault(2), outcome(3, "a"), acknowledged=(2, 3))
    assert seqs(box) == [1], "its outcome is known to be up already"


def test_a_batch_is_bounded_and_parts_no_scan_from_its_outcome():
    entries = [fault(seq) for seq in range(1, BATCH)] + [scan(BATCH, "a"), outcome(BATCH + 1, "a")]
    box = outbox(*entries)
    assert seqs(box) == list(range(1, BATCH))
    box.done(range(1, BATCH))
    assert seqs(box) == [BATCH, BATCH + 1]


def test_entries_read_twice_are_taken_once():
    box = outbox(fault(1), fault(2))
    box.add([fault(1), fault(2), fault(3)], now=0.0)
    assert seqs(box) == [1, 2, 3]


PRESENTATIONS = st.sampled_from("abcdef")
KINDS = st.tuples(
    st.sampled_from(["scan", "refused", "passage", "fault", "resumed"]), PRESENTATIONS
)


def entry_of(seq: int, kind: str, presentation: str) -> dict:
    if kind == "scan":
        return scan(seq, presentation)
    if kind == "refused":
        return scan(seq, presentation, "refused")
    if kind == "resumed":
        return resumed(seq, "z", by=presentation)
    return outcome(seq, presentation) if kind == "passage" else fault(seq)


@given(st.lists(KINDS, max_size=30), st.integers(0, 2**32))
def test_whatever_is_answered_in_whatever_order_every_record_goes_up(kinds, seed):
    """With restarts anywhere, and the server answering for any part of a batch, or for none."""
    chance = Random(seed)
    entries = [entry_of(seq, *kind) for seq, kind in enumerate(kinds, 1)]
    box, now, sent = outbox(*entries), 0.0, []
    while box.position < len(entries):
        batch = seqs(box, now)
        assert len(set(batch)) == len(batch)
        answered = [seq for seq in batch if chance.random() < 0.5]
        sent += answered
        position = box.done(answered)
        now += 0 if answered else OUTCOME_WAIT
        if chance.random() < 0.5:
            box = Outbox(EPOCH, position, [seq for seq in sent if seq > position])
            box.add(entries, now)
    assert sorted(sent) == list(range(1, len(entries) + 1)), "each exactly once"
