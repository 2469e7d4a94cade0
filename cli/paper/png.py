"""A ticket as a picture for a phone or an e-mail: the layout of the page, whole pixels a module."""

from functools import cache
from io import BytesIO

from PIL import Image, ImageDraw, ImageFont

from cli.paper.fonts import Font
from cli.paper.layout import CODE_SIZE, HEIGHT, QUIET_ZONE, WIDTH, Code, Text
from cli.paper.pdf import Drawn

SCALE = 8
"""Pixels of a millimetre: 840 x 1184 for a ticket, about 200 dpi on paper of A6."""
_GREY, _WHITE = 90, 255
_GREYS = [value // 16 for value in range(256)]


def picture(ticket: Drawn) -> bytes:
    """The PNG file of a ticket, in sixteen greys."""
    image = Image.new("L", (round(WIDTH * SCALE), round(HEIGHT * SCALE)), _WHITE)
    draw = ImageDraw.Draw(image)
    for part in ticket:
        if isinstance(part, Code):
            _code(image, part)
        else:
            _text(draw, part)
    # Sixteen greys are enough for smooth letters, at a third of the time and two of three bytes.
    image = image.point(_GREYS)
    image.putpalette([grey for step in range(16) for grey in (17 * step,) * 3])
    file = BytesIO()
    image.save(file, "PNG", bits=4, compress_level=1, dpi=(SCALE * 25.4, SCALE * 25.4))
    return file.getvalue()


def _text(draw: ImageDraw.ImageDraw, part: Text) -> None:
    font = _font(part.font, round(part.size * SCALE * 4))
    place = (WIDTH * SCALE / 2, part.baseline * SCALE)
    draw.text(place, part.text, fill=_GREY if part.grey else 0, font=font, anchor="ms")


@cache
def _font(font: Font, quarters: int) -> ImageFont.FreeTypeFont:
    """The font at a size in quarters of a pixel, so that the cache stays small."""
    return ImageFont.truetype(str(font.path), quarters / 4)


def _code(image: Image.Image, code: Code) -> None:
    side = len(code.matrix)
    # Whole pixels a module, never a blurred edge: the code is a little smaller than on paper.
    module = CODE_SIZE * SCALE // (side + 2 * QUIET_ZONE)
    pixels = bytes(0 if dark else _WHITE for row in code.matrix for dark in row)
    modules = Image.frombytes("L", (side, side), pixels)
    drawn = modules.resize((side * module, side * module), Image.Resampling.NEAREST)
    middle = (code.top + side * code.module / 2) * SCALE
    place = (round((image.width - drawn.width) / 2), round(middle - drawn.height / 2))
    image.paste(drawn, place)
