"""Writers on S3 that know what must be there: each has keys of its own, and checks them after a crash.

usage: python tests/services/s3_writers.py --kills 200 [--copies 2] [--writers 5] [--seed 1]
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import random
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from velodrome.settings import Settings
from velodrome.testing import client_options, own_settings, start_service

PART = 5 * 1024 * 1024
PLAIN, VERSIONED = "plain", "versioned"
State = dict[str, Any]


def client(settings: Settings) -> Any:
    """A client that never sends a request twice: each acknowledgement counts."""
    return boto3.client(
        "s3",
        **client_options(settings),
        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}, max_pool_connections=2),
    )


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


class Crash(Exception):
    """The server went away during a request: it may have been carried out or not."""


class Writer:
    """`state` is what was acknowledged, `possible` what it becomes if the request under way is carried out."""

    def __init__(self, s3: Any, name: str, seed: int) -> None:
        self.s3, self.name = s3, name
        self.random = random.Random(seed)
        self.keys = [(bucket, f"{name}/é {number}") for bucket in (PLAIN, VERSIONED) for number in range(3)]
        self.state: State = {"keys": {place: [] for place in self.keys}, "uploads": {}}
        self.possible: State | None = None
        self.acknowledged = 0

    # One step of the work.

    def step(self) -> None:
        kinds = "put put put put delete delete_version delete_two copy tag upload upload part part complete abort"
        getattr(self, self.random.choice(kinds.split()))()

    def do(self, after: State, operation: str, answer: str = "ResponseMetadata", **request: Any) -> Any:
        """Send a request that leads to `after`; it is acknowledged when the answer has this field."""
        self.possible = after
        try:
            response = getattr(self.s3, operation)(**request)
        except ClientError as error:
            raise AssertionError(f"{self.name}: {operation} {request.keys()}: {error}") from error
        except BotoCoreError as error:
            raise Crash from error
        if answer not in response:
            raise Crash  # the head of an answer without its body
        self.state, self.possible = after, None
        self.acknowledged += 1
        return response

    def content(self) -> bytes:
        low, high = self.random.choice([(0, 2_000), (0, 2_000), (14_000, 20_000), (20_000, 300_000), (1, 2_000_000)])
        return self.random.randbytes(self.random.randint(low, high))

    def with_version(self, place: tuple[str, str], version: dict[str, Any]) -> State:
        after = copy.deepcopy(self.state)
        after["keys"][place] = [version] if place[0] == PLAIN else [*after["keys"][place], version]
        return after

    def latest(self, place: tuple[str, str]) -> dict[str, Any] | None:
        versions = self.state["keys"][place]
        return versions[-1] if versions and versions[-1]["md5"] else None

    def put(self) -> None:
        place, body, note = self.random.choice(self.keys), self.content(), str(self.random.random())
        tags = self.random.choice([{}, {"note": note}])
        version = {"id": None, "etag": md5(body), "md5": md5(body), "note": note, "tags": tags}
        tagging = {"Tagging": f"note={note}"} if tags else {}
        after = self.with_version(place, version)
        request = {"Bucket": place[0], "Key": place[1], "Body": body, "Metadata": {"note": note}, **tagging}
        version["id"] = self.do(after, "put_object", **request).get("VersionId", "null")

    def copy(self) -> None:
        source, place = self.random.sample(self.keys, 2)
        if from_version := self.latest(source):
            version = {**from_version, "id": None, "etag": from_version["md5"]}
            after = self.with_version(place, version)
            request = {"Bucket": place[0], "Key": place[1], "CopySource": {"Bucket": source[0], "Key": source[1]}}
            version["id"] = self.do(after, "copy_object", "CopyObjectResult", **request).get("VersionId", "null")

    def tag(self) -> None:
        place = self.random.choice(self.keys)
        if self.latest(place):
            after, note = copy.deepcopy(self.state), str(self.random.random())
            after["keys"][place][-1]["tags"] = {"note": note}
            tags = {"TagSet": [{"Key": "note", "Value": note}]}
            self.do(after, "put_object_tagging", Bucket=place[0], Key=place[1], Tagging=tags)

    def deleted(self, state: State, place: tuple[str, str]) -> dict[str, Any]:
        marker = {"id": None, "etag": None, "md5": None, "note": None, "tags": {}}
        state["keys"][place] = [] if place[0] == PLAIN else [*state["keys"][place], marker]
        return marker

    def delete(self) -> None:
        place, after = self.random.choice(self.keys), copy.deepcopy(self.state)
        marker = self.deleted(after, place)
        marker["id"] = self.do(after, "delete_object", Bucket=place[0], Key=place[1]).get("VersionId")

    def delete_two(self) -> None:
        bucket = self.random.choice([PLAIN, VERSIONED])
        places = self.random.sample([place for place in self.keys if place[0] == bucket], 2)
        after = copy.deepcopy(self.state)
        markers = {place[1]: self.deleted(after, place) for place in places}
        listed = {"Objects": [{"Key": key} for _, key in places]}
        for gone in self.do(after, "delete_objects", "Deleted", Bucket=bucket, Delete=listed)["Deleted"]:
            markers[gone["Key"]]["id"] = gone.get("DeleteMarkerVersionId")

    def delete_version(self) -> None:
        for place in self.keys:
            versions = self.state["keys"][place]
            if place[0] == VERSIONED and len(versions) > 3:
                after = copy.deepcopy(self.state)
                gone = after["keys"][place].pop(self.random.randrange(len(versions)))
                self.do(after, "delete_object", Bucket=place[0], Key=place[1], VersionId=gone["id"])

    def upload(self) -> None:
        if len(self.state["uploads"]) > 2:
            return self.abort()
        place, after = self.random.choice(self.keys), copy.deepcopy(self.state)
        after["uploads"][None] = {"place": place, "parts": {}}
        note = {"note": self.name}
        made = self.do(after, "create_multipart_upload", "UploadId", Bucket=place[0], Key=place[1], Metadata=note)
        self.state["uploads"][made["UploadId"]] = self.state["uploads"].pop(None)
        return None

    def one_upload(self) -> dict[str, Any]:
        if not self.state["uploads"]:
            return {}
        name = self.random.choice(sorted(self.state["uploads"]))
        bucket, key = self.state["uploads"][name]["place"]
        return {"Bucket": bucket, "Key": key, "UploadId": name}

    def part(self) -> None:
        if request := self.one_upload():
            number, after = self.random.choice([1, 1, 2, 3]), copy.deepcopy(self.state)
            body = self.random.randbytes(PART if number < 3 else self.random.randint(1, 100_000))
            after["uploads"][request["UploadId"]]["parts"][number] = body
            self.do(after, "upload_part", **request, PartNumber=number, Body=body)

    def complete(self) -> None:
        if (request := self.one_upload()) and (parts := self.state["uploads"][request["UploadId"]]["parts"]):
            sums = [md5(parts[number]) for number in sorted(parts)]
            etag = f"{md5(b''.join(bytes.fromhex(one) for one in sums))}-{len(sums)}"
            whole = md5(b"".join(parts[number] for number in sorted(parts)))
            version = {"id": None, "etag": etag, "md5": whole, "note": self.name, "tags": {}}
            after = self.with_version((request["Bucket"], request["Key"]), version)
            del after["uploads"][request["UploadId"]]
            listed = [{"PartNumber": number, "ETag": md5(parts[number])} for number in sorted(parts)]
            done = self.do(after, "complete_multipart_upload", "ETag", **request, MultipartUpload={"Parts": listed})
            version["id"] = done.get("VersionId", "null")

    def abort(self) -> None:
        if request := self.one_upload():
            after = copy.deepcopy(self.state)
            del after["uploads"][request["UploadId"]]
            self.do(after, "abort_multipart_upload", **request)

    # After a crash.

    def check(self) -> None:
        """Adopt what is there, which must be one of the two states, bodies, listing and versions included."""
        seen = self.observe()
        for expected in filter(None, [self.state, self.possible]):
            if _agree(seen, expected):
                self.state, self.possible = _named(expected, seen), None
                return
        difference = [
            (place, seen["keys"][place], self.state["keys"][place], self.possible and self.possible["keys"][place])
            for place in self.keys
            if not _same_versions(seen["keys"][place], self.state["keys"][place])
        ]
        uploads = {name: (one["place"], sorted(one["parts"])) for name, one in seen["uploads"].items()}
        raise AssertionError(f"{self.name}: neither before nor after: {difference}; uploads {uploads}")

    def observe(self) -> State:
        state: State = {"keys": {place: [] for place in self.keys}, "uploads": {}}
        for bucket in (PLAIN, VERSIONED):
            listing = self.s3.list_object_versions(Bucket=bucket, Prefix=f"{self.name}/")
            entries = listing.get("Versions", []) + listing.get("DeleteMarkers", [])
            latest = {entry["Key"]: entry for entry in entries if entry["IsLatest"]}
            shown = self.s3.list_objects_v2(Bucket=bucket, Prefix=f"{self.name}/").get("Contents", [])
            objects = [key for key, entry in latest.items() if "ETag" in entry]
            assert sorted(entry["Key"] for entry in shown) == sorted(objects), f"{bucket}: listing and versions differ"
            for key in {entry["Key"] for entry in entries}:
                state["keys"][bucket, key] = self.versions(bucket, [one for one in entries if one["Key"] == key])
            for upload in self.s3.list_multipart_uploads(Bucket=bucket, Prefix=f"{self.name}/").get("Uploads", []):
                named = {"Bucket": bucket, "Key": upload["Key"], "UploadId": upload["UploadId"]}
                parts = self.s3.list_parts(**named).get("Parts", [])
                sums = {part["PartNumber"]: (part["ETag"].strip('"'), part["Size"]) for part in parts}
                state["uploads"][upload["UploadId"]] = {"place": (bucket, upload["Key"]), "parts": sums}
        return state

    def versions(self, bucket: str, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        found = []
        assert [one["IsLatest"] for one in entries].count(True) == 1, f"{bucket}: not one latest version: {entries}"
        for entry in entries:
            version = {"id": entry["VersionId"], "etag": None, "md5": None, "note": None, "tags": {}}
            if "ETag" in entry:
                place = {"Bucket": bucket, "Key": entry["Key"]} | (
                    {"VersionId": entry["VersionId"]} if bucket == VERSIONED else {}
                )
                got = self.s3.get_object(**place)
                body = got["Body"].read()
                assert len(body) == entry["Size"] == got["ContentLength"], f"half an object: {place}"
                tags = {tag["Key"]: tag["Value"] for tag in self.s3.get_object_tagging(**place)["TagSet"]}
                etag, note = entry["ETag"].strip('"'), got["Metadata"].get("note")
                version |= {"etag": etag, "md5": md5(body), "note": note, "tags": tags}
                if entry["IsLatest"]:
                    head = self.s3.head_object(Bucket=bucket, Key=entry["Key"])
                    assert head["ETag"] == entry["ETag"], f"HEAD is not the latest version of {place}"
            found.append((entry["IsLatest"], version))
        return [version for _, version in sorted(found, key=lambda one: one[0])]


def _same_versions(seen: list[dict[str, Any]], expected: list[dict[str, Any]]) -> bool:
    """The listing tells which version is the latest; among the others identity counts, not order."""
    if len(seen) != len(expected):
        return False
    if not seen:
        return True
    left = {version["id"]: version for version in seen}
    unknown = [version for version in expected if version["id"] not in left]
    for version in expected:
        if version["id"] in left and left.pop(version["id"]) != version:
            return False
    if unknown and (len(unknown) > 1 or unknown[0]["id"] is not None):
        return False
    if unknown and {**next(iter(left.values())), "id": None} != unknown[0]:
        return False
    return seen[-1]["id"] == expected[-1]["id"] or expected[-1]["id"] is None


def _agree(seen: State, expected: State) -> bool:
    if any(not _same_versions(seen["keys"][place], expected["keys"][place]) for place in expected["keys"]):
        return False
    wanted = {
        name: {
            "place": one["place"],
            "parts": {number: (md5(body), len(body)) for number, body in one["parts"].items()},
        }
        for name, one in expected["uploads"].items()
    }
    if None in wanted:
        new = [name for name in seen["uploads"] if name not in wanted]
        if len(new) != 1:
            return False
        wanted[new[0]] = wanted.pop(None)
    return wanted == seen["uploads"]


def _named(expected: State, seen: State) -> State:
    """The state with the names that the server gave."""
    state = copy.deepcopy(expected)
    for place, versions in state["keys"].items():
        known = {version["id"] for version in versions}
        new = [version["id"] for version in seen["keys"][place] if version["id"] not in known]
        for version, name in zip([one for one in versions if one["id"] is None], new, strict=True):
            version["id"] = name
    if None in state["uploads"]:
        (new,) = [name for name in seen["uploads"] if name not in state["uploads"]]
        state["uploads"][new] = state["uploads"].pop(None)
    return state


def crash_rounds(home: Path, kills: int, writers: int, seed: int, say: Any = print) -> int:
    """Kill one server that often at random moments of the writers' work; returns the acknowledged writes."""
    chance = random.Random(seed)
    settings = own_settings(home)
    running = start_service("s3", settings)
    try:
        first = client(settings)
        objects = settings.home / "data" / "s3" / "objects"
        for bucket in (PLAIN, VERSIONED):
            first.create_bucket(Bucket=bucket)
        first.put_bucket_versioning(Bucket=VERSIONED, VersioningConfiguration={"Status": "Enabled"})
        at_first = {file.name for file in objects.iterdir()}
        workers = [Writer(client(settings), f"writer-{number}", seed * 1000 + number) for number in range(writers)]
        for kill in range(1, kills + 1):
            with ThreadPoolExecutor(writers) as pool:
                ends = [pool.submit(_work, writer) for writer in workers]
                threading.Event().wait(chance.uniform(0.02, 1.2))
                running.kill()
                problems = [error for end in ends if (error := end.exception()) is not None]
                assert not problems, problems
                running = start_service("s3", settings)
                list(pool.map(Writer.check, workers))
            if kill % 10 == 0 or kill == kills:
                say(f"seed {seed}: {kill} kills, {sum(writer.acknowledged for writer in workers)} acknowledged writes")
        _empty(first, workers)
        running.stop()
        left = {file.name for file in objects.iterdir()} - at_first
        assert not left, f"{len(left)} files belong to nothing"
    except BaseException:
        say(f"seed {seed}; the end of the server's log:\n{running.log[-6000:]}")
        raise
    finally:
        running.stop()
    return sum(writer.acknowledged for writer in workers)


def _work(writer: Writer) -> None:
    try:
        while True:
            writer.step()
    except Crash:
        return


def _empty(s3: Any, workers: list[Writer]) -> None:
    for writer in workers:
        for (bucket, key), versions in writer.state["keys"].items():
            for version in versions:
                named = {"VersionId": version["id"]} if bucket == VERSIONED else {}
                s3.delete_object(Bucket=bucket, Key=key, **named)
        while writer.state["uploads"]:
            writer.abort()
    for bucket in (PLAIN, VERSIONED):
        s3.delete_bucket(Bucket=bucket)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200, help="of all copies together")
    parser.add_argument("--copies", type=int, default=2, help="servers side by side")
    parser.add_argument("--writers", type=int, default=5, help="threads that write to each")
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100_000)
    options = parser.parse_args()
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="s3-crashes-") as folder, ThreadPoolExecutor(options.copies) as pool:
        rounds = [
            pool.submit(
                crash_rounds,
                Path(folder, str(number)),
                options.kills // options.copies,
                options.writers,
                options.seed + number,
                lambda text: print(text, flush=True),
            )
            for number in range(options.copies)
        ]
        written = sum(end.result() for end in rounds)
    print(f"{options.kills} kills, {written} acknowledged writes, all there; {time.monotonic() - begin:.0f} s")


if __name__ == "__main__":
    sys.exit(main())
