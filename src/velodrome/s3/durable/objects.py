"""A bucket's versions and tags as LocalStack asks for them, each read from the index when it is asked for.

An operation that has the state's lock sees what is queued before it, and has its own things in hand until it ends. A
reading one sees what is on disk.
"""

# mypy: disable-error-code="import-not-found, import-untyped, misc, no-any-return"

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from localstack.services.s3.models import S3DeleteMarker, S3Object

from velodrome.s3.durable import codec
from velodrome.s3.durable.bodies import Body
from velodrome.s3.durable.index import Change, Gone, Index, Row
from velodrome.s3.durable.transaction import Transaction

if TYPE_CHECKING:
    from collections.abc import Callable

NULL = "null"
# What a row's other columns, or other rows, say.
_ELSEWHERE = ("key", "version_id", "is_current")
_seen = threading.local()


@contextmanager
def remembering() -> Iterator[None]:
    """Within one reading request, a version that was read is not read again."""
    _seen.things = {}
    try:
        yield
    finally:
        _seen.things = None


class Versions:
    """All objects of all buckets."""

    def __init__(self, index: Index, versioned: Callable[[str], bool]) -> None:
        self._index = index
        self._versioned = versioned

    def get(self, bucket: str, key: str, version: str | None) -> Any | None:
        """One version of a key, the latest if none is named."""
        transaction = Transaction.running()
        if transaction is not None and transaction.entered:
            return self._get_in_hand(transaction, bucket, key, version)
        things: dict[Any, Any] | None = getattr(_seen, "things", None)
        if things is not None and (bucket, key, version) in things:
            return things[bucket, key, version]
        row = self._index.object(bucket, key, version)
        thing = None if row is None else self._thing(row)
        if things is not None:
            things[bucket, key, version] = thing
            if row is not None:
                things[bucket, key, row.detail] = thing
        return thing

    def _get_in_hand(self, transaction: Transaction, bucket: str, key: str, version: str | None) -> Any | None:
        in_hand = transaction.versions.setdefault((bucket, key), {})
        if version is not None and version in in_hand:
            return in_hand[version]
        row = self._index.queued_object(bucket, key, version, in_hand)
        found = [thing for thing in in_hand.values() if thing is not None] if version is None else []
        newest = max(found, key=lambda thing: thing._place, default=None)
        if row is None or (newest is not None and newest._place > row.place):
            return newest
        in_hand[row.detail] = self._thing(row)
        return in_hand[row.detail]

    def before(self, bucket: str, key: str, version: str) -> Any | None:
        """The version as it was before the operation of this thread, which has the state's lock."""
        row = self._index.queued_object(bucket, key, version)
        return None if row is None else self._thing(row)

    def put(self, bucket: str, key: str, thing: Any) -> None:
        """Make it the latest version; one of the same name goes, as on S3."""
        transaction = Transaction.current()
        transaction.enter()
        thing._place = next(self._index.places)
        version = thing.version_id or NULL
        transaction.versions.setdefault((bucket, key), {})[version] = thing
        transaction.written[bucket, key, version] = None

    def take(self, bucket: str, key: str, version: str | None) -> Any | None:
        """Remove a version; returns it."""
        transaction = Transaction.current()
        transaction.enter()
        version = version or NULL
        found = self.get(bucket, key, version)
        if found is not None:
            transaction.versions.setdefault((bucket, key), {})[version] = None
            transaction.written[bucket, key, version] = None
        return found

    def has_any(self, bucket: str) -> bool:
        """Whether the bucket has a version or a delete marker."""
        with self._index.lock:
            return self._index.has_objects(bucket)

    def written(self, transaction: Transaction) -> Iterator[Change]:
        """What an operation has put and removed, as rows."""
        for bucket, key, version in transaction.written:
            thing = transaction.versions[bucket, key][version]
            yield Gone(bucket, "object", key, version) if thing is None else self._row(bucket, key, thing)

    def changed(self, bucket: str, key: str, version: str | None) -> Iterator[Change]:
        """A version that an operation may have changed as it is."""
        if (thing := self.get(bucket, key, version)) is not None:
            yield self._row(bucket, key, thing)

    @staticmethod
    def _row(bucket: str, key: str, thing: Any) -> Row:
        fields = {
            name: value for name, value in vars(thing).items() if not name.startswith("_") and name not in _ELSEWHERE
        }
        data = codec.dumps({"type": type(thing).__name__, "fields": fields, "tags": getattr(thing, "_tags", None)})
        return Row("object", bucket, key, thing.version_id or NULL, thing._place, getattr(thing, "_body", None), data)

    def _thing(self, row: Row) -> Any:
        read = codec.loads(row.data)
        version = row.detail if self._versioned(row.bucket) else None
        if read["type"] == S3DeleteMarker.__name__:
            thing = S3DeleteMarker(row.name, version)
        else:
            thing = S3Object(row.name, version_id=version)
            thing._body = row.body or Body()
        vars(thing).update(read["fields"])
        thing._place = row.place
        thing._tags = read["tags"]
        return thing


class BucketObjects:
    """One bucket's objects: LocalStack's KeyStore and VersionedKeyStore at once."""

    def __init__(self, versions: Versions, bucket: str) -> None:
        self._versions = versions
        self._bucket = bucket

    def get(self, object_key: str, version_id: str | None = None) -> Any | None:
        """One version of a key, the latest if none is named."""
        return self._versions.get(self._bucket, object_key, version_id or None)

    def set(self, object_key: str, s3_object: Any) -> None:
        """Add a version, which is the latest one then."""
        self._versions.put(self._bucket, object_key, s3_object)

    def pop(self, object_key: str, version_id: str | None = None, default: Any = None) -> Any:
        """Remove a version, `null` if none is named."""
        return self._versions.take(self._bucket, object_key, version_id) or default

    def is_empty(self) -> bool:
        """Whether there is no version and no delete marker."""
        return not self._versions.has_any(self._bucket)

    def __contains__(self, object_key: str) -> bool:
        return self.get(object_key) is not None


class Tags(dict[str, dict[str, str]]):
    """LocalStack's tags of all things by name: those of an object are the object's, all others lie here."""

    def __init__(self, versions: Versions) -> None:
        super().__init__()
        self._versions = versions

    @staticmethod
    def _is_object(name: str) -> bool:
        return "/" in name and not name.startswith("arn:")

    def _object(self, name: str) -> Any | None:
        bucket, _, rest = name.partition("/")
        key, _, version = rest.rpartition("/")
        return self._versions.get(bucket, key, version)

    def get(self, name: str, default: Any = None) -> Any:
        """The tags, or the default."""
        if not self._is_object(name):
            return super().get(name, default)
        thing = self._object(name)
        if thing is not None and not hasattr(thing, "_tags"):
            # It was put just now, and LocalStack asks for the tags of what it replaces: a copy onto itself keeps them.
            bucket, _, rest = name.partition("/")
            thing = self._versions.before(bucket, *rest.rsplit("/", 1))
        tags = getattr(thing, "_tags", None)
        return default if tags is None else tags

    def __contains__(self, name: object) -> bool:
        return self.get(str(name)) is not None

    def __getitem__(self, name: str) -> dict[str, str]:
        if (tags := self.get(name)) is None:
            raise KeyError(name)
        return tags

    def __setitem__(self, name: str, tags: dict[str, str]) -> None:
        if not self._is_object(name):
            super().__setitem__(name, tags)
        elif (thing := self._object(name)) is not None:
            thing._tags = tags
        else:
            raise KeyError(name)

    def pop(self, name: str, default: Any = None) -> Any:
        """Remove and return the tags, or return the default."""
        if not self._is_object(name):
            return super().pop(name, default)
        thing = self._object(name)
        if thing is None:
            return default
        tags = getattr(thing, "_tags", None)
        thing._tags = None
        return default if tags is None else tags
