"""Whether the package registries answer, asked by the programs that install from them: no registry is named here."""

from __future__ import annotations

import subprocess
from importlib.metadata import version
from pathlib import Path

from velodrome.emr_serverless.spark import install as spark
from velodrome.runtime.install import uv_binary
from velodrome.settings import user_environ

INDEX_TIMEOUT = 15.0  # seconds
MAVEN_TIMEOUT = 25.0  # seconds; four of them are the start of Java and Ivy


def index_problem(timeout: float) -> str:
    """Why uv cannot read of its own release in the package index it is set to; empty when it can."""
    environ = user_environ() | {"UV_HTTP_RETRIES": "0", "UV_HTTP_TIMEOUT": str(int(timeout)), "NO_COLOR": "1"}
    argv = [uv_binary(), "pip", "compile", "--no-deps", "--no-cache", "--no-header", "--quiet", "-"]
    try:
        result = subprocess.run(
            argv,
            env=environ,
            input=f"uv=={version('uv')}\n",
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"it has not answered within {timeout:.0f} s"
    if result.returncode == 0:
        return ""
    lines = [line.strip().removeprefix("error: ") for line in result.stderr.splitlines() if line.strip()]
    return "; ".join(dict.fromkeys((*lines[:1], *lines[-1:])))[:300] or f"uv ended with code {result.returncode}"


def index_note() -> str:
    """What is odd in how the index is set: uv does not read pip's variable."""
    environ = user_environ()
    if environ.get("PIP_INDEX_URL") and not (environ.get("UV_DEFAULT_INDEX") or environ.get("UV_INDEX_URL")):
        return "PIP_INDEX_URL is set, but uv, which installs all but itself, reads UV_DEFAULT_INDEX"
    return ""


def maven_problem(spark_venv: Path, timeout: float = MAVEN_TIMEOUT) -> str:
    """Why Spark's Ivy cannot fetch one small jar; empty when it can. Needs the install of Spark."""
    return spark.reach_registry(spark_venv, timeout) or ""
