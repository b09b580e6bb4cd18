"""Temporary credentials of the warehouse, asked for by the clients that ask AWS for them."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

import boto3
import psycopg
import pytest
import redshift_clients
import redshift_connector
from botocore.config import Config
from botocore.exceptions import ClientError
from redshift_clients import run_cases

from velodrome.awsapi import profile as profiles
from velodrome.awsapi.keys import of_profile
from velodrome.settings import Settings


def client(service: str, settings: Settings, **changes: Any) -> Any:
    profile = profiles.load(settings.path("AWS_CONFIG_FILE"), settings["AWS_PROFILE"])
    given: dict[str, Any] = {
        "endpoint_url": profile.endpoint(service),
        "region_name": profile.region,
        "aws_access_key_id": profile.access_key_id,
        "aws_secret_access_key": profile.secret_access_key,
        "config": Config(retries={"total_max_attempts": 1}),
    }
    return boto3.client(service, **(given | changes))


@pytest.fixture(scope="module")
def serverless(redshift: Settings) -> Any:
    return client("redshift-serverless", redshift)


@pytest.fixture(scope="module")
def clusters(redshift: Settings) -> Any:
    return client("redshift", redshift)


def connect(settings: Settings, user: str, password: str) -> psycopg.Connection[Any]:
    return redshift_clients.connect(settings, user=user, password=password)


@pytest.fixture
def redshift_server(redshift: Settings) -> Iterator[psycopg.Connection[Any]]:
    """The server inside, for what no client can do: let time pass."""
    lines = (redshift.home / "data" / "redshift" / "postmaster.pid").read_text().splitlines()
    place = {"host": lines[4], "port": lines[3], "dbname": "postgres", "user": "rdsdb"}
    with psycopg.connect(**place, autocommit=True) as connection:  # type: ignore[arg-type]
        yield connection


def code_of(error: ClientError) -> tuple[str, int]:
    return error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]


def lasts(moment: datetime.datetime) -> float:
    return (moment - datetime.datetime.now(datetime.UTC)).total_seconds()


def test_credentials_of_the_caller_log_in(redshift: Settings, serverless: Any) -> None:
    given = serverless.get_credentials(workgroupName="default", dbName="dev")
    assert given["dbUser"] == "IAM:velodrome" and 880 < lasts(given["expiration"]) <= 900
    with connect(redshift, given["dbUser"], given["dbPassword"]) as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("IAM:velodrome",)
        row = connection.execute("SELECT usesuper, valuntil FROM pg_user WHERE usename = current_user").fetchone()
        assert row is not None and row[0] is False
    longer = serverless.get_credentials(workgroupName="default", durationSeconds=3600)
    assert 3580 < lasts(longer["expiration"]) <= 3600
    for each in (given, longer):  # what another client was given stays good
        connect(redshift, each["dbUser"], each["dbPassword"]).close()
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        connect(redshift, given["dbUser"], "guess")


def test_an_iam_user_is_granted_rights_by_name(redshift: Settings, serverless: Any) -> None:
    given = serverless.get_credentials(workgroupName="default")
    with redshift_clients.connect(redshift) as admin:
        admin.execute("CREATE TABLE iam_granted AS SELECT 7 AS a")
        with connect(redshift, given["dbUser"], given["dbPassword"]) as connection:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("SELECT a FROM iam_granted")
            admin.execute('GRANT SELECT ON iam_granted TO "IAM:velodrome"')
            assert connection.execute("SELECT a FROM iam_granted").fetchone() == (7,)
        admin.execute("DROP TABLE iam_granted")


def test_credentials_end(redshift: Settings, serverless: Any, redshift_server: psycopg.Connection[Any]) -> None:
    given = serverless.get_credentials(workgroupName="default")
    redshift_server.execute("ALTER ROLE \"IAM:velodrome\" VALID UNTIL '2020-01-01'")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        connect(redshift, given["dbUser"], given["dbPassword"])
    given = serverless.get_credentials(workgroupName="default")
    connect(redshift, given["dbUser"], given["dbPassword"]).close()


def test_the_workgroup_and_its_namespace(redshift: Settings, serverless: Any) -> None:
    workgroup = serverless.get_workgroup(workgroupName="default")["workgroup"]
    assert workgroup["endpoint"]["address"] == redshift["REDSHIFT_HOST"]
    assert workgroup["endpoint"]["port"] == redshift.integer("REDSHIFT_PORT")
    assert workgroup["status"] == "AVAILABLE" and lasts(workgroup["creationDate"]) < 0
    assert workgroup["workgroupArn"].startswith("arn:aws:redshift-serverless:us-east-1:000000000000:workgroup/")
    pages = serverless.get_paginator("list_workgroups").paginate()
    assert [one["workgroupName"] for page in pages for one in page["workgroups"]] == ["default"]
    namespace = serverless.get_namespace(namespaceName=workgroup["namespaceName"])["namespace"]
    assert (namespace["dbName"], namespace["adminUsername"]) == ("dev", "awsuser")
    assert serverless.list_namespaces()["namespaces"] == [namespace]


@pytest.mark.parametrize("region", ["eu-west-1", "ap-southeast-1"])
def test_each_region_has_the_warehouse(redshift: Settings, region: str) -> None:
    serverless = client("redshift-serverless", redshift, region_name=region)
    workgroup = serverless.get_workgroup(workgroupName="default")["workgroup"]
    assert workgroup["workgroupArn"].startswith(f"arn:aws:redshift-serverless:{region}:000000000000:workgroup/")
    given = serverless.get_credentials(workgroupName="default")
    connect(redshift, given["dbUser"], given["dbPassword"]).close()
    cluster = client("redshift", redshift, region_name=region).describe_clusters()["Clusters"][0]
    assert cluster["ClusterNamespaceArn"].startswith(f"arn:aws:redshift:{region}:000000000000:namespace:")


def test_sessions_of_a_role_call_and_other_accounts_find_nothing(redshift: Settings) -> None:
    profile = profiles.load(redshift.path("AWS_CONFIG_FILE"), redshift["AWS_PROFILE"])
    keys = of_profile(profile, redshift["AWS_ACCOUNT_ID"])
    ends = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)

    def session(account: str) -> Any:
        secret, token = keys.temporary("ASIAX", f"arn:aws:sts::{account}:assumed-role/etl/run", "AROAX:run", ends)
        names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
        return client("redshift-serverless", redshift, **dict(zip(names, ("ASIAX", secret, token), strict=True)))

    given = session("000000000000").get_credentials(workgroupName="default")
    assert given["dbUser"] == "IAMR:etl"
    connect(redshift, given["dbUser"], given["dbPassword"]).close()
    assert session("111122223333").list_workgroups()["workgroups"] == []
    with pytest.raises(ClientError, match="The workgroup default was not found"):
        session("111122223333").get_workgroup(workgroupName="default")


@pytest.mark.parametrize(
    ("operation", "parameters", "code", "message"),
    [
        (
            "get_credentials",
            {"workgroupName": "other"},
            "ResourceNotFoundException",
            "The workgroup other was not found",
        ),
        ("get_credentials", {}, "ValidationException", "Either a workgroup name or a custom domain name"),
        (
            "get_credentials",
            {"workgroupName": "default", "durationSeconds": 60},
            "ValidationException",
            "Value '60' at 'durationSeconds' failed to satisfy constraint: Member must have value greater",
        ),
        (
            "get_workgroup",
            {"workgroupName": "other"},
            "ResourceNotFoundException",
            "The workgroup other was not found",
        ),
        ("get_workgroup", {"workgroupName": "UPPER"}, "ValidationException", "must satisfy regular expression pattern"),
        (
            "get_namespace",
            {"namespaceName": "other"},
            "ResourceNotFoundException",
            "The namespace other was not found",
        ),
    ],
)
def test_refusals_of_serverless(
    serverless: Any, operation: str, parameters: dict[str, Any], code: str, message: str
) -> None:
    with pytest.raises(ClientError, match=message) as refused:
        getattr(serverless, operation)(**parameters)
    assert code_of(refused.value) == (code, 400)


def test_what_is_not_here_says_so(serverless: Any, clusters: Any) -> None:
    for call in (serverless.list_snapshots, clusters.describe_cluster_snapshots):
        with pytest.raises(ClientError, match="is not available in Velodrome") as refused:
            call()
        assert code_of(refused.value) == ("NotImplementedException", 501)


def test_a_signature_is_checked(redshift: Settings) -> None:
    with pytest.raises(ClientError) as refused:
        client("redshift-serverless", redshift, aws_secret_access_key="wrong").list_workgroups()
    assert code_of(refused.value) == ("InvalidSignatureException", 400)
    with pytest.raises(ClientError) as refused:
        client("redshift", redshift, aws_secret_access_key="wrong").describe_clusters()
    assert code_of(refused.value) == ("SignatureDoesNotMatch", 403)


def test_a_user_of_a_cluster(redshift: Settings, clusters: Any) -> None:
    (cluster,) = clusters.describe_clusters(ClusterIdentifier="default")["Clusters"]
    assert cluster["Endpoint"] == {"Address": redshift["REDSHIFT_HOST"], "Port": redshift.integer("REDSHIFT_PORT")}
    asked = {"ClusterIdentifier": "default", "DbUser": "iam_ada", "DbName": "dev"}
    absent = clusters.get_cluster_credentials(**asked)
    assert absent["DbUser"] == "IAM:iam_ada"
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        connect(redshift, absent["DbUser"], absent["DbPassword"])
    made = clusters.get_cluster_credentials(**asked, AutoCreate=True, DbGroups=["no_such_group"])
    assert made["DbUser"] == "IAMA:iam_ada:no_such_group" and 880 < lasts(made["Expiration"]) <= 900
    for given in (made, clusters.get_cluster_credentials(**asked)):
        with connect(redshift, given["DbUser"], given["DbPassword"]) as connection:
            assert connection.execute("SELECT current_user").fetchone() == ("iam_ada",)
            connection.execute("CREATE TEMP TABLE own (a int)")
    with redshift_clients.connect(redshift) as admin:
        listed = admin.execute("SELECT usename FROM pg_user WHERE usename LIKE '%iam_ada%' ORDER BY 1").fetchall()
    assert sorted(row[0] for row in listed) == ["IAM:iam_ada", "IAMA:iam_ada:no_such_group", "iam_ada"]
    with_iam = clusters.get_cluster_credentials_with_iam(ClusterIdentifier="default", DbName="dev")
    connect(redshift, with_iam["DbUser"], with_iam["DbPassword"]).close()


@pytest.mark.parametrize(
    ("parameters", "code", "message"),
    [
        ({"ClusterIdentifier": "other", "DbUser": "ada"}, ("ClusterNotFound", 404), "Cluster other not found."),
        ({"ClusterIdentifier": "default", "DbUser": "a:b"}, ("ValidationError", 400), "must be names of users"),
        (
            {"ClusterIdentifier": "default", "DbUser": "ada", "DurationSeconds": 4000},
            ("ValidationError", 400),
            "less than or equal to 3600",
        ),
    ],
)
def test_refusals_of_clusters(clusters: Any, parameters: dict[str, Any], code: tuple[str, int], message: str) -> None:
    with pytest.raises(ClientError, match=message) as refused:
        clusters.get_cluster_credentials(**parameters)
    assert code_of(refused.value) == code


def test_the_server_s_own_superuser_is_nobody(redshift: Settings, clusters: Any) -> None:
    given = clusters.get_cluster_credentials(ClusterIdentifier="default", DbUser="rdsdb")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        connect(redshift, given["DbUser"], given["DbPassword"])


@pytest.mark.parametrize("how", ["serverless", "cluster"])
def test_amazon_s_python_driver(redshift: Settings, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # It insists on TLS with IAM, and trusts what the system trusts.
    monkeypatch.setenv("SSL_CERT_FILE", str(redshift.certificates / "bundle.pem"))
    profile = profiles.load(redshift.path("AWS_CONFIG_FILE"), redshift["AWS_PROFILE"])
    kinds: dict[str, dict[str, Any]] = {
        "serverless": {"is_serverless": True, "serverless_work_group": "default"},
        "cluster": {"cluster_identifier": "default", "db_user": "awsuser"},
    }
    with (
        redshift_connector.connect(
            iam=True,
            database="dev",
            region=profile.region,
            access_key_id=profile.access_key_id,
            secret_access_key=profile.secret_access_key,
            endpoint_url=redshift["REDSHIFT_API_ENDPOINT_URL"],
            **kinds[how],
        ) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT current_user")
        assert cursor.fetchall() == (["IAM:velodrome" if how == "serverless" else "awsuser"],)


def test_awswrangler(redshift: Settings) -> None:
    given = {name: redshift[name] for name in ("AWS_CONFIG_FILE", "AWS_PROFILE")}
    run_cases("awswrangler_iam_cases", redshift, given | {"SSL_CERT_FILE": str(redshift.certificates / "bundle.pem")})
