import pytest


@pytest.fixture
def in_two_processes():
    """What a metric computes when two processes see half the batches each, and their states are merged."""

    def compute(make, batches):
        here, there = make(), make()
        for metric, share in ((here, batches[::2]), (there, batches[1::2])):
            for batch in share:
                metric.update(*batch)
        here.merge_state(there)
        return here.compute()

    return compute


@pytest.fixture
def at_once():
    """What a metric computes of all batches, one after the other."""

    def compute(make, batches):
        metric = make()
        for batch in batches:
            metric.update(*batch)
        return metric.compute()

    return compute
