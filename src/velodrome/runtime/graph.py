"""Runs steps that need one another in parallel, each as soon as those it needs have ended."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """A piece of work and the names of the steps that must have ended before it."""

    name: str
    run: Callable[[], None]
    needs: tuple[str, ...] = ()


def run_steps(steps: Iterable[Step]) -> None:
    """Run all steps, each in a thread; after the first failure no other is begun, and that failure is raised when
    those running have ended. Ctrl-C is raised at once: threads never hold the process back."""
    left = {step.name: step for step in steps}
    unknown = {need for step in left.values() for need in step.needs} - left.keys()
    if unknown:
        raise ValueError(f"steps need what is not there: {sorted(unknown)}")
    ended: queue.SimpleQueue[tuple[str, BaseException | None]] = queue.SimpleQueue()
    done: set[str] = set()
    running = 0
    failure: BaseException | None = None
    while running or (left and failure is None):
        ready = [name for name, step in left.items() if done.issuperset(step.needs)] if failure is None else []
        for name in ready:
            threading.Thread(target=_run, args=(left.pop(name), ended), name=name, daemon=True).start()
        running += len(ready)
        if not running:
            raise ValueError(f"steps need one another: {sorted(left)}")
        name, error = ended.get()
        running -= 1
        done.add(name)
        failure = failure or error
    if failure is not None:
        raise failure


def _run(step: Step, ended: queue.SimpleQueue[tuple[str, BaseException | None]]) -> None:
    try:
        step.run()
    except BaseException as error:  # raised again in the caller's thread
        ended.put((step.name, error))
    else:
        ended.put((step.name, None))
