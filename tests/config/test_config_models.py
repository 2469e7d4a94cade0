"""What a provisioning file may say, and what each mistake is called."""

import json
import pickle
from pathlib import Path

import pytest
from config_texts import GOOD, OTHER_KEY, ROOT_KEY, changed, only_problem, problems
from pydantic import ValidationError

from admission.rules import Fallback, GatePolicy
from cli.check import schema_text
from config.models import AdmitConfig
from config.problems import ConfigError
from config.read import parse_config
from config.values import Secret

TWO_WAY = """\
direction = "both"
exit_readers = ["camera:v4l2:/dev/video9"]
"""
LANE = 'turnstile = "turnstile:gpio:17"\n'
SERVER = 'url = "https://central.example"\n'


PRETIX_URL = 'url = "https://pretix.eu"\n'


def pretix(server: str) -> str:
    """A gate at pretix: no root keys, and these lines of [server]."""
    trust = f'[trust]\nroot_keys = ["{ROOT_KEY}"]\n'
    return changed(trust, "").replace(SERVER, f'kind = "pretix"\n{server}\n')


def in_lane(extra: str) -> str:
    return changed(LANE, LANE + extra)


def in_gate(extra: str) -> str:
    return changed("[gate]\n", "[gate]\n" + extra)


def in_server(extra: str) -> str:
    return changed(SERVER, SERVER + extra)


def test_ten_mistakes_are_ten_problems_in_the_order_of_the_file() -> None:
    text = f"""\
[gate]
name = "North 1"
event = "FESTIVAL-OF-2026"
[trust]
root_keys = ["{ROOT_KEY}"]
threshold = 2
[server]
url = "http://central.example"
[[lane]]
name = "a"
direction = "entyr"
check_in_list = "main"
readers = ["camera:v4l2:/dev/video0"]
turnstyle = "turnstile:gpio:17"
release_for = 0.1
passage_in = "lights:gpio:green=5"
[[lane]]
name = "a"
direction = "entry"
check_in_list = "main"
readers = ["camera:v4l2:/dev/video0"]
turnstile = "turnstile:gpio:18"
"""
    found = [(problem.where, problem.line) for problem in problems(text)]
    assert found == [
        ("gate.name", 2),
        ("gate.event", 3),
        ("trust.threshold", 6),
        ("server.url", 8),
        ("lane[0].turnstile", 9),
        ("lane[0].direction", 11),
        ("lane[0].turnstyle", 14),
        ("lane[0].release_for", 15),
        ("lane[0].passage_in", 16),
        ("lane[1].name", 18),
        ("lane[1].readers[0]", 21),
    ]


def test_the_report_is_one_line_per_problem() -> None:
    text = in_lane("release_for = 0.1\n").replace(
        'turnstile = "turnstile:gpio:17"', "turnstyle = 1"
    )
    with pytest.raises(ConfigError) as caught:
        parse_config(text.encode())
    assert caught.value.cause.splitlines() == [
        "admit.toml: 3 problem(s)",
        '  lane[0].turnstile (line 8): missing. Add turnstile = "turnstile:gpio:17"',
        "  lane[0].turnstyle (line 13): unknown key; did you mean 'turnstile'?"
        " Rename it to turnstile",
        "  lane[0].release_for (line 14): 0.1 s is outside 0.5..30.0 s."
        " Choose a value in 0.5..30.0 s",
    ]


@pytest.mark.parametrize(
    ("case", "text", "where", "cause"),
    [
        ("misspelt key", in_lane("setle = 1.0\n"), "lane[0].setle", "did you mean 'settle'?"),
        ("misspelt value", in_lane('mode = "nromal"\n'), "lane[0].mode", "did you mean 'normal'?"),
        ("misspelt section", GOOD + "[polcy]\n", "polcy", "did you mean 'policy'?"),
        ("key of another table", in_server("release_for = 3.0\n"), "server.release_for", "here"),
        ("text for a number", in_lane('settle = "2"\n'), "lane[0].settle", "text where a number"),
        ("a flag for a number", in_lane("settle = true\n"), "lane[0].settle", "true or false"),
        ("not a number", in_lane("settle = nan\n"), "lane[0].settle", "nan s is outside"),
        ("endless", in_lane("release_for = inf\n"), "lane[0].release_for", "inf s is outside"),
        ("text for a list", in_lane('exit_readers = "x"\n'), "lane[0].exit_readers", "a list"),
        ("key of 31 bytes", changed(ROOT_KEY, "A" * 40 + "A==="), "trust.root_keys[0]", "base64"),
        ("short key", changed(ROOT_KEY, "QUJD"), "trust.root_keys[0]", "a key of 3 bytes"),
        ("all-zero key", changed(ROOT_KEY, "A" * 43 + "="), "trust.root_keys[0]", "not an Ed25519"),
        ("no key", changed(f'"{ROOT_KEY}"', ""), "trust.root_keys", "empty"),
        (
            "one key twice",
            changed(f'"{ROOT_KEY}"', f'"{ROOT_KEY}", "{ROOT_KEY}"'),
            "trust.root_keys[1]",
            "second time",
        ),
        ("plain http", changed("https://", "http://"), "server.url", "plain http"),
        ("another scheme", changed("https://", "ftp://"), "server.url", "not an https URL"),
        ("bad port", changed("central.example", "central:99999"), "server.url", "not a URL"),
        ("bad address", changed("central.example", "[::1"), "server.url", "not a URL"),
        ("a password", changed("central.example", "a:b@central"), "server.url", "more than"),
        ("no url", changed(SERVER, ""), "server.url", "missing"),
        ("token with a space", in_server('token = "abc def ghi"\n'), "server.token", "not a token"),
        ("no pin", in_server('pin = "abc"\n'), "server.pin[0]", "sha256/"),
        ("short pin", in_server('pin = ["sha256/AAAA"]\n'), "server.pin[0]", "3 bytes"),
        ("relative file", in_server('ca_file = "ca.pem"\n'), "server.ca_file", "absolute"),
        ("stand-alone with url", in_server('kind = "none"\n'), "server.url", "stands alone"),
        (
            "stand-alone with authority",
            changed(SERVER, 'kind = "none"\nauthority = "admit"\n'),
            "server.authority",
            "no server",
        ),
        (
            "a stick with url",
            in_server('kind = "file"\ndirectory = "/x"\n'),
            "server.url",
            "is a stick",
        ),
        (
            "events of a gate's own server",
            in_server('events = ["democon"]\n'),
            "server.events",
            "only a pretix server",
        ),
        ("pretix nowhere", pretix('token = "abcdefgh"'), "server.url", "missing"),
        ("pretix by nothing", pretix(PRETIX_URL), "server.organizer", "no token either"),
        (
            "an event's name for its short form",
            pretix(f'{PRETIX_URL}token = "abcdefgh"\nevents = ["Demo Con"]'),
            "server.events[0]",
            "not the short form",
        ),
        (
            "another server asked for claims",
            pretix(f'{PRETIX_URL}organizer = "big"\nauthority = "admit"'),
            "server.authority",
            "of kind pretix",
        ),
        (
            "root keys for pretix",
            changed(SERVER, f'kind = "pretix"\n{PRETIX_URL}organizer = "big"\n'),
            "trust.root_keys",
            "pretix signs no lists",
        ),
        ("a stick nowhere", changed(SERVER, 'kind = "file"\n'), "server.directory", "missing"),
        ("a directory for none", in_server('directory = "/x"\n'), "server.directory", "a stick"),
        (
            "a stick with authority",
            changed(SERVER, 'kind = "file"\ndirectory = "/x"\nauthority = "admit"\n'),
            "server.authority",
            "no server",
        ),
        ("no zone", in_gate('timezone = "Europe/Berlni"\n'), "gate.timezone", "'Europe/Berlin'?"),
        ("a path", in_gate('timezone = "../../etc/passwd"\n'), "gate.timezone", "no time zone"),
        ("a directory", in_gate('timezone = "Europe"\n'), "gate.timezone", "no time zone"),
        ("nothing", in_gate('timezone = ""\n'), "gate.timezone", "no time zone"),
        ("endless zone", in_gate(f'timezone = "{"x" * 300}"\n'), "gate.timezone", "no time zone"),
        (
            "fire on a taken pin",
            in_gate('fire = "input:gpio:18"\n'),
            "lane[1].turnstile",
            "gate.fire",
        ),
        ("unknown driver", changed("gpio:17", "gpoi:17"), "lane[0].turnstile", "no driver"),
        ("wrong kind", changed("turnstile:gpio:17", "input:gpio:17"), "lane[0].turnstile", "place"),
        ("pin taken", changed("gpio:18", "gpio:17"), "lane[1].turnstile", "GPIO 17 is taken"),
        ("camera taken", changed("video2", "video0"), "lane[1].readers[0]", "taken by lane[0]"),
        ("same name", changed("exit-1", "entry-1"), "lane[1].name", "lane[0] has the same"),
        ("no reader", changed('"camera:v4l2:/dev/video0"', ""), "lane[0].readers", "empty"),
        (
            "exit readers on an entry",
            in_lane('exit_readers = ["camera:v4l2:/dev/video9"]\n'),
            "lane[0].exit_readers",
            "one side",
        ),
        (
            "two-way without exit readers",
            changed('direction = "entry"', 'direction = "both"'),
            "lane[0].exit_readers",
            "both sides",
        ),
        (
            "two-way with one passage sensor",
            changed('direction = "entry"\n', TWO_WAY + 'passage_in = "input:gpio:20"\n'),
            "lane[0].passage_out",
            "missing",
        ),
        (
            "entry with the exit sensor only",
            in_lane('passage_out = "input:gpio:20"\n'),
            "lane[0].passage_in",
            "missing",
        ),
        (
            "old before warned",
            GOOD + "[policy]\nold_list_after = 60\n",
            "policy.old_list_after",
            "",
        ),
        ("no language", GOOD + "[screen]\nlanguages = []\n", "screen.languages", "empty"),
        ("one language twice", GOOD + '[screen]\nlanguages = ["de", "de"]\n', "", "second time"),
        (
            "unknown language",
            GOOD + '[screen]\nlanguages = ["it"]\n',
            "screen.languages[0]",
            "'it'",
        ),
        ("port 0", GOOD + "[screen]\nport = 0\n", "screen.port", "0 is outside 1..65535"),
        (
            "a name to listen on",
            GOOD + '[screen]\nhost = "gate"\n',
            "screen.host",
            "not an address",
        ),
    ],
)
def test_a_mistake_is_named_where_it_is(case: str, text: str, where: str, cause: str) -> None:
    problem = only_problem(text)
    assert problem.where.startswith(where)
    assert cause in problem.cause
    assert problem.line is not None
    assert problem.remedy


def test_more_than_eight_lanes_are_too_many() -> None:
    lane = GOOD[GOOD.index("[[lane]]") : GOOD.index("[[lane]]", GOOD.index("[[lane]]") + 1)]
    lanes = "".join(
        lane.replace("entry-1", f"l{n}").replace("video0", f"video{n + 5}").replace(":17", f":{n}")
        for n in range(7)
    )
    assert only_problem(GOOD + lanes).cause == "too many"


def test_a_single_bracket_lane_is_explained() -> None:
    text = GOOD[: GOOD.rindex("[[lane]]")].replace("[[lane]]", "[lane]")
    assert only_problem(text).remedy == "Write [[lane]], with two brackets"


def test_a_gate_at_pretix_needs_no_root_keys() -> None:
    text = pretix(f'{PRETIX_URL}organizer = "big"\nevents = ["democon", "day-2"]')
    config = parse_config(text.encode())
    assert (config.trust.root_keys, config.server.authority) == ((), "pretix")
    assert config.server.events == ("democon", "day-2")


def test_a_missing_section_is_named() -> None:
    text = GOOD.replace(f'[trust]\nroot_keys = ["{ROOT_KEY}"]\n', "")
    assert str(only_problem(text)) == "trust: missing. Add a [trust] table"


@pytest.mark.parametrize("url", ["http://127.0.0.1:8443", "http://[::1]/", "http://localhost/x"])
def test_plain_http_is_for_this_machine_only(url: str) -> None:
    config = parse_config(changed("https://central.example", url).encode())
    assert config.server.url == url.rstrip("/")


def test_a_gate_may_stand_alone() -> None:
    server = parse_config(changed(SERVER, 'kind = "none"\n').encode()).server
    assert (server.url, server.authority) == (None, "none")


def test_a_two_way_lane_with_both_sensors_is_good() -> None:
    sensors = 'passage_in = "input:gpio:20"\npassage_out = "input:gpio:21"\n'
    config = parse_config(changed('direction = "entry"\n', TWO_WAY + sensors).encode())
    assert config.lanes[0].two_way


def test_simulated_devices_without_a_name_may_appear_twice() -> None:
    text = GOOD.replace("turnstile:gpio:17", "turnstile:sim").replace(
        "turnstile:gpio:18", "turnstile:sim"
    )
    assert len(parse_config(text.encode()).lanes) == 2


def test_several_root_keys_may_share_the_trust() -> None:
    text = changed(f'"{ROOT_KEY}"]', f'"{ROOT_KEY}", "{OTHER_KEY}"]\nthreshold = 2')
    assert len(set(parse_config(text.encode()).trust.root_keys)) == 2


def test_the_policy_is_that_of_the_admission_core() -> None:
    config = parse_config((GOOD + '[policy]\non_old_list = "refuse"\n').encode())
    assert config.gate_policy == GatePolicy(gate="north-1", on_old_list=Fallback.REFUSE)


def test_defaults_are_those_of_the_admission_core() -> None:
    assert parse_config(GOOD.encode()).gate_policy == GatePolicy(gate="north-1")


def test_a_token_is_shown_nowhere() -> None:
    config = parse_config(in_server('token = "one-time-token"\n').encode())
    assert config.server.token is not None
    assert config.server.token.reveal() == "one-time-token"
    shown = f"{config!r} {config} {config.model_dump()} {config.model_dump_json()}"
    assert "one-time-token" not in shown
    assert "token=********" in repr(config)


@pytest.mark.parametrize("line", ['token = "secret with slip"\n', 'token = ["secret-in-list"]\n'])
def test_a_wrong_token_is_not_quoted_in_the_report(line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(in_server(line).encode())
    assert "secret" not in f"{caught.value} {caught.value.cause}"


def test_a_secret_is_compared_but_not_pickled() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    with pytest.raises(TypeError):
        pickle.dumps(Secret("a"))


def test_a_configuration_cannot_be_changed() -> None:
    config = parse_config(GOOD.encode())
    with pytest.raises(ValidationError):
        config.gate.name = "other"  # type: ignore[misc]


def test_times_are_told_in_utc_unless_a_zone_is_named() -> None:
    """The names are those of the system's database."""
    assert parse_config(GOOD.encode()).gate_policy.timezone == "UTC"
    zoned = parse_config(in_gate('timezone = "Europe/Berlin"\n').encode())
    assert zoned.gate_policy.timezone == "Europe/Berlin"


def test_the_published_schema_is_current() -> None:
    file = Path(__file__).parents[2] / "config" / "admit.schema.json"
    assert file.read_text() == schema_text(), "run: admit schema > config/admit.schema.json"


def test_the_schema_knows_every_section() -> None:
    keys = set(json.loads(schema_text())["properties"])
    assert keys == {f.alias or name for name, f in AdmitConfig.model_fields.items()}
