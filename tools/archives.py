"""Put the site and its notebooks into the site as archives. usage: archives.py _build/html

`downloads/neuron-selectivity-site.zip` opens without a server; `downloads/neuron-selectivity-notebooks.zip`
holds the chapters as they are in the repository. The same files give the same bytes.
"""

import re
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOWNLOADS = "downloads"
FIRST_PAGE = "book/index.html"
_FIRST_DAY = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can say
_SQUEEZED = {".webp", ".png", ".jpg", ".woff2", ".gz", ".zip"}


def write_archive(path, files):
    """A zip of `files`, {name inside: Path}, below one folder that is called like the archive."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(f"{path.stem}/{name}", _FIRST_DAY)
            entry.external_attr = 0o644 << 16
            plain = files[name].suffix in _SQUEEZED
            entry.compress_type = zipfile.ZIP_STORED if plain else zipfile.ZIP_DEFLATED
            content = files[name].read_bytes()
            if name == FIRST_PAGE:
                content = without_itself(content.decode("utf-8")).encode()
            archive.writestr(entry, content)


def site_files(site):
    """Everything of the site but its archives, and what only the build reads."""
    return {
        path.relative_to(site).as_posix(): path
        for path in site.rglob("*")
        if path.is_file() and path.relative_to(site).parts[0] not in (DOWNLOADS, ".doctrees")
    }


def without_itself(page):
    """The first page as it is in the archive, which does not hold itself."""
    return re.sub(
        rf'<a [^>]*href="\.\./{DOWNLOADS}/[^"]*"[^>]*>(.*?)</a>', r"\1", page, flags=re.DOTALL
    )


def notebook_files(root=ROOT):
    """The chapters and the licence under which they are."""
    chapters = {path.name: path for path in (root / "book").glob("*.ipynb")}
    return {**chapters, "LICENSE": root / "LICENSE"}


def main(site):
    notebooks = site / DOWNLOADS / "neuron-selectivity-notebooks.zip"
    write_archive(notebooks, notebook_files())
    write_archive(site / DOWNLOADS / "neuron-selectivity-site.zip", site_files(site))


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
