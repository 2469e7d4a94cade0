"""The gate is killed at every step of an admission, and at any moment: nothing is lost by it."""

import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from store.failpoints import NAMES
from tests.rigs.crash_audit import Lines, Tally, audit, lines_of

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-P", "-m", "tests.rigs.admission_core"]
TIMES = (1, 2, 4, 7, 12)
LEFT_OPEN = {"released": True, "passage-seen": True, "before-commit": None, "committed": None}
"""Whether a kill there leaves an admission without its outcome; None: depends on the moment."""
KILLS = 500
WORKERS = 2
LONGEST = 0.15
"""Seconds after its start within which a life is killed."""


def one_life(directory: Path, rounds: int, failpoint: str = "") -> tuple[int, Lines]:
    """Run a life in a process of its own: its exit code, and what it said."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "ADMIT_FAILPOINT": failpoint}
    run = subprocess.run(
        [*COMMAND, str(directory), "0", str(rounds), "1"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in run.stderr, run.stderr
    return run.returncode, lines_of(run.stdout)


def killed_and_restarted(directory: Path, name: str, number: int) -> Tally:
    """Kill a gate when it comes by a failpoint for the `number`-th time; start it again."""
    directory.mkdir()
    code, before = one_life(directory, 40, f"{name}:{number}")
    assert code == -signal.SIGKILL, f"{name} was not reached {number} times"
    code, after = one_life(directory, 5)
    assert code == 0
    assert after[0] == ["ready"]
    assert after[-1] == ["done"]
    back = [words for words in after if words[0] == "back"]
    left_open = LEFT_OPEN.get(name, False)
    assert left_open is None or len(back) == left_open
    tally = audit(directory / "journal.db", [before, after])
    assert tally.welcomed == len(back)
    return tally


@pytest.mark.parametrize("name", NAMES)
def test_a_gate_killed_at_a_step_of_an_admission_loses_nothing(tmp_path, name):
    """Five times each: restart, the interrupted guest is let in once, the chain is whole."""
    with ThreadPoolExecutor(WORKERS) as pool:
        runs = [pool.submit(killed_and_restarted, tmp_path / str(n), name, n) for n in TIMES]
        total = sum((run.result() for run in runs), Tally())
    print(f"{name}: {total}")
    assert (total.lost, total.double) == ([], [])


def kill_lives(directory: Path, lives: int, seed: int) -> int:
    """Start life after life over one journal and kill each; then let one come to its rounds.

    Returns:
        How many were killed.
    """
    directory.mkdir()
    chance, killed = random.Random(seed), 0
    nursery = subprocess.Popen(
        [*COMMAND, str(directory)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    )
    with nursery:
        assert nursery.stdin is not None
        assert nursery.stdout is not None
        for life in range(lives):
            print(life, file=nursery.stdin, flush=True)
            child = int(nursery.stdout.readline())
            time.sleep(chance.uniform(0, LONGEST))
            os.kill(child, signal.SIGKILL)
            killed += int(nursery.stdout.readline()) == -signal.SIGKILL
    return killed


def test_five_hundred_kills_at_any_moment_lose_nothing(tmp_path):
    """No acknowledged record lost, nobody in twice but for the one `resumed`, chain whole."""
    shares = [tmp_path / str(worker) for worker in range(WORKERS)]
    with ThreadPoolExecutor(WORKERS) as pool:
        killed = sum(pool.map(kill_lives, shares, [KILLS // WORKERS] * WORKERS, range(WORKERS)))
    total = Tally()
    for share in shares:
        code, _ = one_life(share, 1)
        assert code == 0
        files = sorted(share.glob("said-*"), key=lambda file: int(file.name.split("-")[1]))
        total += audit(share / "journal.db", [lines_of(file.read_text()) for file in files])
    print(f"{killed} kills: {total}")
    assert killed == KILLS
    assert (total.lost, total.double) == ([], [])
    # On a busy machine fewer lives come to their work before they are killed.
    assert total.ready > KILLS // 8
    assert total.interrupted > KILLS // 20, "the kills came at idle moments: nothing was tried"
    assert total.resumed > KILLS // 50
