"""Real QR codes as pixels, and what happens to pixels on the way into a camera."""

import io

import cv2
import numpy as np
import segno

TICKET = b"AD1:" + b"N0N-SECRET TEST CODE " * 7
WIDTH, HEIGHT = 1280, 720


def png(payload, scale=4, **options):
    """A PNG file as bytes; ``scale`` in pixels a module."""
    out = io.BytesIO()
    symbol = segno.make(payload, micro=False, boost_error=False, **options)
    symbol.save(out, kind="png", scale=scale, border=4)
    return out.getvalue()


def pixels(payload=TICKET, scale=4, **options):
    """The symbol with its quiet zone, grey."""
    return cv2.imdecode(
        np.frombuffer(png(payload, scale, **options), np.uint8), cv2.IMREAD_GRAYSCALE
    )


def frame(*symbols, ground=200):
    """A camera frame of 1280 x 720 with the symbols side by side."""
    view = np.full((HEIGHT, WIDTH), ground, np.uint8)
    left = 20
    for symbol in symbols:
        height, width = symbol.shape
        view[20 : 20 + height, left : left + width] = symbol
        left += width + 20
    return view


def noisy(image, sigma, seed=1):
    noise = np.random.default_rng(seed).normal(0, sigma, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def blurred(image, sigma):
    return cv2.GaussianBlur(image, (0, 0), sigma)


def turned(image, degrees):
    """Rotated about its middle, the ground filled with light grey."""
    height, width = image.shape
    middle = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    return cv2.warpAffine(image, middle, (width, height), borderValue=200)


def dim(image, contrast):
    """Contrast left of a full one, about a dark grey."""
    return (60 + image * contrast).astype(np.uint8)
