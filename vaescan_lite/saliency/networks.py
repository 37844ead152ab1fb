"""The networks that are explained: taken out of a model, given new weights, and the layer that Grad-CAM looks at."""

import copy

from torch import nn

from ..explain.gradients import network_of
from ..training import seeded_weights

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d)
NORMALISATIONS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.LayerNorm, nn.GroupNorm)


def randomised(model, *, n_layers=None, seed=0):
    """Copy a network and draw new weights, for the check of Adebayo and others (Sanity checks for saliency maps, NeurIPS 2018).

    The `model` (EcgCNN, Scan or module) stays as it is. `n_layers` (None: all), counted from the output, get new weights; a
    normalisation goes with the layer before it. The torch.nn.Module that comes back is in evaluation mode, the scales of its
    input and the names of its tasks kept; `attribute` takes it as a model.
    """
    network = copy.deepcopy(network_of(model))
    layers = _layers(network)
    n_layers = len(layers) if n_layers is None else n_layers
    if not 0 <= n_layers <= len(layers):
        raise ValueError(f"n_layers must lie between 0 and {len(layers)}, the number of layers with weights; got {n_layers}.")
    _draw_weights(layers[len(layers) - n_layers :], seed)
    return network.eval()


def randomised_scan(scan, beats, *, seed=0):
    """Copy a Scan with an affine decoder and draw new weights for all of it; latents of a BeatSet give its new mean and SD."""
    copied = copy.deepcopy(scan)
    _draw_weights([*_layers(copied.vae.network_), *_layers(copied.decoder_)], seed)
    mu = copied.vae.posterior(beats)[0][beats.usable].astype(float)
    copied.aggregated_mean_, copied.aggregated_sd_ = mu.mean(axis=0), mu.std(axis=0)
    return copied


def n_weight_layers(model):
    """Count the layers that `randomised` can redraw."""
    return len(_layers(network_of(model)))


def last_convolution(network):
    """Last convolution; together with the normalisation and activation that follow it in one `Sequential`."""
    convolutions = [module for module in network.modules() if isinstance(module, CONVOLUTIONS)]
    if not convolutions:
        raise ValueError(f"gradcam needs a network with a convolution (Conv1d or Conv2d); {type(network).__name__} has none.")
    for module in network.modules():
        is_block = isinstance(module, nn.Sequential) and len(module) and module[0] is convolutions[-1]
        if is_block and all(isinstance(part, (*NORMALISATIONS, nn.ReLU)) for part in module[1:]):
            return module
    return convolutions[-1]


def _layers(network):
    """Convolutions and linear layers from the input to the output, each with the normalisations that follow it."""
    layers = []
    for module in network.modules():
        if isinstance(module, NORMALISATIONS) and layers:
            layers[-1].append(module)
        elif hasattr(module, "reset_parameters"):
            layers.append([module])
    return layers


def _draw_weights(layers, seed):
    with seeded_weights(seed):
        for layer in layers:
            for part in layer:
                part.reset_parameters()
