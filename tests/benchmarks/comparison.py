"""Tables of loops that do the same work, and of a run beside its limit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from imgfw.catalog.catalog import Catalog
from imgfw.engine.speed import bench
from imgfw_runs import written
from measuring import Seconds, Spread, ratios
from page import table

OURS = "imgfw"


def compare(measured: Mapping[str, Sequence[Seconds]], images: int, limits: bench.Measured) -> str:
    """The wall time of loops over the same images as a table; imgfw's is among them.

    Whatever was faster than imgfw in the median of the rounds is named below the table, with the reason.

    Args:
        measured: what each loop took, round by round.
        images: of one round.
        limits: of imgfw's own training.
    """
    rates = rates_of(measured, images)
    lines = [
        f"{name[0].upper()}{name[1:]} was faster than imgfw: {_reason(rates[name], limits)}."
        for name in measured
        if name != OURS and times_faster(measured, name).median < 1
    ]
    return "\n\n".join([loop_table(measured, images), *lines])


def loop_table(measured: Mapping[str, Sequence[Seconds]], images: int) -> str:
    """The table alone, as `compare` makes it."""
    rows = [
        [name, _shown(rates), "" if name == OURS else times_faster(measured, name).show(".2f")]
        for name, rates in rates_of(measured, images).items()
    ]
    return table(["loop", "images/s", "imgfw is so many times as fast"], rows)


def rates_of(measured: Mapping[str, Sequence[Seconds]], images: int) -> dict[str, list[float]]:
    """Images a second of loops over the same images, round by round."""
    return {name: [images / seconds.wall for seconds in runs] for name, runs in measured.items()}


def _reason(rates: Iterable[float], limits: bench.Measured) -> str:
    """Why imgfw is slower than another loop, from its own parts' rates."""
    rate = Spread.of(rates).median
    sol, loader = (Spread.of(limits.rates[name]).median for name in ("sol", "loader"))
    if sol < rate:
        return f"imgfw's step alone, in the settings below, does not make more than {_figure(sol)} images/s"
    if loader < rate:
        return f"imgfw's input alone does not deliver more than {_figure(loader)} images/s"
    share = share_of_limit(limits).median
    return f"imgfw's step and input are faster each, and its loop reaches {share:.0%} of the limit below"


def times_faster(measured: Mapping[str, Sequence[Seconds]], other: str) -> Spread:
    """How many times as fast as another loop imgfw is, round by round."""
    theirs, ours = ([seconds.wall for seconds in measured[name]] for name in (other, OURS))
    return ratios(theirs, ours)


def leads(measured: Mapping[str, Sequence[Seconds]], wanted: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Rows of the goals: what imgfw should be to those loops that were measured, and what it is."""
    return [
        (f"times as fast as {name}", goal, times_faster(measured, name).show(".2f"))
        for name, goal in wanted.items()
        if name in measured
    ]


def limits_of(recipe: Mapping[str, Any], rounds: int, seconds: float) -> bench.Measured:
    """What `imgfw bench` measures of a recipe: its limit and its steady state, in paired windows.

    Args:
        recipe: the recipe's data.
        rounds: windows of each kind.
        seconds: the least that a window lasts.
    """
    with written(recipe) as path:
        return bench.bench(path, effort=bench.Effort(rounds, seconds, wall_steps=0), catalog=Catalog())


def share_of_limit(measured: bench.Measured) -> Spread:
    """The steady state over the limit, round by round."""
    return ratios(measured.rates["run"], measured.limits())


def limit_table(measured: bench.Measured) -> str:
    """The figures of `limits_of`."""
    together = "one after the other" if measured.shares_cores else "the slower of the two"
    rates = {
        "SOL: the model's own step on resident batches": measured.rates["sol"],
        "LOADER: the input, with nobody to use it": measured.rates["loader"],
        f"the limit: {together}": measured.limits(),
        "RUN: imgfw's steady state": measured.rates["run"],
    }
    rows = [[name, _shown(values)] for name, values in rates.items()]
    settings = ", ".join(f"{name} {value}" for name, value in measured.settings.items())
    return f"{table(['', 'images/s'], rows)}\n\nimgfw's settings here: {settings}."


def _shown(rates: Iterable[float]) -> str:
    spread = Spread.of(rates)
    return spread.show(_pattern(spread.median))


def _figure(rate: float) -> str:
    return f"{rate:{_pattern(rate)}}"


def _pattern(rate: float) -> str:
    return ",.0f" if rate >= 100 else ".2f"
