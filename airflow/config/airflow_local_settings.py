"""What every Airflow process does once it is configured: children end with their parent, and the scheduler warms up.

https://airflow.apache.org/docs/apache-airflow/stable/howto/set-config.html#configuring-local-settings
"""

from __future__ import annotations

import ctypes
import importlib
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # https://man7.org/linux/man-pages/man2/PR_SET_PDEATHSIG.2const.html

# Tasks run in forks of the scheduler's workers. What it has imported they need not import, seconds each.
WARM_MODULES = (
    "airflow.sdk.execution_time.supervisor",
    "airflow.sdk.execution_time.task_runner",
    "airflow.providers.amazon.aws.hooks.redshift_sql",
    "airflow.providers.amazon.aws.hooks.s3",
    "airflow.providers.amazon.aws.log.s3_task_handler",
    "airflow.providers.amazon.aws.operators.emr",
    "airflow.providers.common.sql.operators.sql",
    "airflow.providers.postgres.hooks.postgres",
    "airflow.providers.standard.decorators.python",
    "airflow.providers.standard.decorators.short_circuit",
)


def end_with_parent() -> None:
    """A killed scheduler would leave its workers waiting for ever. Elsewhere than on Linux there is no such call."""
    libc = ctypes.CDLL(None, use_errno=True)
    parent = os.getpid()

    def remember() -> None:
        nonlocal parent
        parent = os.getpid()

    def in_child() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the call
            os._exit(1)

    os.register_at_fork(before=remember, after_in_child=in_child)


if sys.platform == "linux":
    end_with_parent()
if "scheduler" in sys.argv:
    for module in WARM_MODULES:
        importlib.import_module(module)
