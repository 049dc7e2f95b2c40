"""timm's optimizers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from imgfw import Gt, Le, about

from imgfw_plugin_timm.names import nearest
from imgfw_plugin_timm.settings import NotNegative, Option, Share

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer

_SECOND_ORDER = ("adahessian",)


@about(example={"opt": "lamb"})
def timm_optimizer(
    parameters: Sequence[dict[str, Any]],
    model: nn.Module,
    *,
    opt: str,
    lr: Annotated[float, Gt(0)] = 1e-3,
    weight_decay: NotNegative = 0.0,
    momentum: Share | None = None,
    betas: tuple[Share, ...] | None = None,
    eps: NotNegative | None = None,
    layer_decay: Annotated[float, Gt(0), Le(1)] | None = None,
    options: dict[str, Option] | None = None,
) -> Optimizer:
    """Any optimizer of timm, by timm's name.

    `timm.optim.list_optimizers(with_description=True)` lists them: `lamb`, `lion`, `adan`, `muon`,
    `adopt` and others; those whose names begin with c are cautious (Liang et al. 2024, arXiv:2411.16085).

    Args:
        parameters: the groups that the core makes.
        model: whose layers `layer_decay` counts.
        opt: the name.
        lr: learning rate.
        weight_decay: factor of the weight decay, in the way of the optimizer.
        momentum: share of the last step that is kept; null: 0.9 where the optimizer has it.
        betas: decay of the running averages; null: the optimizer's own.
        eps: added to the denominator; null: the optimizer's own.
        layer_decay: factor of the learning rate from each layer to the one before it, for fine-tuning (Clark
            et al. 2020, arXiv:2003.10555); the last layer has `lr`. null: every layer has it.
        options: further arguments of the optimizer, as `{"caution": true}`.

    Raises:
        ValueError: for a name that timm does not know, a setting that the optimizer does not have, and an
            optimizer that wants other gradients than training computes.
    """
    import timm.optim

    _check(opt, {"momentum": momentum, "betas": betas, "eps": eps})
    chosen = {"momentum": momentum, "betas": betas, "eps": eps, **(options or {})}
    given = {name: value for name, value in chosen.items() if value is not None}
    groups = (
        parameters if layer_decay is None else _by_layer(parameters, model, lr, weight_decay, layer_decay)
    )
    try:
        return timm.optim.create_optimizer_v2(groups, opt=opt, lr=lr, weight_decay=weight_decay, **given)
    except (TypeError, AssertionError, ImportError) as error:
        raise ValueError(f"timm cannot make {opt} with these settings: {error}") from error


def _check(opt: str, settings: dict[str, Any]) -> None:
    """Refuse a name that there isn't, and settings that timm would leave out without a word."""
    import timm.optim

    known = timm.optim.list_optimizers()
    if opt not in known:
        hint = nearest(opt, known) or f"; there are {', '.join(known)}"
        raise ValueError(f'opt: timm has no optimizer "{opt}"{hint}')
    if opt in _SECOND_ORDER:
        raise ValueError(f"opt: {opt} needs second derivatives, which training does not compute")
    info = timm.optim.get_optimizer_info(opt)
    for name, value in settings.items():
        if value is not None and not getattr(info, f"has_{name}"):
            raise ValueError(f"{name}: {opt} has no such setting")


def _by_layer(
    parameters: Sequence[dict[str, Any]], model: nn.Module, lr: float, weight_decay: float, layer_decay: float
) -> list[dict[str, Any]]:
    """Groups of one layer each, with rates that fall towards the first; frozen parameters left out."""
    from timm.optim import param_groups_layer_decay

    groups = param_groups_layer_decay(
        model,
        weight_decay=weight_decay,
        weight_decay_exclude_1d=any(group.get("weight_decay") == 0 for group in parameters),
        layer_decay=layer_decay,
    )
    return [
        {"params": group["params"], "weight_decay": group["weight_decay"], "lr": lr * group["lr_scale"]}
        for group in groups
    ]
