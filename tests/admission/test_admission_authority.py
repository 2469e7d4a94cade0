"""Whether an authority is asked: out at its first fault, back after three quick probes."""

from hypothesis import given
from hypothesis import strategies as st

from admission.authority_health import GOOD_PROBES, GOOD_WITHIN, PROBE_EVERY, AuthorityHealth


def probe(health: AuthorityHealth, at: float, takes: float = 0.01, ok: bool = True) -> None:
    """The probe that is due at `at` is answered."""
    number = health.probe_due(at)
    assert number is not None
    health.probed(number, ok, at + takes)


def healthy() -> AuthorityHealth:
    """One that is asked, from t = 2 on."""
    health = AuthorityHealth(0.0)
    for second in range(GOOD_PROBES):
        probe(health, float(second))
    assert health.is_in
    return health


def test_a_gate_that_starts_asks_nobody_before_three_quick_probes() -> None:
    """The first guest is not the one who finds out."""
    health = AuthorityHealth(0.0)
    assert not health.is_in
    for second in range(GOOD_PROBES):
        assert not health.is_in
        probe(health, float(second))
    assert health.is_in
    assert health.since == 2.01


def test_one_failed_call_takes_it_out() -> None:
    """I4: no guest pays the time-out twice."""
    health = healthy()
    health.failed(50.0)
    assert not health.is_in
    assert health.since == 50.0


def test_it_is_out_since_its_first_failure() -> None:
    """A second one on the way does not make the outage younger."""
    health = healthy()
    health.failed(50.0)
    health.failed(50.3)
    assert health.since == 50.0


def test_probes_go_out_once_a_second_and_only_while_it_is_out() -> None:
    """The first one second after the failure."""
    health = healthy()
    assert health.probe_due(49.0) is None
    health.failed(50.0)
    assert health.probe_due(50.9) is None
    assert health.probe_due(50.0 + PROBE_EVERY) is not None
    assert health.probe_due(51.5) is None
    assert health.probe_due(52.0) is not None


def test_only_probes_answered_within_200_ms_count() -> None:
    """A slow authority stays out: it would cost every guest its budget."""
    health = AuthorityHealth(0.0)
    for second in range(10):
        probe(health, float(second), takes=GOOD_WITHIN + 0.01)
    assert not health.is_in


def test_three_in_a_row_are_needed() -> None:
    """A slow, refused or unanswered one starts the count anew."""
    for spoil in ("slow", "refused", "silent"):
        health = AuthorityHealth(0.0)
        probe(health, 0.0)
        probe(health, 1.0)
        if spoil == "silent":
            assert health.probe_due(2.0) is not None
        else:
            probe(health, 2.0, takes=0.3 if spoil == "slow" else 0.0, ok=spoil != "refused")
        probe(health, 3.0)
        probe(health, 4.0)
        assert not health.is_in, spoil
        probe(health, 5.0)
        assert health.is_in, spoil


def test_a_late_answer_to_an_earlier_probe_says_nothing() -> None:
    """It was over its time before it came; the later probe is still unanswered."""
    health = AuthorityHealth(0.0)
    first = health.probe_due(0.0)
    assert first is not None
    assert health.probe_due(1.0) is not None
    health.probed(first, True, 1.01)
    probe(health, 2.0)
    probe(health, 3.0)
    assert not health.is_in
    probe(health, 4.0)
    assert health.is_in


def test_an_answer_counts_once_and_only_to_a_probe_that_was_sent() -> None:
    """A peer that chatters does not bring itself back."""
    health = AuthorityHealth(0.0)
    number = health.probe_due(0.0)
    assert number is not None
    for answered in (number + 7, number, number, number, -1):
        health.probed(answered, True, 0.01)
    assert not health.is_in


@given(
    st.lists(
        st.tuples(st.sampled_from(["fail", "quick", "slow", "no"]), st.floats(0, 3)), max_size=40
    )
)
def test_it_is_in_only_after_three_quick_probes_since_the_last_fault(
    events: list[tuple[str, float]],
) -> None:
    """In any order of answers."""
    health, at, quick = AuthorityHealth(0.0), 0.0, 0
    for what, later in events:
        at += later
        if what == "fail":
            health.failed(at)
            quick = 0
        elif (number := health.probe_due(at)) is not None:
            takes = {"quick": 0.1, "slow": 0.5, "no": 0.1}[what]
            at += takes
            health.probed(number, what != "no", at)
            quick = quick + 1 if what == "quick" else 0
        assert health.is_in is (quick >= GOOD_PROBES)
