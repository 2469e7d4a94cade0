"""Pages are served under the gate's own addresses only: no foreign name may be bent to them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from screen.hosts import allowed_host


@pytest.mark.parametrize(
    ("header", "configured", "allowed"),
    [
        ("127.0.0.1:8080", "127.0.0.1", True),
        ("localhost", "127.0.0.1", True),
        ("LOCALHOST:8080", "127.0.0.1", True),
        ("[::1]:8080", "127.0.0.1", True),
        ("192.0.2.7", "192.0.2.7", True),
        ("192.0.2.8", "192.0.2.7", False),
        ("192.0.2.8:80", "0.0.0.0", True),
        ("[2001:db8::1]", "::", True),
        ("evil.example", "0.0.0.0", False),
        ("evil.example:8080", "127.0.0.1", False),
        ("localhost.evil.example", "127.0.0.1", False),
        ("127.0.0.1.evil.example", "0.0.0.0", False),
        ("localhost@evil.example", "127.0.0.1", False),
        ("localhost:80\n", "127.0.0.1", False),
        ("[::1", "127.0.0.1", False),
        ("", "127.0.0.1", False),
    ],
)
def test_host(header, configured, allowed):
    assert allowed_host(header, configured) is allowed


@given(st.text(max_size=60), st.sampled_from(["127.0.0.1", "0.0.0.0", "::", "192.0.2.7"]))
def test_no_header_breaks_the_check(header, configured):
    assert allowed_host(header, configured) in (True, False)


@given(st.from_regex(r"[a-z][a-z0-9-]{0,20}(\.[a-z]{2,9}){1,3}", fullmatch=True))
def test_no_domain_name_is_served(name):
    assert not allowed_host(name, "0.0.0.0")
