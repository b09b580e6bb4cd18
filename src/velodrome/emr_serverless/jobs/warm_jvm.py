"""One JVM that is started before there is a job for it: warmed by a small job, then given the real one through Py4J.

What is called in it is what a cold start calls, ``org.apache.spark.deploy.SparkSubmit.main``, so that a job behaves in
it as in a JVM of its own. The gateway is Spark's own (PythonGatewayServer, which PySpark's shell uses too); it ends the
JVM when its stdin closes, so that no worker outlives the service.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import struct
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from py4j.java_gateway import GatewayClient, GatewayParameters, JavaGateway
from py4j.protocol import Py4JError, Py4JJavaError, Py4JNetworkError

from .. import processes
from ..spark.jvm import SparkInstall

log = logging.getLogger(__name__)
# What Py4J has to say is in its exceptions; a JVM that ends while it is asked is how each job ends.
logging.getLogger("py4j").setLevel(logging.CRITICAL)

MARK = "velodrome.job="
SUBMIT = "org.apache.spark.deploy.SparkSubmit"
_GATEWAY = "org.apache.spark.api.python.PythonGatewayServer"
_CONNECTION_INFO = "_PYSPARK_DRIVER_CONN_INFO_PATH"
_TRAINING_JOB = Path(__file__).parents[1] / "spark" / "training_job.py"
_SECONDS_TO_START = 60.0
_SECONDS_TO_TRAIN = 180.0
_POLL = 0.02
# Options that differ between a worker and a job by what they are; the worker's heap is compared by itself.
# A file of options has the job's secret settings, which the worker gets as system properties.
_OWN_OPTIONS = ("-Xmx", f"-D{MARK}", "-Djava.io.tmpdir=", "@")
# Read once, when a JVM starts; a job that asks for others needs a JVM of its own.
_READ_AT_START = ("TZ", "LANG", "LC_", "LD_", "JAVA_", "JDK_", "_JAVA", "MALLOC_", "SPARK_")
# What a job here has anyway, and S3 where nobody answers: its classes load all the same, and nothing is sent.
_TRAINING = {
    "spark.app.name": "velodrome-warm-up",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.authenticate": "true",
    "spark.sql.shuffle.partitions": "2",
    "spark.databricks.delta.snapshotPartitions": "1",
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.sql.catalogImplementation": "in-memory",
    "spark.hadoop.fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
    "spark.hadoop.fs.s3a.endpoint": "http://127.0.0.1:9",
    "spark.hadoop.fs.s3a.endpoint.region": "us-east-1",
    "spark.hadoop.fs.s3a.path.style.access": "true",
    "spark.hadoop.fs.s3a.attempts.maximum": "0",
    "spark.hadoop.fs.s3a.retry.limit": "0",
    "spark.hadoop.fs.s3a.access.key": "nobody",
    "spark.hadoop.fs.s3a.secret.key": "nobody",
}


class _Client(GatewayClient):  # type: ignore[misc]
    """Asks once. Py4J's own asks again when no answer came, and logs a traceback: here the JVM has ended."""

    def send_command(self, command: str, retry: bool = True, binary: bool = False) -> Any:
        connection = self._get_connection()
        try:
            response = connection.send_command(command)
        except BaseException:
            connection.close(False)
            raise
        self._give_back_connection(connection)
        return response


class _Gateway(JavaGateway):  # type: ignore[misc]
    def _create_gateway_client(self) -> GatewayClient:
        return _Client(gateway_parameters=self.gateway_parameters)


class WorkerError(Exception):
    """A worker cannot be started, or cannot run a job; the message says why."""


@dataclass(frozen=True)
class WorkerSpec:
    """What the workers of an application are started as.

    `heap_bytes` is the driver's heap, `cores` how many threads a job has at once, `options` what the application's own
    configuration adds to the command of its jobs' JVMs.
    """

    spark: SparkInstall
    heap_bytes: int
    cores: int
    options: tuple[str, ...] = ()


class WarmWorker:
    """A JVM in a folder of its own, `scratch`, which becomes the folder of the job that it runs."""

    def __init__(self, id: str, spec: WorkerSpec, scratch: Path, logs: Path) -> None:
        """Start the JVM; `logs` is a folder on the file system of the jobs' logs. Raises OSError."""
        self.id, self.spec, self.scratch = id, spec, scratch
        self._logs = logs
        self._work, self._temporary = scratch / "work", scratch / "tmp"
        for folder in (self._work, self._temporary, logs):
            folder.mkdir(parents=True)
        scratch.chmod(0o700)  # the gateway writes its secret into a file below
        self._connection_info = scratch / "gateway"
        self._stdout, self._stderr = logs / "stdout", logs / "stderr"
        self._environment = self._plain_environment()
        command = [
            *spec.spark.java_options(),
            *spec.spark.archive_options(),
            f"-Xmx{spec.heap_bytes // 2**20}m",
            f"-Djava.io.tmpdir={self._temporary}",
            f"-D{MARK}{id}",
            *spec.options,
            _GATEWAY,
        ]
        # Appending: once the files are emptied for the job, the JVM goes on at their start.
        with self._stdout.open("ab") as out, self._stderr.open("ab") as err:
            self.process = subprocess.Popen(
                command,
                cwd=self._work,
                env=self._environment | {_CONNECTION_INFO: str(self._connection_info)},
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        self._gateway: Any = None

    @property
    def alive(self) -> bool:
        """Whether the JVM runs."""
        return self.process.poll() is None

    def warm(self) -> None:
        """Run a small job of the usual kind, then forget it. Raises WorkerError."""
        timer = threading.Timer(_SECONDS_TO_START + _SECONDS_TO_TRAIN, self.end)
        timer.daemon = True
        timer.start()
        data = self._temporary / "training"
        settings = {
            **_TRAINING,
            "spark.local.dir": str(self._temporary),
            "spark.hadoop.hadoop.tmp.dir": str(self._temporary),
            "spark.hadoop.fs.s3a.buffer.dir": str(self._temporary / "s3a"),
        }
        options = [part for name, value in settings.items() for part in ("--conf", f"{name}={value}")]
        master = f"local[{self.spec.cores}]"
        try:
            self._connect()
            self._submit(["--master", master, *options, str(_TRAINING_JOB), str(data)])
            self._forget(settings)
        except (Py4JError, OSError, TypeError) as error:  # the last is what Py4J makes of a class that is not there
            words = self._last_words()
            self.end()
            raise WorkerError(f"worker {self.id} did not become warm: {words or error}") from error
        finally:
            timer.cancel()
            shutil.rmtree(data, ignore_errors=True)

    def run(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        secrets: Mapping[str, str],
        stdout: Path,
        stderr: Path,
    ) -> subprocess.Popen[bytes]:
        """Run a job, given as `Submission` has it; the JVM, to wait for as for any process.

        `stdout` and `stderr` are the job's logs; what they have already is kept. Raises WorkerError if the worker
        cannot run this job; it has ended then, and its folder can be used for a JVM of the job's own.
        """
        options, arguments = split(command)
        if reason := self._unfit(options, environment):
            self.end()
            raise WorkerError(reason)
        try:
            self._set_environment(environment)
            self._set_hadoop(arguments)
            for name, value in secrets.items():
                self._system.setProperty(name, value)
            # All round trips are made before the logs change hands, so that a failure leaves them as they are.
            java_arguments = self._strings(arguments)
            for own, wanted in ((self._stdout, stdout), (self._stderr, stderr)):
                own.write_bytes(wanted.read_bytes() if wanted.exists() else b"")
                own.replace(wanted)
        except (Py4JError, OSError) as error:
            self.end()
            raise WorkerError(f"the worker failed before the job began: {error}") from error
        shutil.rmtree(self._logs, ignore_errors=True)
        threading.Thread(target=self._run, args=(java_arguments,), name=f"warm-{self.id}", daemon=True).start()
        return self.process

    def end(self, grace: float = 0) -> None:
        """End the JVM and what it started; nothing if it has ended."""
        processes.end(self.process.pid, grace)
        self.process.wait()
        self._close()

    def discard(self) -> None:
        """End the worker, and remove its folders."""
        self.end()
        for folder in (self.scratch, self._logs):
            shutil.rmtree(folder, ignore_errors=True)

    def _last_words(self) -> str:
        try:
            return self._stderr.read_text(encoding="utf-8", errors="replace").strip().rpartition("\n")[2]
        except FileNotFoundError:
            return ""  # it was discarded meanwhile

    def _connect(self) -> None:
        deadline = time.monotonic() + _SECONDS_TO_START
        while not self._connection_info.exists():
            if not self.alive or time.monotonic() > deadline:
                raise Py4JError("the JVM did not start")
            time.sleep(_POLL)
        # As pyspark.java_gateway reads it: the port, then the secret after its length, all big-endian.
        content = self._connection_info.read_bytes()
        port, length = struct.unpack_from("!ii", content)
        secret = content[8 : 8 + length].decode()
        self._connection_info.unlink()
        # Objects of a JVM that lives for one job need no collecting, which would be asked of it after its end.
        parameters = GatewayParameters(port=port, auth_token=secret, enable_memory_management=False)
        self._gateway = _Gateway(gateway_parameters=parameters)
        java = self._gateway.jvm.java
        # Each name costs a round trip, or several; they are looked up while nobody waits.
        self._system, self._thread, self._string = java.lang.System, java.lang.Thread, java.lang.String
        self._spark_submit = self._gateway.jvm.org.apache.spark.deploy.SparkSubmit
        self._loader = java.lang.ClassLoader.getSystemClassLoader()
        self._environment_map = self._java_environment(java)
        self._thread.currentThread().setName("main")

    def _java_environment(self, java: Any) -> Any:
        """The map behind System.getenv, which programs inherit that the JVM starts.

        It is read once, at the JVM's start. Spark opens java.lang and java.util to itself (see jvm.py), hence to us.
        """
        field = java.lang.Class.forName("java.lang.ProcessEnvironment").getDeclaredField("theUnmodifiableEnvironment")
        field.setAccessible(True)
        inner = java.lang.Class.forName("java.util.Collections$UnmodifiableMap").getDeclaredField("m")
        inner.setAccessible(True)
        return inner.get(field.get(None))

    def _set_environment(self, environment: Mapping[str, str]) -> None:
        self._environment_map.clear()
        for name, value in environment.items():
            self._environment_map.put(name, value)

    def _submit(self, arguments: Sequence[str]) -> None:
        self._spark_submit.main(self._strings(arguments))

    def _strings(self, values: Sequence[str]) -> Any:
        array = self._gateway.new_array(self._string, len(values))
        for position, value in enumerate(values):
            array[position] = value
        return array

    def _forget(self, settings: Mapping[str, str]) -> None:
        """Remove what the small job left in the JVM."""
        spark, hadoop = self._gateway.jvm.org.apache.spark, self._gateway.jvm.org.apache.hadoop
        for name in self._system.getProperties().stringPropertyNames():
            if name.startswith("spark."):  # SparkSubmit hands over a job's settings as these
                self._system.clearProperty(name)
        spark.sql.SparkSession.clearActiveSession()
        spark.sql.SparkSession.clearDefaultSession()
        hadoop.fs.FileSystem.closeAll()
        hadoop.security.UserGroupInformation.setLoginUser(None)
        self._gateway.jvm.org.apache.spark.sql.delta.DeltaLog.clearCache()
        # Made once in a JVM, from the settings of its first job.
        self._hadoop = spark.deploy.SparkHadoopUtil.get().conf()
        for name in _hadoop_settings(settings):
            self._hadoop.unset(name)
        # Else the next job would log as the first decided.
        getattr(getattr(spark.internal, "Logging$"), "MODULE$").uninitialize()
        # SparkSubmit has put a loader of the first job's jars in its place.
        self._thread.currentThread().setContextClassLoader(self._loader)

    def _set_hadoop(self, arguments: Sequence[str]) -> None:
        given: dict[str, str] = {}
        for option, value in zip(arguments[::2], arguments[1::2], strict=False):
            if not option.startswith("--"):
                break  # the entry point; what follows is the job's own
            if option == "--conf":
                name, _, content = value.partition("=")
                given[name] = content
        for name, value in _hadoop_settings(given).items():
            self._hadoop.set(name, value)

    def _unfit(self, options: Sequence[str], environment: Mapping[str, str]) -> str | None:
        own, _ = split([*map(str, self.process.args), SUBMIT])  # type: ignore[arg-type]
        differ = sorted(set(_compared(options)) ^ set(_compared(own)))
        if differ:
            return f"the job's JVM differs from a pre-initialized worker's: {differ[0]}"
        if (wanted := heap(options)) > self.spec.heap_bytes // 2**20:
            return f"the job's heap of {wanted}m is more than a worker's {self.spec.heap_bytes // 2**20}m"
        for name in sorted({*environment, *self._environment}):
            if name.startswith(_READ_AT_START) and environment.get(name) != self._environment.get(name):
                return f"the job's environment differs in {name}, which is read when a JVM starts"
        return None

    def _run(self, arguments: Any) -> None:
        """What a JVM does with a main class: run it, show what it throws, wait for its threads, end."""
        with self._ending():
            known = {thread.getId() for thread in self._threads()}
            code = 0
            try:
                self._spark_submit.main(arguments)
            except Py4JJavaError as error:
                self._system.err.print('Exception in thread "main" ')
                error.java_exception.printStackTrace()
                code = 1
            while any(not one.isDaemon() and one.getId() not in known for one in self._threads()):
                time.sleep(_POLL)
            self._system.exit(code)

    def _threads(self) -> list[Any]:
        return list(self._thread.getAllStackTraces().keySet())

    @contextlib.contextmanager
    def _ending(self) -> Iterator[None]:
        try:
            yield
        except (Py4JNetworkError, OSError):
            pass  # the JVM has ended, as it does in the end; how, its code says
        except Py4JError:
            log.exception("worker %s: the job could not be started", self.id)
            processes.end(self.process.pid, 0)
        finally:
            self.process.wait()
            self._close()

    def _close(self) -> None:
        if self._gateway is not None:
            self._gateway.close()
        if self.process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()

    def _plain_environment(self) -> dict[str, str]:
        """What a job's environment has that is no job's own; Submission gives the rest when there is one."""
        spark = self.spec.spark
        return {
            "PATH": f"{spark.venv / 'bin'}:/usr/local/bin:/usr/bin:/bin",
            "JAVA_HOME": str(spark.java_home),
            "SPARK_HOME": str(spark.home),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "PYSPARK_PYTHON": str(spark.python),
            "PYTHONDONTWRITEBYTECODE": "1",
            "HOME": str(self._work),
            "TMPDIR": str(self._temporary),
            "LANG": "C.UTF-8",
            "TZ": "UTC",
        }


def split(command: Sequence[str]) -> tuple[list[str], list[str]]:
    """The options of a job's JVM, and SparkSubmit's arguments.

    >>> split(["java", "-Xmx512m", "org.apache.spark.deploy.SparkSubmit", "--name", "a"])
    (['-Xmx512m'], ['--name', 'a'])
    """
    position = list(command).index(SUBMIT)
    return [part for part in command[1:position] if part != _GATEWAY], list(command[position + 1 :])


def heap(options: Sequence[str]) -> int:
    """Mebibytes of the last -Xmx among a JVM's options, as Submission writes it; 0 without one.

    >>> heap(["-Xmx512m", "-Xmx1024m"])
    1024
    """
    sizes = [option for option in options if option.startswith("-Xmx")]
    return int(sizes[-1].removeprefix("-Xmx").removesuffix("m")) if sizes else 0


def _compared(options: Sequence[str]) -> list[str]:
    return [option for option in options if not option.startswith(_OWN_OPTIONS)]


def _hadoop_settings(settings: Mapping[str, str]) -> dict[str, str]:
    prefix = "spark.hadoop."
    return {name.removeprefix(prefix): value for name, value in settings.items() if name.startswith(prefix)}
