"""What the README promises, on a machine that has python3, python3-venv and make: no root, no apt.

The machine has no network; the locked wheels come from a directory, as pip is told by environment.
"""

from collections.abc import Iterator

import pytest

from tests.rigs.machine_rig import Machine, eventually

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(1800)]

PLACE = "/home/guest/admit"
GUEST = f"systemd-run --quiet --uid guest --working-directory {PLACE} --setenv HOME=/home/guest"
GUEST += " --setenv PIP_NO_INDEX=1 --setenv PIP_FIND_LINKS=/wheels"


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with Machine.fresh(tmp_path_factory.mktemp("machine"), network="private") as machine:
        machine.run("useradd --create-home guest")
        machine.push_project(PLACE)
        machine.run("chown -R guest: /home/guest")
        machine.fetch_wheels(PLACE)
        yield machine


def test_nothing_is_there_but_what_the_readme_asks_for(machine: Machine) -> None:
    """No compiler to fall back to, and no git."""
    assert machine.try_("command -v gcc cc git pip").out == ""


def test_make_demo_shows_a_gate_at_work(machine: Machine) -> None:
    """The page's address, and a verdict for each ticket, as expected."""
    machine.run(f"{GUEST} --unit demo make demo")

    def said() -> str:
        return machine.run("journalctl --unit demo --output cat")

    eventually(lambda: "The playground is open" in said(), within=180)
    machine.run("systemctl stop demo")
    shown = machine.run(f"{GUEST} --pipe --wait {PLACE}/.venv/bin/admit demo --once")
    for word in ("already_redeemed", "forged", "too_early", "A guest goes home"):
        assert word in shown
    assert "EXPECTED" not in shown


def test_make_test_passes(machine: Machine) -> None:
    """Every test that is not heavy."""
    done = machine.try_(f"{GUEST} --pipe --wait make test")
    assert done.status == 0, (done.out + done.err)[-4000:]
