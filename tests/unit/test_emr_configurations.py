"""How an application's and a job's configurations merge: the examples of AWS's page, and its rules one by one.

https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/default-configs.html
"""

from __future__ import annotations

from typing import Any

import pytest

from velodrome.emr_serverless.errors import ValidationException
from velodrome.emr_serverless.spark.configurations import check, log_properties, merge, merge_monitoring, properties

APPLICATION = [
    {
        "classification": "spark-defaults",
        "properties": {
            "spark.driver.cores": "4",
            "spark.executor.cores": "2",
            "spark.driver.memory": "8G",
            "spark.executor.memory": "8G",
            "spark.executor.instances": "2",
        },
    },
    {"classification": "spark-driver-log4j2", "properties": {"rootLogger.level": "error"}},
]
JOB = [
    {
        "classification": "spark-defaults",
        "properties": {
            "spark.driver.cores": "2",
            "spark.executor.cores": "1",
            "spark.driver.memory": "4G",
            "spark.executor.memory": "4G",
        },
    },
    {"classification": "spark-executor-log4j2", "properties": {"rootLogger.level": "error"}},
    {"classification": "spark-driver-log4j2", "properties": {}},
]


def test_the_example_of_the_page() -> None:
    """Overridden as a whole (no spark.executor.instances is left), added, removed."""
    assert merge(APPLICATION, JOB) == [JOB[0], JOB[1]]


@pytest.mark.parametrize(
    ("application", "job", "merged"),
    [
        ([], [], []),
        (APPLICATION, [], APPLICATION),
        ([], JOB, JOB[:2]),
        (APPLICATION, [{"classification": "spark-driver-log4j2"}], APPLICATION[:1]),
    ],
)
def test_inherited_added_removed(application: Any, job: Any, merged: Any) -> None:
    assert merge(application, job) == merged


def test_monitoring_of_the_page() -> None:
    application = {
        "s3MonitoringConfiguration": {"logUri": "s3://amzn-s3-demo-logging-bucket/logs/app-level"},
        "managedPersistenceMonitoringConfiguration": {"enabled": False},
    }
    job = {
        "managedPersistenceMonitoringConfiguration": {"enabled": True},
        "s3MonitoringConfiguration": {},
        "cloudWatchLoggingConfiguration": {"enabled": True},
    }
    assert merge_monitoring(application, job) == {
        "managedPersistenceMonitoringConfiguration": {"enabled": True},
        "cloudWatchLoggingConfiguration": {"enabled": True},
    }


@pytest.mark.parametrize(
    ("application", "job", "merged"),
    [
        ({"s3MonitoringConfiguration": {"logUri": "s3://a/"}}, {}, {"s3MonitoringConfiguration": {"logUri": "s3://a/"}}),
        ({"s3MonitoringConfiguration": {"logUri": "s3://a/", "encryptionKeyArn": "k"}},
         {"s3MonitoringConfiguration": {"logUri": "s3://b/"}}, {"s3MonitoringConfiguration": {"logUri": "s3://b/"}}),
        ({"cloudWatchLoggingConfiguration": {"enabled": True}},
         {"cloudWatchLoggingConfiguration": {"enabled": False}}, {}),
        ({"managedPersistenceMonitoringConfiguration": {"enabled": False}},
         {"managedPersistenceMonitoringConfiguration": {}}, {}),
    ],
)  # fmt: skip
def test_monitoring(application: Any, job: Any, merged: Any) -> None:
    assert merge_monitoring(application, job) == merged


@pytest.mark.parametrize(
    ("configurations", "message"),
    [
        (
            [{"classification": "spark-defaults"}, {"classification": "spark-defaults"}],
            "The classification spark-defaults is there twice",
        ),
        (
            [{"classification": "spark-defaults", "configurations": [{"classification": "spark-defaults"}]}],
            "Configurations inside the classification spark-defaults are not available in Velodrome",
        ),
        (
            [{"classification": "spark-defaults", "properties": {"spark.p": "EMR.secret@id"}}],
            "spark.p: Secrets Manager (EMR.secret@) is not available in Velodrome",
        ),
    ],
)
def test_refused(configurations: Any, message: str) -> None:
    with pytest.raises(ValidationException) as caught:
        check(configurations)
    assert caught.value.message == message


def test_properties_of_a_classification() -> None:
    assert properties(APPLICATION, "spark-driver-log4j2") == {"rootLogger.level": "error"}
    assert properties(APPLICATION, "spark-executor-log4j2") == {}


def test_log_properties_after_sparks_own() -> None:
    made = log_properties("rootLogger.level = info\n", {"rootLogger.level": "error", "appender.console.type": "File"})
    assert made == "rootLogger.level = info\n\n# The job's own.\nrootLogger.level = error\n"
    assert log_properties("", {"a.b": " c=d\\e:f\ng"}).splitlines()[-1] == "a.b = \\ c\\=d\\\\e\\:f\\ng"
