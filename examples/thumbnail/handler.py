"""Takes a PNG, answers with a smaller one. Event: {"image": base64 PNG, "width": pixels}."""

import base64
import io

import png


def handler(event, context):
    width, height, rows, info = png.Reader(bytes=base64.b64decode(event["image"])).asRGBA8()
    pixels = [bytes(row) for row in rows]
    thumb_width = max(1, min(int(event.get("width", 32)), width))
    thumb_height = max(1, height * thumb_width // width)
    thumb = [
        b"".join(average(pixels, x, y, width, height, thumb_width, thumb_height) for x in range(thumb_width))
        for y in range(thumb_height)
    ]
    out = io.BytesIO()
    png.Writer(thumb_width, thumb_height, greyscale=False, alpha=True).write(out, thumb)
    return {"width": thumb_width, "height": thumb_height, "image": base64.b64encode(out.getvalue()).decode()}


def average(pixels, x, y, width, height, thumb_width, thumb_height):
    """The mean colour (RGBA) of the box of source pixels that becomes the pixel at x, y."""
    columns = range(x * width // thumb_width, max(x * width // thumb_width + 1, (x + 1) * width // thumb_width))
    lines = range(y * height // thumb_height, max(y * height // thumb_height + 1, (y + 1) * height // thumb_height))
    count = len(columns) * len(lines)
    return bytes(sum(pixels[line][4 * column + channel] for line in lines for column in columns) // count for channel in range(4))
