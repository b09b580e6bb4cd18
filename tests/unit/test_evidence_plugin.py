"""When evidence is kept, and where: pytest run in pytest, on a copy of the stack of which nothing runs."""

from __future__ import annotations

from pathlib import Path

import evidence
import pytest

pytest_plugins = ["pytester"]

TESTS = """
    import pytest
    from pathlib import Path
    from velodrome.testing import own_settings

    class Copy:
        def __init__(self, home):
            self.settings = own_settings(home)

        def evidence(self, folder):
            (folder / "redshift.log").write_text("its last words")

    @pytest.fixture(scope="session")
    def stack(tmp_path_factory):
        return Copy(tmp_path_factory.mktemp("home"))

    @pytest.fixture
    def warehouse(stack):
        return stack

    @pytest.mark.parametrize("name", ["a/b c"])
    def test_that_fails(stack, name):
        assert name == "something else"

    def test_that_fails_behind_a_fixture(warehouse):
        assert not warehouse

    def test_that_passes(stack):
        pass

    def test_without_a_stack():
        assert False
"""


def test_a_failing_test_leaves_logs_and_its_reason(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(evidence.__file__).parent))
    for folder in ("pipeline", "unit"):
        file = pytester.path / "tests" / folder / f"test_{folder}.py"
        file.parent.mkdir(parents=True)
        file.write_text("\n".join(line.removeprefix("    ") for line in TESTS.splitlines()))
    (pytester.path / "tests" / "conftest.py").write_text('pytest_plugins = ["evidence"]\n')
    pytester.makeini("[pytest]")
    result = pytester.runpytest_subprocess("tests")
    result.assert_outcomes(passed=2, failed=6)
    result.stdout.fnmatch_lines(["*- evidence -*", "*/.velodrome/evidence/pipeline_test_pipeline.py_test_that_fails*"])
    kept = pytester.path / ".velodrome" / "evidence"
    assert sorted(folder.name for folder in kept.iterdir()) == [
        "pipeline_test_pipeline.py_test_that_fails_a_b_c",
        "pipeline_test_pipeline.py_test_that_fails_behind_a_fixture",
    ]
    for folder in kept.iterdir():
        assert (folder / "logs" / "redshift.log").read_text() == "its last words"
        assert "AssertionError" in (folder / "failure.txt").read_text()
        # Nothing listens, or there is no browser: either way it says why there is no picture.
        assert (folder / evidence.NO_PICTURE).read_text().strip()
        assert not (folder / evidence.PICTURE).exists()
