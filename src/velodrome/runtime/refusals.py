"""What is wrong with a copy's settings: `velodrome up` refuses at once what `velodrome doctor` shows, word for word."""

from __future__ import annotations

import difflib
import subprocess
from pathlib import Path

from velodrome import kinds
from velodrome.emr_serverless.errors import ValidationException
from velodrome.emr_serverless.spark import parameters
from velodrome.emr_serverless.spark.releases import RELEASES
from velodrome.runtime.prepare import config_problem
from velodrome.runtime.services import SERVICES
from velodrome.settings import (
    KEPT_FILE,
    SETTINGS,
    SettingError,
    Settings,
    kept_settings,
    read_env_file,
    wrong_values,
)

PROFILE = "local"  # the one profile whose services are on this machine
# What a folder that is a copy's own holds, some of it.
_OWN = ("installs", "data", "logs", "run", "secrets.env", "settings.env", "dataset", "aws", "cache", ".gitignore")


def refuse(settings: Settings) -> None:
    """Raise SettingError with everything that is wrong with the settings, one line each."""
    if found := problems(settings):
        raise SettingError("\n".join(found))


def refuse_profile(settings: Settings) -> None:
    """Raise SettingError for a profile whose services are elsewhere: no command may act on those."""
    if found := _profile(settings):
        raise SettingError(found)


def problems(settings: Settings) -> list[str]:
    """Everything that is wrong with the settings, each a sentence that names the setting and what it may be."""
    if wrong := _profile(settings):
        return [wrong]  # the others are for AWS
    kept = kept_settings(settings)
    values = [
        f"{why} (it is kept in {settings.home / KEPT_FILE})" if any(f"setting {name}=" in why for name in kept) else why
        for why in wrong_values(settings)
    ]
    others = (_config(settings), _home(settings), _release(settings), _spark(settings), _address(settings))
    return [*values, *(why for why in (*others, *_unknown(settings), *_twins(settings)) if why)]


def _profile(settings: Settings) -> str:
    for name in ("PROFILE", "AWS_PROFILE"):
        if settings[name] != PROFILE:
            return (
                f"setting {name}={settings[name]!r}: velodrome starts and asks services on this machine, which only "
                f"the profile {PROFILE} has; unset {name} (another profile is for Airflow on AWS)"
            )
    return ""


def _config(settings: Settings) -> str:
    return config_problem(settings)


def _unknown(settings: Settings) -> list[str]:
    if not settings["VELODROME_PROJECT"]:
        return []
    file = settings.project / "env" / f"{PROFILE}.env"
    if not file.is_file():
        return [f"there is no {file}, which holds a project's settings"]
    names = [setting.name for setting in SETTINGS]
    found = []
    for name in sorted(set(read_env_file(file, [])) - set(names)):
        near = difflib.get_close_matches(name, names, 1)
        found.append(f"{file}: there is no setting {name}{f'; is it {near[0]}?' if near else ''}")
    return found


def _release(settings: Settings) -> str:
    label = settings["EMR_RELEASE_LABEL"]
    if label in RELEASES or len(label) > 64:
        return ""
    return f"setting EMR_RELEASE_LABEL={label!r} is none of the releases that are here: {', '.join(RELEASES)}"


def _spark(settings: Settings) -> str:
    """In the words in which StartJobRun would refuse the job."""
    try:
        parameters.read(settings["EMR_SPARK_PARAMETERS"], {})
    except ValidationException as error:
        return f"setting EMR_SPARK_PARAMETERS={settings['EMR_SPARK_PARAMETERS']!r} is refused with each job: {error}"
    return ""


def _address(settings: Settings) -> str:
    """Services are asked at their own settings' hosts, which have to be where they listen."""
    address = settings["LISTEN_ADDRESS"]
    hosts = ("SOURCE_HOST", "REDSHIFT_HOST", "AIRFLOW_DATABASE_HOST")
    elsewhere = [name for name in hosts if settings[name] == "127.0.0.1"]
    if address in ("127.0.0.1", "0.0.0.0") or not elsewhere or kinds.ADDRESS.problem(address):  # noqa: S104 - what people may set
        return ""
    return (
        f"setting LISTEN_ADDRESS={address!r}: services would not be found at {elsewhere[0]}=127.0.0.1; "
        "it may be 127.0.0.1 or 0.0.0.0, unless hosts and URLs are set too"
    )


def _twins(settings: Settings) -> list[str]:
    first: dict[str, str] = {}
    found = []
    for service in SERVICES.values():
        for port in service.ports:
            other = first.setdefault(settings[port], port)
            if other != port:
                found.append(f"settings {other} and {port} are both {settings[port]}: set one to another port")
    return found


def _home(settings: Settings) -> str:
    """A home is made private, and reset removes folders in it: it must be nobody else's."""
    home = settings.home
    if not home.is_dir():
        return ""
    inside = {entry.name for entry in home.iterdir()}
    checkout = settings["VELODROME_PROJECT"] and settings.project.is_relative_to(home)
    if checkout or (inside and not inside & set(_OWN)) or _tracked(home):
        return f"setting VELODROME_HOME={str(home)!r} holds other files: it must be a folder of this copy's own"
    return ""


def _tracked(folder: Path) -> bool:
    """Whether git keeps a file in this folder."""
    argv = ["git", "-C", str(folder), "ls-files", "--", "."]
    try:
        return bool(subprocess.run(argv, capture_output=True, check=False).stdout)
    except OSError:  # no git here
        return False
