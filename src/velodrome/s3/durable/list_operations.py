"""S3's listing operations, answered from the index. LocalStack's own compare a key with what the wire spelled."""

# mypy: disable-error-code="import-not-found, import-untyped, misc, no-any-return"

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from typing import Any

from localstack.aws.api.s3 import InvalidArgument, NoSuchUpload
from localstack.http import Response
from localstack.services.s3.provider import S3Provider
from localstack.services.s3.utils import is_version_older_than_other
from localstack.utils.aws.aws_stack import get_valid_regions_for_service

from velodrome.s3.durable import listing, listing_xml
from velodrome.s3.durable.index import Index
from velodrome.s3.durable.list_numbers import MOST, Handler, attributes, number
from velodrome.s3.durable.listing_xml import element, escaped, party, spelling, time_text
from velodrome.s3.rules import accounts, limits

MOST_BUCKETS = 10_000
_UPLOAD_ID = re.compile(r"[\w.-]+", re.ASCII)


def encoding(request: Any) -> str | None:
    """The encoding type, None if there is none. Raises InvalidArgument."""
    given = request.get("EncodingType")
    if given is not None and given != "url":
        raise InvalidArgument(
            "Invalid Encoding Method specified in Request", ArgumentName="encoding-type", ArgumentValue=given
        )
    return given


def token_of(key: str) -> str:
    """What stands for the place where a page begins."""
    return base64.urlsafe_b64encode(key.encode()).decode("ascii")


def key_of(token: str) -> str:
    """The place that a token stands for. Raises InvalidArgument."""
    try:
        if token:
            return base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        pass
    raise InvalidArgument("The continuation token provided is incorrect", ArgumentName="continuation-token")


def behind(marker: str, prefix: str, delimiter: str) -> str | None:
    """Where a listing goes on behind a marker, which may lie in a folder or be one; None: nowhere."""
    if marker.startswith(prefix) and (folder := listing.folder_of(marker, prefix, delimiter)) is not None:
        return listing.after(folder)
    return listing.following(marker)


def answer(context: Any, root: str, *parts: str) -> Response:
    """The response, written here, as LocalStack takes it."""
    context.service_response = {"Name": root}  # else LocalStack would parse what was written
    headers = {"x-amz-request-id": context.request_id, "x-amz-id-2": context.request_id}
    written = Response(listing_xml.document(root, *parts), headers=headers)
    written.content_type = "application/xml"
    return written


class Listings:
    """The handlers, by operation."""

    def __init__(self, provider: S3Provider, index: Index) -> None:
        self._provider = provider
        self._index = index

    def table(self, theirs: dict[str, Handler]) -> dict[str, Handler]:
        """All handlers, with these in the place of LocalStack's."""
        return theirs | {
            "GetObjectAttributes": attributes(theirs["GetObjectAttributes"]),
            "ListBuckets": self.buckets,
            "ListMultipartUploads": self.uploads,
            "ListObjectVersions": self.versions,
            "ListObjects": self.objects,
            "ListObjectsV2": self.objects_v2,
            "ListParts": self.parts,
        }

    def _bucket(self, context: Any, request: Any) -> Any:
        return self._provider._get_cross_account_bucket(context, request["Bucket"])[1]

    @staticmethod
    def _folded(request: Any) -> tuple[str, str, str | None]:
        return request.get("Prefix") or "", request.get("Delimiter") or "", encoding(request)

    def _page_of_objects(self, bucket: str, begin: str | None, prefix: str, delimiter: str, limit: int) -> Any:
        if begin is None:
            return listing.Page()
        with self._index.reading() as run:
            return listing.objects(run, bucket, begin, prefix, delimiter, limit)

    def objects(self, context: Any, request: Any) -> Response:
        """ListObjects."""
        bucket = self._bucket(context, request)
        prefix, delimiter, encoded = self._folded(request)
        limit = number(request, "MaxKeys", "max-keys", MOST, MOST, "maxKeys")
        marker = request.get("Marker") or ""
        begin = behind(marker, prefix, delimiter) if marker else ""
        page = self._page_of_objects(bucket.name, begin, prefix, delimiter, limit)
        spell = spelling(encoded)
        following = None
        if page.next_key is not None and delimiter:
            following = spell(page.last if isinstance(page.last, str) else page.last.key)
        return answer(
            context,
            "ListBucketResult",
            element("Name", bucket.name),
            element("Prefix", escaped(prefix)),  # no client of ListObjects takes this one for quoted
            element("Marker", spell(marker)),
            element("NextMarker", following),
            element("MaxKeys", limit),
            element("Delimiter", spell(delimiter) if delimiter else None),
            element("EncodingType", encoded),
            element("IsTruncated", page.next_key is not None),
            listing_xml.objects(page.lines, spell, party("Owner", bucket.owner), _restores(request)),
            listing_xml.folders(page.folders, spell),
        )

    def objects_v2(self, context: Any, request: Any) -> Response:
        """ListObjectsV2."""
        bucket = self._bucket(context, request)
        prefix, delimiter, encoded = self._folded(request)
        limit = number(request, "MaxKeys", "max-keys", MOST, MOST, "maxKeys")
        token, start = request.get("ContinuationToken"), request.get("StartAfter") or ""
        begin = key_of(token) if token else listing.following(start) if start else ""
        page = self._page_of_objects(bucket.name, begin, prefix, delimiter, limit)
        spell = spelling(encoded)
        owner = party("Owner", bucket.owner) if request.get("FetchOwner") else ""
        return answer(
            context,
            "ListBucketResult",
            element("Name", bucket.name),
            element("Prefix", spell(prefix)),
            element("ContinuationToken", token),
            element("NextContinuationToken", None if page.next_key is None else token_of(page.next_key)),
            element("StartAfter", spell(start) if start else None),
            element("KeyCount", len(page.lines) + len(page.folders)),
            element("MaxKeys", limit),
            element("Delimiter", spell(delimiter) if delimiter else None),
            element("EncodingType", encoded),
            element("IsTruncated", page.next_key is not None),
            listing_xml.objects(page.lines, spell, owner, _restores(request)),
            listing_xml.folders(page.folders, spell),
        )

    def versions(self, context: Any, request: Any) -> Response:
        """ListObjectVersions."""
        key, version = request.get("KeyMarker") or "", request.get("VersionIdMarker")
        if version is not None and not key:
            raise InvalidArgument(
                "A version-id marker cannot be specified without a key marker.",
                ArgumentName="version-id-marker",
                ArgumentValue=version,
            )
        if version == "":
            raise InvalidArgument(
                "A version-id marker cannot be empty.", ArgumentName="version-id-marker", ArgumentValue=version
            )
        if version is not None and not limits.is_version(version):
            raise InvalidArgument(
                "Invalid version id specified", ArgumentName="version-id-marker", ArgumentValue=version
            )
        bucket = self._bucket(context, request)
        prefix, delimiter, encoded = self._folded(request)
        limit = number(request, "MaxKeys", "max-keys", MOST, MOST, "maxKeys")
        page = self._page_of_versions(bucket.name, key, version, prefix, delimiter, limit)
        spell = spelling(encoded)
        next_key = next_version = None
        if page.next_key is not None:
            line = isinstance(page.last, listing.Version)
            next_key = spell(page.last.key if line else page.last)
            next_version = page.last.version if line else None
        return answer(
            context,
            "ListVersionsResult",
            element("Name", bucket.name),
            element("Prefix", spell(prefix)),
            element("KeyMarker", spell(key)),
            element("VersionIdMarker", escaped(version or "")),
            element("NextKeyMarker", next_key),
            element("NextVersionIdMarker", next_version),
            element("MaxKeys", limit),
            element("Delimiter", spell(delimiter) if delimiter else None),
            element("EncodingType", encoded),
            element("IsTruncated", page.next_key is not None),
            listing_xml.versions(page.lines, spell, party("Owner", bucket.owner), _restores(request)),
            listing_xml.folders(page.folders, spell),
        )

    def _page_of_versions(
        self, bucket: str, key: str, version: str | None, prefix: str, delimiter: str, limit: int
    ) -> Any:
        with self._index.reading() as run:
            if version is None or listing.folder_of(key, prefix, delimiter) is not None:
                begin = behind(key, prefix, delimiter) if key else ""
                if begin is None:
                    return listing.Page()
                return listing.versions(run, bucket, begin, None, prefix, delimiter, limit)

            def is_older(other: str) -> bool:
                try:
                    return bool(is_version_older_than_other(other, version))
                except ValueError:
                    return False  # `null` says nothing of its age

            place = listing.place_of(run, bucket, key, version, is_older)
            return listing.versions(run, bucket, key, place, prefix, delimiter, limit)

    def uploads(self, context: Any, request: Any) -> Response:
        """ListMultipartUploads: by key, and then in the order in which they began."""
        bucket = self._bucket(context, request)
        prefix, delimiter, encoded = self._folded(request)
        limit = number(request, "MaxUploads", "max-uploads", MOST, MOST)
        key, marker = request.get("KeyMarker") or "", request.get("UploadIdMarker") or ""
        marker = marker if key else ""
        all_uploads = dict(bucket.multiparts)
        if marker and (not _UPLOAD_ID.fullmatch(marker) or ((at := all_uploads.get(marker)) and at.object.key != key)):
            raise InvalidArgument("Invalid uploadId marker", ArgumentName="upload-id-marker", ArgumentValue=marker)
        ordered = sorted(
            (upload for upload in all_uploads.values() if upload.object.key.startswith(prefix)),
            key=lambda upload: (upload.object.key, upload.initiated, upload.id),
        )
        same_key = [upload.id for upload in ordered if upload.object.key == key]
        # One that has ended meanwhile says nothing of those beside it: they are listed once more rather than never.
        seen = set(same_key[: same_key.index(marker) + 1]) if marker in same_key else set()
        begin = key if marker else behind(key, prefix, delimiter) if key else ""

        def lines(position: str) -> Iterator[tuple[str, Any]]:
            return ((one.object.key, one) for one in ordered if one.object.key >= position and one.id not in seen)

        def first(position: str) -> str | None:
            return next((key for key, _ in lines(position)), None)

        page: Any = listing.Page()
        if begin is not None:
            page = listing.page(lines, first, tuple, begin, prefix, delimiter, limit)
        spell = spelling(encoded)
        last_upload = None if page.last is None or isinstance(page.last, str) else page.last[1]
        last_key = page.last if isinstance(page.last, str) else last_upload.object.key if last_upload else ""
        return answer(
            context,
            "ListMultipartUploadsResult",
            element("Bucket", bucket.name),
            element("KeyMarker", spell(key)),
            element("UploadIdMarker", escaped(marker)),
            element("NextKeyMarker", spell(last_key)),
            element("Prefix", spell(prefix) if prefix else None),
            element("Delimiter", spell(delimiter) if delimiter else None),
            element("NextUploadIdMarker", last_upload.id if last_upload else ""),
            element("MaxUploads", limit),
            element("EncodingType", encoded),
            element("IsTruncated", page.next_key is not None),
            *(_upload(bucket, upload, spell) for _, upload in page.lines),
            listing_xml.folders(page.folders, spell),
        )

    def parts(self, context: Any, request: Any) -> Response:
        """ListParts."""
        bucket = self._bucket(context, request)
        limit = number(request, "MaxParts", "max-parts", MOST, MOST)
        marker = number(request, "PartNumberMarker", "part-number-marker", 0, None)
        upload = bucket.multiparts.get(request["UploadId"])
        if upload is None or upload.object.key != request["Key"]:
            raise NoSuchUpload(
                "The specified upload does not exist. "
                "The upload ID may be invalid, or the upload may have been aborted or completed.",
                UploadId=request["UploadId"],
            )
        following = sorted((place, part) for place, part in dict(upload.parts).items() if place > marker)
        shown = following[:limit]
        algorithm = upload.checksum_algorithm
        return answer(
            context,
            "ListPartsResult",
            element("Bucket", bucket.name),
            element("Key", escaped(upload.object.key)),
            element("UploadId", upload.id),
            party("Initiator", upload.initiator),
            party("Owner", _owner(bucket, upload)),
            element("StorageClass", upload.object.storage_class),
            element("PartNumberMarker", marker),
            element("NextPartNumberMarker", shown[-1][0] if shown else 0),
            element("MaxParts", limit),
            element("IsTruncated", limit > 0 and len(following) > limit),
            element("ChecksumAlgorithm", algorithm),
            element("ChecksumType", upload.checksum_type if algorithm else None),
            *(_part(place, part, bool(algorithm)) for place, part in shown),
        )

    def buckets(self, context: Any, request: Any) -> Response:
        """ListBuckets: those of the caller's account."""
        limit = number(request, "MaxBuckets", "max-buckets", MOST_BUCKETS, None)
        if not 1 <= limit <= MOST_BUCKETS:
            raise InvalidArgument(
                f"Argument max-buckets must be an integer between 1 and {MOST_BUCKETS}",
                ArgumentName="max-buckets",
                ArgumentValue=str(limit),
            )
        prefix, region, token = (request.get(name) for name in ("Prefix", "BucketRegion", "ContinuationToken"))
        if region and region not in get_valid_regions_for_service("s3"):
            raise InvalidArgument(
                f"Argument value {region} is not a valid AWS Region",
                ArgumentName="bucket-region",
                ArgumentValue=region,
            )
        begin = key_of(token) if token is not None else ""
        store = self._provider.get_store(context.account_id, context.region)
        found = sorted(
            (bucket.name, bucket)
            for bucket in dict(store.buckets).values()
            if bucket.name >= begin
            and bucket.name.startswith(prefix or "")
            and (not region or bucket.bucket_region == region)
        )
        shown, rest = found[:limit], found[limit:]
        # S3 names regions to whoever asks for something in particular.
        with_regions = any(value not in (None, "") for value in (request or {}).values())
        lines = "".join(
            f"<Bucket><Name>{name}</Name><CreationDate>{time_text(bucket.creation_date)}</CreationDate>"
            f"{element('BucketRegion', bucket.bucket_region if with_regions else None)}</Bucket>"
            for name, bucket in shown
        )
        return answer(
            context,
            "ListAllMyBucketsResult",
            party("Owner", accounts.owner(context.account_id)),
            element("Buckets", lines),
            element("Prefix", None if prefix is None else escaped(prefix)),
            element("ContinuationToken", token_of(rest[0][0]) if rest else None),
        )


def _restores(request: Any) -> bool:
    return "RestoreStatus" in (request.get("OptionalObjectAttributes") or ())


def _owner(bucket: Any, upload: Any) -> Any:
    """Whose the object will be: https://docs.aws.amazon.com/AmazonS3/latest/userguide/about-object-ownership.html"""
    return bucket.owner if bucket.object_ownership == "BucketOwnerEnforced" else upload.initiator


def _upload(bucket: Any, upload: Any, spell: Callable[[str], str]) -> str:
    algorithm = upload.checksum_algorithm
    kind = upload.checksum_type if algorithm else None
    return (
        f"<Upload>{element('Key', spell(upload.object.key))}{element('UploadId', upload.id)}"
        f"{party('Initiator', upload.initiator)}{party('Owner', _owner(bucket, upload))}"
        f"{element('StorageClass', upload.object.storage_class)}{element('Initiated', time_text(upload.initiated))}"
        f"{element('ChecksumAlgorithm', algorithm)}{element('ChecksumType', kind)}</Upload>"
    )


def _part(place: int, part: Any, with_sum: bool) -> str:
    total = ""
    if with_sum and part.checksum_algorithm:
        total = element(f"Checksum{part.checksum_algorithm.upper()}", part.checksum_value)
    return (
        f"<Part><PartNumber>{place}</PartNumber><LastModified>{time_text(part.last_modified)}</LastModified>"
        f"<ETag>&quot;{part.etag}&quot;</ETag><Size>{part.size}</Size>{total}</Part>"
    )
