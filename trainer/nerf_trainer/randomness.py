"""Counter-based randomness: what is drawn depends on (seed, step, stream), never on the rank.

Salmon, Moraes, Dror, Shaw: Parallel Random Numbers: As Easy as 1, 2, 3, SC 2011 (Philox).
"""

import numpy as np

#: Streams from here on are not shards of a batch.
OCCUPANCY_STREAM = 1 << 32


def generator(seed: int, step: int, stream: int) -> np.random.Generator:
    """The generator of one step and stream; a shard's stream is its number."""
    return np.random.Generator(np.random.Philox(key=[seed, stream], counter=[0, 0, 0, step]))
