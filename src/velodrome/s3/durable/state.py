"""LocalStack's models of S3 as rows of the index, and back."""

# mypy: disable-error-code="import-not-found, import-untyped, misc, no-any-return"

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from localstack.aws.api.s3 import NoSuchBucket
from localstack.constants import AWS_REGION_US_EAST_1
from localstack.services.s3.constants import DEFAULT_BUCKET_ENCRYPTION
from localstack.services.s3.models import S3Bucket, S3Multipart, S3Part, VersionedKeyStore, s3_stores

from velodrome.s3.durable import codec
from velodrome.s3.durable.index import Change, Gone, Index, Row
from velodrome.s3.durable.objects import BucketObjects, Tags, Versions

# What a row's other columns, or other rows, say.
_ELSEWHERE = {
    "bucket": ("name", "objects", "multiparts"),
    "upload": ("id", "parts", "object"),
    "part": ("part_number",),
}


_KINDS = ("bucket", "upload", "part")


def _data(kind: str, thing: Any, **more: Any) -> str:
    fields = {
        name: value for name, value in vars(thing).items() if not name.startswith("_") and name not in _ELSEWHERE[kind]
    }
    return codec.dumps({"type": type(thing).__name__, "fields": fields} | more)


def _fill(thing: Any, fields: dict[str, Any]) -> Any:
    vars(thing).update(fields)
    return thing


class State:
    """Buckets and uploads in LocalStack's stores, kept in step with the index; objects stay there.

    Every method but `find` is called under the index's lock.
    """

    def __init__(self, index: Index) -> None:
        self._index = index
        self.versions = Versions(index, self._is_versioned)
        # One for all accounts; by a bucket's ARN or by get_unique_key_id.
        self._tags = Tags(self.versions)
        self._store("000000000000").TAGS.tags = self._tags

    def adopt(self) -> None:
        """LocalStack's buckets, whoever makes them, have their objects in the index from now on."""

        def view(bucket: Any) -> BucketObjects:
            return BucketObjects(self.versions, bucket.name)

        def keep(bucket: Any, given: Any) -> None:
            """A new bucket's empty store, or the same objects when versioning begins."""

        S3Bucket.objects = property(view, keep)
        VersionedKeyStore.from_key_store = staticmethod(lambda objects: objects)

    def _is_versioned(self, name: str) -> bool:
        bucket = self.find(name)
        return bucket is not None and bool(bucket.versioning_status)

    def find(self, name: str) -> Any | None:
        """The bucket of that name, of whatever account."""
        for account in list(s3_stores):
            if found := self._store(account).buckets.get(name):
                return found
        return None

    def get(self, name: str) -> Any:
        """The bucket; raises NoSuchBucket."""
        if (found := self.find(name)) is None:
            raise NoSuchBucket("The specified bucket does not exist", BucketName=name)
        return found

    @staticmethod
    def _store(account: str) -> Any:
        return s3_stores[account][AWS_REGION_US_EAST_1]

    # What an operation changed, as rows.

    def bucket_rows(self, name: str) -> Iterator[Change]:
        """The bucket itself, or that it and all in it is gone."""
        bucket = self.find(name)
        if bucket is None:
            # LocalStack would give them to the next bucket of this name.
            for partition in ("aws", "aws-cn", "aws-us-gov"):
                self._tags.pop(f"arn:{partition}:s3:::{name}", None)
            yield Gone(name)
            return
        yield Row("bucket", name, data=_data("bucket", bucket, tags=self._tags.get(bucket.bucket_arn)))

    def upload_rows(self, name: str, upload: str) -> Iterator[Change]:
        """A multipart upload without its parts, or that it is gone with them."""
        found = self.get(name).multiparts.get(upload)
        if found is None:
            yield Gone(name, "upload", upload)
            yield Gone(name, "part", upload)
            return
        inner = {key: value for key, value in vars(found.object).items() if not key.startswith("_")}
        yield Row("upload", name, upload, data=_data("upload", found, object=inner))

    def part_rows(self, name: str, upload: str, number: int) -> Iterator[Change]:
        """One part of an upload."""
        part = self.get(name).multiparts[upload].parts[number]
        yield Row("part", name, upload, str(number), number, part._body, _data("part", part))

    # Rows as state.

    def load(self) -> int:
        """Fill the empty stores from the index; returns how many buckets there are."""
        names = [row.bucket for row in self._index.rows("bucket")]
        by_bucket: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
        for kind in _KINDS:
            for row in self._index.rows(kind):
                by_bucket[row.bucket][kind].append(row)
        for name in names:
            self._build(name, by_bucket[name])
        return len(names)

    def restore(self, buckets: Iterable[str]) -> None:
        """Make these buckets again what the index says: changes that could not be written are undone."""
        for name in buckets:
            kinds = {kind: list(self._index.rows(kind, name)) for kind in _KINDS}
            if kinds["bucket"]:
                self._build(name, kinds)
            elif (bucket := self.find(name)) is not None:
                store = self._store(bucket.bucket_account_id)
                store.buckets.pop(name, None)
                store.global_bucket_map.pop(name, None)

    def _build(self, name: str, rows: dict[str, list[Row]]) -> None:
        read = codec.loads(rows["bucket"][0].data)
        fields = read["fields"]
        bucket = self.find(name)
        if bucket is None:
            account = fields["bucket_account_id"]
            bucket = S3Bucket(name, account, fields["bucket_region"], fields["owner"])
            store = self._store(account)
            store.buckets[name] = bucket
            store.global_bucket_map[name] = account
        _fill(bucket, fields)
        if bucket.encryption_rule in (None, DEFAULT_BUCKET_ENCRYPTION):
            bucket.encryption_rule = DEFAULT_BUCKET_ENCRYPTION  # LocalStack asks with `is`
        self._set_tags(bucket.bucket_arn, read["tags"])
        bucket.multiparts = {row.name: self._upload(row) for row in rows["upload"]}
        for row in rows["part"]:
            part = _fill(S3Part(int(row.detail)), codec.loads(row.data)["fields"])
            part._body = row.body
            bucket.multiparts[row.name].parts[part.part_number] = part

    def _set_tags(self, name: str, tags: dict[str, str] | None) -> None:
        if tags is None:
            self._tags.pop(name, None)
        else:
            self._tags[name] = tags

    @staticmethod
    def _upload(row: Row) -> Any:
        read = codec.loads(row.data)
        upload = _fill(S3Multipart(read["object"]["key"]), read["fields"])
        upload.id = row.name
        _fill(upload.object, read["object"])
        return upload
