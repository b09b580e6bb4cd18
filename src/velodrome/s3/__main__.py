"""`python -m velodrome.s3`: takes the port and the folder, then becomes LocalStack with an environment of its own."""

from __future__ import annotations

import os
import shutil
import sys

from velodrome.awsapi.profile import ProfileError
from velodrome.s3 import launch
from velodrome.s3.durable.schema import FormatError, check_format
from velodrome.settings import SettingError, load


def main() -> None:
    """Replace this process by the server; a start that cannot work ends with one line that names the setting."""
    try:
        settings = load()
        hooks = launch.hooks_folder(settings)
        listener = launch.take_port(settings["LISTEN_ADDRESS"], settings.integer("S3_PORT"))
        folder = launch.data_folder(settings)
        lock = launch.take_folder(folder)
        check_format(folder)
        environment = launch.environment(settings)
    except (SettingError, ProfileError, launch.StartError, FormatError) as error:
        sys.exit(f"s3: {error}")
    shutil.rmtree(folder / "tmp", ignore_errors=True)
    for needed in ("objects", "tmp", "home", "cache", "root"):
        (folder / needed).mkdir(exist_ok=True)
    os.set_inheritable(listener.fileno(), True)
    os.set_inheritable(lock, True)
    # -P: the project's own folder localstack/ must not stand before the package of that name.
    arguments = [str(listener.fileno()), str(folder), str(hooks)]
    command = [sys.executable, "-P", "-m", "velodrome.s3.server", *arguments]
    os.execve(sys.executable, command, environment)  # noqa: S606 - no shell is meant


if __name__ == "__main__":
    main()
