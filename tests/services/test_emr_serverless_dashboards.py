"""EMR Serverless's dashboards: addresses from boto3, Spark's live UI and history server in Chromium."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import evidence
import httpx
import pytest
from botocore.exceptions import ClientError
from emr_serverless_ports import AUTHORIZATION, PY4J, SASL, refusals
from emr_serverless_sessions import Stack as Sessions
from emr_serverless_stack import BUCKET, JOB_LIMIT, Stack, running_stack
from playwright.sync_api import Page, sync_playwright

from velodrome.testing import start_service, wait_until

# Writes something, then opens the file whose name it is given: of a named pipe, that ends when somebody else opens it.
SPARK = f"""
import sys
from pyspark.sql import SparkSession

spark = SparkSession.builder.getOrCreate()
spark.range(1000).repartition(2).groupBy("id").count().write.mode("overwrite").parquet("s3://{BUCKET}/numbers")
print("application", spark.sparkContext.applicationId, flush=True)
open(sys.argv[1]).close()
"""
# Fails at its first attempt, with a Spark session either way.
TWICE = f"""
from pyspark.sql import SparkSession

spark = SparkSession.builder.getOrCreate()
spark.range(10).count()
jvm = spark._jvm
files = jvm.org.apache.hadoop.fs.FileSystem.get(jvm.java.net.URI("s3://{BUCKET}/"), spark._jsc.hadoopConfiguration())
mark = jvm.org.apache.hadoop.fs.Path("s3://{BUCKET}/tried")
if not files.exists(mark):
    files.create(mark).close()
    raise SystemExit(3)
"""
MONITORING = {"s3MonitoringConfiguration": {"logUri": f"s3://{BUCKET}/emr-log/"}}
BOTH_UIS = ["Jobs", "Stages", "Storage", "Environment", "Executors", "SQL / DataFrame"]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("emr dashboards")) as made:
        yield made


@pytest.fixture
def page() -> Iterator[Page]:
    """A browser's page; nothing it asks for may fail, and no script may complain."""
    problems: list[str] = []
    with sync_playwright() as playwright:
        # The pages are our own: no sandbox is needed, and root could have none.
        browser = playwright.chromium.launch(executable_path=evidence.browser(playwright), chromium_sandbox=False)
        opened = browser.new_context(viewport={"width": 1400, "height": 900}).new_page()
        opened.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        opened.on("pageerror", lambda error: problems.append(str(error)))
        opened.on("response", lambda one: problems.append(f"{one.status} {one.url}") if one.status >= 400 else None)
        yield opened
        browser.close()
    assert problems == []


def pipe(folder: Path) -> Path:
    """What keeps a job waiting until it is opened."""
    os.mkfifo(path := folder / "go on")
    return path


def dashboard(stack: Stack, job: str, **parameters: Any) -> str:
    reply = stack.emr.get_dashboard_for_job_run(applicationId=stack.application, jobRunId=job, **parameters)
    return str(reply["url"])


def wait_for_spark(stack: Stack, job: str) -> None:
    """Wait until the job waits for its object."""
    stack.wait(job, "RUNNING")
    wait_until("Spark's work", lambda: "application" in stack.log(job, "stdout"), JOB_LIMIT)


def visitor() -> httpx.Client:
    return httpx.Client(follow_redirects=True, timeout=90)


def base(url: str) -> str:
    return url.partition("?")[0]


def history_server(stack: Stack) -> int | None:
    """The process of the history server that the service says runs."""
    file = stack.settings.home / "data" / "emr-serverless" / "history-server" / "pid"
    return int(file.read_text(encoding="utf-8")) if file.is_file() else None


def runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"


def look_through(page: Page, job: str, file: Path) -> None:
    """The pages that people look at, from one to the other by their links."""
    page.wait_for_selector("#completedJob-table")
    tabs = [text.strip() for text in page.locator("ul.navbar-nav li.nav-item").all_inner_texts()]
    assert [tab for tab in tabs if tab in BOTH_UIS] == BOTH_UIS
    page.screenshot(path=file.with_name(f"{file.name}-jobs.png"))
    page.click("ul.navbar-nav >> text=Stages")
    page.wait_for_selector("#completedStage-table")
    page.click("#completedStage-table a.name-link >> nth=0")
    page.wait_for_selector("text=Summary Metrics for")
    page.wait_for_load_state("networkidle")
    page.screenshot(path=file.with_name(f"{file.name}-stage.png"), full_page=True)
    page.click("ul.navbar-nav >> text=Executors")
    page.wait_for_selector("#active-executors-table >> text=driver")
    page.wait_for_load_state("networkidle")
    page.screenshot(path=file.with_name(f"{file.name}-executors.png"))
    page.click("ul.navbar-nav >> text=Environment")
    page.wait_for_selector("text=Runtime Information")
    assert f"/{job}/1/" in page.url


def test_the_live_ui_and_then_the_history_server(stack: Stack, page: Page, tmp_path: Path) -> None:
    go_on = pipe(tmp_path)
    job = stack.start(SPARK, str(go_on), configurationOverrides={"monitoringConfiguration": MONITORING})
    wait_for_spark(stack, job)
    # On AWS too, Spark's id of the application is the job run's.
    assert f"application {job}\n" in stack.log(job, "stdout")

    url = dashboard(stack, job)
    assert url.startswith(f"{stack.settings['EMR_SERVERLESS_ENDPOINT_URL']}/_velodrome/dashboards/{stack.application}/")
    page.goto(url)
    assert page.url == f"{base(url)}jobs/"  # the token is in a cookie now
    look_through(page, job, tmp_path / "live")

    with visitor() as browser:
        assert browser.get(url).status_code == 200
        found = browser.get(f"{base(url)}api/v1/applications").json()
        assert [(one["id"], one["attempts"][0]["completed"]) for one in found] == [(job, False)]
        # A link on some other page cannot end a job; the UI's own button can (there is nothing left to end).
        kill = f"{base(url)}jobs/job/kill/?id=0"
        assert browser.get(kill, headers={"sec-fetch-site": "cross-site"}).status_code == 403
        ended = browser.get(kill, headers={"sec-fetch-site": "same-origin"})
        assert (ended.status_code, str(ended.url)) == (200, f"{base(url)}jobs/")
        assert browser.post(f"{base(url)}jobs/").status_code == 405
        environment = browser.get(f"{base(url)}environment/").text
        assert "JWSFilter.param.secretKey</td><td>*********(redacted)" in environment

        with go_on.open("r+b", buffering=0):
            assert stack.wait(job)["state"] == "SUCCESS"

        # The page that was open goes on, now the history server's.
        stages = browser.get(f"{base(url)}stages/")
        assert str(stages.url) == f"{base(url)}history/{job}/stages/"
        assert "Completed Stages" in stages.text
        application = browser.get(f"{base(url)}api/v1/applications/{job}").json()
        assert [one["completed"] for one in application["attempts"]] == [True]
        # A token opens one application: neither the list of all nor another one.
        assert browser.get(f"{base(url)}api/v1/applications").status_code == 404
        assert browser.get(f"{base(url)}history/other/jobs/").status_code == 404
        assert browser.post(f"{base(url)}jobs/").status_code == 405
    page.goto(dashboard(stack, job))
    assert page.url == f"{base(url)}history/{job}/jobs/"
    look_through(page, job, tmp_path / "history")

    place = f"emr-log/applications/{stack.application}/jobs/{job}/sparklogs/eventlog_v2_{job}"
    listed = stack.s3.list_objects_v2(Bucket=BUCKET, Prefix="emr-log/")["Contents"]
    events = [entry["Key"] for entry in listed if "/sparklogs/" in entry["Key"]]
    assert events == [f"{place}/appstatus_{job}", f"{place}/events_1_{job}"]
    lines = stack.s3.get_object(Bucket=BUCKET, Key=events[1])["Body"].read().decode().splitlines()
    assert json.loads(lines[0]) == {"Event": "SparkListenerLogStart", "Spark Version": "4.0.2"}
    assert json.loads(lines[-1])["Event"] == "SparkListenerApplicationEnd"


def test_a_job_that_was_killed(stack: Stack, tmp_path: Path) -> None:
    job = stack.start(SPARK, str(pipe(tmp_path)))
    wait_for_spark(stack, job)
    stack.emr.cancel_job_run(applicationId=stack.application, jobRunId=job, shutdownGracePeriodInSeconds=15)
    assert stack.wait(job)["state"] == "CANCELLED"
    with visitor() as browser:
        url = dashboard(stack, job)
        assert "Completed Jobs" in browser.get(url).text
        attempts = browser.get(f"{base(url)}api/v1/applications/{job}").json()["attempts"]
        assert [one["completed"] for one in attempts] == [True]


def test_each_attempt_has_its_dashboard(stack: Stack) -> None:
    job = stack.start(TWICE, retryPolicy={"maxAttempts": 2})
    assert stack.wait(job)["state"] == "SUCCESS"
    with visitor() as browser:
        for attempt, application in ((1, job), (2, f"{job}-2")):
            url = dashboard(stack, job, attempt=attempt)
            assert base(url).endswith(f"/jobs/{job}/{attempt}/")
            assert str(browser.get(url).url) == f"{base(url)}history/{application}/jobs/"
    assert base(dashboard(stack, job)).endswith(f"/jobs/{job}/2/")
    with pytest.raises(ClientError) as caught:
        dashboard(stack, job, attempt=3)
    assert caught.value.response["Error"] == {
        "Code": "ResourceNotFoundException",
        "Message": f"Attempt 3 of job run {job} does not exist",
    }


def test_without_managed_persistence_there_is_no_ui_after_the_end(stack: Stack) -> None:
    monitoring = MONITORING | {"managedPersistenceMonitoringConfiguration": {"enabled": False}}
    job = stack.start(SPARK, os.devnull, configurationOverrides={"monitoringConfiguration": monitoring})
    assert stack.wait(job)["state"] == "SUCCESS"
    with pytest.raises(ClientError) as caught:
        dashboard(stack, job)
    assert caught.value.response["Error"] == {
        "Code": "ValidationException",
        "Message": "Dashboard cannot be served for job in SUCCESS state: "
        "managedPersistenceMonitoringConfiguration is disabled",
    }
    kept = stack.settings.home / "data" / "emr-serverless" / "eventlogs" / stack.application / "jobs"
    assert not (kept / job).exists()
    place = f"emr-log/applications/{stack.application}/jobs/{job}/sparklogs/"
    assert stack.s3.list_objects_v2(Bucket=BUCKET, Prefix=place)["KeyCount"] == 2


def test_a_job_without_a_spark_session(stack: Stack) -> None:
    job = stack.start("print('no Spark')")
    assert stack.wait(job)["state"] == "SUCCESS"
    answer = httpx.get(dashboard(stack, job), follow_redirects=False)
    assert answer.status_code == 303
    cookie = answer.headers["set-cookie"]
    path = urlsplit(dashboard(stack, job)).path
    assert re.fullmatch(rf"velodrome-dashboard=\S+; HttpOnly; Max-Age=3\d{{3}}; Path={path}; SameSite=lax", cookie)
    with visitor() as browser:
        answer = browser.get(dashboard(stack, job))
    assert (answer.status_code, "It made no Spark session" in answer.text) == (404, True)


def test_airflows_link_to_the_log(stack: Stack) -> None:
    job = stack.start("print('a line of the job')")
    assert stack.wait(job)["state"] == "SUCCESS"
    # airflow.providers.amazon.aws.links.emr.EmrServerlessLogsLink
    address = urlunsplit(urlsplit(dashboard(stack, job))._replace(path="/logs/SPARK_DRIVER/stdout.gz"))
    answer = httpx.get(address)
    assert (answer.status_code, answer.text) == (200, "a line of the job\n")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert httpx.get(address.replace("stdout", "nothing")).status_code == 404
    assert httpx.get(base(address)).status_code == 403


def test_tokens(stack: Stack) -> None:
    one, other = (stack.start("print('no Spark')") for _ in range(2))
    for job in (one, other):
        assert stack.wait(job)["state"] == "SUCCESS"
    url, again, foreign = dashboard(stack, one), dashboard(stack, one), dashboard(stack, other)
    assert url != again
    for address in (url, again):  # any number of tokens is good
        assert httpx.get(address).status_code == 303
    token = foreign.partition("=")[2]
    for address in (base(url), f"{base(url)}?authToken=wrong", f"{base(url)}?authToken={token}", f"{base(url)}jobs/"):
        answer = httpx.get(address)
        assert answer.status_code == 403, address
        assert "Call GetDashboardForJobRun" in answer.text
    assert httpx.get(base(url), cookies={"velodrome-dashboard": token}).status_code == 403
    assert httpx.get(url.replace("/jobs/", "/tables/")).status_code == 404


def test_what_is_not_there(stack: Stack) -> None:
    with pytest.raises(ClientError) as caught:
        dashboard(stack, "none")
    assert caught.value.response["Error"] == {
        "Code": "ResourceNotFoundException",
        "Message": "Job run none does not exist",
    }
    with pytest.raises(ClientError) as caught:
        stack.emr.get_resource_dashboard(applicationId=stack.application, resourceId="none", resourceType="SESSION")
    assert caught.value.response["Error"] == {
        "Code": "ResourceNotFoundException",
        "Message": "Session none does not exist",
    }


def test_a_session(stack: Stack, page: Page) -> None:
    application = stack.create(interactiveConfiguration={"sessionEnabled": True})
    sessions = Sessions(stack.settings, stack.emr_service, stack.emr, application)
    session = sessions.start()
    sessions.wait(session, "STARTED")

    def address() -> str:
        asked = {"applicationId": application, "resourceId": session, "resourceType": "SESSION"}
        return str(stack.emr.get_resource_dashboard(**asked)["url"])

    page.goto(address())
    base_url = base(address())
    assert page.url == f"{base_url}jobs/"
    page.click("ul.navbar-nav >> text=Connect")
    page.wait_for_selector("text=Session Statistics")
    sessions.terminate(session)
    page.goto(address())
    assert page.url == f"{base_url}history/{session}/jobs/"
    page.click("ul.navbar-nav >> text=Executors")
    page.wait_for_selector("#active-executors-table >> text=driver")
    page.wait_for_load_state("networkidle")
    assert "SparkConnectServer" in page.request.get(f"{base_url}logs/SPARK_DRIVER/stderr.gz").text()


def test_who_has_no_secret_gets_nothing_from_a_jobs_ports(stack: Stack, tmp_path: Path) -> None:
    go_on = pipe(tmp_path)
    job = stack.start(SPARK, str(go_on))
    wait_for_spark(stack, job)
    with visitor() as browser:  # its pages answer at once from then on
        assert browser.get(dashboard(stack, job)).status_code == 200
    assert refusals(job) >= {SASL, AUTHORIZATION, PY4J}
    with go_on.open("r+b", buffering=0):
        assert stack.wait(job)["state"] == "SUCCESS"


def test_executors_that_are_processes(tmp_path: Path) -> None:
    with running_stack(tmp_path, {"EMR_SERVERLESS_EXECUTORS": "processes"}) as stack:
        go_on = pipe(tmp_path)
        job = stack.start(SPARK, str(go_on))
        wait_for_spark(stack, job)
        assert f"application {job}\n" in stack.log(job, "stdout")  # though another part of Spark makes the id
        with visitor() as browser:
            url = dashboard(stack, job)
            assert str(browser.get(url).url) == f"{base(url)}jobs/"
            executors = browser.get(f"{base(url)}api/v1/applications/{job}/executors").json()
            assert {"driver", "0"} <= {one["id"] for one in executors}
            assert refusals(job) >= {SASL, AUTHORIZATION, PY4J}
            with go_on.open("r+b", buffering=0):
                assert stack.wait(job)["state"] == "SUCCESS"
            assert str(browser.get(url).url) == f"{base(url)}history/{job}/jobs/"


def test_kill_9_of_the_service_leaves_no_history_server(stack: Stack) -> None:
    job = stack.start(SPARK, os.devnull)
    assert stack.wait(job)["state"] == "SUCCESS"
    with visitor() as browser:
        url = dashboard(stack, job)
        assert browser.get(url).status_code == 200
        server = history_server(stack)
        assert server is not None and runs(server)
        stack.emr_service.kill()
        assert runs(server)
        stack.emr_service = start_service("emr-serverless", stack.settings)
        wait_until("the orphan to end", lambda: not runs(server))
        # Tokens and event logs have outlived it.
        assert "Completed Jobs" in browser.get(base(url)).text
    server = history_server(stack)
    assert server is not None and runs(server)
    stack.emr_service.stop()
    assert not runs(server)
    stack.emr_service = start_service("emr-serverless", stack.settings)
