"""What must be there before any service starts: folders, secrets, the rendered AWS config.

`python -m velodrome.runtime.prepare` does it in containers, for the volume that all of them see, and makes a data set
and settings.sh too, from which Airflow's processes read their settings. With --given it first takes secrets and a data
set from a tar on standard input. It says `changed` when services may still run with other settings.
"""

from __future__ import annotations

import shlex
import shutil
import string
import sys
import tarfile
from pathlib import Path

from velodrome.runtime.data_set import STAMP, DatasetError, already_loaded, take_dataset
from velodrome.runtime.services import AIRFLOW_SECRETS
from velodrome.settings import (
    SECRETS_FILE,
    SettingError,
    Settings,
    generate_secrets,
    load,
    secret_settings,
    write_private,
    wrong_values,
)


def _template(settings: Settings) -> str:
    if settings["VELODROME_PROJECT"]:
        return (settings.project / "env" / "aws" / "config").read_text(encoding="utf-8")
    # Installed alone: the wheel has the same file.
    return Path(__file__).with_name("aws_config").read_text(encoding="utf-8")


def config_problem(settings: Settings) -> str:
    """Why AWS_CONFIG_FILE must not be written: it is a file of the checkout, or one that somebody else made; empty
    when it may."""
    target = settings.path("AWS_CONFIG_FILE")
    if target.is_relative_to(settings.home):
        return ""
    what = f"setting AWS_CONFIG_FILE={str(target)!r}"
    if settings["VELODROME_PROJECT"] and target.resolve().is_relative_to(settings.project.resolve()):
        return f"{what} lies in the checkout, where nothing is written: leave it to be made in VELODROME_HOME"
    if target.is_file() and target.read_text(encoding="utf-8", errors="replace")[:40] != _template(settings)[:40]:
        return f"{what} is a file of somebody else's: name one that is not there, and it is made"
    return ""


def render_aws_config(settings: Settings) -> Path:
    """Fill the template's `${NAME}` (env/aws/config) with the settings and write AWS_CONFIG_FILE (mode 600). Raises
    SettingError where nothing may be written."""
    if problem := config_problem(settings):
        raise SettingError(problem)
    template = _template(settings)
    # Comments may speak of ${...}; only the lines that clients read are filled in.
    lines = (
        line if line.startswith("#") else string.Template(line).substitute(settings)
        for line in template.splitlines(keepends=True)
    )
    target = settings.path("AWS_CONFIG_FILE")
    write_private(target, "".join(lines))
    return target


def prepare_home(settings: Settings) -> Settings:
    """Make VELODROME_HOME's folders, generate secrets that are missing, render the AWS config; returns the full
    settings.

    DATASET is empty in them: what it named lies in VELODROME_HOME/dataset by then.
    """
    for folder in ("data", "logs", "run"):
        (settings.home / folder).mkdir(parents=True, exist_ok=True)
    settings.home.chmod(0o700)
    _hide_from_git(settings.home)
    settings = Settings({**generate_secrets(settings), "DATASET": ""})
    render_aws_config(settings)
    return settings


def _hide_from_git(home: Path) -> None:
    """Passwords lie here: wherever a home is, no `git add` takes them along."""
    mark = home / ".gitignore"
    if not mark.exists():
        mark.write_text("*\n", encoding="utf-8")


def take_given(home: Path) -> None:
    """Take secrets.env and dataset/ from the tar on standard input. A data set that is there and another is refused:
    this home's databases hold it."""
    with tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as archive:
        archive.extractall(home / "given", filter="data")
    given = home / "given"
    try:
        here, there = (folder / "dataset" / STAMP for folder in (home, given))
        if there.is_file() and here.is_file():
            if here.read_text() != there.read_text():
                raise already_loaded(here.read_text())
        elif there.is_file():
            shutil.rmtree(home / "dataset", ignore_errors=True)
            (given / "dataset").rename(home / "dataset")
        write_private(home / SECRETS_FILE, (given / SECRETS_FILE).read_text(encoding="utf-8"))
    finally:
        shutil.rmtree(given)


def main() -> None:
    """Whatever is interrupted here is done again at the next start."""
    try:
        settings = load()
        if wrong := wrong_values(settings):
            raise SettingError("\n".join(wrong))
        if settings["PROFILE"] != "local":
            raise SettingError(f"setting PROFILE={settings['PROFILE']!r}: only the profile local has services here")
        if settings["DATASET"]:
            raise SettingError("DATASET is taken by `make up DATASET=folder`; `docker compose up` alone generates one")
        if "--given" in sys.argv:
            take_given(settings.home)
        take_dataset(load(), loaded=False)
        settings = prepare_home(load())
        file = settings.home / "settings.sh"
        before = file.read_text(encoding="utf-8") if file.is_file() else ""
        others = secret_settings() - set(AIRFLOW_SECRETS)
        text = "".join(
            f"{name}={shlex.quote(value)}\n" for name, value in settings.items() if value and name not in others
        )
        write_private(file, text)
        if before not in ("", text):
            print("changed")
    except (SettingError, DatasetError, OSError, tarfile.TarError) as error:
        sys.exit(f"prepare: {error}")


if __name__ == "__main__":
    main()
