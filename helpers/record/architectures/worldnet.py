"""The embedded networks: seven convolutions, with or without a hidden fully connected part.

`WorldNet` is trained with batch normalisation and shipped with it folded into the convolutions,
so that the output of `conv3` is what the following ReLU receives. `WorldVGG` never had batch
normalisation and has two hidden fully connected layers, like the networks of the papers. `build`
makes either from the configuration in a weight file's metadata.
"""

from torch import nn

from helpers.errors import SelectivityError

# What both take: RGB in 0..255, less about the mean of the world's pixels, over their deviation.
SIDE = 64
PREPROCESSING = {
    "short_side": SIDE,
    "crop": SIDE,
    "channels": "RGB",
    "scale": 255.0,
    "mean": (118.0, 118.0, 118.0),
    "std": (60.0, 60.0, 60.0),
}

# (units, kernel, stride, whether a 2 x 2 max-pool follows)
CONVOLUTIONS = (
    (32, 5, 2, True),
    (48, 3, 1, False),
    (64, 3, 1, True),
    (96, 3, 1, False),
    (96, 3, 1, False),
    (128, 3, 1, True),
    (128, 3, 1, False),
)
HIDDEN = (128, 128)  # units of fc1 and fc2


def _add_convolutions(network: nn.Sequential) -> int:
    """Append conv1, relu1, (pool1), conv2, ...; returns the number of units of the last one."""
    channels = 3
    for number, (units, kernel, stride, pooled) in enumerate(CONVOLUTIONS, start=1):
        conv = nn.Conv2d(channels, units, kernel, stride, padding=kernel // 2)
        network.add_module(f"conv{number}", conv)
        network.add_module(f"relu{number}", nn.ReLU())
        if pooled:
            network.add_module(f"pool{number}", nn.MaxPool2d(2))
        channels = units
    return channels


class WorldNet(nn.Sequential):
    """conv1 ... conv7, each with its own ReLU; global average pool; linear `fc`.

    Takes (B, 3, 64, 64) float32, gives (B, n_classes) scores.
    """

    def __init__(self, n_classes: int):
        super().__init__()
        channels = _add_convolutions(self)
        self.add_module("pool", nn.AdaptiveAvgPool2d(1))
        self.add_module("flatten", nn.Flatten())
        self.add_module("fc", nn.Linear(channels, n_classes))


class WorldVGG(nn.Sequential):
    """conv1 ... conv7 and three fully connected layers: fc1, fc2 and fc3; no batch norm."""

    def __init__(self, n_classes: int):
        super().__init__()
        channels = _add_convolutions(self)
        self.add_module("flatten", nn.Flatten())
        side = _final_side()
        width = channels * side * side
        for number, units in enumerate(HIDDEN, start=1):
            self.add_module(f"fc{number}", nn.Linear(width, units))
            self.add_module(f"fc_relu{number}", nn.ReLU())
            width = units
        self.add_module("fc3", nn.Linear(width, n_classes))


def _final_side() -> int:
    side = SIDE
    for _, _, stride, pooled in CONVOLUTIONS:
        side = side // stride // (2 if pooled else 1)
    return side


ARCHITECTURES = {"worldnet": WorldNet, "worldvgg": WorldVGG}


def build(config: dict) -> nn.Module:
    """An untrained network from `{"architecture": "worldnet" | "worldvgg", "n_classes": int}`."""
    name = config.get("architecture")
    if name not in ARCHITECTURES or "n_classes" not in config:
        raise SelectivityError(
            f"a worldnet needs architecture ({', '.join(ARCHITECTURES)}) and n_classes, as its "
            f"weight file's metadata gives, not {config}"
        )
    return ARCHITECTURES[name](int(config["n_classes"]))
