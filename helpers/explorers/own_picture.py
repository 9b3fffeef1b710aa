"""The reader's own picture, and the units that it excites and inhibits; needs a kernel and ipywidgets."""

import base64
import io
from html import escape

import numpy as np
import torch
from PIL import Image

from helpers import scenes
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
    "<p><em>With a running kernel (open the chapter in a notebook) you can {compose}choose another "
    "picture or upload your own, choose another layer, take the colour away, and cover parts of the "
    "picture.</em></p>"
)
SHOWN = 6  # units at either end
ENDS = {
    "Excites most": "largest response, as a share of the unit's largest to any recorded image",
    "Inhibits most": "smallest response, as a share of the unit's most negative to any recorded image",
}
SIDE = 96  # pixels of a feature
_DIM = 0.25  # brightness of what does not matter
_OWN, _USUAL = "its own", "usual"
_IMAGE, _SCENE, _FILE = "an image of the study", "a composed scene", "my own file"


class OwnPicture:
    """A picture to choose, to compose or to upload, and below it the units of a layer that it drives most.

    `source` says where the picture comes from: an image of the study (`of_class`, `number`), a scene
    (`scene`, a `SceneControls`; only if the study's classes are the world's), or a file (`upload`). `layer`,
    `grey` and `covered` are the other ipywidgets, `box` holds them all.
    """

    def __init__(self, study, layer: str | None = None):
        import ipywidgets

        self.study, self._features = study, {}
        self._file, self._shown, self._trouble, self._driven = None, None, "", None
        units = study.units.assign(
            likes=[f" ({readable(c)})" if isinstance(c, str) else "" for c in study.units.top_class]
        )
        self._likes = {name: one.likes.tolist() for name, one in units.groupby("layer")}
        names = list(study.images.class_names) if study.has_images else []
        of_world = set(study.record.class_names) <= set(scenes.classes())
        sources = [_SCENE] * of_world + [_IMAGE] * bool(names) + [_FILE]
        self.source = _control(
            ipywidgets.Dropdown, "Picture from", "Where the picture comes from", options=sources
        )
        self.of_class = _control(
            ipywidgets.Dropdown,
            "Class",
            "Class of the image",
            options=[(readable(name), i) for i, name in enumerate(names)],
        )
        self.number = _control(
            ipywidgets.BoundedIntText, "Number", "Which image of the class", min=0, max=0
        )
        self.scene = SceneControls() if of_world else None
        self.upload = _control(
            ipywidgets.FileUpload, "Your picture", "A JPEG, PNG or WebP file", accept="image/*"
        )
        self.layer = _control(
            ipywidgets.Dropdown,
            "Layer",
            "Layer whose units are shown",
            options=study.record.layers,
            value=layer or convolutions(study.record)[-1],
        )
        self.grey = _control(
            ipywidgets.Checkbox,
            "without colour",
            "Each pixel becomes the mean of its channels",
            indent=False,
        )
        self.covered = _control(
            ipywidgets.Dropdown,
            "Cover for",
            "Covers the picture square by square; bright is where this unit loses most",
            options=[("nothing", -1)],
        )
        self.view = ipywidgets.HTML()
        self._rows = {
            _SCENE: self.scene.rows if of_world else [],
            _IMAGE: [_row([self.of_class, self.number])],
            _FILE: [_row([self.upload])],
        }
        of_source = [row for rows in self._rows.values() for row in rows]
        last = _row([self.layer, self.grey, self.covered])
        self.box = ipywidgets.VBox([_row([self.source]), *of_source, last, self.view])
        self.of_class.observe(self._new_class, "value")
        self.upload.observe(self._uploaded, "value")
        self.covered.observe(self._show, "value")
        of_scene = self.scene.controls if of_world else []
        for control in (self.source, self.number, self.layer, self.grey, *of_scene):
            control.observe(self._changed, "value")
        if names:
            self._new_class()
        self._changed()

    def _new_class(self, _=None):
        self.number.max = int((self.study.images.classes == self.of_class.value).sum()) - 1
        self._changed()

    def _uploaded(self, _):
        # A dict of files in ipywidgets 7, a tuple of them in 8.
        files = self.upload.value
        files = list(files.values()) if isinstance(files, dict) else list(files)
        if not files:
            return
        try:
            self._file = decode(io.BytesIO(bytes(files[-1]["content"])))
        except Exception as error:  # Pillow raises a dozen kinds
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            self._say(f"This file cannot be shown ({reason}); use a JPEG, PNG or WebP picture.")
            return
        self.source.value = _FILE
        self._changed()

    def _chosen(self) -> tuple:
        """What a picture is made of: changes if and only if the picture does."""
        source = self.source.value
        if source == _SCENE:
            return source, self.scene.chosen()
        return source, self._file if source == _FILE else (self.of_class.value, self.number.value)

    def _picture(self):
        """The picture and its name; None if there is none yet."""
        source, what = self._chosen()
        if source == _SCENE:
            return scenes.compose(**what), f"{readable(what['subject'])}, {what['setting']}"
        if source == _FILE:
            return self._file and (self._file, "your picture")
        of_class, number = what
        image = int(np.flatnonzero(self.study.images.classes == of_class)[number])
        return self.study.images.open(image), readable(self.study.images.class_names[of_class])

    def _changed(self, _=None):
        """Run the network, once for each change: a control may change others, which come here too."""
        now = *self._chosen(), self.layer.value, self.grey.value
        if now == self._shown:
            return
        self._shown = now
        for source, rows in self._rows.items():
            for row in rows:
                row.layout.display = None if source == self.source.value else "none"
        self._driven, self._trouble = None, ""
        try:
            picture = self._picture()
            self._driven = picture and self._drive(*picture)
        # The network is not on this machine, or the photograph cannot be read.
        except (SelectivityError, OSError) as error:
            self._trouble = str(error)
        units = self._driven[2].units.tolist() if self._driven else []
        # Sets the choice back to nothing, and shows the rest itself if that was a change.
        before = self.covered.value
        self.covered.options = [("nothing", -1), *((f"unit {u}", u) for u in units)]
        if before == self.covered.value:
            self._show()

    def _drive(self, picture, name):
        """(name, the network's input, units excited most, units inhibited most)."""
        inputs, layer = prepared(self.study.network, picture, self.grey.value), self.layer.value
        answers = responses_to(self.study.network, inputs, [layer])[layer]
        return name, inputs, *most_driven(self.study.record[layer], answers, SHOWN)

    def page(self) -> str:
        """What is shown below the controls, as HTML; what is missing, if anything is."""
        try:
            return self._page(*self._driven) if self._driven else self._missing()
        except SelectivityError as error:
            return f"<p>{escape(str(error))}</p>"

    def _missing(self):
        words = self._trouble or "Choose a picture of yours with the button above."
        return f"<p>{escape(words)}</p>"

    def _page(self, name, inputs, excited, inhibited):
        said = "as the network sees it"
        if self.grey.value:
            said = "without its colour: each pixel the mean of its three channels"
        lost = None
        if self.covered.value >= 0:
            lost = occlusion(self.study.network, inputs, self.layer.value, self.covered.value)
            said = (
                f"bright where covering it takes most from unit {self.covered.value}, at most "
                f"{lost.max():.0%} of its response"
            )
        parts = [self._seen(inputs, f"{name}, {said}", lost)]
        for title, driven in zip(ENDS, (excited, inhibited), strict=True):
            parts.append(_titled(title) + self._cards(driven, title))
        return f"<div>{''.join(parts)}</div>"

    def _seen(self, inputs, words, lost=None):
        shown = as_shown(self.study.network.preprocess)(inputs)
        if lost is not None:
            shown = shown * (_DIM + (1 - _DIM) * _spread(lost, shown.shape[1:]))
        seen = f"Picture shown to the network: {words}"
        return _figure(shown, words[:1].upper() + words[1:], 2 * SIDE, seen)

    def _cards(self, driven, title):
        units = driven.units.tolist()
        self._fetch(self.layer.value, units)
        strongest = "strongest" if title == "Excites most" else "most negative"
        pairs = zip(units, driven.shares.tolist(), strict=True)
        return (
            "".join(self._card(*pair, strongest) for pair in pairs)
            or "<p>no unit of this layer</p>"
        )

    def _card(self, unit, share, strongest):
        layer = self.layer.value
        words = f"{layer}:{unit}{self._likes[layer][unit]}, {share:.0%} of its {strongest}"
        tile = self._features.get((layer, unit))
        if tile is None:
            return f"<p>{escape(words)}</p>"
        return _figure(tile, words, SIDE, f"Neuron feature of {words}")

    def _fetch(self, layer, units):
        """Make the neuron features of these units, all at once, that are not made yet."""
        units = [u for u in units if (layer, u) not in self._features]
        if not units or not self.study.has_images:
            return
        study = self.study
        found = layer_features(study.record, study.network, study.images, layer, units)
        for unit, picture, valid in zip(units, found.pictures, found.valid, strict=True):
            self._features[layer, unit] = thumbnail(picture, valid, SIDE)

    def _show(self, _=None):
        self.view.value = self.page()

    def _say(self, words):
        self.view.value = f'<p role="alert">{escape(words)}</p>'

    def _still(self) -> str:
        """For pages without a kernel: the picture, or the scene beside the same with another background."""
        if self.source.value != _SCENE or not self._driven:
            return NEEDS_KERNEL.format(compose="") + self.page()
        _, what = self._chosen()
        other = "meadow" if what["setting"] != "meadow" else "snow"
        name = f"the same {readable(what['subject'])}, {other}"
        beside = self._drive(scenes.compose(**{**what, "setting": other}), name)
        sides = "".join(
            f'<div style="flex:1 1 20em">{self._seen(inputs, named)}{_titled("Excites most")}'
            f"{self._cards(excited, 'Excites most')}</div>"
            for named, inputs, excited, _ in (self._driven, beside)
        )
        first, second = (set(driven[2].units.tolist()) for driven in (self._driven, beside))
        return (
            f"{NEEDS_KERNEL.format(compose='compose other scenes, ')}"
            f'<div style="display:flex;flex-wrap:wrap;gap:1em">{sides}</div>'
            "<p>A picture is a unit's neuron feature; in brackets stands the class that weighs most "
            "among its strongest images. "
            f"{len(first & second)} of the {len(first)} units are the same in both.</p>"
        )

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        # Written out, for ipywidgets 7 has no such method; the HTML is for pages without a kernel.
        view = {"version_major": 2, "version_minor": 0, "model_id": self.box.model_id}
        return {VIEW: view, "text/html": self._still(), "text/plain": repr(self)}

    def __repr__(self) -> str:
        return f"<OwnPicture on {self.study.name}: {self.layer.value}>"


class SceneControls:
    """The ipywidgets of a scene, `rows` of them; `chosen()` is what `scenes.compose` takes."""

    def __init__(self, subject: str = "corgi", setting: str = "snow"):
        import ipywidgets

        def menu(description, tip, options, **more):
            return _control(ipywidgets.Dropdown, description, tip, options=options, **more)

        def slider(description, tip):
            return _control(
                ipywidgets.FloatSlider, description, tip, min=-1, max=1, step=0.25, value=0,
                readout=False, continuous_update=False,
            )  # fmt: skip

        names = [(readable(name), name) for name in scenes.classes()]
        self.subject = menu("Subject", "Class or breed", names, value=subject)
        self.pose = menu("View", "View and individual", _poses(subject))
        colors = (_OWN, "grey", *scenes.HUES)
        self.color = menu("Colour", "Colour of the subject; its lightness stays", colors)
        self.setting = menu("Background", "What is behind it", scenes.settings(), value=setting)
        variants = [(str(n + 1), n) for n in range(scenes.VARIANTS)]
        self.variant = menu("Variant", "Which drawing of the background", variants)
        tip = "Size in the picture, within the world's range"
        self.size = menu("Size", tip, ("small", _USUAL, "large"), value=_USUAL)
        self.across = slider("Left, right", "Place across")
        self.up = slider("Down, up", "Place on the ground, nearer or farther")
        self.flip = _control(ipywidgets.Checkbox, "mirrored", "Looks the other way", indent=False)
        groups = (
            [self.subject, self.pose, self.color],
            [self.setting, self.variant, self.size],
            [self.across, self.up, self.flip],
        )
        self.rows = [_row(group) for group in groups]
        self.controls = [control for group in groups for control in group]
        self.subject.observe(self._new_subject, "value")

    def _new_subject(self, _=None):
        self.pose.options = _poses(self.subject.value)

    def chosen(self) -> dict:
        subject, (view, individual) = self.subject.value, self.pose.value
        low, high = scenes.sizes(subject, view)
        return {
            "subject": subject,
            "setting": self.setting.value,
            "view": view,
            "individual": individual,
            "variant": self.variant.value,
            "color": None if self.color.value == _OWN else self.color.value,
            "size": {"small": low, "large": high}.get(self.size.value),
            "across": self.across.value,
            "up": self.up.value,
            "flip": self.flip.value,
        }


def _poses(subject):
    """Options of a menu: each view of a class, of one individual and of another."""
    return [
        (f"{view}, {who}", (view, individual))
        for view in scenes.views(subject)
        for individual, who in enumerate(("one", "another"))
    ]


def _control(kind, description, tip, **options):
    """A widget that says what it is for: `tip` is shown by the mouse, and read out."""
    control = kind(description=description, **options)
    # The name of the trait in ipywidgets 8 and in 7.
    for name in ("tooltip", "description_tooltip"):
        if control.has_trait(name):
            setattr(control, name, tip)
            break
    return control


def _titled(title):
    """The head of a row of units, and what the numbers below them are."""
    return f'<p><b>{title}</b> <span style="font-size:.8em">{escape(ENDS[title])}</span></p>'


def _row(controls):
    import ipywidgets

    row = ipywidgets.HBox(controls)
    row.layout.flex_flow = "row wrap"
    return row


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
