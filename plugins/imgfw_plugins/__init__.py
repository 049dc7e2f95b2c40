"""The built-in components, declared under the same entry-point group as anybody's.

Each hook imports its providers when it is asked; none of them imports torch before something is built.
"""

from __future__ import annotations

from imgfw import hookimpl


@hookimpl
def imgfw_tasks():
    from imgfw_plugins.tasks import PROVIDERS

    return PROVIDERS


@hookimpl
def imgfw_datasets():
    from imgfw_plugins.datasets import PROVIDERS

    return PROVIDERS


@hookimpl
def imgfw_transforms():
    from imgfw_plugins.transforms import PROVIDERS

    return PROVIDERS


@hookimpl
def imgfw_models():
    from imgfw_plugins.models import PROVIDERS

    return PROVIDERS


@hookimpl
def imgfw_losses():
    from imgfw_plugins.losses import PROVIDERS

    return PROVIDERS


@hookimpl
def imgfw_optimizers():
    from imgfw_plugins.optimizers import PROVIDERS

    return PROVIDERS


@hookimpl
def imgfw_schedulers():
    from imgfw_plugins.schedulers import PROVIDERS

    return PROVIDERS


@hookimpl
def imgfw_metrics():
    from imgfw_plugins.metrics import PROVIDERS

    return PROVIDERS


@hookimpl
def imgfw_callbacks():
    from imgfw_plugins.callbacks import PROVIDERS

    return PROVIDERS
