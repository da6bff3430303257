"""From the rows of an audit to the numbers that a plan is made from, and the counts that people read."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from lamelle.data.audit.measure import OFFSET, SPAN, Distribution
from lamelle.results.audit import DataStatistics, ImageMeasures
from lamelle.types import Record

KEPT = 1 << 22
"""Sampled values kept over all images whose histogram is not exact."""


class Pool:
    """Distributions of many images, added up per number of channels; memory does not grow with their number."""

    def __init__(self, records: int) -> None:
        self._each = max(64, KEPT // max(1, records))
        self._exact: dict[tuple[int, int], np.ndarray] = {}
        self._samples: dict[tuple[int, int], list[Distribution]] = {}

    def add(self, distributions: Sequence[Distribution], *, exact: bool) -> None:
        """Add the distributions of one image's channels."""
        for c, distribution in enumerate(distributions):
            name = (len(distributions), c)
            if exact:
                counts = self._exact.setdefault(name, np.zeros(SPAN, np.int64))
                counts[distribution.values + OFFSET] += distribution.weights
                continue
            step = max(1, -(-len(distribution.values) // self._each))
            thinned = Distribution(distribution.values[::step], distribution.weights[::step] * step)
            self._samples.setdefault(name, []).append(thinned)

    def quantiles(self, channels: int, *fractions: float) -> list[tuple[float, ...]]:
        """Quantiles of each channel over the images with this many channels."""
        return [self._all(channels, c).quantiles(*fractions) for c in range(channels)]

    def _all(self, channels: int, channel: int) -> Distribution:
        counts = self._exact.get((channels, channel), np.zeros(0, np.int64))
        samples = self._samples.get((channels, channel), [])
        (places,) = np.nonzero(counts)
        values = [places - OFFSET, *(s.values for s in samples)]
        weights = [counts[places], *(s.weights for s in samples)]
        return Distribution(np.concatenate(values), np.concatenate(weights))


def summarise(rows: Sequence[ImageMeasures], records: Sequence[Record], pool: Pool) -> DataStatistics:
    """Statistics of a data set from its rows."""
    if not rows:
        return DataStatistics(records=0)
    dims = Counter(len(r.size) for r in rows).most_common(1)[0][0]
    sizes = np.array([r.size for r in rows if len(r.size) == dims])
    channels = Counter(r.channels for r in rows).most_common(1)[0][0]
    mean, std = _moments([r for r in rows if r.channels == channels])
    quantiles = pool.quantiles(channels, 0.01, 0.99)
    labels: Counter[int] = Counter()
    holding: Counter[int] = Counter()
    for row in rows:
        labels.update(dict(row.labels))
        holding.update(row.labels.keys())
    objects = [r.objects for r in rows if r.objects is not None]
    spacings = Counter(r.spacing for r in rows if r.spacing is not None)
    return DataStatistics(
        records=len(rows),
        groups=len({r.group for r in records if r.group is not None}),
        dims=dims,
        channels=(min(r.channels for r in rows), max(r.channels for r in rows)),
        size_min=tuple(sizes.min(0).tolist()),
        size_median=tuple(np.median(sizes, axis=0).astype(int).tolist()),
        size_max=tuple(sizes.max(0).tolist()),
        dtypes=dict(Counter(r.dtype for r in rows)),
        bytes=sum(math.prod(r.shape) * np.dtype(r.dtype).itemsize for r in rows),
        mean=mean,
        std=std,
        low=tuple(q[0] for q in quantiles),
        high=tuple(q[1] for q in quantiles),
        minimum=min(r.minimum for r in rows),
        maximum=max(r.maximum for r in rows),
        labels=dict(sorted(labels.items())),
        label_images=dict(sorted(holding.items())),
        objects=(min(objects), float(np.median(objects)), max(objects)) if objects else None,
        spacings=tuple(spacings.most_common()),
    )


def _moments(rows: Sequence[ImageMeasures]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation per channel over all pixels of several images."""
    n = np.array([[math.prod(r.size)] for r in rows], np.float64)
    means, stds = np.array([r.mean for r in rows]), np.array([r.std for r in rows])
    mean = (n * means).sum(0) / n.sum()
    variance = (n * (stds**2 + (means - mean) ** 2)).sum(0) / n.sum()
    return tuple(mean.tolist()), tuple(np.sqrt(variance).tolist())


def count(rows: Sequence[ImageMeasures], records: Sequence[Record]) -> dict[str, dict[str, int]]:
    """How many records there are of every class, group, split, size, dtype, format and number of channels."""
    classes: Counter[str] = Counter()
    for record in records:
        classes.update(record.names or ([record.stratum] if record.stratum else []))
    counts: Mapping[str, Counter[str]] = {
        "classes": classes,
        "groups": Counter(r.group for r in records if r.group is not None),
        "splits": Counter(r.split for r in records if r.split is not None),
        "sizes": Counter("×".join(map(str, r.size)) for r in rows),
        "dtypes": Counter(r.dtype for r in rows),
        "formats": Counter(r.format for r in rows),
        "channels": Counter(str(r.channels) for r in rows),
    }
    return {name: dict(counter.most_common()) for name, counter in counts.items()}
