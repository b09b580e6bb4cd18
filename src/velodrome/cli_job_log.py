"""What `velodrome logs --job` shows: the output of a job run of EMR Serverless, asked for as any client would."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import get_session

from velodrome.awsapi import profile as profiles
from velodrome.settings import SettingError, Settings

LATEST = "latest"
_STATES = ("CREATING", "CREATED", "STARTING", "STARTED", "STOPPING", "STOPPED", "TERMINATED")


def job_log(settings: Settings, job: str) -> tuple[str, str, str]:
    """What a job run (its id, or "latest") is, its stdout and its stderr. Raises SettingError."""
    profile = profiles.load(settings.path("AWS_CONFIG_FILE"), settings["AWS_PROFILE"])
    emr = get_session().create_client(
        "emr-serverless",
        region_name=profile.region,
        endpoint_url=settings["EMR_SERVERLESS_ENDPOINT_URL"],
        aws_access_key_id=profile.access_key_id,
        aws_secret_access_key=profile.secret_access_key,
        aws_session_token=profile.session_token,
    )
    try:
        run = _find(emr, job)
        ids = {"applicationId": run["applicationId"], "jobRunId": run["id"]}
        url = emr.get_dashboard_for_job_run(**ids)["url"]
    except (BotoCoreError, ClientError) as error:
        raise SettingError(f"job run {job}: {error}") from error
    with httpx.Client(timeout=60) as client:
        stdout, stderr = (
            client.get(urlsplit(url)._replace(path=f"/logs/SPARK_DRIVER/{name}").geturl()).raise_for_status().text
            for name in ("stdout", "stderr")
        )
    about = f"job run {run['id']} ({run.get('name') or 'without a name'}): {run['state']} {run['stateDetails']}"
    return about.strip(), stdout, stderr


def _find(emr: Any, job: str) -> dict[str, Any]:
    runs = sorted(_runs(emr), key=lambda run: run["createdAt"])
    found = runs[-1:] if job == LATEST else [run for run in runs if run["id"] == job]
    if not found:
        raise SettingError("there is no job run yet" if job == LATEST else f"there is no job run {job}")
    return found[0]


def _runs(emr: Any) -> Iterator[dict[str, Any]]:
    for page in emr.get_paginator("list_applications").paginate(states=list(_STATES)):
        for application in page["applications"]:
            for runs in emr.get_paginator("list_job_runs").paginate(applicationId=application["id"]):
                yield from runs["jobRuns"]
