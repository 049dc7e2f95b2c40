"""Random numbers as a function of keys: no state, no order, the same on every machine.

A key is a 64-bit number made from (seed, epoch, sample index). Numbers are drawn by hashing the key with a
counter (the finaliser of SplitMix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators",
OOPSLA 2014), so a sample's draws don't depend on the batch, the worker or the process it is drawn in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

_GAMMA = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1


def mix(*numbers: int) -> int:
    """Hash integers to one unsigned 64-bit number; their order matters."""
    state = 0
    for number in numbers:
        state = (state ^ (number & _MASK)) + _GAMMA & _MASK
        state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
        state = (state ^ (state >> 27)) * 0x94D049BB133111EB & _MASK
        state ^= state >> 31
    return state


class Keys:
    """One key a sample, from which a transform draws.

    Each call draws new numbers: the n-th call of a `draw` always gives the same ones.

    Args:
        values: uint64 array `[B]`.
    """

    def __init__(self, values: Any) -> None:
        self._values = values
        self._calls = 0

    @classmethod
    def of_samples(cls, seed: int, epoch: int, indices: Sequence[int] | NDArray[Any]) -> Keys:
        """The keys of samples, by their index in the split."""
        import numpy as np

        return cls(np.asarray(indices, dtype=np.uint64)).fold(mix(seed, epoch))

    def __len__(self) -> int:
        return len(self._values)

    def fold(self, number: int) -> Keys:
        """Independent keys for one of several uses."""
        return Keys(self._hash(number))

    def _hash(self, number: int) -> Any:
        import numpy as np

        with np.errstate(over="ignore"):
            state = (self._values ^ np.uint64(mix(number))) + np.uint64(_GAMMA)
            state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            return state ^ (state >> np.uint64(31))

    def bits(self, count: int | None = None) -> Any:
        """Draw uint64 numbers: an array `[B]`, or `[B, count]`."""
        import numpy as np

        self._calls += 1
        if count is None:
            return self._hash(self._calls << 32)
        return np.stack([self._hash((self._calls << 32) + 1 + i) for i in range(count)], axis=1)

    def uniform(self, low: float = 0.0, high: float = 1.0, count: int | None = None) -> Tensor:
        """Draw from the half-open interval [low, high): float32 `[B]`, or `[B, count]`."""
        import numpy as np
        import torch

        unit = (self.bits(count) >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)
        drawn = unit * np.float32(high - low) + np.float32(low)
        below = np.nextafter(np.float32(high), np.float32(low))  # rounding must not reach the open end
        return torch.from_numpy(np.minimum(drawn, below))

    def integers(self, high: int, count: int | None = None) -> Tensor:
        """Draw integers 0 <= n < high: int64 `[B]`, or `[B, count]`."""
        import numpy as np
        import torch

        return torch.from_numpy((self.bits(count) >> np.uint64(11)).astype(np.int64) % high)

    def bernoulli(self, probability: float, count: int | None = None) -> Tensor:
        """Draw True with the given probability: bool `[B]`, or `[B, count]`."""
        return self.uniform(count=count) < probability
