"""Starting the processes of a run with torchrun's launcher."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import uuid
from collections.abc import Sequence

from imgfw.cli.failures import SAID, debugging

SAVING_SECONDS = 300
"""How long the processes get to save their state when a signal ends the run."""


def launch(arguments: Sequence[str], count: int) -> int:
    """Run this Python with the arguments in several processes that torch.distributed connects.

    The processes tell what went wrong themselves; the launcher's own report of it is left out.

    Args:
        arguments: the command line after the interpreter.
        count: how many processes.

    Returns:
        the exit code of the process that failed first, 128 + the number of a signal, or 0.
    """
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    cores = os.cpu_count() or 1
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores // count)))
    os.environ.setdefault("TORCH_ELASTIC_SHUTDOWN_TIMEOUT", str(SAVING_SECONDS))
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=count,
        run_id=str(uuid.uuid4()),
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        local_addr="localhost",
        max_restarts=0,
        signals_to_handle="SIGTERM,SIGINT,SIGHUP,SIGQUIT,SIGUSR1",  # each is passed on to the processes
    )
    if not debugging():
        logging.disable(logging.CRITICAL)
    try:
        with tempfile.TemporaryDirectory(prefix="imgfw-") as said:
            os.environ[SAID] = said
            elastic_launch(config, sys.executable)(*arguments)
    except ChildFailedError as error:
        _, failure = error.get_first_failure()
        return _exit_code(failure.exitcode)
    except SignalException as error:
        return 128 + error.sigval
    return 0


def _exit_code(code: int) -> int:
    """A shell's exit code: a process that a signal ended has minus the signal's number."""
    return code if code >= 0 else 128 - code
