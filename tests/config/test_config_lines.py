"""Every key, table and list item of a TOML text has its line."""

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from config.lines import LineIndex

TEXT = '''\
title = "a # no comment"  # 1
[gate]
name = "north"
"quoted key" = 1
[server]  # [not.a.header]
url = """
[lane]
not = "a key"
"""
a.b.c = 1
[[lane]]
readers = [  # 12
  "camera:one",
  # a comment with ] and "
  "camera:two", "camera:three",
]
extra = { x = [1, 2], y = 3 }
[lane.sub]
deep = 1
[[lane]]
name = 'it''s'
'''.replace("'it''s'", "'its'")


def test_each_place_has_its_line() -> None:
    index = LineIndex(TEXT)
    assert tomllib.loads(TEXT)
    assert {path: index.of(path) for path in index.known()} == {
        ("title",): 1,
        ("gate",): 2,
        ("gate", "name"): 3,
        ("gate", "quoted key"): 4,
        ("server",): 5,
        ("server", "url"): 6,
        ("server", "a"): 10,
        ("server", "a", "b"): 10,
        ("server", "a", "b", "c"): 10,
        ("lane",): 11,
        ("lane", 0): 11,
        ("lane", 0, "readers"): 12,
        ("lane", 0, "readers", 0): 13,
        ("lane", 0, "readers", 1): 15,
        ("lane", 0, "readers", 2): 15,
        ("lane", 0, "extra"): 17,
        ("lane", 0, "sub"): 18,
        ("lane", 0, "sub", "deep"): 19,
        ("lane", 1): 20,
        ("lane", 1, "name"): 21,
    }


def test_a_missing_key_has_the_line_of_its_table() -> None:
    assert LineIndex(TEXT).of(("lane", 1, "turnstile")) == 20


def test_a_missing_table_has_no_line() -> None:
    assert LineIndex(TEXT).of(("trust", "root_keys")) is None


@given(st.text(alphabet="[]{}=,.'\"#\\ \n\tab1", max_size=80))
def test_no_text_breaks_the_index(text: str) -> None:
    assert all(1 <= line <= text.count("\n") + 1 for line in LineIndex(text).known().values())
