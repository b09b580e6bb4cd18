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
from velodrome.settings import SECRETS_FILE, SettingError, Settings, generate_secrets, load, write_private


def render_aws_config(settings: Settings) -> Path:
    """Fill the template's `${NAME}` (env/aws/config) with the settings and write AWS_CONFIG_FILE (mode 600)."""
    if settings["VELODROME_PROJECT"]:
        template = (settings.project / "env" / "aws" / "config").read_text(encoding="utf-8")
    else:  # installed alone: the wheel has the same file
        template = Path(__file__).with_name("aws_config").read_text(encoding="utf-8")
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
    settings = Settings({**generate_secrets(settings), "DATASET": ""})
    render_aws_config(settings)
    return settings


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
        if settings["DATASET"]:
            raise SettingError("DATASET is taken by `make up DATASET=folder`; `docker compose up` alone generates one")
        if "--given" in sys.argv:
            take_given(settings.home)
        take_dataset(load(), loaded=False)
        settings = prepare_home(load())
        file = settings.home / "settings.sh"
        before = file.read_text(encoding="utf-8") if file.is_file() else ""
        text = "".join(f"{name}={shlex.quote(value)}\n" for name, value in settings.items() if value)
        write_private(file, text)
        if before not in ("", text):
            print("changed")
    except (SettingError, DatasetError, OSError, tarfile.TarError) as error:
        sys.exit(f"prepare: {error}")


if __name__ == "__main__":
    main()
