"""Makes the services' virtual environments with uv, once per change of a requirements file."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from velodrome.emr_serverless.spark import install as spark
from velodrome.emr_serverless.spark.jvm import MissingInstall, SparkInstall
from velodrome.emr_serverless.spark.releases import DEFAULT, Release
from velodrome.emr_serverless.spark.releases import STAMP as RELEASE_STAMP
from velodrome.runtime import store
from velodrome.runtime.services import INSTALLS, Install, Service
from velodrome.runtime.store import STAMP, locked
from velodrome.settings import Settings, user_environ

# PySpark has no wheel: uv makes one of 300 MB of jars, and compressing them again takes longer than all the rest.
_BUILD = ("--config-setting=--build-option=--compression=stored",)
Report = Callable[[str], None]


class InstallError(RuntimeError):
    """A virtual environment could not be made; the message says which and why."""


def uv_binary() -> str:
    """uv as installed beside this interpreter, else the one on PATH."""
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    if found is None:
        raise InstallError("uv is not installed: pip install 'velodrome[cli]'")
    return found


def _package_root() -> Path | None:
    """The checkout that this package is imported from, when it is one."""
    root = Path(__file__).resolve().parents[3]
    return root if (root / "pyproject.toml").is_file() else None


def _interpreter() -> Path:
    """The interpreter behind our own virtual environment, so that copies made from different ones agree."""
    return Path(sys.executable).resolve()


def _fingerprint(install: Install, settings: Settings) -> str:
    """Of all that an environment is made from."""
    digest = hashlib.sha256(str(_interpreter()).encode())
    if install.with_velodrome:
        digest.update(str(_package_root()).encode())
    for name in install.requirements:
        digest.update((settings.project / name).read_bytes())
    return digest.hexdigest()


def folder(name: str, settings: Settings) -> Path:
    """Where the environment of this name is, or will be, as the project wants it now."""
    return store.folder(name, _fingerprint(INSTALLS[name], settings), settings)


def is_there(name: str, settings: Settings) -> bool:
    """Whether the environment of this name is made, as the project wants it now."""
    try:
        return (folder(name, settings) / STAMP).is_file()
    except FileNotFoundError:  # a project that has no such requirements
        return False


def bin_folder(service: Service, settings: Settings) -> Path:
    """The folder that comes first on the service's PATH."""
    return folder(service.install, settings) / "bin"


def _uv(arguments: list[str], install: Install, environ: dict[str, str]) -> None:
    result = subprocess.run(
        [uv_binary(), *arguments], env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if result.returncode:
        tail = "\n".join(result.stderr.strip().splitlines()[-12:])
        raise InstallError(
            f"could not install {install.name} (from {', '.join(install.requirements)}):\n{tail}\n"
            "Does the package index answer? A mirror of your own goes into UV_DEFAULT_INDEX."
        )


def _make_venv(install: Install, settings: Settings, folder: Path) -> None:
    environ = user_environ() | {"VIRTUAL_ENV": str(folder), "UV_NO_PROGRESS": "1"}
    if install.compile:
        environ["UV_COMPILE_BYTECODE"] = "1"
    environ.pop("PYTHONDONTWRITEBYTECODE", None)
    _uv(["venv", "--quiet", "--clear", "--python", str(_interpreter()), str(folder)], install, environ)
    requirements = [word for name in install.requirements for word in ("-r", str(settings.project / name))]
    _uv(["pip", "install", "--quiet", *(_BUILD if install.name == "spark" else ()), *requirements], install, environ)
    if install.with_velodrome:
        root = _package_root()
        package = ["-e", str(root)] if root is not None else ["velodrome"]
        _uv(["pip", "install", "--quiet", "--no-deps", *package], install, environ)


def ensure(name: str, settings: Settings, report: Report) -> bool:
    """Make an environment if it is not there as the project wants it now, and have this copy use it; returns whether
    there was anything to do.

    `report` is told what happens. Raises InstallError. A half-made environment is made anew next time.
    """
    install = INSTALLS[name]
    wanted = _fingerprint(install, settings)
    store.adopt(name, store.folder(name, wanted, settings), STAMP, wanted, settings)
    made = _ensure(name, wanted, settings, report, partial(_make_venv, install, settings))
    if name == "spark":
        made |= _ensure_jars(wanted, settings, report)
    return made


def _ensure_jars(spark_wanted: str, settings: Settings, report: Report) -> bool:
    """The jars beside PySpark's own. They have the class archive among them, which is of one Java, and so of one
    environment."""
    jars_txt = settings.project / "spark" / "jars.txt"
    text = jars_txt.read_bytes()
    wanted = hashlib.sha256(spark_wanted.encode() + text).hexdigest()
    venv = folder("spark", settings)
    store.adopt("jars", store.folder("jars", wanted, settings), ".stamp", hashlib.sha256(text).hexdigest(), settings)
    return _ensure("jars", wanted, settings, report, lambda target: _install_jars(venv, jars_txt, target, report))


def _ensure(name: str, wanted: str, settings: Settings, report: Report, make: Callable[[Path], None]) -> bool:
    target = store.folder(name, wanted, settings)
    stamp = target / STAMP
    with locked(store.lock_of(name, settings)):
        missing = not stamp.is_file()
        if missing:
            report("installing")
            make(target)
            stamp.write_text(wanted, encoding="utf-8")
        store.use(name, target, settings)
    return missing


def _install_jars(venv: Path, jars_txt: Path, target: Path, report: Report) -> None:
    try:
        spark.install_jars(venv, jars_txt, target, report)
    except spark.InstallError as error:
        raise InstallError(f"could not install spark's jars (from spark/jars.txt): {error}") from error


def ensure_release(release: Release, settings: Settings, report: Report, *, archive: bool = True) -> bool:
    """Install what a release of EMR Serverless runs its jobs with; returns whether there was anything to do.

    About 400 MB to fetch, and a minute for the class `archive`, without which its jobs start slower. Raises
    InstallError; half of a release counts as none.
    """
    made = ensure("spark", settings, report) if release == DEFAULT else _ensure_earlier(release, settings, report)
    return (archive and ensure_release_archive(release, settings, report)) or made


def ensure_release_archive(release: Release, settings: Settings, report: Report) -> bool:
    """Archive the classes of a release that is installed; returns whether there was anything to do."""
    if release == DEFAULT:
        return ensure_class_archive(settings, report)
    venv, jars = release.folders(settings.installs_in_use)
    try:
        with locked(settings.installs / f"{venv.parent.name}.lock"):
            return spark.build_class_archive(venv, jars, report)
    except (MissingInstall, OSError) as error:
        raise InstallError(f"could not archive the classes of {release.label}: {error}") from error


def _ensure_earlier(release: Release, settings: Settings, report: Report) -> bool:
    pins = [*release.requirements, *_common_pins(settings)]
    # PySpark 3.5 is for Python up to 3.11, which EMR 7 has too: later ones have no distutils.
    python = "3.11" if release.spark.startswith("3.") and sys.version_info >= (3, 12) else str(_interpreter())
    wanted = "\n".join([python, *pins, *release.packages])
    fingerprint = hashlib.sha256(wanted.encode()).hexdigest()
    target = store.folder(release.name, fingerprint, settings)
    store.adopt(release.name, target, RELEASE_STAMP, wanted, settings)

    def make(target: Path) -> None:
        if (target / RELEASE_STAMP).is_file():
            return  # taken over
        venv, jars = target / "venv", target / "jars"
        report(f"installing Spark {release.spark}")
        environ = user_environ() | {"VIRTUAL_ENV": str(venv), "UV_NO_PROGRESS": "1"}
        install = Install(release.name, ("the table of releases",), with_velodrome=False)
        _uv(["venv", "--quiet", "--clear", "--python", python, str(venv)], install, environ)
        _uv(["pip", "install", "--quiet", "--no-deps", *_BUILD, *pins], install, environ)
        try:
            found = SparkInstall(venv, jars)
            spark.install_packages(found, release.packages, list(release.line.excluded), report, release.label)
        except (spark.InstallError, MissingInstall, OSError) as error:
            raise InstallError(f"could not install {release.label}: {error}") from error
        (target / RELEASE_STAMP).write_text(wanted, encoding="utf-8")

    return _ensure(release.name, fingerprint, settings, report, make)


def _common_pins(settings: Settings) -> list[str]:
    """What every release needs beside Spark and Delta, as spark/requirements.txt pins it: Java, and Delta's needs."""
    lines = (settings.project / "spark" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    own = ("pyspark==", "py4j==", "delta-spark==", "#")
    return [line for line in lines if line.strip() and not line.startswith(own)]


def ensure_class_archive(settings: Settings, report: Report) -> bool:
    """Archive the classes that a Spark job loads, which halves its start; returns whether there was anything to do.

    It takes a minute of both cores, so nothing waits for it: until it is there, jobs only start slower.
    """
    with locked(settings.installs / "class-archive.lock"):
        return spark.build_class_archive(*_spark(settings), report)


def class_archive_is_there(settings: Settings) -> bool:
    """Whether the archive is there and is that of these jars and this Java."""
    return spark.class_archive_is_there(*_spark(settings))


def _spark(settings: Settings) -> tuple[Path, Path]:
    """Spark's environment and jars as this copy uses them. A class archive is of one class path: of no link's."""
    return DEFAULT.folders(settings.installs_in_use)


def free_space(folder: Path) -> int:
    """Free bytes where `folder` is or will be."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free
