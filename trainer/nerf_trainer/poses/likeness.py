"""How alike photos look, so that each of many is compared with a few others only.

VLAD (Jégou et al., Aggregating local descriptors into a compact image representation, CVPR 2010)
over words that are learnt from the photos themselves, so that no vocabulary has to be downloaded.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

WORDS = 32
#: Descriptors of a photo that the words are learnt from.
SAMPLE = 100
ITERATIONS = 10


def unlikeness(count: int, descriptors: Callable[[int], Array]) -> Array:
    """Distances (N, N) between the photos. descriptors: of photo i, unit vectors (M, 128).

    Photos without any are as far from each other as can be.
    """
    rng = np.random.default_rng(0)
    sample = np.concatenate([_some(descriptors(i), rng) for i in range(count)])
    if not len(sample):
        return np.ones((count, count), np.float32)
    words = _words(sample, rng)
    each = np.stack([_vlad(descriptors(i), words) for i in range(count)])
    return 1 - each @ each.T


def _some(descriptors: Array, rng: np.random.Generator) -> Array:
    chosen = rng.permutation(len(descriptors))[:SAMPLE]
    return descriptors[chosen]


def _words(sample: Array, rng: np.random.Generator) -> Array:
    """Means of clusters (WORDS, 128), by spherical k-means."""
    words = sample[rng.permutation(len(sample))[:WORDS]]
    for _ in range(ITERATIONS):
        word = (sample @ words.T).argmax(1)
        sums = np.zeros_like(words)
        np.add.at(sums, word, sample)
        lost = ~sums.any(1)
        sums[lost] = words[lost]
        words = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-9)
    return words


def _vlad(descriptors: Array, words: Array) -> Array:
    """Sums of the differences to the nearest words, each and all of unit length; (WORDS * 128,)."""
    word = (descriptors @ words.T).argmax(1) if len(descriptors) else np.zeros(0, np.int64)
    sums = np.zeros_like(words)
    np.add.at(sums, word, descriptors - words[word])
    sums /= np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-9)
    return sums.ravel() / max(float(np.linalg.norm(sums)), 1e-9)
