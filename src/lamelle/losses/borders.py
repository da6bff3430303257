"""Cross-entropy that counts most in the gaps between neighbouring objects, as the original U-Net was trained."""

from __future__ import annotations

from itertools import product

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from lamelle.losses.parts import checked, fitting, nonzero, precise
from lamelle.types import IGNORE

W0, SIGMA = 10.0, 5.0
"""Height, and width in pixels, of the border weights as published."""


def boundary_ce(
    output: Tensor,
    target: Tensor,
    *,
    weights: Tensor | None,
    w0: float = W0,
    sigma: float = SIGMA,
    between: int = 0,
    maps: Tensor | None = None,
) -> Tensor:
    """Cross-entropy (binary where K = 1), averaged with the weights w_c + border weights: Σ w·loss / Σ w.

    w_c is the pixel's class weight, 1 without weights. Border weights come from ``maps``, or from the objects that the
    target shows: connected components of each class other than ``between``. They are computed on the processor; where
    objects touch, only maps of the numbered objects (:func:`border_weights`) tell them apart.

    Args:
        target: Classes, int64 [N, (Z,) Y, X].
        w0: Height of the border weights; 0 is weighted cross-entropy.
        sigma: Their width in pixels.
        between: The class that lies between the objects; 1 where membranes are the foreground and cells the objects.
        maps: Border weights of each sample, like the target.

    Raises:
        ValueError: If the target is float, or shapes do not fit.

    Example:
        >>> target = torch.tensor([[[1, 1, 0, 1, 1]]])
        >>> boundary_ce(torch.zeros(1, 1, 1, 5), target, weights=None)
        tensor(0.6931)
        >>> filled = torch.full((1, 1, 1, 5), 3.0)  # the gap is not seen
        >>> bool(boundary_ce(filled, target, weights=None) > boundary_ce(filled, target, weights=None, w0=0.0))
        True

    Reference: Ronneberger, Fischer and Brox (2015), doi:10.1007/978-3-319-24574-4_28
    """
    if target.is_floating_point():
        raise ValueError("boundary_ce needs a target of classes, not of probabilities")
    fitting(output, target)
    weights = checked(weights, output)
    logits, kept, truth = precise(output), target != IGNORE, target.clamp(min=0)
    if output.shape[1] == 1:
        entropy = functional.binary_cross_entropy_with_logits(logits[:, 0], truth.to(logits.dtype), reduction="none")
    else:
        entropy = functional.cross_entropy(logits, truth, reduction="none")
    if maps is None:
        maps = border_maps(target, w0=w0, sigma=sigma, between=between)
    elif maps.shape != target.shape:
        raise ValueError(f"the maps {tuple(maps.shape)} do not fit the target {tuple(target.shape)}")
    of_class = 1.0 if weights is None else weights[truth]
    scale = (of_class + maps.to(logits.device, logits.dtype)) * kept
    return (entropy * scale).sum() / nonzero(scale.sum())


def border_weights(labels: np.ndarray, *, w0: float, sigma: float) -> np.ndarray:
    """w0·exp(−(d1 + d2)² / 2·sigma²), float32 like the labels: high where two objects are near each other.

    d1 and d2 are distances in pixels to the borders of the two nearest objects; 0 with less than two objects. A border
    is an object's own outermost pixels; where the image cuts an object there is none. The class weight w_c of the
    publication is not in it.

    Args:
        labels: Numbers of the objects, integers [(Z,) Y, X], 0 = none; ``IGNORE`` = not known, as if cut off there.

    Example:
        >>> border_weights(np.array([[1, 1, 0, 2, 2, 0, 0, 0]]), w0=10.0, sigma=2.0).round(1)
        array([[1.4, 6.1, 6.1, 6.1, 3.2, 0.4, 0. , 0. ]], dtype=float32)

    Reference: Ronneberger, Fischer and Brox (2015), doi:10.1007/978-3-319-24574-4_28
    """
    first, second = _two_nearest(np.asarray(labels))
    return (w0 * np.exp(-np.square(first + second) / (2 * sigma**2))).astype(np.float32)


def border_maps(
    target: Tensor, *, w0: float = W0, sigma: float = SIGMA, between: int = 0, numbered: bool = False
) -> Tensor:
    """Border weights of each sample, float32 like the target.

    Args:
        target: Classes, whose connected components are the objects.
        between: The class that lies between the objects.
        numbered: The target holds numbers of objects instead, 0 between them: so they may touch.

    Example:
        >>> border_maps(torch.tensor([[[1, 0, 1]]]), w0=1.0, sigma=1.0).round(decimals=2)
        tensor([[[0.1400, 0.1400, 0.1400]]])
        >>> border_maps(torch.tensor([[[1, 2, 2]]]), w0=1.0, sigma=1.0, numbered=True).round(decimals=2)
        tensor([[[0.6100, 0.6100, 0.0100]]])
    """
    samples = target.cpu().numpy()
    if not w0:
        return torch.zeros(samples.shape)
    objects = samples if numbered else [_components(s, between) for s in samples]
    maps = [border_weights(o, w0=w0, sigma=sigma) for o in objects]
    return torch.from_numpy(np.stack(maps)) if maps else torch.zeros(samples.shape)


def _components(classes: np.ndarray, between: int) -> np.ndarray:
    """Numbers of the face-connected components of each class but one; what is ignored stays so."""
    from scipy.ndimage import label

    objects, total = np.where(classes == IGNORE, IGNORE, 0), 0
    for value in np.unique(classes):
        if value in (between, IGNORE):
            continue
        numbers = np.zeros(classes.shape, np.int32)
        label(classes == value, output=numbers)
        objects += np.where(numbers > 0, numbers + total, 0)
        total += int(numbers.max())
    return objects


def _two_nearest(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distances to the border of the nearest object and of the next one; infinite where there is none.

    The second nearest object of a pixel is a neighbour of its nearest one in the partition by nearest border. Objects
    are coloured such that neighbours differ; then the two nearest *colours* are the two nearest objects, and a handful
    of distance transforms does for any number of objects.
    """
    from scipy.ndimage import distance_transform_edt

    nearest, second = np.full((2, *labels.shape), np.inf)
    outlines = _outlines(labels)
    numbers, compact = np.unique(np.where(outlines, labels, 0), return_inverse=True)
    if (numbers > 0).sum() < 2:
        return nearest, second
    labels = compact.reshape(labels.shape) + int(numbers[0] > 0)
    places = distance_transform_edt(~outlines, return_distances=False, return_indices=True)
    colours = _coloured(labels[tuple(np.asarray(places))])
    painted = colours[labels]
    for colour in range(1, int(colours.max()) + 1):
        distance = np.asarray(distance_transform_edt(painted != colour))
        second = np.minimum(second, np.maximum(nearest, distance))
        nearest = np.minimum(nearest, distance)
    return nearest, second


def _outlines(labels: np.ndarray) -> np.ndarray:
    """Pixels of objects that have a face neighbour of another known label."""
    edge = np.zeros(labels.shape, bool)
    for one, other in _neighbours(labels.shape, diagonal=False):
        differs = (labels[one] != labels[other]) & (labels[one] != IGNORE) & (labels[other] != IGNORE)
        edge[one] |= differs
        edge[other] |= differs
    return edge & (labels > 0)


def _coloured(owners: np.ndarray) -> np.ndarray:
    """A colour from 1 on for each owner, different where two of them touch; index 0 is 0."""
    size = int(owners.max()) + 1
    touching: list[set[int]] = [set() for _ in range(size)]
    for one, other in _neighbours(owners.shape, diagonal=True):
        differs = owners[one] != owners[other]
        for code in np.unique(owners[one][differs] * size + owners[other][differs]):
            a, b = divmod(int(code), size)
            touching[a].add(b)
            touching[b].add(a)
    colours = np.zeros(size, np.int64)
    for owner in sorted(range(1, size), key=lambda o: -len(touching[o])):
        taken = {int(colours[other]) for other in touching[owner]}
        colours[owner] = next(c for c in range(1, size + 1) if c not in taken)
    return colours


def _neighbours(shape: tuple[int, ...], *, diagonal: bool) -> list[tuple[tuple[slice, ...], tuple[slice, ...]]]:
    """Pairs of views, so that each pixel meets each of its neighbours once."""
    forward = {-1: slice(None, -1), 0: slice(None), 1: slice(1, None)}
    steps = [s for s in product((-1, 0, 1), repeat=len(shape)) if s > (0,) * len(shape)]
    chosen = steps if diagonal else [s for s in steps if sum(map(abs, s)) == 1]
    return [(tuple(forward[-a] for a in s), tuple(forward[a] for a in s)) for s in chosen]
