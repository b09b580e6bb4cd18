"""EMR Serverless through the AWS CLI and awswrangler, unmodified: they are given the profile and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from emr_serverless_stack import BUCKET, ENDED, JOB_LIMIT, ROLE, WAIT, Stack, running_stack

from velodrome.awsapi.model import Service, handler_name
from velodrome.runtime import install
from velodrome.testing import wait_until

WRANGLER = Path(__file__).with_name("emr_serverless_wrangler.py")
SCRIPTS = {
    "succeed": "import sys; print(sys.argv[1:])",
    "fail": "raise KeyError('price')",
    "wait": WAIT,
}
TOKEN = str(uuid.uuid4())


@dataclass(frozen=True)
class Step:
    """One command of the CLI. ``{name}`` in a word stands for what an earlier step kept under that name; `keep` has the
    query (JMESPath, as --query takes it) of each kept value; `shown` the query of what the reply must have."""

    command: str
    words: tuple[str, ...] = ()
    keep: dict[str, str] = field(default_factory=dict)
    shown: dict[str, Any] = field(default_factory=dict)
    after: tuple[str, str] | None = None  # wait for what was kept under a name to be in a state before the command


APPLICATION = ("--application-id", "{application}")
JOB = (*APPLICATION, "--job-run-id", "{job}")
SESSION = (*APPLICATION, "--session-id", "{session}")
CREATE = ("--release-label", "emr-spark-8.0.0", "--type", "SPARK", "--client-token", TOKEN, "--name", "cli")
SESSIONS = ("--interactive-configuration", "sessionEnabled=true")
ONE_RUN = '{"maxConcurrentRuns": 1}'
DRIVER = json.dumps({"sparkSubmit": {"entryPoint": "s3://{bucket}/%s.py", "entryPointArguments": ["a", "b c"]}})
START = (*APPLICATION, "--execution-role-arn", ROLE, "--job-driver")
# Each operation as a command, in an order in which each has something to do.
STEPS = (
    Step("create-application", (*CREATE, "--tags", "a=b,c=d"), {"application": "applicationId", "arn": "arn"}),
    Step("create-application", (*CREATE, "--tags", "a=b,c=d"), shown={"applicationId": "{application}"}),
    Step("update-application", (*APPLICATION, *SESSIONS, "--scheduler-configuration", ONE_RUN), shown={
        "application.schedulerConfiguration": {"maxConcurrentRuns": 1, "queueTimeoutMinutes": 360},
    }),
    Step("start-application", APPLICATION),
    Step("get-application", APPLICATION, shown={
        "application.[name, state, type, releaseLabel]": ["cli", "STARTED", "Spark", "emr-spark-8.0.0"],
    }),
    Step("list-applications", ("--states", "STARTED", "CREATED"), shown={
        "applications[?id=='{application}'].state": ["STARTED"],
    }),
    Step("start-job-run", (*START, DRIVER % "succeed", "--name", "one", "--tags", "of=a job"), {"first": "jobRunId"}),
    Step("start-job-run", (*START, DRIVER % "wait", "--mode", "BATCH"), {"job": "jobRunId", "job_arn": "arn"}),
    Step("get-job-run", JOB, shown={
        "jobRun.jobDriver.sparkSubmit.entryPointArguments": ["a", "b c"],
    }, after=("job", "RUNNING")),
    Step("get-dashboard-for-job-run", JOB, shown={"starts_with(url, 'http://127.0.0.1:')": True}),
    Step("list-job-runs", (*APPLICATION, "--states", "RUNNING", "SUCCESS"), shown={
        "jobRuns[].[id, state]": [["{job}", "RUNNING"], ["{first}", "SUCCESS"]],
    }),
    Step("list-job-runs", (*APPLICATION, "--created-at-after", "2999-01-01T00:00:00Z"), shown={"jobRuns": []}),
    Step("list-job-run-attempts", JOB, shown={"jobRunAttempts[].[id, attempt]": [["{job}", 1]]}),
    Step("cancel-job-run", (*JOB, "--shutdown-grace-period-in-seconds", "15"), shown={"jobRunId": "{job}"}),
    Step("get-job-run", JOB, shown={"jobRun.state": "CANCELLED"}, after=("job", "CANCELLED")),
    Step("tag-resource", ("--resource-arn", "{job_arn}", "--tags", '{"x": "1", "y": "2"}')),
    Step("untag-resource", ("--resource-arn", "{job_arn}", "--tag-keys", "x")),
    Step("list-tags-for-resource", ("--resource-arn", "{job_arn}"), shown={"tags": {"y": "2"}}),
    Step("start-session", (*APPLICATION, "--execution-role-arn", ROLE, "--name", "by hand"), {"session": "sessionId"}),
    Step("get-session-endpoint", SESSION, shown={
        "[sessionId, starts_with(endpoint, 'https://localhost:')]": ["{session}", True],
    }, after=("session", "STARTED")),
    Step("list-sessions", (*APPLICATION, "--states", "STARTED", "IDLE"), shown={
        "sessions[].[sessionId, name]": [["{session}", "by hand"]],
    }),
    Step("get-resource-dashboard", (*APPLICATION, "--resource-id", "{session}", "--resource-type", "SESSION"), shown={
        "starts_with(url, 'http://127.0.0.1:')": True,
    }),
    Step("terminate-session", SESSION, shown={"sessionId": "{session}"}),
    Step("get-session", SESSION, shown={"session.state": "TERMINATED"}, after=("session", "TERMINATED")),
    Step("stop-application", APPLICATION),
    Step("delete-application", APPLICATION),
    Step("get-application", APPLICATION, shown={"application.state": "TERMINATED"}),
)  # fmt: skip
GET = {"job": ("get-job-run", JOB, "jobRun.state"), "session": ("get-session", SESSION, "session.state")}


@dataclass
class Clients:
    """Runs programs of the clients' environment."""

    stack: Stack
    bin: Path
    home: Path

    def run(self, program: str, *words: str, code: int = 0) -> str:
        """A program's output; what it was told is the profile, as `velodrome up` writes it, and nothing else."""
        settings = self.stack.settings
        environ = {
            "AWS_CONFIG_FILE": settings["AWS_CONFIG_FILE"],
            "AWS_PROFILE": "local",
            "HOME": str(self.home),
            "PATH": f"{self.bin}:/usr/bin:/bin",
        }
        command = [str(self.bin / program), *words]
        ended = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=300, check=False)
        assert ended.returncode == code, f"{command}: {ended.stdout[-2000:]}{ended.stderr[-2000:]}"
        return ended.stdout if code == 0 else ended.stderr

    def aws(self, *words: str) -> Any:
        """The reply of a command of the CLI, None if it has none."""
        output = self.run("aws", "emr-serverless", *words)
        return json.loads(output) if output.strip() else None

    def refused(self, *words: str) -> str:
        """The last line that a command prints which the service refuses; the CLI's version 1 then ends with 255."""
        return self.run("aws", "emr-serverless", *words, code=255).strip().splitlines()[-1]


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clients]:
    with running_stack(tmp_path_factory.mktemp("emr-clients")) as stack:
        install.ensure("aws-clients", stack.settings, lambda text: print(f"aws-clients: {text}", file=sys.stderr))
        for name, text in SCRIPTS.items():
            stack.s3.put_object(Bucket=BUCKET, Key=f"{name}.py", Body=text.encode())
        yield Clients(stack, stack.settings.installs / "aws-clients" / "bin", tmp_path_factory.mktemp("home"))


def filled(text: str, kept: dict[str, str]) -> str:
    """A text with the kept values in it."""
    for name, value in kept.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def test_each_operation_is_a_command() -> None:
    commands = {handler_name(operation).replace("_", "-") for operation in Service("emr-serverless").operations}
    assert {step.command for step in STEPS} == commands


def test_the_cli(clients: Clients) -> None:
    kept = {"bucket": BUCKET}
    for step in STEPS:
        if step.after:
            wait_for(clients, kept, *step.after)
        words = [filled(word, kept) for word in step.words]
        # The reply is asked for by queries, as people do; each name of one is a wanted value.
        queries = {f"k{number}": query for number, query in enumerate((*step.keep.values(), *step.shown))}
        query = ", ".join(f"{name}: {filled(text, kept)}" for name, text in queries.items())
        reply = clients.aws(step.command, *words, *(("--query", f"{{{query}}}") if query else ()))
        values = list(reply.values()) if reply else []
        kept |= dict(zip(step.keep, values, strict=False))
        wanted = json.loads(filled(json.dumps(list(step.shown.values())), kept))
        assert values[len(step.keep) :] == wanted, step


def wait_for(clients: Clients, kept: dict[str, str], name: str, state: str) -> None:
    command, words, query = GET[name]
    get = (command, *(filled(word, kept) for word in words), "--query", query, "--output", "text")

    def reached() -> bool:
        seen = clients.run("aws", "emr-serverless", *get).strip()
        assert seen == state or seen not in ENDED
        return seen == state

    wait_until(f"{name} {kept[name]} in {state}", reached, JOB_LIMIT)


def test_pages_of_the_cli(clients: Clients) -> None:
    mine = [clients.stack.create(name=f"page-{number}") for number in range(5)]
    words = ("list-applications", "--states", "CREATED", "--page-size", "2")
    query = ("--query", "applications[].id")
    everything = clients.aws(*words, *query)
    assert everything[:5] == mine[::-1]
    first = clients.aws(*words, "--max-items", "3")
    assert [one["id"] for one in first["applications"]] == mine[:1:-1]
    rest = clients.aws(*words, "--starting-token", first["NextToken"])
    assert [one["id"] for one in rest["applications"]] == everything[3:]
    assert "NextToken" not in rest


def test_json_arguments_of_the_cli(clients: Clients, tmp_path: Path) -> None:
    """A whole request from a file, parts of it in the CLI's own notation."""
    request = {"releaseLabel": "emr-spark-8.0.0", "type": "SPARK", "tags": {"with blank": "a=b c"}}
    file = tmp_path / "request.json"
    file.write_text(json.dumps(request | {"name": "replaced"}))
    made = clients.aws(
        "create-application",
        "--cli-input-json",
        file.as_uri(),
        "--name",
        "by-hand",
        "--maximum-capacity",
        "cpu=4 vCPU,memory=16 GB",
        "--runtime-configuration",
        "classification=spark-defaults,properties={spark.a=b}",
    )
    shown = clients.stack.emr.get_application(applicationId=made["applicationId"])["application"]
    assert (shown["name"], shown["tags"]) == ("by-hand", {"with blank": "a=b c"})
    assert shown["maximumCapacity"] == {"cpu": "4 vCPU", "memory": "16 GB"}
    assert shown["runtimeConfiguration"] == [{"classification": "spark-defaults", "properties": {"spark.a": "b"}}]


def test_what_the_cli_says_of_refusals(clients: Clients) -> None:
    error = "An error occurred ({}) when calling the {} operation: {}"
    assert clients.refused("get-application", "--application-id", "00none").endswith(
        error.format("ResourceNotFoundException", "GetApplication", "Application 00none does not exist")
    )
    message = "Application type HIVE is not available in Velodrome; only SPARK is"
    words = ("create-application", "--release-label", "emr-spark-8.0.0", "--type", "HIVE")
    assert clients.refused(*words).endswith(error.format("ValidationException", "CreateApplication", message))
    conflict = f"The client token {TOKEN} was used with other parameters before"
    words = ("create-application", "--release-label", "emr-spark-8.0.0", "--type", "SPARK", "--client-token", TOKEN)
    clients.aws(*words, "--name", "cli", "--tags", "a=b,c=d")
    assert clients.refused(*words).endswith(error.format("ConflictException", "CreateApplication", conflict))


def test_awswrangler(clients: Clients) -> None:
    scripts = [f"s3://{BUCKET}/{name}.py" for name in ("succeed", "fail")]
    lines = clients.run("python", str(WRANGLER), ROLE, *scripts).splitlines()
    result = json.loads(lines[-1].removeprefix("RESULT "))
    stack = clients.stack
    application = stack.emr.get_application(applicationId=result["application"])["application"]
    assert (application["name"], application["tags"]) == ("wrangler", {"of": "wrangler"})
    waited = result["waited"]
    assert (waited["state"], waited["name"], waited["tags"]) == ("SUCCESS", "waited", {"of": "a job"})
    assert waited["executionTimeoutMinutes"] == 30
    later = stack.emr.get_job_run(applicationId=result["application"], jobRunId=result["later"])["jobRun"]
    assert later["state"] == "FAILED"
    assert result["failed"] == f"EMRServerlessJobError: {later['stateDetails']}"
    error = "{0}: An error occurred ({0}) when calling the {1} operation: {2}"
    assert {name: result[name] for name in ("hive", "hive application", "none")} == {
        "hive": error.format(
            "ValidationException",
            "StartJobRun",
            "The job driver hive is not available in Velodrome; only sparkSubmit is",
        ),
        "hive application": error.format(
            "ValidationException",
            "CreateApplication",
            "Application type Hive is not available in Velodrome; only SPARK is",
        ),
        "none": error.format("ResourceNotFoundException", "GetJobRun", "Job run 00none does not exist"),
    }
