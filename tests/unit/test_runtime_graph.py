"""Steps run as soon as those they need have ended, and none after a failure."""

from __future__ import annotations

import threading

import pytest

from velodrome.runtime.graph import Step, run_steps


def test_steps_keep_their_order() -> None:
    ran: list[str] = []
    run_steps(
        [
            Step("c", lambda: ran.append("c"), ("a", "b")),
            Step("b", lambda: ran.append("b"), ("a",)),
            Step("a", lambda: ran.append("a")),
        ]
    )
    assert ran == ["a", "b", "c"]


def test_independent_steps_run_at_the_same_time() -> None:
    meeting = threading.Barrier(2, timeout=10)
    run_steps([Step("a", lambda: meeting.wait() and None), Step("b", lambda: meeting.wait() and None)])


def test_a_failure_is_raised_and_nothing_that_needs_it_runs() -> None:
    ran: list[str] = []

    def fail() -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        run_steps([Step("a", fail), Step("b", lambda: ran.append("b"), ("a",))])
    assert ran == []


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([Step("a", print, ("z",))], "what is not there"),
        ([Step("a", print, ("b",)), Step("b", print, ("a",))], "need one another"),
    ],
)
def test_needs_that_cannot_be_met_are_refused(steps: list[Step], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run_steps(steps)
