"""Where the time of a training goes, and what that says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Clock:
    """Seconds since the loop began, and where they went."""

    training: float = 0.0
    waiting_for_data: float = 0.0
    samples: int = 0


def verdict(clock: Clock) -> str | None:
    """One sentence on what held the training back, from what the loop measured."""
    if not clock.training:
        return None
    share = clock.waiting_for_data / clock.training
    speed = f"{clock.samples / clock.training:,.0f} images/s while training"
    if share > 0.2:
        return f"{speed}; the input held it back: {share:.0%} of the time went into waiting for data."
    return f"{speed}; the model's own step set the pace: {share:.0%} of the time went into waiting for data."
