"""What a local user without any key or password gets of a running stack: every port, every socket, every file."""

from __future__ import annotations

import multiprocessing
import os
import ssl
import stat
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from pathlib import Path

import grpc
import httpx
import psycopg

from velodrome.runtime.services import SERVICES
from velodrome.settings import SECRETS_FILE, Settings

NOBODY = 65534  # the user, and the group
# Nobody may not be able to read the file of trusted authorities, and nothing here is asked by TLS.
NO_AUTHORITIES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
SESSION = "/spark.connect.SparkConnectService/AnalyzePlan"


def family(pid: int) -> list[int]:
    """A process and all that come from it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(entry.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it ended meanwhile
        children.setdefault(parent, []).append(int(entry.parent.name))
    found, todo = [], [pid]
    while todo:
        found.append(todo.pop())
        todo += children.get(found[-1], [])
    return found


def _inodes(pids: list[int]) -> set[str]:
    found = set()
    for pid in pids:
        try:
            links = [str(one.readlink()) for one in Path(f"/proc/{pid}/fd").iterdir()]
        except OSError:
            continue
        found |= {link[8:-1] for link in links if link.startswith("socket:[")}
    return found


def listening(pids: list[int]) -> set[int]:
    """The TCP ports that these processes take connections on."""
    mine, ports = _inodes(pids), set()
    for table in ("tcp", "tcp6"):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in mine:
                ports.add(int(fields[1].rpartition(":")[2], 16))
    return ports


def sockets(pids: list[int]) -> list[Path]:
    """The Unix sockets that they have files for."""
    mine = _inodes(pids)
    lines = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()[1:]]
    paths = {Path(line[7]) for line in lines if len(line) > 7 and line[6] in mine and line[7].startswith("/")}
    return sorted(path for path in paths if path.exists())


def open_to_others(path: Path) -> bool:
    """Whether somebody else may connect to, or read, what lies there."""
    needed = stat.S_IWOTH if path.is_socket() else stat.S_IROTH
    entered = all(folder.stat().st_mode & stat.S_IXOTH for folder in path.parents)
    return entered and bool(path.stat().st_mode & needed)


def over_http(settings: Settings) -> Iterator[str]:
    """What is answered to requests that nobody signed."""
    emr, redshift, s3 = (settings[f"{name}_ENDPOINT_URL"] for name in ("EMR_SERVERLESS", "REDSHIFT_API", "S3"))
    airflow = settings["AIRFLOW_URL"]
    job = f"{s3}/{settings['SOURCE_BUCKET']}/script/spark_job.py"
    evil = {"Origin": "https://evil.example"}
    target = {"X-Amz-Target": "RedshiftServerless.GetCredentials", "Content-Type": "application/x-amz-json-1.1"}
    role = {"Action": "AssumeRole", "Version": "2011-06-15", "RoleArn": settings["EMR_RUNTIME_ROLE_ARN"]}
    bogus = {
        "Authorization": "AWS4-HMAC-SHA256 Credential=velodrome/20260101/us-east-1/s3/aws4_request, "
        "SignedHeaders=host, Signature=0",
        "x-amz-date": "20260101T000000Z",
        "x-amz-content-sha256": "UNSIGNED-PAYLOAD",
    }
    form: dict[str, object] = {"data": {"key": "script/spark_job.py"}, "files": {"file": b"evil"}}
    spark = {"releaseLabel": "emr-spark-8.0.0", "type": "SPARK"}
    runs = f"{airflow}/api/v2/dags/bike_store_pipeline/dagRuns"
    requests: list[tuple[str, str, dict[str, object]]] = [
        ("GET", s3, {}),
        ("GET", job, {}),
        ("GET", job, {"headers": bogus}),
        ("PUT", job, {"content": b"evil", "headers": evil}),
        ("DELETE", job, {}),
        ("POST", f"{s3}/{settings['SOURCE_BUCKET']}", form),
        ("POST", f"{s3}/_localstack/health", {"json": {"action": "kill"}}),
        ("GET", f"{s3}/_localstack/init", {}),
        ("POST", s3, {"data": role | {"RoleSessionName": "x"}}),
        ("GET", f"{emr}/applications", {}),
        ("POST", f"{emr}/applications", {"json": spark, "headers": evil}),
        ("GET", f"{emr}/_velodrome/credentials/00any", {}),
        ("POST", redshift, {"json": {"workgroupName": "default"}, "headers": target}),
        ("POST", redshift, {"data": {"Action": "DescribeClusters", "Version": "2012-12-01"}}),
        ("GET", f"{airflow}/api/v2/dags", {}),
        ("GET", f"{airflow}/api/v2/connections", {}),
        ("POST", runs, {"json": {"logical_date": None}, "headers": evil}),
        ("GET", f"{airflow}/auth/token", {}),
        ("POST", f"{airflow}/auth/token", {"json": {"username": settings["AIRFLOW_USER"], "password": "guess"}}),
        ("GET", f"{airflow}/execution/connections/source", {}),
    ]
    for method, url, more in requests:
        answer = httpx.request(method, url, trust_env=False, verify=NO_AUTHORITIES, timeout=60, **more)  # type: ignore[arg-type]
        # Every error of a client is 400 in AWS's JSON protocols.
        unsigned = answer.status_code == 400 and "MissingAuthenticationTokenException" in answer.text
        if answer.status_code not in (401, 403) and not unsigned:
            yield f"{method} {url}: {answer.status_code} {answer.text[:200]}"


def over_postgresql(settings: Settings) -> Iterator[str]:
    """Who is logged in without the password, or with a guessed one."""
    users = {settings["SOURCE_USER"], settings["REDSHIFT_USER"], "airflow", "postgres", "rdsdb", "root"}
    for port in ("SOURCE_PORT", "REDSHIFT_PORT", "AIRFLOW_DATABASE_PORT"):
        for user in sorted(users):
            for password in ("", "guess"):
                given = {
                    "password": password,
                    "dbname": "postgres",
                    "connect_timeout": 20,
                    "passfile": f"{os.devnull}/none",
                }
                try:
                    psycopg.connect(host="127.0.0.1", port=settings[port], user=user, **given).close()  # type: ignore[arg-type]
                except psycopg.OperationalError:
                    continue
                yield f"{port}: {user} with the password {password!r}"


def over_grpc(settings: Settings, authority: bytes) -> Iterator[str]:
    """What a Spark client without a session's token is told."""
    trusted = grpc.ssl_channel_credentials(authority)
    for metadata in ((), (("x-aws-proxy-auth", "guess"), ("authorization", "Bearer guess"))):
        with grpc.secure_channel(f"localhost:{settings['EMR_SERVERLESS_SESSIONS_PORT']}", trusted) as channel:
            try:
                channel.unary_unary(SESSION)(b"", timeout=30, metadata=metadata)
                yield f"a Spark client with {metadata}"
            except grpc.RpcError as error:
                if error.code() not in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED):
                    yield f"a Spark client with {metadata}: {error.code()}"


def in_files(settings: Settings, pids: list[int]) -> Iterator[str]:
    """What lies in the home, or takes connections as a file, and is open to others."""
    for path in (settings.home, settings.home / SECRETS_FILE, settings.path("AWS_CONFIG_FILE"), *sockets(pids)):
        if open_to_others(path):
            yield f"{path} is open to others"
    if os.geteuid() == 0:
        script = f"cat '{settings.home / SECRETS_FILE}' || ls '{settings.home}/data/s3' || kill -9 {pids[0]}"
        tried = subprocess.run(["/bin/sh", "-c", script], user=NOBODY, group=NOBODY, extra_groups=[], check=False)
        if tried.returncode == 0:
            yield f"nobody: {script}"


def become_nobody() -> None:
    """This process is nobody's from now on; where a user runs the tests, it stays that user's, who shows no secret."""
    # Both load modules when they are first used, which nobody may not be able to read.
    grpc.insecure_channel("127.0.0.1:9").close()
    with suppress(httpx.ConnectError):
        httpx.get("http://127.0.0.1:9", trust_env=False, verify=NO_AUTHORITIES)
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    os.environ.clear()


def looked(look: Callable[..., Iterator[str]], *given: object) -> list[str]:
    """All that a look found; and that it was not nobody who looked, if so."""
    return list(look(*given)) + (["root looked"] if os.geteuid() == 0 else [])


def gets(settings: Settings, supervisor: int) -> list[str]:
    """Everything that nobody gets; and ports that no setting names."""
    pids = family(supervisor)
    named = {settings.integer(port) for service in SERVICES.values() for port in service.ports}
    found = [f"port {port} is nobody's setting" for port in sorted(listening(pids) - named)]
    found += [f"port {port} is not taken" for port in sorted(named - listening(pids))]
    authority = (settings.certificates / "authority.pem").read_bytes()
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), become_nobody) as nobody:
        for look in ((over_http, settings), (over_postgresql, settings), (over_grpc, settings, authority)):
            found += nobody.submit(looked, *look).result()
    return found + list(in_files(settings, pids))
