"""The built-in learning-rate schedules.

Each is a function of the step alone (`reduce_on_plateau`: of the metric too), computed anew from the
optimizer's own rates. Step t of a run, counted from 0, is done at the rate of t; the last step is done at the
end of the curve. Warm-up is a multiplier of the core's, over any of them.
"""

from __future__ import annotations

from imgfw_plugins.schedulers.decays import constant, cosine, exponential, multi_step, polynomial, step
from imgfw_plugins.schedulers.one_cycle import one_cycle
from imgfw_plugins.schedulers.plateau import reduce_on_plateau

PROVIDERS = [constant, step, multi_step, exponential, cosine, polynomial, one_cycle, reduce_on_plateau]
