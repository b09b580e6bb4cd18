"""How S3 is started and what a fresh one is given: the engine's folder in the project, which nothing else names."""

from __future__ import annotations

FOLDER = "localstack"
START = f"{FOLDER}/start.sh"
REQUIREMENTS = f"{FOLDER}/requirements.txt"
# The script among the hooks that fills the source bucket, for running by itself.
OBJECTS_HOOK = f"{FOLDER}/ready.d/20_objects.py"
