"""The table of release labels: which Spark, Delta and Java each of them runs a job with, and where they are installed.

https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/release-versions.html (Spark),
https://docs.aws.amazon.com/emr/latest/ReleaseGuide/Delta-release-history.html (Delta).
Needs the standard library alone: the console's installer reads the table too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ..errors import ValidationException
from .jvm import MissingInstall, SparkInstall


@dataclass(frozen=True)
class Line:
    """What differs between lines of Spark. Hadoop's version is that of the client inside PySpark, so that S3A fits it;
    EMR's own Hadoop is a little newer. Java is 17 for all, EMR's default as well."""

    scala: str
    hadoop: str
    py4j: str
    s3a: tuple[str, ...]
    excluded: tuple[str, ...]


_LINES = {
    # S3A's SDK as one jar has 280 MB (version 1) or over 500 MB (version 2); these modules of it are enough.
    "3.5": Line(
        scala="2.12",
        hadoop="3.3.4",
        py4j="0.10.9.7",
        s3a=(
            "com.amazonaws:aws-java-sdk-s3:1.12.262",
            "com.amazonaws:aws-java-sdk-sts:1.12.262",
            "com.amazonaws:aws-java-sdk-dynamodb:1.12.262",
        ),
        excluded=("com.amazonaws:aws-java-sdk-bundle",),
    ),
    "4.0": Line(
        scala="2.13",
        hadoop="3.4.1",
        py4j="0.10.9.9",
        s3a=(
            "software.amazon.awssdk:s3:2.29.52",
            "software.amazon.awssdk:s3-transfer-manager:2.29.52",
            "software.amazon.awssdk:sts:2.29.52",
        ),
        excluded=("software.amazon.awssdk:bundle",),
    ),
}


@dataclass(frozen=True)
class Release:
    """A release of EMR Serverless: its label, and the versions of Spark and Delta that a job of it runs with."""

    label: str
    spark: str
    delta: str

    @property
    def line(self) -> Line:
        """What all releases with this line of Spark share."""
        return _LINES[self.spark.rpartition(".")[0]]

    @property
    def packages(self) -> list[str]:
        """The jars beside PySpark's own, as Maven coordinates: Delta, and S3A with the modules of its SDK."""
        line = self.line
        delta = f"io.delta:delta-spark_{line.scala}:{self.delta}"
        return [delta, f"org.apache.hadoop:hadoop-aws:{line.hadoop}", *line.s3a]

    @property
    def requirements(self) -> list[str]:
        """The Python packages, pinned; Java's and what Delta's needs are those of every release."""
        return [f"pyspark=={self.spark}", f"py4j=={self.line.py4j}", f"delta-spark=={self.delta}"]

    @property
    def has_connect(self) -> bool:
        """Whether Spark Connect's server, which sessions need, is among PySpark's jars: since Spark 4.0."""
        return not self.spark.startswith("3.")

    @property
    def name(self) -> str:
        """What its folder of installs is called; releases with the same versions share it."""
        return f"spark-{self.spark}-delta-{self.delta}"

    def folders(self, installs: Path) -> tuple[Path, Path]:
        """The virtual environment and the folder of jars, whatever links lead there."""
        if self == DEFAULT:
            return (installs / "spark").resolve(), (installs / "jars").resolve()
        folder = (installs / self.name).resolve()
        return folder / "venv", folder / "jars"

    def install(self, installs: Path) -> SparkInstall:
        """Where this release is installed; raises ValidationException with the command to run when it is not."""
        venv, jars = self.folders(installs)
        if not self.installed(installs):
            raise ValidationException(
                f"Release label {self.label} is not installed in Velodrome: run `velodrome emr install {self.label}`"
            )
        try:
            return SparkInstall(venv, jars)
        except MissingInstall as error:
            raise ValidationException(
                f"Release label {self.label} is not usable in Velodrome: {error}; "
                f"run `velodrome emr install {self.label}`"
            ) from error

    def installed(self, installs: Path) -> bool:
        """Whether this release is installed, completely."""
        venv, jars = self.folders(installs)
        # The default's folders have stamps of their own, and the service does not start without them.
        return jars.is_dir() and (self == DEFAULT or (venv.parent / STAMP).is_file())


STAMP = ".stamp"
DEFAULT = Release("emr-spark-8.0.0", "4.0.2", "4.0.0")
RELEASES: dict[str, Release] = {
    release.label: release
    for release in (
        DEFAULT,
        # https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/release-version-emr-spark-8.0-preview.html
        Release("emr-spark-8.0-preview", "4.0.1", "4.0.0"),
        Release("emr-7.13.0", "3.5.6", "3.3.2"),
        Release("emr-7.12.0", "3.5.6", "3.3.2"),
        Release("emr-7.11.0", "3.5.6", "3.3.2"),
        Release("emr-7.10.0", "3.5.5", "3.3.0"),
        Release("emr-7.9.0", "3.5.5", "3.3.0"),
        Release("emr-7.8.0", "3.5.4", "3.3.0"),
        Release("emr-7.7.0", "3.5.3", "3.2.1"),
        Release("emr-7.6.0", "3.5.3", "3.2.1"),
        Release("emr-7.5.0", "3.5.2", "3.2.1"),
        Release("emr-7.4.0", "3.5.2", "3.2.0"),
        Release("emr-7.3.0", "3.5.1", "3.2.0"),
        Release("emr-7.2.0", "3.5.1", "3.1.0"),
        Release("emr-7.1.0", "3.5.0", "3.0.0"),
        Release("emr-7.0.0", "3.5.0", "3.0.0"),
    )
}
# AWS has these too: Spark 3.2 to 3.4, for Java 8.
_OLDER = re.compile(r"emr-6\.([6-9]|1[0-5])\.[01]")


def find(label: str) -> Release:
    """The release of a label; raises ValidationException for one that AWS or Velodrome does not have."""
    release = RELEASES.get(label)
    if release is not None:
        return release
    if _OLDER.fullmatch(label):
        raise ValidationException(
            f"Release label {label} is not available in Velodrome; emr-7.0.0 and later are: `velodrome emr releases`"
        )
    raise ValidationException(f"Release label {label} is not supported")
