"""The console's view of work in progress: a live table of steps on a terminal, plain lines elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.table import Table

MARKS = {"waiting": "[dim]·[/]", "running": "[cyan]▸[/]", "done": "[green]✔[/]", "failed": "[red]✘[/]"}


@dataclass
class StepView:
    """One step as shown: its state, what it says of itself, and its time."""

    title: str
    state: str = "waiting"
    detail: str = ""
    started: float = 0.0
    seconds: float = 0.0

    def elapsed(self) -> float:
        """Seconds since its start, or in all when it has ended."""
        return time.monotonic() - self.started if self.state == "running" else self.seconds


class Progress:
    """Shows steps while they run. Use as a context manager; `step` may be entered from several threads."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.steps: dict[str, StepView] = {}
        self._start = time.monotonic()
        self._lock = threading.Lock()
        self._live = (
            Live(console=console, get_renderable=self._table, refresh_per_second=4) if console.is_terminal else None
        )

    def __enter__(self) -> Progress:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def seconds(self) -> float:
        """Seconds since the start of all."""
        return time.monotonic() - self._start

    def plan(self, *titles: str) -> None:
        """Show steps that will come."""
        with self._lock:
            for title in titles:
                self.steps.setdefault(title, StepView(title))

    def say(self, title: str, detail: str) -> None:
        """Tell what a running step is doing."""
        view = self.steps[title]
        if detail and detail != view.detail:
            view.detail = detail
            self._line(f"{title}: {detail}")

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Run a step: shown as running, then as done or failed, with its time."""
        self.plan(title)
        view = self.steps[title]
        view.state, view.started = "running", time.monotonic()
        try:
            yield
        except BaseException:
            view.seconds = time.monotonic() - view.started
            view.state = "failed"
            self._line(f"{title}: failed after {view.seconds:.1f} s")
            raise
        view.seconds = time.monotonic() - view.started
        view.state = "done"
        self._line(f"{title}: done ({view.seconds:.1f} s)")

    def _line(self, text: str) -> None:
        if self._live is None:
            self.console.print(f"[{self.seconds():6.1f} s] {text}", markup=False, highlight=False, soft_wrap=True)

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        with self._lock:
            for view in self.steps.values():
                waiting = view.state == "waiting"
                seconds = "" if waiting else f"{view.elapsed():.1f} s"
                table.add_row(MARKS[view.state], view.title, f"[dim]{seconds}[/]", f"[dim]{view.detail}[/]")
        return table
