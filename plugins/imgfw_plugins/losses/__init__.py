"""The built-in losses."""

from __future__ import annotations

from imgfw_plugins.losses.binary_cross_entropy import BinaryCrossEntropy
from imgfw_plugins.losses.cross_entropy import CrossEntropy
from imgfw_plugins.losses.dice import BatchDice, Dice
from imgfw_plugins.losses.focal import Focal
from imgfw_plugins.losses.own_losses import OwnLosses
from imgfw_plugins.losses.weighted_sum import WeightedSum

PROVIDERS = [CrossEntropy, Focal, Dice, BatchDice, BinaryCrossEntropy, WeightedSum, OwnLosses]
