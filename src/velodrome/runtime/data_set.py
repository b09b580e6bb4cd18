"""Puts the data set into VELODROME_HOME, once: DATASET's files, or generated ones."""

from __future__ import annotations

import shutil
from pathlib import Path

from velodrome.dataset import check as dataset_check
from velodrome.dataset import generate as dataset_generate
from velodrome.dataset import schema as dataset_schema
from velodrome.settings import Settings

STAMP = ".origin"  # in the data set's folder: where it came from


class DatasetError(RuntimeError):
    """The data set cannot be loaded, or is not the one that this copy holds; the message says why."""


def already_loaded(origin: str) -> DatasetError:
    """The refusal to change a copy's data set; `origin` is the stamp of the one that it holds."""
    return DatasetError(
        f"this copy already holds the data set {origin.splitlines()[0]}: run `make reset` first, "
        "or start a second copy with another VELODROME_HOME and other ports"
    )


def check_dataset(folder: Path) -> None:
    """Refuse a data set with a missing file or column, or a row that breaks the source's constraints."""
    problems = dataset_check.check(folder)
    if problems:
        shown = "\n".join(f"  {problem}" for problem in problems[:20])
        more = f"\n  … and {len(problems) - 20} more" if len(problems) > 20 else ""
        raise DatasetError(f"DATASET={folder} cannot be loaded:\n{shown}{more}")


def take_dataset(settings: Settings, loaded: bool) -> str:
    """Put the data set into VELODROME_HOME/dataset: DATASET's files, else a generated one; says which, or nothing
    when it is there already. A copy that has `loaded` one data set does not change to another: that is refused."""
    target = settings.home / "dataset"
    stamp = target / STAMP
    origin = stamp.read_text() if stamp.is_file() else ""
    if settings["DATASET"]:
        source = settings.path("DATASET")
        check_dataset(source)
        files = sorted(source / file for file in dataset_schema.FILES)
        marks = [f"{file.stat().st_size} {file.stat().st_mtime_ns}" for file in files]
        wanted = "\n".join([f"from {source}", *marks])
    else:
        wanted = origin or f"generated from seed {settings['DATASET_SEED']} at scale {settings['DATASET_SCALE']}"
    if wanted == origin:
        return ""
    if origin and loaded:
        raise already_loaded(origin)
    shutil.rmtree(target, ignore_errors=True)
    if settings["DATASET"]:
        target.mkdir(parents=True)
        for file in files:
            shutil.copyfile(file, target / file.name)
    else:
        dataset_generate.generate(target, seed=settings.integer("DATASET_SEED"), scale=float(settings["DATASET_SCALE"]))
    stamp.write_text(wanted)
    return wanted.splitlines()[0]
