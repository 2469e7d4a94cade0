"""OpenCV as this gate uses it: one thread, a pixel limit, no chatter. Reader children only."""

import os

# Second line behind drivers.pictures; read by OpenCV once, when it is loaded.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(1 << 26))
# A camera that stops delivering must not hold read() for the default of 10 s (milliseconds).
os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "1")
os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")

_LIBRARIES = os.environ.get("LD_LIBRARY_PATH")

import cv2  # noqa: E402 - after the settings it reads once

# OpenCV's loader extends this variable, and leaves an empty entry in it: programs started later,
# such as rpicam-vid, would look for their libraries in the current directory.
if _LIBRARIES is None:
    os.environ.pop("LD_LIBRARY_PATH", None)
else:
    os.environ["LD_LIBRARY_PATH"] = _LIBRARIES

cv2.setNumThreads(1)  # its pool spins, and the lane process needs the other cores

__all__ = ["cv2"]
