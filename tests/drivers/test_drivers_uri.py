"""Device URIs: what is written is checked before anything is opened."""

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import UriError
from drivers.registry import DRIVERS, open_lights, open_turnstile
from drivers.scheduler import FakeScheduler
from drivers.uri import SCHEMES, DriverUri

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("text", "scheme", "address", "options"),
    [
        ("camera:files:/tmp/pictures", "camera:files", "/tmp/pictures", {}),
        ("camera:files:a%3Fb?hold=0.5", "camera:files", "a?b", {"hold": 0.5}),
        ("camera:v4l2:/dev/video0?rescue=off", "camera:v4l2", "/dev/video0", {"rescue": False}),
        ("camera:rpicam:0?decoder=pyzbar", "camera:rpicam", "0", {"decoder": "pyzbar"}),
        (
            "turnstile:gpio:17?mode=pulse&ms=500&active=low",
            "turnstile:gpio",
            "17",
            {"mode": "pulse", "ms": 500, "active": "low"},
        ),
        ("turnstile:gpio:17,18", "turnstile:gpio", "17,18", {}),
        ("turnstile:sim?passage=0.4", "turnstile:sim", "", {"passage": "0.4"}),
        ("turnstile:sim:left?passage=never", "turnstile:sim", "left", {"passage": "never"}),
        ("lights:gpio:green=5,red=6", "lights:gpio", "green=5,red=6", {}),
        (
            "input:gpio:27?pull=up&active=low&bounce=20",
            "input:gpio",
            "27",
            {"pull": "up", "active": "low", "bounce": 20.0},
        ),
    ],
)
def test_uri_names_a_driver_its_address_and_options(text, scheme, address, options):
    uri = DriverUri.parse(text)
    assert (uri.scheme, uri.address, dict(uri.options)) == (scheme, address, options)
    assert str(uri) == text


@pytest.mark.parametrize(
    ("case", "text", "said"),
    [
        ("misspelt driver", "turnstile:gpoi:17", "Did you mean 'turnstile:gpio'?"),
        ("misspelt kind", "turnstyle:gpio:17", "Did you mean 'turnstile:gpio'?"),
        ("nothing", "", "Known: camera:files"),
        ("misspelt option", "turnstile:gpio:17?moed=pulse", "Did you mean 'mode'?"),
        ("option it does not take", "input:sim?zzz=1", "It takes no option"),
        ("option out of range", "turnstile:gpio:17?ms=1", "whole number from 20 to 10000"),
        ("not a number", "camera:files:x?hold=nan", "number from 0 to 60"),
        ("unknown word", "input:gpio:27?pull=sideways", "up or down or none"),
        ("no such line", "turnstile:gpio:28", "GPIO line from 0 to 27"),
        ("same line twice", "turnstile:gpio:17,17", "twice"),
        ("three directions", "turnstile:gpio:1,2,3", "at most 2"),
        ("no such lamp", "lights:gpio:blue=5", "lamps out of"),
        ("lamp without a line", "lights:gpio:green", "GPIO line from 0 to 27"),
        ("lamps on one line", "lights:gpio:green=5,red=5", "the same GPIO line"),
        ("no directory", "camera:files:", "is missing"),
        ("unknown person", "turnstile:sim?passage=perhaps", "never, late, forced or stuck"),
        ("control character", "camera:files:a\nb", "control characters"),
        ("a pasted file", "camera:files:" + "x" * 5000, "too long"),
    ],
)
def test_wrong_uri_is_refused_with_what_was_meant(case, text, said):
    with pytest.raises(UriError) as caught:
        DriverUri.parse(text)
    assert said in str(caught.value), case


def test_option_given_twice_is_refused():
    with pytest.raises(UriError, match="twice"):
        DriverUri.parse("turnstile:gpio:17?ms=100&ms=200")


@given(
    st.text() | st.sampled_from(sorted(SCHEMES)).flatmap(lambda s: st.text().map(f"{s}:".__add__))
)
def test_no_text_crashes_the_parser(text):
    """Whatever is written: a URI that gives itself back, or a UriError."""
    with contextlib.suppress(UriError):
        assert str(DriverUri.parse(text)) == text


def test_every_scheme_has_a_driver_and_an_example():
    assert DRIVERS.keys() == SCHEMES.keys()
    for name, scheme in SCHEMES.items():
        assert DriverUri.parse(scheme.example).scheme == name


def test_device_of_another_kind_is_refused():
    with pytest.raises(UriError, match="is no lights"):
        open_lights(DriverUri.parse("input:sim"))


def test_opening_by_uri_gives_the_driver():
    turnstile = open_turnstile(DriverUri.parse("turnstile:sim"), FakeScheduler())
    assert type(turnstile).__name__ == "SimulatedTurnstile"


@pytest.mark.parametrize("module", ["uri", "registry", "messages", "gpio", "sim", "protocols"])
def test_lane_process_loads_no_image_library(module):
    """scanner imports these; a numpy or OpenCV in it would cost start-up time and memory."""
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); import drivers.{module}\n"
        "print([m for m in ('numpy', 'cv2', 'zxingcpp', 'requests', 'starlette') "
        "if m in sys.modules])"
    )
    command = [sys.executable, "-P", "-c", code]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"


def test_reading_a_uri_loads_no_device_library():
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); import drivers.uri, drivers.registry\n"
        "print([m for m in ('gpiozero', 'lgpio', 'gpiod') if m in sys.modules])"
    )
    command = [sys.executable, "-P", "-c", code]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"
