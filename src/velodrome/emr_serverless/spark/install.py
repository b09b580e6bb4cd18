"""Installs what a Spark job needs beyond PySpark: jars through Spark's own Ivy, and an archive of loaded classes.

Needs the standard library alone: ``python -m velodrome.emr_serverless.spark.install SPARK_VENV JARS_TXT TARGET``.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from velodrome.authorities import system_certificates

from .jvm import BASE_ARCHIVE, CLASS_ARCHIVE, MissingInstall, SparkInstall
from .trust import PASSWORD, java_key_store

Progress = Callable[[str], None]
_STAMP = ".stamp"
_ARCHIVE_STAMP = ".archive-stamp"
_TIMEOUT = 600
_ATTEMPTS = 2
# Ivy's words for a package that no registry has, and for a registry that does not answer.
_NO_SUCH_PACKAGE = "not found"
_UNREACHED = "Server access error"
_SMALL_PACKAGE = "org.reactivestreams:reactive-streams:1.0.4"  # 11 kB, needs no other; one of those that S3A needs
# Where the training job looks for S3. Nobody answers there: the client's classes load all the same.
_NOBODY = "http://127.0.0.1:9"


class InstallError(Exception):
    """Installing failed; the message says what to do."""


def install_jars(spark_venv: Path, jars_txt: Path, target: Path, progress: Progress) -> bool:
    """Fetch the jars that `jars_txt` names, with all they need, into `target`; False if they are there already.

    The folder is exchanged in one step, so that who reads it sees all of the old jars or all of the new ones.
    """
    wanted = hashlib.sha256(jars_txt.read_bytes()).hexdigest()
    if _read(target / _STAMP) == wanted:
        return False
    packages, excluded = read_coordinates(jars_txt)
    install_packages(
        SparkInstall(spark_venv, target), packages, excluded, progress, f"the jars of {jars_txt.name}", wanted
    )
    return True


def install_packages(
    spark: SparkInstall, packages: list[str], excluded: list[str], progress: Progress, named: str, stamp: str = ""
) -> None:
    """Fetch packages and all they need into the install's folder of jars, in one step. Raises InstallError."""
    target = spark.jars
    target.parent.mkdir(parents=True, exist_ok=True)
    with work_folder(".jars-", target.parent) as work:
        progress(f"Resolving {len(packages)} Maven packages")
        jars = fetch_jars(spark, packages, work, progress, excluded=excluded, named=named)
        (jars / _STAMP).write_text(stamp, encoding="utf-8")
        if target.exists():
            target.rename(work / "old")
        jars.rename(target)
    progress(f"{len(list(target.glob('*.jar')))} jars installed")


def fetch_jars(
    spark: SparkInstall,
    packages: list[str],
    work: Path,
    progress: Progress,
    *,
    excluded: list[str] | None = None,
    repositories: list[str] | None = None,
    named: str = "",
) -> Path:
    """Packages of the Maven registry and all they need, in a folder below `work`. Raises InstallError."""
    for attempt in range(1, _ATTEMPTS + 1):
        problem = _resolve(spark, packages, excluded or [], work, repositories=repositories or [])
        if problem is None:
            break
        if _NO_SUCH_PACKAGE in problem and _UNREACHED not in problem:
            raise InstallError(problem)
        if attempt == _ATTEMPTS:
            raise InstallError(
                f"the Maven registry did not deliver {named or ', '.join(packages)}: {problem}; "
                "check the network (Ivy follows DEFAULT_ARTIFACT_REPOSITORY) and try again"
            )
        progress(f"The Maven registry failed ({problem}); trying once more")
    return work / "ivy" / "jars"


def reach_registry(spark_venv: Path, timeout: float) -> str | None:
    """Fetch one small jar as `install_jars` does; why the Maven registry does not deliver it, or None."""
    with tempfile.TemporaryDirectory(prefix="velodrome-ivy-") as folder:
        work = Path(folder)
        return _resolve(SparkInstall(spark_venv, work), [_SMALL_PACKAGE], [], work, timeout)


@contextmanager
def work_folder(prefix: str, parent: Path) -> Iterator[Path]:
    """A folder for what is being made, gone afterwards. The caller holds the lock of what is made: whatever else has
    this prefix was left by a process that was killed (half a class archive is 200 MB), and goes first."""
    for left in parent.glob(f"{prefix}*/"):
        shutil.rmtree(left)
    with tempfile.TemporaryDirectory(prefix=prefix, dir=parent) as folder:
        yield Path(folder)


def read_coordinates(jars_txt: Path) -> tuple[list[str], list[str]]:
    """Packages (group:artifact:version) and, from lines that start with "-", artifacts to leave out."""
    packages: list[str] = []
    excluded: list[str] = []
    for number, line in enumerate(jars_txt.read_text(encoding="utf-8").splitlines(), start=1):
        text = line.split("#", 1)[0].strip()
        if not text:
            continue
        leave_out = text.startswith("-")
        if text.count(":") != (1 if leave_out else 2):
            raise InstallError(f"{jars_txt}:{number}: expected group:artifact:version or -group:artifact, not {text!r}")
        (excluded if leave_out else packages).append(text.removeprefix("-"))
    return packages, excluded


def class_archive_is_there(spark_venv: Path, jars: Path) -> bool:
    """Whether the archive is there and is that of these jars and this Java."""
    spark = SparkInstall(spark_venv, jars)
    return _read(jars / _ARCHIVE_STAMP) == _archive_stamp(spark) and bool(spark.archive_options())


def build_class_archive(spark_venv: Path, jars: Path, progress: Progress) -> bool:
    """Archive the classes that a small job loads, which halves a job's start; False if not needed or not possible.

    https://docs.oracle.com/en/java/javase/17/vm/class-data-sharing.html
    """
    if class_archive_is_there(spark_venv, jars):
        return False
    spark = SparkInstall(spark_venv, jars)
    wanted = _archive_stamp(spark)
    for name in (_ARCHIVE_STAMP, CLASS_ARCHIVE, BASE_ARCHIVE):
        (jars / name).unlink(missing_ok=True)
    progress("Archiving Spark's classes")
    with work_folder(".archive-", jars) as work:
        base, top = work / BASE_ARCHIVE, work / CLASS_ARCHIVE
        for command in (
            [str(spark.java), "-XX:+UseSerialGC", "-Xshare:dump", f"-XX:SharedArchiveFile={base}"],
            _training(spark, base, top, work),
        ):
            try:
                # At low priority: the archive is for later jobs, and must not slow down what runs meanwhile.
                _run(["nice", "-n", "15", *command], spark, work)
            except (subprocess.SubprocessError, OSError) as error:
                progress(f"No class archive, jobs start slower: {_last_line(error)}")
                return False
        if not top.is_file():
            progress("No class archive, jobs start slower: this Java makes none")
            return False
        base.rename(jars / BASE_ARCHIVE)
        top.rename(jars / CLASS_ARCHIVE)
    (jars / _ARCHIVE_STAMP).write_text(wanted, encoding="utf-8")
    progress(f"Class archive built, {(jars / CLASS_ARCHIVE).stat().st_size // 2**20} MB")
    return True


def _resolve(
    spark: SparkInstall,
    packages: list[str],
    excluded: list[str],
    work: Path,
    timeout: float = _TIMEOUT,
    repositories: list[str] | None = None,
) -> str | None:
    """Run Spark's resolver; the reason if it failed. What it then starts is a program that does nothing."""
    trust: list[str] = []
    if certificates := system_certificates():
        store = work / "trust.jks"
        store.write_bytes(java_key_store(certificates))
        trust = [f"-Djavax.net.ssl.trustStore={store}", f"-Djavax.net.ssl.trustStorePassword={PASSWORD}"]
    command = [
        *spark.java_options(),
        *trust,
        "-Djava.net.useSystemProxies=true",
        "-Dsun.net.client.defaultConnectTimeout=20000",
        "-Dsun.net.client.defaultReadTimeout=60000",
        "org.apache.spark.deploy.SparkSubmit",
        *("--packages", ",".join(packages)),
        *(("--exclude-packages", ",".join(excluded)) if excluded else ()),
        *(("--repositories", ",".join(repositories)) if repositories else ()),
        *("--conf", f"spark.jars.ivy={work / 'ivy'}"),
        *("--class", "org.apache.ivy.Main"),
        *("spark-internal", "-version"),
    ]
    try:
        _run(command, spark, work, timeout)
    except subprocess.CalledProcessError as error:
        # What ended it, and which address did not answer; below them stands only where in Spark it was thrown.
        lines = [line.strip() for line in (error.stderr or "").splitlines()]
        ended = [line for line in lines if line.startswith("Exception in thread")]
        unreached = [line for line in lines if _UNREACHED in line]
        return "; ".join(line[:300] for line in (*ended[:1], *unreached[:1])) or _last_line(error)
    except (subprocess.SubprocessError, OSError) as error:
        return _last_line(error)
    if not list((work / "ivy" / "jars").glob("*.jar")):
        return "Ivy ended without an error and without jars"
    return None


def _training(spark: SparkInstall, base: Path, top: Path, work: Path) -> list[str]:
    return [
        *spark.java_options(),
        f"-XX:SharedArchiveFile={base}",
        f"-XX:ArchiveClassesAtExit={top}",
        "-Xmx1g",
        "org.apache.spark.deploy.SparkSubmit",
        *("--master", "local[1]"),
        *("--conf", "spark.ui.enabled=false"),
        *("--conf", "spark.driver.host=127.0.0.1"),
        *("--conf", "spark.driver.bindAddress=127.0.0.1"),
        *("--conf", "spark.authenticate=true"),
        *("--conf", "spark.sql.shuffle.partitions=2"),
        *("--conf", "spark.databricks.delta.snapshotPartitions=1"),
        *("--conf", "spark.sql.extensions=io.delta.sql.DeltaSparkSessionExtension"),
        *("--conf", "spark.sql.catalog.spark_catalog=org.apache.spark.sql.delta.catalog.DeltaCatalog"),
        *("--conf", "spark.hadoop.fs.s3.impl=org.apache.hadoop.fs.s3a.S3AFileSystem"),
        *("--conf", f"spark.hadoop.fs.s3a.endpoint={_NOBODY}"),
        *("--conf", "spark.hadoop.fs.s3a.endpoint.region=us-east-1"),
        *("--conf", "spark.hadoop.fs.s3a.attempts.maximum=0"),
        *("--conf", "spark.hadoop.fs.s3a.retry.limit=0"),
        *("--conf", f"spark.hadoop.fs.s3a.aws.credentials.provider={spark.credentials_provider(False)}"),
        str(Path(__file__).with_name("training_job.py")),
        str(work / "data"),
    ]


def _run(command: list[str], spark: SparkInstall, work: Path, timeout: float = _TIMEOUT) -> None:
    environment = {
        "PATH": f"{spark.venv / 'bin'}:/usr/bin:/bin",
        "JAVA_HOME": str(spark.java_home),
        "SPARK_HOME": str(spark.home),
        "PYSPARK_PYTHON": str(spark.python),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "AWS_ACCESS_KEY_ID": "training",
        "AWS_SECRET_ACCESS_KEY": "training",
        "LANG": "C.UTF-8",
    }
    # Settings of the user's own for Java and Ivy (a proxy, a mirror) stay; the rest of the environment is not needed.
    wrapped = ["/usr/bin/env", *(f"{name}={value}" for name, value in environment.items()), *command]
    subprocess.run(wrapped, check=True, capture_output=True, text=True, timeout=timeout, cwd=work)


def _archive_stamp(spark: SparkInstall) -> str:
    release = _read(spark.java_home / "release") or str(spark.java)
    jars = "".join(f"{jar}:{jar.stat().st_size}:{jar.stat().st_mtime_ns}\n" for jar in spark.class_path())
    options = " ".join(spark.java_options())
    return hashlib.sha256(f"{release}\n{options}\n{jars}".encode()).hexdigest()


def _last_line(error: Exception) -> str:
    lines = str(getattr(error, "stderr", None) or error).strip().splitlines()
    return lines[-1].strip()[:300] if lines else type(error).__name__


def _read(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def main() -> int:
    """Install jars and class archive from the console."""
    if len(sys.argv) != 4:
        print("usage: python -m velodrome.emr_serverless.spark.install SPARK_VENV JARS_TXT TARGET", file=sys.stderr)
        return 2
    venv, jars_txt, target = map(Path, sys.argv[1:])
    try:
        install_jars(venv.absolute(), jars_txt, target.absolute(), print)
        build_class_archive(venv.absolute(), target.absolute(), print)
    except (InstallError, MissingInstall, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
