"""The screen follows the gate program through every kind of death, and resumes where it was."""

import asyncio
import os
import socket
import threading
from dataclasses import replace

import pytest

from screen.board import Board
from screen.faces import Face
from screen.hub import Hub
from screen.link import HISTORY, Link
from tests.rigs.fake_scanner import FakeScanner, lane
from tests.rigs.screen_rig import QUICK, until


class Follower:
    """A hub and its link on an event loop in a thread of their own."""

    def __init__(self, run, **pace):
        self.board = Board("north-1", ("entry-1",))
        self.hub = Hub(self.board)
        self._loop = asyncio.new_event_loop()
        self._task = self._loop.create_task(Link(run, self.hub, replace(QUICK, **pace)).run())
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def close(self):
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        assert not self._thread.is_alive()
        self._loop.run_until_complete(asyncio.gather(self._task, return_exceptions=True))
        self._loop.close()

    def look(self, at):
        """What `at` returns on the loop that owns the board."""

        async def looked():
            return at()

        return asyncio.run_coroutine_threadsafe(looked(), self._loop).result(5)

    @property
    def up(self):
        return self.board.lost is None

    @property
    def face(self):
        return self.look(lambda: self.hub.face("entry-1"))["face"]

    @property
    def scans(self):
        return [scan["detail"] for scan in self.look(self.hub.steward)["scans"]]


@pytest.fixture
def follow(tmp_path):
    followers = []

    def start(**options):
        followers.append(Follower(tmp_path, **options))
        return followers[-1]

    yield start
    for follower in followers:
        follower.close()


def test_a_gate_that_is_not_there_is_named(follow):
    follower = follow()
    until(lambda: follower.board.lost.cause == "The gate program is not running")
    assert "restarts by itself" in follower.board.lost.remedy


def test_it_hears_the_gate_and_its_verdicts(tmp_path, follow):
    scanner = FakeScanner(tmp_path)
    follower = follow()
    until(lambda: follower.face is Face.IDLE)
    scanner.admit()
    until(lambda: follower.face is Face.ADMITTED)
    scanner.tell("outcome", state="locked")
    until(lambda: follower.face is Face.IDLE)


def test_no_event_is_lost_between_two_polls(tmp_path, follow):
    """Events that arrive just as the link turns to its next question are heard all the same."""
    scanner = FakeScanner(tmp_path)
    follower = follow(poll=0.001)
    until(lambda: follower.up)
    for number in range(200):
        scanner.refuse("unpaid", detail=str(number))
        until(lambda: follower.scans[:1] == [str(number)])  # noqa: B023


def test_the_death_of_the_gate_ends_the_green(tmp_path, follow):
    scanner = FakeScanner(tmp_path)
    follower = follow()
    until(lambda: follower.up)
    scanner.admit()
    until(lambda: follower.face is Face.ADMITTED)
    scanner.die()
    until(lambda: follower.face is Face.DOWN)


def test_a_gate_that_hangs_with_its_socket_open_counts_as_dead(tmp_path, follow):
    scanner = FakeScanner(tmp_path)
    follower = follow(silence=0.3)
    until(lambda: follower.up)
    scanner.admit()
    scanner.answers = False
    until(lambda: follower.face is Face.DOWN)
    until(lambda: follower.board.lost.cause == "The gate program does not answer")


def test_events_without_answers_do_not_count_as_life(tmp_path, follow):
    """A gate program whose status thread is dead is not trusted for its chatter."""
    scanner = FakeScanner(tmp_path)
    follower = follow(silence=0.3)
    until(lambda: follower.up)
    scanner.answers = False

    def dead():
        scanner.tell("state", state="released")
        return not follower.up

    until(dead)


def test_it_comes_back_by_itself_and_resumes_by_seq(tmp_path, follow):
    first = FakeScanner(tmp_path)
    follower = follow()
    until(lambda: follower.up)
    first.refuse("unpaid", detail="before")
    until(lambda: follower.scans == ["before"])
    first.die()
    until(lambda: not follower.up)
    second = FakeScanner(tmp_path, first_seq=3)
    second.refuse("unpaid", detail="meanwhile")
    until(lambda: follower.up and "meanwhile" in follower.scans)
    assert {"op": "events", "after": 2} in second.asked
    assert follower.scans == ["meanwhile", "before"]


def test_a_verdict_that_fell_into_a_moment_of_silence_is_still_shown(tmp_path, follow):
    first = FakeScanner(tmp_path)
    follower = follow()
    until(lambda: follower.up)
    first.refuse("unpaid")
    until(lambda: follower.face is Face.REFUSED)
    first.die()
    second = FakeScanner(tmp_path, first_seq=3)
    second.refuse("too_early")
    until(lambda: follower.look(lambda: follower.hub.face("entry-1"))["reason"] == "too_early")


def test_after_a_reboot_it_reads_from_the_start(tmp_path, follow):
    first = FakeScanner(tmp_path, first_seq=500)
    follower = follow()
    until(lambda: follower.up)
    first.refuse("unpaid", detail="before")
    until(lambda: follower.scans == ["before"])
    first.die()
    until(lambda: not follower.up)
    second = FakeScanner(tmp_path, boot="b008")
    second.refuse("unpaid", detail="meanwhile")
    until(lambda: follower.scans == ["meanwhile", "before"])
    assert {"op": "events", "after": 0} in second.asked


def test_after_a_restart_within_one_boot_it_reads_from_the_start(tmp_path, follow):
    """The numbers begin again, although the boot is the same."""
    first = FakeScanner(tmp_path, first_seq=500)
    follower = follow()
    until(lambda: follower.up)
    first.refuse("unpaid", detail="before")
    until(lambda: follower.scans == ["before"])
    first.die()
    second = FakeScanner(tmp_path)
    second.refuse("unpaid", detail="meanwhile")
    until(lambda: follower.scans == ["meanwhile", "before"])


def test_a_late_page_reads_a_page_of_history(tmp_path, follow):
    scanner = FakeScanner(tmp_path)
    for number in range(2 * HISTORY):
        scanner.refuse("unpaid", detail=str(number))
    follower = follow()
    until(lambda: follower.scans[:1] == [str(2 * HISTORY - 1)])
    assert {"op": "events", "after": 4 * HISTORY - HISTORY} in scanner.asked
    assert follower.face is Face.IDLE


def test_history_shows_no_face(tmp_path, follow):
    scanner = FakeScanner(tmp_path)
    scanner.refuse("unpaid", detail="an hour ago")
    follower = follow()
    until(lambda: follower.scans == ["an hour ago"])
    until(lambda: follower.up)
    assert follower.face is Face.IDLE


@pytest.mark.parametrize(
    "data", [b"\xff", b"[1,2", b'{"status": {}}', b'{"event": 7}', b"[" * 60000]
)
def test_babble_is_named_and_left(tmp_path, follow, data):
    scanner = FakeScanner(tmp_path)
    follower = follow()
    until(lambda: follower.up)
    seen = []
    follower.board.lose = lambda why, last: seen.append(why.cause)
    scanner.babble(data)
    until(lambda: seen != [])
    assert "not understood" in seen[0]


def test_the_last_words_of_a_dead_gate_are_shown_with_their_age(tmp_path, follow):
    scanner = FakeScanner(tmp_path, lane("entry-1", entered=77))
    scanner.write_status()
    os.utime(tmp_path / "status.json", (1_000, 1_000))
    scanner.die()
    follower = follow()
    until(lambda: follower.board.last_seen.age is not None)
    steward = follower.hub.steward()
    assert steward["lanes"][0]["entered"] == 77
    assert "days old" in steward["link"]["age"]


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 70_000, b"\x00" * 10])
def test_a_damaged_status_file_is_as_none(tmp_path, follow, content):
    (tmp_path / "status.json").write_bytes(content)
    follower = follow()
    until(lambda: follower.board.lost.cause == "The gate program is not running")
    assert follower.board.last_seen.status is None


def test_a_pipe_in_place_of_the_status_file_holds_nobody(tmp_path, follow):
    os.mkfifo(tmp_path / "status.json")
    follower = follow()
    until(lambda: follower.board.lost.cause == "The gate program is not running")


def test_a_socket_of_another_kind_is_no_gate(tmp_path, follow):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
        other.bind(str(tmp_path / "events.sock"))
        other.listen()
        follower = follow()
        until(lambda: follower.board.lost.cause == "The gate program is not running")


@pytest.mark.parametrize("names", [True, False])
def test_names_are_asked_for_where_the_page_shows_them(tmp_path, names):
    """What is not asked for never reaches this process."""
    scanner = FakeScanner(tmp_path, lane("entry-1"))
    hub = Hub(Board("north-1", ("entry-1",)))

    async def follow():
        link = asyncio.create_task(Link(tmp_path, hub, QUICK, names=names).run())
        while not any(question["op"] == "events" for question in scanner.asked):
            await asyncio.sleep(0.01)
        link.cancel()

    asyncio.run(asyncio.wait_for(follow(), 10))
    (asked,) = [question for question in scanner.asked if question["op"] == "events"]
    assert asked.get("names", False) is names
    scanner.die()
