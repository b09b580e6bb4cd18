"""Runs steps that need one another in parallel, each as soon as those it needs have ended."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """A piece of work and the names of the steps that must have ended before it."""

    name: str
    run: Callable[[], None]
    needs: tuple[str, ...] = ()


def run_steps(steps: Iterable[Step], workers: int = 16) -> None:
    """Run all steps; after the first failure no other is begun, and that failure is raised when those running have
    ended."""
    left = {step.name: step for step in steps}
    unknown = {need for step in left.values() for need in step.needs} - left.keys()
    if unknown:
        raise ValueError(f"steps need what is not there: {sorted(unknown)}")
    done: set[str] = set()
    running: dict[Future[None], str] = {}
    failure: BaseException | None = None
    with ThreadPoolExecutor(workers) as pool:
        while running or (left and failure is None):
            ready = [name for name, step in left.items() if done.issuperset(step.needs)] if failure is None else []
            for name in ready:
                running[pool.submit(left.pop(name).run)] = name
            if not running:
                raise ValueError(f"steps need one another: {sorted(left)}")
            ended, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in ended:
                done.add(running.pop(future))
                failure = failure or future.exception()
    if failure is not None:
        raise failure
