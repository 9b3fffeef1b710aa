"""The reader's own picture, and the units that it excites and inhibits; needs a kernel and ipywidgets."""

import base64
import io
from html import escape

import numpy as np
import torch
from PIL import Image

from helpers.answers import most_driven, occlusion, prepared, responses_to
from helpers.claims.depth import convolutions
from helpers.errors import SelectivityError
from helpers.explorers.live import VIEW
from helpers.explorers.pictures import QUALITY, thumbnail
from helpers.features import layer_features
from helpers.figures.style import readable
from helpers.record.images import decode
from helpers.record.patches import as_shown

NEEDS_KERNEL = (
    "<p><em>Here you see one picture. With a running kernel (open the chapter in a notebook) you can "
    "upload your own, choose another layer, take the colour away, and cover parts of it.</em></p>"
)
SHOWN = 6  # units at either end
SIDE = 96  # pixels of a feature
_DIM = 0.25  # brightness of what does not matter


class OwnPicture:
    """A picture to upload or to choose, and below it the units of a layer that it drives most.

    `upload`, `of_class`, `number`, `layer`, `grey`, `covered` are the ipywidgets, `box` holds them all.
    Start: an image of the study; without images there is nothing to choose from, and upload is left.
    """

    def __init__(self, study, layer: str | None = None):
        import ipywidgets

        self.study, self._features = study, {}
        units = study.units.assign(
            likes=[f" ({readable(c)})" if isinstance(c, str) else "" for c in study.units.top_class]
        )
        self._likes = {name: one.likes.tolist() for name, one in units.groupby("layer")}
        self._picture = None
        names = list(study.images.class_names) if study.has_images else []
        layers = study.record.layers
        self.upload = ipywidgets.FileUpload(accept="image/*", description="Your picture")
        self.of_class = ipywidgets.Dropdown(
            options=[(readable(name), i) for i, name in enumerate(names)],
            description="or a",
        )
        self.number = ipywidgets.BoundedIntText(value=0, min=0, max=0, description="number")
        self.layer = ipywidgets.Dropdown(
            options=layers, value=layer or convolutions(study.record)[-1], description="Layer"
        )
        self.grey = ipywidgets.Checkbox(value=False, description="without colour", indent=False)
        self.covered = ipywidgets.Dropdown(options=[("nothing", -1)], description="Cover for")
        self.view = ipywidgets.HTML()
        first = ipywidgets.HBox([self.upload, self.of_class, self.number])
        second = ipywidgets.HBox([self.layer, self.grey, self.covered])
        for row in (first, second):
            row.layout.flex_flow = "row wrap"
        self.box = ipywidgets.VBox([first, second, self.view])
        self.upload.observe(self._uploaded, "value")
        self.of_class.observe(self._chosen_class, "value")
        self.number.observe(self._chosen, "value")
        for control in (self.layer, self.grey):
            control.observe(self._changed, "value")
        self.covered.observe(self._show, "value")
        if names:
            self._chosen_class()

    def _uploaded(self, _):
        # A dict of files in ipywidgets 7, a tuple of them in 8.
        files = self.upload.value
        files = list(files.values()) if isinstance(files, dict) else list(files)
        if not files:
            return
        try:
            self._picture = decode(io.BytesIO(bytes(files[-1]["content"])))
        except Exception as error:  # Pillow raises a dozen kinds
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            self._say(f"This file cannot be shown ({reason}); use a JPEG, PNG or WebP picture.")
            return
        self._changed()

    def _chosen_class(self, _=None):
        images = np.flatnonzero(self.study.images.classes == self.of_class.value)
        self.number.max = len(images) - 1
        self._chosen()

    def _chosen(self, _=None):
        images = np.flatnonzero(self.study.images.classes == self.of_class.value)
        self._picture = self.study.images.open(int(images[self.number.value]))
        self._changed()

    def _changed(self, _=None):
        if self._picture is None:
            return
        try:
            units = self._driven()[0].units.tolist()
        except SelectivityError as error:  # the network is not on this machine
            self._say(str(error))
            return
        # Sets the choice back to nothing, and shows the rest itself if that was a change.
        before = self.covered.value
        self.covered.options = [("nothing", -1), *((f"unit {u}", u) for u in units)]
        if before == self.covered.value:
            self._show()

    def _driven(self):
        self._inputs = prepared(self.study.network, self._picture, self.grey.value)
        layer = self.layer.value
        self._answers = responses_to(self.study.network, self._inputs, [layer])[layer]
        return most_driven(self.study.record[layer], self._answers, SHOWN)

    def page(self) -> str:
        """What is shown below the controls, as HTML; what is missing, if anything is."""
        if self._picture is None:
            return ""
        try:
            return self._page()
        except SelectivityError as error:
            return f"<p>{escape(str(error))}</p>"

    def _page(self):
        excited, inhibited = self._driven()
        shown = as_shown(self.study.network.preprocess)(self._inputs)
        said = "without its colour" if self.grey.value else "as the network sees it"
        if self.covered.value >= 0:
            lost = occlusion(self.study.network, self._inputs, self.layer.value, self.covered.value)
            shown = shown * (_DIM + (1 - _DIM) * _spread(lost, shown.shape[1:]))
            said = (
                f"bright where covering it takes most from unit {self.covered.value}, at most "
                f"{lost.max():.0%} of its response"
            )
        parts = [_figure(shown, f"The picture, {said}", 2 * SIDE)]
        for title, driven in (("Excites most", excited), ("Inhibits most", inhibited)):
            cards = "".join(
                self._card(unit, share)
                for unit, share in zip(driven.units.tolist(), driven.shares.tolist(), strict=True)
            )
            parts.append(f"<p><b>{title}</b></p>{cards or '<p>no unit of this layer</p>'}")
        return f"<div>{''.join(parts)}</div>"

    def _card(self, unit, share):
        layer = self.layer.value
        words = f"{layer}:{unit}{self._likes[layer][unit]}, {share:.0%} of its strongest"
        tile = self._feature(layer, unit)
        if tile is None:
            return f"<p>{escape(words)}</p>"
        return _figure(tile, words, SIDE, f"Neuron feature of {words}")

    def _feature(self, layer, unit):
        if not self.study.has_images:
            return None
        if (layer, unit) not in self._features:
            study = self.study
            found = layer_features(study.record, study.network, study.images, layer, [unit])
            self._features[layer, unit] = thumbnail(found.pictures[0], found.valid[0], SIDE)
        return self._features[layer, unit]

    def _show(self, _=None):
        self.view.value = self.page()

    def _say(self, words):
        self.view.value = f'<p role="alert">{escape(words)}</p>'

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        # Written out, for ipywidgets 7 has no such method; the HTML is for pages without a kernel.
        view = {"version_major": 2, "version_minor": 0, "model_id": self.box.model_id}
        return {VIEW: view, "text/html": NEEDS_KERNEL + self.page(), "text/plain": repr(self)}

    def __repr__(self) -> str:
        return f"<OwnPicture on {self.study.name}: {self.layer.value}>"


def _spread(lost, shape):
    """What is lost at each place (n, n), from 0 to 1, over the whole picture (1, H, W)."""
    parts = lost.clamp(min=0) / lost.clamp(min=0).max().clamp(min=1e-12)
    return torch.nn.functional.interpolate(parts[None, None], shape, mode="bilinear")[0].clamp(0, 1)


def _figure(picture, words, side, alt=None) -> str:
    """A picture (3, H, W) in [0, 1], or a tile (S, S, 3) uint8, with its words below it."""
    if isinstance(picture, torch.Tensor):
        picture = picture.permute(1, 2, 0).mul(255).round().byte().numpy()
    encoded = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(encoded, "WEBP", quality=QUALITY)
    address = base64.b64encode(encoded.getvalue()).decode()
    return (
        f'<figure style="display:inline-block;vertical-align:top;margin:0 .5em .5em 0;'
        f'width:{max(side, SIDE)}px">'
        f'<img alt="{escape(alt or words, quote=True)}" width="{side}" height="{side}" '
        f'style="object-fit:contain" src="data:image/webp;base64,{address}">'
        f'<figcaption style="font-size:.8em;line-height:1.3">{escape(words)}</figcaption></figure>'
    )
