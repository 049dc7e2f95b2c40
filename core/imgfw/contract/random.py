"""Random numbers as a function of keys: no state, no order, the same on every machine.

A key is a 64-bit number made from (seed, epoch, sample index). Numbers are drawn by hashing the key with a
counter (the finaliser of SplitMix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators",
OOPSLA 2014), so a sample's draws don't depend on the batch, the worker or the process it is drawn in.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

_GAMMA = 0x9E3779B97F4A7C15
_FACTORS = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_SHIFTS = 30, 27, 31
_MASK = (1 << 64) - 1


def mix(*numbers: int) -> int:
    """Hash integers to one unsigned 64-bit number; their order matters."""
    state = 0
    for number in numbers:
        state = (state ^ (number & _MASK)) + _GAMMA & _MASK
        state = (state ^ (state >> _SHIFTS[0])) * _FACTORS[0] & _MASK
        state = (state ^ (state >> _SHIFTS[1])) * _FACTORS[1] & _MASK
        state ^= state >> _SHIFTS[2]
    return state


@cache
def _constants() -> tuple[Any, ...]:
    """The numbers of `mix` as numpy's, which take longer to make than to use."""
    import numpy as np

    return tuple(np.uint64(number) for number in (_GAMMA, *_SHIFTS, *_FACTORS))


@lru_cache(1024)
def _mixed(number: int) -> Any:
    """A number hashed, as numpy's."""
    import numpy as np

    return np.uint64(mix(number))


@lru_cache(1024)
def _scale_and_end(low: float, high: float) -> tuple[Any, Any]:
    """How long an interval is, and the last number within it, as float32."""
    import numpy as np

    return np.float32(high - low), np.nextafter(np.float32(high), np.float32(low))


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
        gamma, first, second, third, factor, other = _constants()
        state = self._values ^ _mixed(number)
        state += gamma
        state ^= state >> first
        state *= factor
        state ^= state >> second
        state *= other
        state ^= state >> third
        return state

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

        drawn = (self.bits(count) >> np.uint64(40)).astype(np.float32)
        drawn *= np.float32(2.0**-24)
        if (low, high) != (0.0, 1.0):
            scale, end = _scale_and_end(low, high)
            drawn *= scale
            drawn += np.float32(low)
            np.minimum(drawn, end, out=drawn)  # rounding must not reach the open end
        return torch.from_numpy(drawn)

    def integers(self, high: int, count: int | None = None) -> Tensor:
        """Draw integers 0 <= n < high: int64 `[B]`, or `[B, count]`."""
        import numpy as np
        import torch

        return torch.from_numpy((self.bits(count) >> np.uint64(11)).astype(np.int64) % high)

    def bernoulli(self, probability: float, count: int | None = None) -> Tensor:
        """Draw True with the given probability: bool `[B]`, or `[B, count]`."""
        return self.uniform(count=count) < probability
