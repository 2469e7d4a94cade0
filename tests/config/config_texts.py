"""A good provisioning file, and one line of code to break it."""

import pytest

from config.problems import ConfigError, Problem
from config.read import parse_config

ROOT_KEY = "G6QHW3fJ4/s+zeFc2vUiHzwQNz5iP3sOHvdjZrCvcTc="
OTHER_KEY = "SAdaWX5yGhVuLgeZ3lzAxTJNxufq8c3UYlCGjsUyFd0="

GOOD = f"""\
[gate]
name = "north-1"
event = "FEST2026"
[trust]
root_keys = ["{ROOT_KEY}"]
[server]
url = "https://central.example"
[[lane]]
name = "entry-1"
direction = "entry"
check_in_list = "main"
readers = ["camera:v4l2:/dev/video0"]
turnstile = "turnstile:gpio:17"
[[lane]]
name = "exit-1"
direction = "exit"
check_in_list = "main"
readers = ["camera:v4l2:/dev/video2"]
turnstile = "turnstile:gpio:18"
"""


def problems(text: str | bytes) -> list[Problem]:
    """Every problem of `text`; fails when there is none."""
    with pytest.raises(ConfigError) as caught:
        parse_config(text.encode() if isinstance(text, str) else text)
    return caught.value.problems


def only_problem(text: str | bytes) -> Problem:
    """The one problem of `text`; fails when there are more."""
    (problem,) = problems(text)
    return problem


def changed(old: str, new: str) -> str:
    """`GOOD` with its first `old` replaced by `new`."""
    assert old in GOOD
    return GOOD.replace(old, new, 1)
