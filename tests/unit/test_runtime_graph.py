"""Steps run as soon as those they need have ended, and none after a failure."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from velodrome.runtime.graph import Step, run_steps
from velodrome.testing import wait_until


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


def test_ctrl_c_does_not_wait_for_what_runs() -> None:
    program = """
import signal, threading
from velodrome.runtime.graph import Step, run_steps
from velodrome.runtime.interrupt import leave
try:
    run_steps([Step("a", lambda: signal.raise_signal(signal.SIGINT)), Step("b", threading.Event().wait)])
except KeyboardInterrupt:
    print("interrupted")
    leave()
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (130, "interrupted\n", "")


def test_what_was_started_is_ended_with_us() -> None:
    program = """
import subprocess
from velodrome.runtime.interrupt import children, leave
child = subprocess.Popen(["sleep", "600"], stdout=subprocess.DEVNULL)
assert children() == [child.pid]
print(child.pid, flush=True)
leave()
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=False)
    assert result.returncode == 130

    def gone() -> bool:
        state = Path(f"/proc/{result.stdout.strip()}/stat")
        return not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z"

    wait_until("the child to end", gone)
