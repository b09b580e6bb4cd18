"""Keeps evidence of a test that failed on a whole stack: the services' logs, and what Airflow's page of the run showed.

It lies in .velodrome/evidence/<test>/, and CI uploads it. A copy of the stack is what a fixture named `stack` returns:
it has `settings`, and `evidence(folder)`, which writes the services' logs into a folder.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Generator
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest
from playwright.sync_api import Browser, Playwright, sync_playwright
from playwright.sync_api import Error as BrowserError

from velodrome.runtime.airflow_api import PIPELINE_DAG, Airflow, AirflowError
from velodrome.settings import Settings

FIXTURE = "stack"
FOLDERS = ("tests/pipeline/", "tests/stack/")  # where a test's `stack` is a whole one
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PAGE_TIMEOUT = 30_000  # milliseconds
PICTURE = "airflow.png"
NO_PICTURE = "no-picture.txt"
# What a stack that does not work may raise while it is looked at: it is written down, and never hides the failure.
TROUBLE = (OSError, RuntimeError, ValueError, httpx.HTTPError, subprocess.SubprocessError, BrowserError)


class Stack(Protocol):
    """A copy of the whole stack."""

    @property
    def settings(self) -> Settings:
        """What it was started with, secrets included."""
        ...

    def evidence(self, folder: Path) -> None:
        """Write each service's log into this folder, which is there and empty."""
        ...


def browser(playwright: Playwright) -> str:
    """A browser of the Chromium family: the system's, else the one that Playwright has downloaded. Raises
    FileNotFoundError that says how to get one."""
    found = next((found for name in BROWSERS if (found := shutil.which(name))), playwright.chromium.executable_path)
    if not Path(found).is_file():
        raise FileNotFoundError(
            f"no browser: install one of {', '.join(BROWSERS)}, or run "
            ".velodrome/installs/test/bin/playwright install chromium"
        )
    return found


def collect(stack: Stack, folder: Path) -> None:
    """Fill the folder anew; what cannot be had is said in a file in its place."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "logs").mkdir(parents=True)
    try:
        stack.evidence(folder / "logs")
    except TROUBLE as error:
        (folder / "no-logs.txt").write_text(f"{error!r}\n", encoding="utf-8")
    try:
        picture(stack.settings, folder / PICTURE)
    except TROUBLE as error:
        (folder / NO_PICTURE).write_text(f"{error}\n", encoding="utf-8")


def picture(settings: Settings, file: Path) -> None:
    """A picture of Airflow's page of the newest run of the pipeline, logged in as its user."""
    with sync_playwright() as playwright:
        executable = browser(playwright)
    # One short question first: the session below is patient with a server that is being restarted.
    httpx.get(f"{settings['AIRFLOW_URL']}/api/v2/version", timeout=5, trust_env=False)
    with Airflow(settings) as airflow, sync_playwright() as playwright:
        try:
            page, shown = airflow.run_url(PIPELINE_DAG, run := airflow.newest_run(PIPELINE_DAG)), run
        except (AirflowError, IndexError):  # it has not found the DAG, or nothing has run yet
            page, shown = f"{airflow.url}/dags", "Dags"
        # The pages are our own: no sandbox is needed, and root could have none.
        started = playwright.chromium.launch(executable_path=executable, chromium_sandbox=False)
        try:
            _photograph(started, airflow, page, shown, file)
        finally:
            started.close()


def _photograph(started: Browser, airflow: Airflow, page: str, shown: str, file: Path) -> None:
    context = started.new_context(viewport={"width": 1600, "height": 1000})
    context.add_cookies([{"name": "_token", "value": airflow.token, "url": airflow.url}])
    tab = context.new_page()
    tab.goto(page, timeout=PAGE_TIMEOUT)
    try:
        tab.get_by_text(shown).first.wait_for(timeout=PAGE_TIMEOUT)
        tab.wait_for_load_state("networkidle", timeout=PAGE_TIMEOUT)
    finally:  # a page that never says it is evidence too
        tab.screenshot(path=file)


def folder_of(test: str) -> str:
    """A test's id as the name of a folder."""
    return re.sub(r"[^\w.-]+", "_", test.removeprefix("tests/")).strip("_")[:150]


class Collector:
    """The plugin: knows the stack that is up, and looks at it at once when a test on it fails."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.stack: Stack | None = None

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Generator[None, Any, Any]:
        """Remember the stack."""
        value = yield
        if fixturedef.argname == FIXTURE:
            self.stack = value
        return value

    def pytest_fixture_post_finalizer(self, fixturedef: pytest.FixtureDef[Any]) -> None:
        """Forget it when it is down."""
        if fixturedef.argname == FIXTURE:
            self.stack = None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Collect when a test fails whose stack is up, and say where."""
        report = yield
        # `fixturenames` are all that the test needs, those that its fixtures need included.
        needs = getattr(item, "fixturenames", ())
        if report.failed and self.stack is not None and FIXTURE in needs and item.nodeid.startswith(FOLDERS):
            folder = self.root / ".velodrome" / "evidence" / folder_of(item.nodeid)
            collect(self.stack, folder)
            (folder / "failure.txt").write_text(f"{item.nodeid} ({report.when})\n\n{report.longreprtext}\n", "utf-8")
            report.sections.append(("evidence", str(folder)))
        return report


def pytest_configure(config: pytest.Config) -> None:
    """pytest's hook: one collector a session."""
    config.pluginmanager.register(Collector(config.rootpath), "velodrome-evidence")
