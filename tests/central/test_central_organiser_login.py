"""Who may come in: password and second factor, back-off, sessions."""

import contextlib
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admission.clock import FakeClock
from central.organiser import accounts, audit, login, sessions
from central.organiser.accounts import Role
from central.organiser.errors import LoginRefused
from central.organiser.links import login_link
from central.organiser.login import OWN, STRANGERS, Attempt, Limit, log_in
from central.organiser.web import AT_THE_DOOR, BASE, Site
from central.schema import organiser, organiser_session
from central.setup import open_central
from tests.central.conftest import ON_SQLITE
from tests.rigs.central_rig import CentralRig
from tests.rigs.organiser_rig import CHEAP, PASSWORD, Browser, Member


@pytest.fixture
def browser(rig: CentralRig) -> Browser:
    return Browser(rig.central)


@pytest.fixture
def ada(rig: CentralRig, browser: Browser, clock: FakeClock) -> Member:
    """An organiser who has chosen a password, in another browser, some minutes ago."""
    member = Member(rig.central)
    assert member.welcome(Browser(rig.central, client=("198.51.100.1", 1))).status_code == 303
    clock.advance(120)
    return member


def is_in(browser: Browser) -> bool:
    return str(browser.get("/").url).endswith(f"{BASE}/")


def test_the_first_page_says_how_to_make_an_account(browser: Browser, rig: CentralRig) -> None:
    assert "admit central user add" in browser.get("/").text
    Member(rig.central)
    assert "admit central user add" not in browser.get("/login").text


def test_a_new_person_chooses_a_password_with_the_one_time_secret_once(
    browser: Browser, rig: CentralRig, clock: FakeClock
) -> None:
    member = Member(rig.central)
    assert member.welcome(browser, one_time="aaaa-bbbb-cccc-dddd").status_code == 403
    assert member.welcome(browser, code="000000").status_code == 403
    assert member.welcome(browser, password="short", again="short").status_code == 403
    assert member.welcome(browser, again="another one here").status_code == 403
    assert member.welcome(browser).status_code == 303
    assert is_in(browser)
    clock.advance(60)
    other = Browser(rig.central)
    assert member.welcome(other, password="a thief's password").status_code == 403
    assert other.login("ada", member.code()).status_code == 303


def test_a_one_time_secret_lives_a_day(rig: CentralRig, clock: FakeClock, browser: Browser) -> None:
    member = Member(rig.central)
    clock.advance(86_401)
    assert member.welcome(browser).status_code == 403


def test_password_and_code_are_both_needed(ada: Member, browser: Browser) -> None:
    assert browser.login("ada", ada.code(), "wrong password").status_code == 403
    assert browser.login("ada", "123456").status_code == 403
    assert browser.login("eve", ada.code()).status_code == 403
    assert not is_in(browser)
    assert browser.login("ada", ada.code()).status_code == 303
    assert is_in(browser)


def test_a_refused_login_does_not_say_what_was_wrong(ada: Member, browser: Browser) -> None:
    """Neither the names of people nor a password that is right are told to who guesses."""
    answers = {
        browser.login("nobody", ada.code()).text,
        browser.login("ada", ada.code(), "wrong password").text,
        browser.login("ada", "000000").text,
    }
    assert len(answers) == 1


def test_a_code_works_once(ada: Member, browser: Browser, rig: CentralRig) -> None:
    code = ada.code()
    assert browser.login("ada", code).status_code == 303
    assert Browser(rig.central).login("ada", code).status_code == 403


def test_a_code_before_one_that_was_used_does_not_work(
    ada: Member, browser: Browser, rig: CentralRig
) -> None:
    before, now = ada.code(-30), ada.code()
    assert browser.login("ada", now).status_code == 303
    assert Browser(rig.central).login("ada", before).status_code == 403


@pytest.mark.parametrize(("ahead", "good"), [(-60, 0), (-30, 1), (0, 1), (30, 1), (60, 0)])
def test_a_phone_may_be_one_step_off(
    ada: Member, browser: Browser, ahead: float, good: int
) -> None:
    assert (browser.login("ada", ada.code(ahead)).status_code == 303) is bool(good)


@pytest.mark.parametrize("code", ["", "1", "abcdef", "12345٣", "1234567890", "\0\0\0\0\0\0"])
def test_a_code_of_any_shape_is_refused(ada: Member, browser: Browser, code: str) -> None:
    assert browser.login("ada", code).status_code == 403


def test_nothing_that_is_kept_lets_a_thief_in(ada: Member, browser: Browser) -> None:
    """Hash of the password, sealed second factor, hashes of cookies: none works by itself."""
    browser.login("ada", ada.code())
    with ada.central.database.reading() as connection:
        row = connection.execute(organiser.select()).mappings().one()
        cookies = connection.execute(organiser_session.select()).mappings().all()
    assert row["password"].startswith("$argon2id$")
    assert ada.given.secret.encode() not in bytes(row["secret"])
    cookie = browser.http.cookies["admit_session"]
    assert cookie.encode() not in b"".join(bytes(one["digest"]) for one in cookies)


# -- back-off --------------------------------------------------------------------------------------


def guess(browser: Browser, times: int, name: str = "ada") -> Any:
    answers = [browser.login(name, "000000", "guess") for _ in range(times)]
    return answers[-1]


def test_guessing_slows_down(ada: Member, browser: Browser, clock: FakeClock) -> None:
    """Five tries are free; then not even what is right is looked at until the pause is over."""
    guess(browser, 6)
    assert "next try is in" in browser.login("ada", ada.code()).text
    clock.advance(2.1)
    assert browser.login("ada", ada.code()).status_code == 303


def test_tries_during_the_pause_do_not_make_it_longer(
    ada: Member, browser: Browser, clock: FakeClock
) -> None:
    guess(browser, 6)
    for _ in range(30):
        assert "next try is in" in guess(browser, 1).text
    clock.advance(2.1)
    assert browser.login("ada", ada.code()).status_code == 303


def flood(rig: CentralRig, clock: FakeClock, tries: int, **changes: Any) -> None:
    """Guesses at one name, each from a network of its own and as soon as it may."""
    for number in range(tries):
        clock.advance(STRANGERS.longest)
        attempt = Attempt("ada", "guess", "000000", address=f"203.0.{number}.9")
        with pytest.raises(LoginRefused):
            log_in(rig.central, replace(attempt, **changes), CHEAP)


def test_a_browser_that_was_in_before_is_not_kept_out_by_strangers(
    ada: Member, browser: Browser, rig: CentralRig, clock: FakeClock
) -> None:
    """However many networks guess at the name: the organiser's own browser still gets in."""
    assert browser.login("ada", ada.code()).status_code == 303
    browser.post("/logout")
    flood(rig, clock, STRANGERS.free + 6)
    stranger = Browser(rig.central, client=("198.18.0.1", 1))
    assert "next try is in" in stranger.login("ada", ada.code()).text
    assert browser.login("ada", ada.code()).status_code == 303


def test_strangers_wait_a_minute_at_most_for_what_others_did(
    ada: Member, rig: CentralRig, clock: FakeClock
) -> None:
    flood(rig, clock, STRANGERS.free + 12)
    clock.advance(60)
    fresh = Browser(rig.central, client=("198.18.0.1", 1))
    assert fresh.login("ada", ada.code()).status_code == 303


def test_a_forged_browser_cookie_counts_as_none(ada: Member, rig: CentralRig) -> None:
    """With one of its own making a guesser would be a new browser each time."""
    with rig.central.database.reading() as connection:
        created = accounts.known(connection, "ada")["created"]
    for number in range(OWN.free + 1):
        cookie = f"ada/{created}/{number:016x}/{number:032x}"
        with pytest.raises(LoginRefused):
            log_in(rig.central, Attempt("ada", "x", "000000", "192.0.2.7", "", cookie), CHEAP)
    assert "next try is in" in guess(Browser(rig.central), 1).text


def test_the_server_can_forget_failures(ada: Member, browser: Browser) -> None:
    guess(browser, 12)
    login.unlock(ada.central)
    assert browser.login("ada", ada.code()).status_code == 303


def test_names_that_do_not_exist_slow_a_network_down_too(browser: Browser, ada: Member) -> None:
    """Else every try of a new name would cost the server a hash and a row."""
    for number in range(STRANGERS.free + 1):
        guess(browser, 1, f"name{number}")
    assert "next try is in" in guess(browser, 1, "another").text


@given(st.sampled_from([OWN, STRANGERS]), st.integers(0, 10_000))
def test_no_pause_grows_beyond_its_bound(limit: Limit, failures: int) -> None:
    """Nobody is locked out for ever, whatever was tried before."""
    assert 0 <= limit.wait(failures) <= limit.longest <= 300
    assert limit.wait(failures) <= limit.wait(failures + 1)


# -- sessions --------------------------------------------------------------------------------------


def test_the_cookie_is_for_this_site_alone(ada: Member, browser: Browser, rig: CentralRig) -> None:
    cookies = browser.login("ada", ada.code()).headers.get_list("set-cookie")
    assert all("HttpOnly" in cookie and "SameSite=strict" in cookie for cookie in cookies)
    assert not any("Secure" in cookie for cookie in cookies)


def test_with_tls_the_cookie_goes_by_tls_alone(
    ada: Member, rig: CentralRig, clock: FakeClock
) -> None:
    site = Site(rig.central, secure=True, cost=CHEAP)
    cookies = (
        Browser(rig.central, site=site).login("ada", ada.code()).headers.get_list("set-cookie")
    )
    assert all("Secure" in cookie for cookie in cookies)
    assert cookies[0].startswith("__Host-admit_session=")


@pytest.mark.parametrize(("seconds", "stays"), [(sessions.IDLE - 1, True), (sessions.IDLE, False)])
def test_a_session_that_is_not_used_ends(
    ada: Member, browser: Browser, clock: FakeClock, seconds: float, stays: bool
) -> None:
    browser.login("ada", ada.code())
    clock.advance(seconds)
    assert is_in(browser) is stays


def test_every_session_ends_with_the_night(ada: Member, browser: Browser, clock: FakeClock) -> None:
    browser.login("ada", ada.code())
    for _ in range(15):
        clock.advance(3600)
        assert is_in(browser)
    clock.advance(3600)
    assert not is_in(browser)


def test_a_page_that_renews_itself_keeps_no_session_alive(
    ada: Member, browser: Browser, clock: FakeClock
) -> None:
    browser.login("ada", ada.code())
    for _ in range(4):
        clock.advance(3600)
        browser.get("/", headers={"X-Live": "1"})
    assert not is_in(browser)


def test_logging_out_ends_the_session_at_the_server(ada: Member, browser: Browser) -> None:
    browser.login("ada", ada.code())
    kept = browser.http.cookies["admit_session"]
    browser.post("/logout")
    browser.http.cookies["admit_session"] = kept
    assert not is_in(browser)


def test_another_browser_can_be_logged_out(
    ada: Member, browser: Browser, rig: CentralRig, clock: FakeClock
) -> None:
    lost = Browser(rig.central)
    lost.login("ada", ada.code())
    clock.advance(60)
    browser.login("ada", ada.code())
    found = sessions.listing(rig.central, "ada")
    mine = next(one["id"] for one in found if one["seen"] == clock.at)
    other = next(one["id"] for one in found if one["id"] != mine and one["address"] == "192.0.2.7")
    assert "this browser" in browser.get("/sessions").text
    browser.post("/sessions/end", session=other)
    assert not is_in(lost)
    assert is_in(browser)


def test_nobody_ends_the_sessions_of_others(
    ada: Member, browser: Browser, rig: CentralRig, clock: FakeClock
) -> None:
    browser.login("ada", ada.code())
    eve, hers = Member(rig.central, "eve", Role.VIEWER), Browser(rig.central)
    eve.welcome(hers)
    theirs = sessions.listing(rig.central, "ada")[0]["id"]
    hers.post("/sessions/end", session=theirs)
    assert is_in(browser)


@pytest.mark.parametrize("change", [accounts.reset, accounts.remove])
def test_an_account_that_is_reset_or_removed_is_out_at_once(
    ada: Member, browser: Browser, change: Any, clock: FakeClock
) -> None:
    browser.login("ada", ada.code())
    change(ada.central, "ada")
    assert not is_in(browser)
    clock.advance(60)
    assert browser.login("ada", ada.code()).status_code == 403


def test_logins_are_in_the_log(ada: Member, browser: Browser) -> None:
    browser.login("ada", "000000")
    browser.login("ada", ada.code())
    told = [(row["person"], row["action"], row["outcome"]) for row in audit.log(ada.central)]
    assert told[:2] == [("ada", "login", "done"), ("ada", "login", "refused")]
    assert PASSWORD not in json.dumps(audit.log(ada.central))


# -- the demonstration's link ----------------------------------------------------------------------


def at_home(rig: CentralRig, demo: bool = True, address: str = "127.0.0.1") -> Browser:
    site = Site(rig.central, secure=False, demo_login=demo, cost=CHEAP)
    return Browser(rig.central, site=site, client=(address, 1))


def path_of(link: str) -> str:
    return link.split(BASE, 1)[1]


def test_a_link_logs_one_browser_in(rig: CentralRig) -> None:
    path = path_of(login_link(rig.central, "http://127.0.0.1:8470"))
    first, second = at_home(rig), at_home(rig)
    assert str(first.get(path).url).endswith(f"{BASE}/")
    assert "used already" in second.get(path).text
    assert str(first.get(path).url).endswith(f"{BASE}/"), "who is in may press it again"


@pytest.mark.parametrize(
    ("case", "demo", "address"),
    [("not asked for", False, "127.0.0.1"), ("from elsewhere", True, "192.0.2.7")],
)
def test_a_link_is_good_for_the_demonstration_alone(
    rig: CentralRig, case: str, demo: bool, address: str
) -> None:
    path = path_of(login_link(rig.central, "http://localhost:8470"))
    assert at_home(rig, demo, address).get(path).status_code == 403


def test_no_link_is_made_for_a_server_that_others_reach(rig: CentralRig) -> None:
    with pytest.raises(LoginRefused):
        login_link(rig.central, "http://192.0.2.1:8470")


def test_an_account_outlives_the_server(ada: Member, rig: CentralRig, db: str) -> None:
    again = open_central(db or rig.db, rig.keys, rig.central.now)
    assert Browser(again).login("ada", ada.code()).status_code == 303
    again.database.close()


# -- what strangers may take up --------------------------------------------------------------------


@ON_SQLITE
def test_strangers_at_the_door_take_few_threads_and_little_memory(
    ada: Member, rig: CentralRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hash takes 64 MiB and a processor: a flood of logins must leave both to the gates."""
    at_once, most, lock = 0, 0, threading.Lock()
    met = threading.Barrier(AT_THE_DOOR + 1)

    def slow(_stored: str, _password: str) -> bool:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        with contextlib.suppress(threading.BrokenBarrierError):
            met.wait(0.1)  # passed as soon as there is one too many
        with lock:
            at_once -= 1
        return False

    monkeypatch.setattr(accounts, "is_password", slow)
    visitor = Browser(rig.central)
    with visitor.http, ThreadPoolExecutor(8) as crowd:
        answers = list(crowd.map(lambda _: visitor.login("ada", "000000"), range(4)))
    assert {answer.status_code for answer in answers} == {403}
    assert most <= AT_THE_DOOR


def test_one_stranger_over_ipv6_mapped_addresses_is_one_network_not_all(
    ada: Member, rig: CentralRig
) -> None:
    """A proxy may write IPv4 as ::ffff:192.0.2.1; all of them lie in one /64."""
    for _ in range(OWN.free + 1):
        with pytest.raises(LoginRefused):
            log_in(rig.central, Attempt("ada", "x", "000000", "::ffff:203.0.113.9"), CHEAP)
    mine = Attempt("ada", PASSWORD, ada.code(), "::ffff:198.51.100.1")
    assert log_in(rig.central, mine, CHEAP).token
