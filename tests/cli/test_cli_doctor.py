"""`admit doctor`: every fault that keeps a gate from opening is named with what to do."""

import json
from base64 import b64encode
from pathlib import Path

import pytest

from cli import doctor_desk, doctor_gate, doctor_system
from cli.__main__ import main
from cli.doctor_gate import duration
from cli.doctor_live import shortened
from cli.findings import Level
from config.read import read_config
from drivers.uri import DriverUri
from tickets.errors import GateError
from tickets.key_files import Role, new_key

ROOT_KEY = b64encode(new_key(Role.ROOT, "DEMO").public).decode()
CONFIG = """\
[gate]
name = "north"
event = "DEMO"
[trust]
root_keys = ["{root}"]
[server]
url = "http://127.0.0.1:9"
{server}
[[lane]]
name = "entry"
direction = "entry"
check_in_list = "main"
readers = [{readers}]
turnstile = "turnstile:sim"
"""
LANE = {
    "name": "entry",
    "mode": "normal",
    "state": "ready",
    "sensor": "ok",
    "entered": 3,
    "refused": 1,
    "readers": [{"uri": "camera:v4l2:/dev/video0", "state": "ok"}],
}
STATUS = {
    "lanes": [LANE],
    "list": {"state": "ok", "rows": 800, "serial": 4, "age": 5.0},
    "clock": {"state": "synchronised", "uncertainty": 0.01},
    "server": {"online": True, "waiting": 0, "parked": 0, "conflicts": []},
    "journal": {"seq": 9},
    "faults": [],
}


def configured(directory: Path, *readers: str, server: str = "") -> Path:
    file = directory / "admit.toml"
    names = ", ".join(f'"{reader}"' for reader in readers or ("camera:v4l2:/dev/video0",))
    file.write_text(CONFIG.format(root=ROOT_KEY, readers=names, server=server))
    return file


@pytest.fixture
def config(tmp_path):
    return read_config(configured(tmp_path))


def judged(config, **changes):
    return list(doctor_gate.findings(STATUS | changes, config))


# A running gate


def test_a_gate_in_order_has_nothing_to_mend(config):
    assert {finding.level for finding in judged(config)} == {Level.GOOD}


FAULT = {"where": "entry", "name": "turnstile", "cause": "No such line", "remedy": "Check the pin"}


@pytest.mark.parametrize(
    ("changes", "level", "what", "remedy"),
    [
        ({"faults": [FAULT]}, Level.BAD, "entry: turnstile", "Check the pin"),
        ({"lanes": [LANE | {"mode": "training"}]}, Level.WARN, "lane entry", "admit lane mode"),
        ({"lanes": [LANE | {"sensor": "suspect"}]}, Level.BAD, "lane entry", "clear"),
        ({"lanes": [LANE | {"sensor": "none"}]}, Level.WARN, "lane entry", "passage_in"),
        (
            {"lanes": [LANE | {"readers": [{"uri": "nfc:usb:1-1", "state": "no_picture"}]}]},
            Level.BAD,
            "lane entry: nfc:usb:1-1",
            "fault above",
        ),
        (
            {"lanes": [LANE | {"readers": [{"uri": "nfc:usb:1-1", "state": "starting"}]}]},
            Level.WARN,
            "lane entry: nfc:usb:1-1",
            "again",
        ),
        (
            {"list": {"state": "missing", "cause": "none yet", "age": None}},
            Level.BAD,
            "ticket list",
            "come",
        ),
        ({"list": STATUS["list"] | {"age": None}}, Level.WARN, "ticket list", "server"),
        (
            {"list": STATUS["list"] | {"state": "old", "age": 9e5}},
            Level.WARN,
            "ticket list",
            "24 h",
        ),
        ({"clock": {"state": "unknown", "uncertainty": None}}, Level.WARN, "clock", "timedatectl"),
        ({"server": {"online": False}}, Level.WARN, "server", "network"),
        (
            {"server": {"online": False, "fault": {"cause": "x", "remedy": "Mend x"}}},
            Level.WARN,
            "server",
            "Mend x",
        ),
        ({"server": STATUS["server"] | {"parked": 2}}, Level.WARN, "parked records", "organiser"),
        ({"server": STATUS["server"] | {"conflicts": [1]}}, Level.WARN, "conflicts", "organiser"),
    ],
)
def test_each_thing_wrong_is_one_line_with_its_remedy(config, changes, level, what, remedy):
    (found,) = [finding for finding in judged(config, **changes) if finding.level is not Level.GOOD]
    assert (found.level, found.what) == (level, what)
    assert remedy in found.remedy


# A gate that does not run


def test_a_gate_never_enrolled_is_told_where_a_token_comes_from(tmp_path):
    (tmp_path / "sync").mkdir()
    found = list(doctor_desk.files(read_config(configured(tmp_path)), tmp_path))
    assert [finding.what for finding in found if finding.level is Level.BAD] == [
        "enrolment",
        "ticket list",
    ]
    token = 'token = "0123456789abcdefghijklmnop"'
    found = list(doctor_desk.files(read_config(configured(tmp_path, server=token)), tmp_path))
    assert found[0].level is Level.WARN


def test_an_enrolled_gate_with_a_list_has_what_it_needs(tmp_path):
    (tmp_path / "sync").mkdir()
    (tmp_path / "sync/identity.json").write_text('{"event": "DEMO", "device": "0011"}')
    (tmp_path / "sync/list-7.db").write_bytes(b"")
    found = list(doctor_desk.files(read_config(configured(tmp_path)), tmp_path))
    assert {finding.level for finding in found} == {Level.GOOD}
    assert "serial 7" in found[1].found


@pytest.mark.parametrize("torn", ["", "{", "[]", '{"event": "DEMO"}'])
def test_a_damaged_enrolment_is_named(tmp_path, torn):
    (tmp_path / "sync").mkdir()
    (tmp_path / "sync/identity.json").write_text(torn)
    found = next(doctor_desk.files(read_config(configured(tmp_path)), tmp_path))
    assert (found.what, found.level) == ("enrolment", Level.BAD)
    assert "anew" in found.remedy


def test_a_reader_that_sees_is_no_fault_for_what_did_not_stop_it(monkeypatch):
    """Such as an exposure that its camera cannot be set to."""

    def step(watched):
        watched._on_fault("CameraControl", GateError("no exposure=4", "Leave it out"))
        watched._on_fault("CameraControl", None)
        watched._reader.state = "ok"

    monkeypatch.setattr(doctor_desk.Watched, "step", step)
    found = doctor_desk.reader("camera", DriverUri.parse("camera:v4l2:/dev/video0"))
    assert (found.level, found.remedy) == (Level.WARN, "Leave it out")
    assert "no exposure=4" in found.found


def test_a_state_that_is_not_there_is_named(tmp_path):
    found = list(doctor_desk.files(read_config(configured(tmp_path)), tmp_path / "none"))[-1]
    assert found.level is Level.BAD
    assert "--state" in found.remedy


def test_a_reader_that_cannot_be_opened_says_why_and_the_others_are_tried(tmp_path, capsys):
    """The real children, of a serial line that is not there and a keyboard that is not."""
    file = configured(tmp_path, "wedge:serial:ttyNONE", "wedge:hid:nobody")
    with pytest.raises(SystemExit) as ended:
        main(["doctor", "--json", *_places(file, tmp_path)])
    assert ended.value.code == 1
    answer = json.loads(capsys.readouterr().out)
    assert answer["ready"] is False
    said = {finding["what"]: finding["found"] for finding in answer["findings"]}
    assert "is not there" in said["lane entry: wedge:serial:ttyNONE"]
    assert "nobody" in said["lane entry: wedge:hid:nobody"]
    assert said["lane entry: turnstile:sim"] == "opens"


def test_a_wrong_configuration_is_reported_as_admit_check_does(tmp_path, capsys):
    file = tmp_path / "admit.toml"
    file.write_text("[gate]\n")
    with pytest.raises(SystemExit) as ended:
        main(["doctor", *_places(file, tmp_path)])
    assert ended.value.code == 1
    assert "admit check" in capsys.readouterr().err


def _places(file: Path, state: Path) -> list[str]:
    return ["--config", str(file), "--state", str(state), "--run", str(state / "run")]


# The machine


@pytest.mark.parametrize(
    ("slowest", "level"),
    [(0.005, Level.GOOD), (0.031, Level.WARN), (0.101, Level.BAD)],
)
def test_a_slow_card_is_warned_of_and_a_very_slow_one_refused(tmp_path, slowest, level):
    assert next(doctor_system.disk(tmp_path, lambda _: slowest)).level is level


def test_a_disk_that_cannot_be_written_is_bad(tmp_path):
    (found,) = doctor_system.disk(tmp_path / "none")
    assert found.level is Level.BAD


def test_the_commits_of_a_disk_are_really_made(tmp_path):
    assert doctor_system.fsync_p99(tmp_path, count=3) > 0
    assert list(tmp_path.iterdir()) == []


def machine(root: Path, reader: str):
    return list(doctor_system.machine(read_config(configured(root, reader)), root))


def test_a_kernel_module_that_claims_nfc_readers_is_named_with_its_remedy(tmp_path):
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/modules").write_text("pn533_usb 1 0\npn533 2 1 pn533_usb\nnfc 3 1\n")
    (found,) = machine(tmp_path, "nfc:usb:1-1.3")
    assert "modprobe -r pn533_usb" in found.remedy
    assert machine(tmp_path, "wedge:hid:x") == []


def test_a_console_on_the_readers_line_is_named(tmp_path):
    (tmp_path / "proc").mkdir()
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/ttyAMA0").touch()
    (tmp_path / "dev/serial0").symlink_to("ttyAMA0")
    (tmp_path / "proc/cmdline").write_text("console=serial0,115200 console=tty1 root=/dev/x\n")
    (found,) = machine(tmp_path, "wedge:serial:ttyAMA0")
    assert "raspi-config" in found.remedy
    (tmp_path / "proc/cmdline").write_text("console=tty1\n")
    assert machine(tmp_path, "wedge:serial:ttyAMA0") == []


def test_the_mini_uart_is_warned_of(tmp_path):
    (tmp_path / "dev").mkdir()
    for name in ("ttyS0", "ttyAMA0"):
        (tmp_path / "dev" / name).touch()
    (tmp_path / "dev/serial0").symlink_to("ttyS0")
    (found,) = machine(tmp_path, "wedge:serial:serial0")
    assert (found.level, "miniuart-bt" in found.remedy) == (Level.WARN, True)


def test_a_pi_camera_without_its_program_says_what_to_install(tmp_path):
    (found,) = machine(tmp_path, "camera:rpicam:0")
    assert "apt install" in found.remedy


def test_a_pi_camera_with_its_program_of_the_former_name_lacks_nothing(tmp_path):
    (tmp_path / "usr/bin").mkdir(parents=True)
    program = tmp_path / "usr/bin/libcamera-vid"
    program.touch()
    program.chmod(0o755)
    assert machine(tmp_path, "camera:rpicam:0") == []


# What is shown


def test_a_ticket_is_shown_only_so_far_that_it_can_be_known_again():
    code = b"AD1:6BFOXN8*SECRETSECRETSECRET"
    assert "SECRET" not in shortened(code)
    assert shortened(b"T-1") == "T-1"


@pytest.mark.parametrize(
    ("seconds", "said"), [(5, "5 s"), (600, "10 min"), (86_400, "24 h"), (9e5, "10 days")]
)
def test_a_length_of_time_is_said_as_a_person_would(seconds, said):
    assert duration(seconds) == said
