"""Picture files that nobody vouches for: named errors before any memory is spent."""

import os
import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qr_pictures import TICKET, pixels, png

from drivers.canvas import HEIGHT, WIDTH, on_canvas
from drivers.errors import PictureError
from drivers.picture_header import MOST_SCANS, Header, read_header
from drivers.pictures import MOST_BYTES, decode_picture, load_picture
from drivers.qr import read_codes


def encoded(suffix, image=None):
    good, data = cv2.imencode(suffix, pixels() if image is None else image)
    assert good
    return data.tobytes()


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_that_claims(width, height, rows=b""):
    """A whole PNG file of any claimed size (ISO/IEC 15948), whatever it really holds."""
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


JPEG = encoded(".jpg")
PNG = png(TICKET)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".webp"])
def test_code_is_read_from_every_format(suffix):
    assert read_codes(decode_picture(encoded(suffix))) == [TICKET]


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".webp"])
def test_header_tells_format_and_size(suffix):
    name = {".jpg": "jpeg"}.get(suffix, suffix[1:])
    assert read_header(encoded(suffix, np.zeros((30, 50), np.uint8))) == Header(name, 50, 30)


def test_transparent_ground_is_paper():
    """Black modules on nothing: without paper below, black on black."""
    code = pixels()
    image = np.dstack([np.zeros_like(code)] * 3 + [255 - code])
    for suffix in (".png", ".webp"):
        assert read_codes(decode_picture(encoded(suffix, image))) == [TICKET]


def test_sixteen_bit_picture_is_read():
    assert read_codes(decode_picture(encoded(".png", pixels().astype(np.uint16) << 8))) == [TICKET]


@pytest.mark.parametrize(
    ("case", "data", "said"),
    [
        ("empty", b"", "empty"),
        ("text", b"hello", "no picture"),
        ("a web page", b"<html><body>404</body></html>", "no picture"),
        ("another RIFF", b"RIFF\x04\x00\x00\x00WAVEfmt " + bytes(40), "no picture"),
        ("PNG cut in half", PNG[: len(PNG) // 2], "cut short"),
        ("PNG without its end", PNG[:-12], "cut short"),
        ("only a PNG's magic", PNG[:8], "cut short"),
        ("JPEG cut in half", JPEG[: len(JPEG) // 2], "cut short"),
        ("only a JPEG's magic", JPEG[:3], "cut short"),
        ("BMP cut in half", encoded(".bmp")[:5000], "cut short"),
        ("WebP cut in half", encoded(".webp")[:200], "cut short"),
        ("100 megapixels", png_that_claims(10_000, 10_000), "10000 x 10000 pixels"),
        ("16 petapixels", png_that_claims(0x7FFFFFFF, 0x7FFFFFFF), "pixels"),
        ("no pixels", png_that_claims(0, 5), "no pixels"),
        ("header without pixels", png_that_claims(50, 50), "damaged"),
        ("JPEG of many scans", JPEG[:-2] + b"\xff\xda" * MOST_SCANS + JPEG[-2:], "scans"),
        ("JPEG with a broken segment", JPEG[:4] + b"\x00\x01" + JPEG[6:], "damaged"),
        ("larger than any picture", PNG + bytes(MOST_BYTES), "32 MiB"),
    ],
)
def test_bad_picture_is_refused_by_name(case, data, said):
    with pytest.raises(PictureError) as caught:
        decode_picture(data)
    assert said in caught.value.cause, case
    assert caught.value.remedy


@settings(max_examples=150, deadline=None)
@given(
    st.binary(max_size=400)
    | st.tuples(
        st.sampled_from([PNG, JPEG, encoded(".bmp", pixels(b"x", 1)), encoded(".webp")]),
        st.lists(st.tuples(st.integers(0, 120), st.integers(0, 255)), max_size=4),
        st.integers(0, 4000),
    ).map(lambda case: _spoilt(*case))
)
def test_no_bytes_crash_the_picture_reader(data):
    """Random bytes, and pictures with bytes changed and cut: a frame or a PictureError."""
    try:
        assert decode_picture(data).ndim == 2
    except PictureError as error:
        assert error.cause


def _spoilt(data, changes, length):
    changed = bytearray(data[: max(length, 12)])
    for at, value in changes:
        if at < len(changed):
            changed[at] = value
    return bytes(changed)


# --- files


def test_missing_file_is_a_named_error(tmp_path):
    with pytest.raises(PictureError, match=r"a\.png cannot be read"):
        load_picture(tmp_path / "a.png")


def test_directory_and_pipe_are_no_pictures(tmp_path):
    """A named pipe without a writer must not hold the reader."""
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    for name in ("pipe.png", "folder.png"):
        with pytest.raises(PictureError):
            load_picture(tmp_path / name)


def test_huge_file_is_refused_unread(tmp_path):
    path = tmp_path / "huge.png"
    with path.open("wb") as file:
        file.truncate(1 << 40)  # sparse: a terabyte that costs nothing
    with pytest.raises(PictureError, match="32 MiB"):
        load_picture(path)


def test_file_is_read(tmp_path):
    path = tmp_path / "ticket.png"
    path.write_bytes(PNG)
    assert read_codes(load_picture(path)) == [TICKET]


# --- on the canvas


@pytest.mark.parametrize(
    "size", [(1, 1), (21, 21), (200, 100), (300, 300), (3000, 200), (90, 5000)]
)
def test_picture_of_any_size_fits_the_canvas(size):
    canvas = on_canvas(np.zeros(size, np.uint8))
    assert canvas.shape == (HEIGHT, WIDTH)
    assert canvas[0, 0] == 255 or max(size) >= HEIGHT
    assert canvas[HEIGHT // 2, WIDTH // 2] == 0


def test_tiny_code_is_shown_large_enough_to_be_read():
    assert read_codes(on_canvas(pixels(scale=1))) == [TICKET]
