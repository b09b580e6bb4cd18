"""EMR Serverless through Airflow's own operators, as the pipeline uses them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
import pytest

from velodrome.awsapi import profile as profiles
from velodrome.runtime import install
from velodrome.settings import Settings, service_environ
from velodrome.testing import own_settings, start_service

BUCKET = "emr-operators"
SCRIPT = Path(__file__).with_name("emr_serverless_operators.py")


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Any:
    own = own_settings(tmp_path_factory.mktemp("emr-operators"))
    install.ensure("airflow", own, lambda text: print(f"airflow: {text}", file=sys.stderr))
    with_s3 = start_service("s3", own)
    try:
        running = start_service("emr-serverless", own)
        try:
            s3 = client("s3", own)
            s3.create_bucket(Bucket=BUCKET)
            for case, text in (
                ("succeed", "import sys; print(sys.argv[1])"),
                ("fail", "raise KeyError('price')"),
                ("wait", "import time; time.sleep(900)"),
            ):
                s3.put_object(Bucket=BUCKET, Key=f"{case}.py", Body=text.encode())
            yield own
            assert "Traceback" not in running.log
        finally:
            running.stop()
    finally:
        with_s3.stop()


def client(service: str, settings: Settings) -> Any:
    profile = profiles.load(settings.path("AWS_CONFIG_FILE"), "local")
    return boto3.client(
        service,
        region_name=profile.region,
        endpoint_url=profile.endpoint(service),
        aws_access_key_id=profile.access_key_id,
        aws_secret_access_key=profile.secret_access_key,
    )


def operators(case: str, settings: Settings, home: Path) -> dict[str, Any]:
    environ = service_environ(settings) | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
    }
    python = settings.installs / "airflow" / "bin" / "python"
    ended = subprocess.run(
        [str(python), str(SCRIPT), BUCKET, case],
        env=environ,
        cwd=home,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    lines = [line for line in ended.stdout.splitlines() if line.startswith("RESULT ")]
    assert lines, ended.stdout[-4000:] + ended.stderr[-4000:]
    result: dict[str, Any] = json.loads(lines[-1].removeprefix("RESULT "))
    return result


@pytest.mark.parametrize(
    ("case", "state", "error"),
    [("succeed", "SUCCESS", None), ("fail", "FAILED", "KeyError: 'price'"), ("wait", "CANCELLED", None)],
)
def test_operators(settings: Settings, tmp_path: Path, case: str, state: str, error: str | None) -> None:
    result = operators(case, settings, tmp_path)
    assert ("error" in result) == (error is not None), result
    emr = client("emr-serverless", settings)
    application = result["application"]
    runs = emr.list_job_runs(applicationId=application)["jobRuns"]
    assert [run["state"] for run in runs] == [state]
    if error:
        assert error in runs[0]["stateDetails"]
        assert 'matched expected path: "FAILED"' in result["error"]
    assert emr.get_application(applicationId=application)["application"]["state"] == "TERMINATED"
    logs = client("s3", settings).list_objects_v2(Bucket=BUCKET, Prefix=f"emr-log/applications/{application}/")
    assert [entry["Key"].rsplit("/", 1)[1] for entry in logs["Contents"]] == ["stderr.gz", "stdout.gz"]
