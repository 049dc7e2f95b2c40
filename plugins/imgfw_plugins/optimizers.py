"""The optimizers of `torch.optim`, with its names and defaults.

The core makes the parameter groups, so that each provider only names its settings.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from imgfw import Ge, Gt, Lt

if TYPE_CHECKING:
    from torch.optim import Optimizer

Rate = Annotated[float, Gt(0)]
NotNegative = Annotated[float, Ge(0)]
Decay = Annotated[float, Ge(0), Lt(1)]
Fused = bool | Literal["auto"]


def sgd(
    parameters: Sequence[dict[str, Any]],
    *,
    lr: Rate = 1e-3,
    momentum: NotNegative = 0.0,
    dampening: float = 0.0,
    weight_decay: NotNegative = 0.0,
    nesterov: bool = False,
    fused: Fused = "auto",
) -> Optimizer:
    """Stochastic gradient descent, with momentum.

    Nesterov momentum: Sutskever et al., "On the importance of initialization and momentum in deep learning",
    2013.

    Args:
        lr: learning rate.
        momentum: share of the last step that is kept, 0.9 as a rule; 0 is none.
        dampening: share of the gradient that the momentum leaves out.
        weight_decay: factor of the L2 penalty.
        nesterov: look ahead; needs momentum and no dampening.
        fused: update all parameters in one kernel; `auto` does where torch can.

    Raises:
        ValueError: for Nesterov without momentum, or with dampening.
    """
    from torch.optim import SGD

    return SGD(
        parameters,
        lr=lr,
        momentum=momentum,
        dampening=dampening,
        weight_decay=weight_decay,
        nesterov=nesterov,
        fused=_fused(parameters, fused),
    )


def adam(
    parameters: Sequence[dict[str, Any]],
    *,
    lr: Rate = 1e-3,
    betas: tuple[Decay, Decay] = (0.9, 0.999),
    eps: NotNegative = 1e-8,
    weight_decay: NotNegative = 0.0,
    amsgrad: bool = False,
    fused: Fused = "auto",
) -> Optimizer:
    """Adam: a step size for each weight, from running averages of its gradient and of its square.

    Source: Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2015.

    Args:
        lr: learning rate.
        betas: decay of the averages of the gradient and of its square.
        eps: added to the denominator.
        weight_decay: factor of the L2 penalty, which goes through the averages (`adamw`: it doesn't).
        amsgrad: use the largest average of the squares so far (Reddi et al., 2018).
        fused: update all parameters in one kernel; `auto` does where torch can.
    """
    from torch.optim import Adam

    return Adam(
        parameters,
        lr=lr,
        betas=betas,
        eps=eps,
        weight_decay=weight_decay,
        amsgrad=amsgrad,
        fused=_fused(parameters, fused),
    )


def adamw(
    parameters: Sequence[dict[str, Any]],
    *,
    lr: Rate = 1e-3,
    betas: tuple[Decay, Decay] = (0.9, 0.999),
    eps: NotNegative = 1e-8,
    weight_decay: NotNegative = 1e-2,
    amsgrad: bool = False,
    fused: Fused = "auto",
) -> Optimizer:
    """Adam whose weight decay doesn't go through the averages.

    Source: Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019.

    Args:
        lr: learning rate.
        betas: decay of the averages of the gradient and of its square.
        eps: added to the denominator.
        weight_decay: each step shrinks the weights by `lr` times this.
        amsgrad: use the largest average of the squares so far (Reddi et al., 2018).
        fused: update all parameters in one kernel; `auto` does where torch can.
    """
    from torch.optim import AdamW

    return AdamW(
        parameters,
        lr=lr,
        betas=betas,
        eps=eps,
        weight_decay=weight_decay,
        amsgrad=amsgrad,
        fused=_fused(parameters, fused),
    )


def rmsprop(
    parameters: Sequence[dict[str, Any]],
    *,
    lr: Rate = 1e-2,
    alpha: Decay = 0.99,
    eps: NotNegative = 1e-8,
    weight_decay: NotNegative = 0.0,
    momentum: NotNegative = 0.0,
    centered: bool = False,
) -> Optimizer:
    """RMSprop: gradients divided by a running average of their size.

    Source: Hinton, "Neural Networks for Machine Learning", lecture 6; centered: Graves, "Generating Sequences
    With Recurrent Neural Networks", 2013.

    Args:
        lr: learning rate.
        alpha: decay of the average of the squares.
        eps: added to the denominator.
        weight_decay: factor of the L2 penalty.
        momentum: share of the last step that is kept.
        centered: divide by an estimate of the variance instead.
    """
    from torch.optim import RMSprop

    return RMSprop(
        parameters,
        lr=lr,
        alpha=alpha,
        eps=eps,
        weight_decay=weight_decay,
        momentum=momentum,
        centered=centered,
    )


def adagrad(
    parameters: Sequence[dict[str, Any]],
    *,
    lr: Rate = 1e-2,
    lr_decay: NotNegative = 0.0,
    weight_decay: NotNegative = 0.0,
    initial_accumulator_value: NotNegative = 0.0,
    eps: NotNegative = 1e-10,
    fused: Fused = "auto",
) -> Optimizer:
    """Adagrad: steps that shrink with the sum of all squared gradients so far.

    Source: Duchi et al., "Adaptive Subgradient Methods for Online Learning and Stochastic Optimization",
    2011.

    Args:
        lr: learning rate.
        lr_decay: step n has the rate `lr / (1 + n lr_decay)`.
        weight_decay: factor of the L2 penalty.
        initial_accumulator_value: what the sums start from.
        eps: added to the denominator.
        fused: update all parameters in one kernel; `auto` does where torch can.
    """
    from torch.optim import Adagrad

    return Adagrad(
        parameters,
        lr=lr,
        lr_decay=lr_decay,
        weight_decay=weight_decay,
        initial_accumulator_value=initial_accumulator_value,
        eps=eps,
        fused=_fused(parameters, fused),
    )


def nadam(
    parameters: Sequence[dict[str, Any]],
    *,
    lr: Rate = 2e-3,
    betas: tuple[Decay, Decay] = (0.9, 0.999),
    eps: NotNegative = 1e-8,
    weight_decay: NotNegative = 0.0,
    momentum_decay: NotNegative = 4e-3,
    decoupled_weight_decay: bool = False,
) -> Optimizer:
    """Adam with Nesterov momentum.

    Source: Dozat, "Incorporating Nesterov Momentum into Adam", 2016.

    Args:
        lr: learning rate.
        betas: decay of the averages of the gradient and of its square.
        eps: added to the denominator.
        weight_decay: factor of the L2 penalty, or of the decoupled decay.
        momentum_decay: how fast the momentum grows to its full size.
        decoupled_weight_decay: decay weights as `adamw` does.
    """
    from torch.optim import NAdam

    return NAdam(
        parameters,
        lr=lr,
        betas=betas,
        eps=eps,
        weight_decay=weight_decay,
        momentum_decay=momentum_decay,
        decoupled_weight_decay=decoupled_weight_decay,
    )


def radam(
    parameters: Sequence[dict[str, Any]],
    *,
    lr: Rate = 1e-3,
    betas: tuple[Decay, Decay] = (0.9, 0.999),
    eps: NotNegative = 1e-8,
    weight_decay: NotNegative = 0.0,
    decoupled_weight_decay: bool = False,
) -> Optimizer:
    """Adam that holds back while its averages are young, as a warm-up would.

    Source: Liu et al., "On the Variance of the Adaptive Learning Rate and Beyond", 2020.

    Args:
        lr: learning rate.
        betas: decay of the averages of the gradient and of its square.
        eps: added to the denominator.
        weight_decay: factor of the L2 penalty, or of the decoupled decay.
        decoupled_weight_decay: decay weights as `adamw` does.
    """
    from torch.optim import RAdam

    return RAdam(
        parameters,
        lr=lr,
        betas=betas,
        eps=eps,
        weight_decay=weight_decay,
        decoupled_weight_decay=decoupled_weight_decay,
    )


def _fused(parameters: Sequence[dict[str, Any]], choice: Fused) -> bool | None:
    """The `fused` of torch; None lets torch choose among its other ways."""
    if choice != "auto":
        return choice
    tensors = [tensor for group in parameters for tensor in group["params"]]
    able = all(tensor.is_floating_point() and tensor.device.type in ("cpu", "cuda") for tensor in tensors)
    return True if able else None


PROVIDERS = [sgd, adam, adamw, rmsprop, adagrad, nadam, radam]
