"""The installer and the units on a fresh Debian with systemd, and a gate that works there.

One machine for all: the tests are told in order, as an operator meets the machine.
"""

import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import segno

from central.organiser import overview
from tests.rigs.central_rig import CSV, EVENT, CentralRig, serving
from tests.rigs.machine_rig import Machine, eventually
from tests.rigs.shown_commands import commands_for
from tickets.ad1 import sign, to_qr_text
from tickets.cose import key_id, public_key_of
from tickets.key_files import Role, load_key
from tickets.keys import cti_of

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(300)]

UNITS = ("admit-scanner", "admit-sync", "admit-screen")
INSTALL = "cd /root/admit && ./install --wheels /wheels"
CONFIG = """\
[gate]
name = "north"
event = "{event}"
[trust]
root_keys = ["{root}"]
[server]
url = "{url}"
token = "{token}"
[screen]
port = {port}
[[lane]]
name = "entry-1"
direction = "entry"
check_in_list = "main"
readers = ["camera:files:/srv/camera?hold=1.0&blank=1.0"]
turnstile = "turnstile:sim?passage=0.3"
"""


@dataclass
class Gate:
    """An installed gate and its server."""

    machine: Machine
    central: CentralRig
    port: int
    """Of its pages, on this computer's loopback."""

    def status(self) -> dict[str, Any]:
        """`admit status --json`; empty when there is no gate."""
        done = self.machine.try_("admit status --json")
        return json.loads(done.out) if done.out else {}

    def ready(self) -> bool:
        """Whether it would admit a guest."""
        return self.machine.try_("admit status").status == 0

    def show(self, ticket: str) -> None:
        """Hold the ticket's picture before the camera."""
        seed = load_key(self.central.keys, Role.ISSUER).secret
        cti = cti_of(load_key(self.central.keys, Role.EVENT).secret, ticket)
        text = to_qr_text(sign(seed, key_id(public_key_of(seed)), EVENT, cti, product=1))
        camera = self.machine.root / "srv" / "camera"
        segno.make(text, error="q", boost_error=False).save(str(camera / ".new.png"), scale=5)
        (camera / ".new.png").rename(camera / f"{ticket}.png")

    def entered(self, ticket: str) -> bool:
        """Whether the server knows that the ticket's guest went in."""
        return ticket in [row["id"] for row in overview.entries(self.central.central)]

    def journal(self) -> str:
        """What the journal's verification says."""
        return self.machine.run("admit journal verify")


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with Machine.fresh(tmp_path_factory.mktemp("machine")) as machine:
        machine.push_project("/root/admit")
        machine.run("mkdir /srv/camera")
        machine.fetch_wheels("/root/admit")
        yield machine


@pytest.fixture(scope="module")
def gate(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    with serving(tmp_path_factory.mktemp("central")) as central:
        port = free_port()
        text = CONFIG.format(
            event=EVENT,
            root=central.root_keys[0],
            url=central.url,
            token=central.enrol_token("north"),
            port=port,
        )
        (machine.root / "root" / "north.toml").write_text(text)
        machine.run(f"{INSTALL} --config /root/north.toml")
        gate = Gate(machine, central, port)
        eventually(gate.ready)
        yield gate


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# -- installing --------------------------------------------------------------------------------


def test_only_root_installs(machine: Machine) -> None:
    """Two lines: what is wrong and what to do."""
    machine.run("cp -r /root/admit /srv/admit")
    done = machine.try_("cd /srv/admit && setpriv --reuid nobody --clear-groups ./install")
    assert done.status == 1
    assert done.err.splitlines() == ["Only root can install.", "Run: sudo ./install"]


def test_an_installation_cut_off_is_not_in_use_and_is_made_again(machine: Machine) -> None:
    """What was half made has no link to it; the next run begins it anew."""
    machine.try_(f"timeout --signal KILL 4 sh -c '{INSTALL}'")
    assert machine.run("ls -A /opt/admit") != ""
    assert machine.try_("test -e /opt/admit/current").status == 1
    free = "flock --nonblock /opt/admit/.lock true"  # a child may still be at work
    eventually(lambda: machine.try_(free).status == 0)


def test_without_a_configuration_nothing_is_started(machine: Machine) -> None:
    """The program is there, and says what comes next. No network is needed."""
    said = machine.run(INSTALL)
    assert "sudo ./install --config FILE" in said
    assert machine.run("admit --version").startswith("admit ")
    assert [machine.main_pid(unit) for unit in UNITS] == [0, 0, 0]


def test_a_bad_configuration_is_refused_and_changes_nothing(machine: Machine) -> None:
    """All its problems are named; the gate's configuration stays as it was."""
    (machine.root / "root" / "bad.toml").write_text("[gate]\nname = 'north'\n")
    done = machine.try_(f"{INSTALL} --config /root/bad.toml")
    assert done.status == 1
    assert "bad.toml: " in done.err
    assert "nothing was changed" in done.err
    assert machine.try_("test -e /etc/admit/admit.toml").status == 1


def test_what_is_missing_is_named(machine: Machine) -> None:
    """A path that is not there, wheels that are not, a wrong word."""
    assert "cannot be read" in machine.try_(f"{INSTALL} --config /root/none.toml").err
    other = "cp -r /root/admit /root/other && echo >>/root/other/pyproject.toml"
    machine.run(f"{other} && mkdir -p /root/empty")
    done = machine.try_("cd /root/other && ./install --wheels /root/empty")
    assert "The locked wheels could not be installed." in done.err
    assert machine.try_("cd /root/admit && ./install --now").status == 2


# -- a gate that runs --------------------------------------------------------------------------


def test_all_three_run_and_come_back_with_the_machine(gate: Gate) -> None:
    """Active, and enabled."""
    for unit in UNITS:
        assert gate.machine.run(f"systemctl is-active {unit}") == "active"
        assert gate.machine.run(f"systemctl is-enabled {unit}") == "enabled"


def test_a_second_run_leaves_a_running_gate_alone(gate: Gate) -> None:
    """Nothing is built, nothing restarted."""
    before = [gate.machine.main_pid(unit) for unit in UNITS]
    said = gate.machine.run(INSTALL)
    assert "is there already" in said
    assert [gate.machine.main_pid(unit) for unit in UNITS] == before


@pytest.mark.parametrize(
    ("path", "owner"),
    [
        ("/etc/admit", "root:admit 750"),
        ("/etc/admit/admit.toml", "root:admit 640"),
        ("/var/lib/admit", "root:root 755"),
        ("/var/lib/admit/scanner", "admit-scanner:admit-scanner 700"),
        ("/var/lib/admit/scanner/journal.db", "admit-scanner:admit-scanner 600"),
        ("/var/lib/admit/sync", "admit-sync:admit-sync 750"),
        ("/var/lib/admit/sync/device.key", "admit-sync:admit-sync 600"),
        ("/var/lib/admit/sync/identity.json", "admit-sync:admit-sync 640"),
        ("/var/lib/admit/sync/mirror.db", "admit-sync:admit-sync 640"),
        ("/var/lib/admit/sync/mirror.db-shm", "admit-sync:admit-sync 640"),
        ("/var/lib/admit/sync/mirror.db-wal", "admit-sync:admit-sync 640"),
        ("/run/admit", "admit-scanner:admit-scanner 755"),
        ("/run/admit/events.sock", "admit-scanner:admit-screen 660"),
        ("/run/admit/sync.sock", "admit-scanner:admit-sync 660"),
        ("/run/admit/control.sock", "admit-scanner:admit-scanner 600"),
        ("/run/admit/status.json", "admit-scanner:admit-scanner 644"),
        ("/opt/admit/current/bin/admit", "root:root 755"),
    ],
)
def test_a_file_belongs_to_one_user(gate: Gate, path: str, owner: str) -> None:
    """One writer, one owner."""
    assert gate.machine.run(f"stat -c '%U:%G %a' {path}") == owner


@pytest.mark.parametrize(
    ("user", "may", "may_not"),
    [
        (
            "admit-scanner",
            ["/etc/admit/admit.toml", "/var/lib/admit/sync/mirror.db"],
            ["/var/lib/admit/sync/device.key"],
        ),
        (
            "admit-sync",
            ["/etc/admit/admit.toml", "/var/lib/admit/sync/device.key"],
            ["/var/lib/admit/scanner/journal.db"],
        ),
        (
            "admit-screen",
            ["/etc/admit/admit.toml", "/run/admit/status.json"],
            ["/var/lib/admit/scanner/journal.db", "/var/lib/admit/sync/mirror.db"],
        ),
        ("nobody", ["/run/admit/status.json"], ["/etc/admit/admit.toml"]),
    ],
)
def test_a_user_reads_no_more_than_it_needs(
    gate: Gate, user: str, may: list[str], may_not: list[str]
) -> None:
    """By file rights alone, without the units' sandboxes."""
    become = f"setpriv --reuid {user} --regid $(id -g {user}) --init-groups"
    for path in may:
        assert gate.machine.try_(f"{become} head -c 1 {path}").status == 0, path
    for path in may_not:
        assert "denied" in gate.machine.try_(f"{become} head -c 1 {path}").err, path


def test_the_lanes_have_no_network(gate: Gate) -> None:
    """Only a loopback of its own: what the machine reaches, this process does not."""
    pid = gate.machine.main_pid("admit-scanner")
    inside = f"nsenter --target {pid} --net"
    links = json.loads(gate.machine.run(f"{inside} ip -json link"))
    assert [link["ifname"] for link in links] == ["lo"]
    port = gate.central.url.rpartition(":")[2]
    call = f"timeout 5 bash -c ': </dev/tcp/127.0.0.1/{port}'"
    assert gate.machine.try_(call).status == 0
    assert "refused" in gate.machine.try_(f"{inside} {call}").err


@pytest.mark.parametrize(("unit", "seen"), [("scanner", True), ("sync", False), ("screen", False)])
def test_only_the_lanes_see_devices(gate: Gate, unit: str, seen: bool) -> None:
    """sync and screen have a /dev of their own, with nothing in it."""
    gate.machine.run("touch /dev/gpiochip9")
    pid = gate.machine.main_pid(f"admit-{unit}")
    assert (gate.machine.try_(f"test -e /proc/{pid}/root/dev/gpiochip9").status == 0) is seen


@pytest.mark.parametrize("unit", UNITS)
def test_a_unit_writes_only_where_its_state_is(gate: Gate, unit: str) -> None:
    """Everything else is read-only in its view of the machine."""
    pid = gate.machine.main_pid(unit)
    for place in ("/etc", "/opt/admit", "/usr", "/srv/camera", "/var/lib", "/var/lib/admit"):
        options = gate.machine.run(f"findmnt --noheadings -o OPTIONS -N {pid} --target {place}")
        assert options.split(",")[0] == "ro", place


def test_the_lanes_may_ask_the_kernel_for_its_clock(gate: Gate) -> None:
    """A sandbox that forbids the question puts every window in doubt, and says nothing."""
    ours = gate.machine.run("systemctl show -p SystemCallFilter --value admit-scanner")
    assert _kernel_clock(gate, ours) >= 0
    assert _kernel_clock(gate, "@system-service") == -1


def _kernel_clock(gate: Gate, allowed: str) -> int:
    """What adjtimex(2) answers in a unit that may make these calls; -1: it may not ask."""
    ask = "import ctypes; print(ctypes.CDLL(None).adjtimex(bytes(512)))"
    unit = f"-p User=admit-scanner -p SystemCallErrorNumber=EPERM -p SystemCallFilter='{allowed}'"
    return int(gate.machine.run(f"systemd-run --quiet --pipe --wait {unit} python3 -c '{ask}'"))


def test_the_lanes_may_open_the_readers_that_are_configured_and_no_others(gate: Gate) -> None:
    """A hand scanner in the file: serial lines and their group from the next ./install on."""
    machine, dropin = gate.machine, "/etc/systemd/system/admit-scanner.service.d/reader-serial.conf"
    plain = machine.run("cat /root/north.toml")
    assert machine.try_(f"test -e {dropin}").status == 1
    for lanes, serial in (
        (plain.replace('1.0"]', '1.0", "wedge:serial:ttyACM0"]'), True),
        (plain, False),
    ):
        (machine.root / "root" / "readers.toml").write_text(lanes)
        machine.run(f"{INSTALL} --config /root/readers.toml")
        assert (machine.try_(f"test -e {dropin}").status == 0) is serial
        groups = machine.run(f"ps -o supgrp= -p {machine.main_pid('admit-scanner')}")
        assert ("dialout" in groups) is serial
        allowed = machine.run("systemctl show -p DeviceAllow admit-scanner")
        assert ("char-ttyACM" in allowed) is serial
    machine.run(
        "test -s /etc/udev/rules.d/61-admit-readers.rules -a -s /etc/modprobe.d/admit-nfc.conf"
    )
    eventually(gate.ready)


def test_the_pages_are_served(gate: Gate) -> None:
    """The steward's page names the gate."""
    page = f"http://127.0.0.1:{gate.port}/steward"
    fetch = f'import urllib.request as r; print(r.urlopen("{page}", timeout=5).read().decode())'
    assert "north" in gate.machine.run(f"python3 -c '{fetch}'")


def test_a_ticket_is_admitted_and_reaches_the_server(gate: Gate) -> None:
    """Picture, verdict, journal, turnstile, passage, server."""
    gate.show("A1")
    eventually(lambda: gate.entered("A1"))
    assert "chain whole" in gate.journal()


# -- what happens to a gate --------------------------------------------------------------------


@pytest.mark.parametrize("end", ["stopped", "killed"])
def test_the_lanes_read_the_mirror_without_sync(gate: Gate, end: str) -> None:
    """A gate that restarts while sync is down still has its list: read-only, WAL and all."""
    machine = gate.machine
    if end == "killed":
        machine.run("systemctl kill --signal KILL admit-sync")
    machine.run("systemctl stop admit-sync && systemctl restart admit-scanner")
    eventually(gate.ready)
    status = gate.status()
    assert status["list"]["rows"] == len(CSV.splitlines()) - 1
    assert "mirror" not in json.dumps(status["faults"])
    machine.run("systemctl start admit-sync")
    eventually(lambda: gate.status()["server"].get("online"))


def test_root_may_look_at_a_stopped_gates_journal(gate: Gate) -> None:
    """What root reads leaves no file behind that the lanes could not write."""
    gate.machine.run("systemctl stop admit-scanner")
    assert "chain whole" in gate.journal()
    owners = gate.machine.run("stat -c %U /var/lib/admit/scanner/*").split()
    assert set(owners) == {"admit-scanner"}
    gate.machine.run("systemctl start admit-scanner")
    eventually(gate.ready)


@pytest.mark.parametrize("signal", ["KILL", "STOP"])
def test_lanes_that_end_or_hang_are_back_by_themselves(gate: Gate, signal: str) -> None:
    """A kill is how it ends anyway; a process that hangs is killed by the watchdog."""
    before = gate.machine.main_pid("admit-scanner")
    gate.machine.run(f"kill -{signal} {before}")
    eventually(lambda: gate.machine.main_pid("admit-scanner") not in (0, before))
    eventually(gate.ready)
    assert "chain whole" in gate.journal()


@pytest.mark.parametrize(("end", "ticket"), [("reboot", "A2"), ("crash", "A3")])
def test_after_a_restart_of_the_machine_the_gate_works(gate: Gate, end: str, ticket: str) -> None:
    """Restarted or cut off: all three are back, the journal is whole, a guest goes in."""
    gate.machine.nsp(end)
    if end == "crash":
        gate.machine.nsp("start")
    eventually(gate.ready)
    assert "chain whole" in gate.journal()
    gate.show(ticket)
    eventually(lambda: gate.entered(ticket))


FOLLOW = "admit events --follow"
UNTIL_BORED = f"timeout 3 {FOLLOW}"


def as_shown(gate: Gate, command: str) -> None:
    """Run a command of a page as root of the gate; each has to work.

    The reader has changed the copied file, waits until a restarted gate is ready, and ends what
    follows events. `VERSION` is theirs to choose; the wheels come from a directory.
    """
    machine = gate.machine
    if "VERSION" in command:
        version = machine.run("basename $(readlink -f /opt/admit/current)")
        command = command.replace("VERSION", version)
    shell = 'cd /root/admit; sudo() { "$@"; }; export PIP_NO_INDEX=1 PIP_FIND_LINKS=/wheels; '
    done = machine.try_(shell + command.replace(FOLLOW, UNTIL_BORED))
    allowed = {FOLLOW: 124, "sudo admit doctor": 1}  # 1: this disk may be too slow for a gate
    assert done.status in (0, allowed.get(command, 0)), f"{command}: {done.out}{done.err}"
    if command.startswith("cp config/"):
        machine.run(f"cp /etc/admit/admit.toml /root/admit/{command.rpartition(' ')[2]}")
    if "restart" in command or "./install" in command:
        eventually(gate.ready)


def test_what_the_pages_show_for_a_gate_runs_as_it_stands(gate: Gate) -> None:
    """Those for admins and supervisors, in their order; the gate works afterwards."""
    commands = commands_for("gate")
    assert len(commands) > 15
    for command in commands:
        as_shown(gate, command)
    eventually(gate.ready)


def test_an_upgrade_switches_whole_and_keeps_the_last_version(gate: Gate) -> None:
    """The link moves to the new version; the one before stays to go back to."""
    machine = gate.machine
    before = machine.run("readlink /opt/admit/current")
    machine.run("sed -i 's/^version = .*/version = \"99.0\"/' /root/admit/pyproject.toml")
    machine.run(INSTALL)
    assert machine.run("admit --version") == "admit 99.0"
    assert "/99.0-" in machine.run("readlink /opt/admit/current")
    machine.run(f"test -x {before}/bin/admit")
    eventually(gate.ready)
    assert "chain whole" in gate.journal()


def test_uninstalling_keeps_the_state_and_says_where(gate: Gate) -> None:
    """Records that were not sent are somebody's evening."""
    machine = gate.machine
    said = machine.run("cd /root/admit && ./install --uninstall")
    assert "/var/lib/admit" in said
    machine.run("test -s /var/lib/admit/scanner/journal.db -a -s /etc/admit/admit.toml")
    for gone in (
        "/opt/admit",
        "/usr/local/bin/admit",
        "/etc/systemd/system/admit-sync.service",
        "/etc/udev/rules.d/61-admit-readers.rules",
        "/etc/modprobe.d/admit-nfc.conf",
    ):
        assert machine.try_(f"test -e {gone}").status == 1
    assert machine.run("pgrep --count --full 'm (scanner|sync|screen) --config' || true") == "0"
