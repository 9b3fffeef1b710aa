"""Brute force: keep every map of every image, then sort. Slow, obvious, and the judge of the recorder."""

import numpy as np
import torch

from helpers.record.images import batches


def keep_everything(network, images, layers, batch_size=32):
    """layer -> maps (N, U, positions) float32, in image order, by hooks of its own."""
    kept = {layer: [] for layer in layers}

    def keep(layer):
        tap = network.taps[layer]

        def output_hook(module, inputs, output):
            kept[layer].append(_units_second(module, output.clone()))

        def input_hook(module, inputs):
            kept[layer].append(
                _units_second(network.module.get_submodule(layer), inputs[0].clone())
            )

        module = network.module.get_submodule(tap.module)
        if tap.side == "input":
            return module.register_forward_pre_hook(input_hook)
        return module.register_forward_hook(output_hook)

    handles = [keep(layer) for layer in layers]
    with torch.no_grad():
        for _, batch, _ in batches(images, network.preprocess, np.arange(len(images)), batch_size):
            network.module(batch.contiguous(memory_format=torch.channels_last))
    for handle in handles:
        handle.remove()
    return {layer: torch.cat(parts) for layer, parts in kept.items()}


def _units_second(module, response):
    """(N, U, positions), whatever the layout."""
    if isinstance(module, torch.nn.Linear):
        return response.reshape(len(response), -1, response.shape[-1]).transpose(1, 2)
    return response.reshape(*response.shape[:2], -1)


def ranked(values, k):
    """(values, images) of the k largest per unit; values (N, U); ties to the lower image."""
    order = np.lexsort((np.arange(len(values)).repeat(values.shape[1]).reshape(values.shape),
                        -values.numpy()), axis=0)[:k].T  # fmt: skip
    images = torch.from_numpy(order.copy())
    return values.T.gather(1, images), images
