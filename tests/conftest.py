"""What all tests share: evidence is kept of what fails on a whole stack."""

pytest_plugins = ["evidence"]
