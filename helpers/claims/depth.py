"""Low and high in a network: the thirds of its convolutions, which claims on depth compare."""


def convolutions(record) -> list[str]:
    """The layers whose units have a map, in forward order."""
    return [n for n in record.layers if max(record[n].geometry.map_size) > 1]


def third(layers, which: int) -> list[str]:
    """The first (0) or last (-1) third of the layers."""
    n = max(1, round(len(layers) / 3))
    return layers[:n] if which == 0 else layers[-n:]
