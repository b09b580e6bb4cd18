"""Says whether one of Airflow's processes works, by the exit code: health.py scheduler (api-server, dag-processor, …).

All ask the API server, which knows the others by their heartbeats. A heartbeat from before this container's start is an
earlier process's, hence `/proc/1`.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import datetime
from urllib.request import ProxyHandler, build_opener

# Process: its name in the answer, and the field of its last heartbeat.
# https://airflow.apache.org/docs/apache-airflow/stable/administration-and-deployment/logging-monitoring/check-health.html
COMPONENTS = {
    "api-server": ("metadatabase", None),
    "scheduler": ("scheduler", "latest_scheduler_heartbeat"),
    "dag-processor": ("dag_processor", "latest_dag_processor_heartbeat"),
    "triggerer": ("triggerer", "latest_triggerer_heartbeat"),
}


def main() -> None:
    component, heartbeat = COMPONENTS[sys.argv[1]]
    url = os.environ["AIRFLOW_INTERNAL_URL"]
    opener = build_opener(ProxyHandler({}))
    # The answer is always HTTP 200; only its body tells.
    with opener.open(f"{url}/api/v2/monitor/health", timeout=5) as answer:
        state = json.load(answer).get(component) or {}
    if state.get("status") != "healthy":
        sys.exit(f"Airflow says of its {component}: {state.get('status')}")
    if heartbeat is None:
        # What tasks report to is made at its first request, which would cost the first run ten seconds.
        opener.open(f"{url}/execution/health", timeout=10).close()
    elif datetime.fromisoformat(state[heartbeat]).timestamp() < os.stat("/proc/1").st_mtime:  # noqa: PTH116
        sys.exit(f"no heartbeat of the {component} since its start")


if __name__ == "__main__":
    main()
