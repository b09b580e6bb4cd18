"""What must be there before any service starts: folders, secrets, the rendered AWS config."""

from __future__ import annotations

import string
from pathlib import Path

from velodrome.settings import Settings, generate_secrets, write_private


def render_aws_config(settings: Settings) -> Path:
    """Fill env/aws/config's `${NAME}` with the settings and write AWS_CONFIG_FILE (mode 600)."""
    template = (settings.project / "env" / "aws" / "config").read_text(encoding="utf-8")
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
