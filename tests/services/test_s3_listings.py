"""S3's listings through boto3: page by page they give everything once, whatever the names' characters."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from velodrome.settings import Settings
from velodrome.testing import client_options

MANY = [f"sales/date=2026-01-{day:02d}/part-{part:04d}.parquet" for day in (1, 2) for part in range(503)]
NAMES = [
    "plain",
    "a=b",
    "a b",
    "a+b",
    "a%b",
    "a%2Fb",
    "a&b",
    "a<b>\"'",
    "tab\there",
    "é",
    "日本",
    "\U0001f6b2",
    "\uffef",
    "~*",
]
ODD = sorted([f"odd/{name}" for name in (*NAMES, "date=1/x y", "date=1/z", "date=2/+")], key=str.encode)


@pytest.fixture(scope="module")
def s3(s3_settings: Settings) -> Any:
    return boto3.client(
        "s3",
        **client_options(s3_settings),
        config=Config(
            s3={"addressing_style": "path"},
            retries={"max_attempts": 1},
            max_pool_connections=20,
            parameter_validation=False,  # what a client refuses by itself is sent here
        ),
    )


def put_all(s3: Any, bucket: str, keys: list[str]) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: s3.put_object(Bucket=bucket, Key=key, Body=b"x"), keys))


@pytest.fixture(scope="module")
def many(s3: Any) -> str:
    s3.create_bucket(Bucket="listed-many")
    put_all(s3, "listed-many", MANY)
    return "listed-many"


@pytest.fixture(scope="module")
def odd(s3: Any) -> str:
    """Odd names, each with two versions, the first key deleted, and an upload of each."""
    s3.create_bucket(Bucket="listed-odd")
    s3.put_bucket_versioning(Bucket="listed-odd", VersioningConfiguration={"Status": "Enabled"})
    for _ in range(2):
        put_all(s3, "listed-odd", ODD)
    s3.delete_object(Bucket="listed-odd", Key=ODD[0])
    for key in ODD:
        s3.create_multipart_upload(Bucket="listed-odd", Key=key)
    return "listed-odd"


def pages(s3: Any, operation: str, size: int, **parameters: Any) -> Iterator[dict[str, Any]]:
    paging = {"PageSize": size}
    yield from s3.get_paginator(operation).paginate(**parameters, PaginationConfig=paging)


def gathered(s3: Any, operation: str, member: str, name: str, size: int, **parameters: Any) -> list[str]:
    return [one[name] for page in pages(s3, operation, size, **parameters) for one in page.get(member, [])]


class TestAThousandAndMore:
    @pytest.mark.parametrize("operation", ["list_objects", "list_objects_v2"])
    def test_all_of_them(self, s3: Any, many: str, operation: str) -> None:
        assert gathered(s3, operation, "Contents", "Key", 1000, Bucket=many) == MANY
        assert gathered(s3, operation, "Contents", "Key", 400, Bucket=many, Prefix="sales/date=2026-01-0") == MANY

    def test_all_versions(self, s3: Any, many: str) -> None:
        assert gathered(s3, "list_object_versions", "Versions", "Key", 1000, Bucket=many) == MANY

    @pytest.mark.parametrize("given", [1001, 2**31 - 1])
    @pytest.mark.parametrize("operation", ["list_objects", "list_objects_v2", "list_object_versions"])
    def test_a_page_has_a_thousand_at_most(self, s3: Any, many: str, operation: str, given: int) -> None:
        page = getattr(s3, operation)(Bucket=many, MaxKeys=given)
        shown = page["Versions" if "versions" in operation else "Contents"]
        assert (len(shown), page["MaxKeys"], page["IsTruncated"]) == (1000, 1000, True)

    def test_folders_of_many_keys(self, s3: Any, many: str) -> None:
        found = gathered(
            s3, "list_objects_v2", "CommonPrefixes", "Prefix", 1, Bucket=many, Prefix="sales/", Delimiter="/"
        )
        assert found == ["sales/date=2026-01-01/", "sales/date=2026-01-02/"]


@pytest.mark.parametrize("size", [1, 2, 7])
class TestOddNamesInPages:
    @pytest.mark.parametrize("operation", ["list_objects", "list_objects_v2"])
    def test_objects(self, s3: Any, odd: str, operation: str, size: int) -> None:
        assert gathered(s3, operation, "Contents", "Key", size, Bucket=odd) == ODD[1:]

    def test_versions_and_delete_markers(self, s3: Any, odd: str, size: int) -> None:
        found = [
            (one["Key"], one["IsLatest"])
            for page in pages(s3, "list_object_versions", size, Bucket=odd)
            for one in page.get("Versions", [])
        ]
        latest = {key: (key != ODD[0]) for key in ODD}
        assert found == [line for key in ODD for line in ((key, latest[key]), (key, False))]
        assert gathered(s3, "list_object_versions", "DeleteMarkers", "Key", size, Bucket=odd) == ODD[:1]

    def test_uploads(self, s3: Any, odd: str, size: int) -> None:
        assert gathered(s3, "list_multipart_uploads", "Uploads", "Key", size, Bucket=odd) == ODD

    @pytest.mark.parametrize(
        ("operation", "member"),
        [
            ("list_objects", "Contents"),
            ("list_objects_v2", "Contents"),
            ("list_object_versions", "Versions"),
            ("list_multipart_uploads", "Uploads"),
        ],
    )
    @pytest.mark.parametrize("delimiter", ["/", "=", "+"])
    def test_folders(self, s3: Any, odd: str, operation: str, member: str, delimiter: str, size: int) -> None:
        found = list(pages(s3, operation, size, Bucket=odd, Prefix="odd/", Delimiter=delimiter))
        folders = [one["Prefix"] for page in found for one in page.get("CommonPrefixes", [])]
        whole = [key for key in ODD if key != ODD[0] or operation.endswith(("versions", "uploads"))]
        heads = [key.removeprefix("odd/").partition(delimiter) for key in whole]
        assert folders == list(dict.fromkeys(f"odd/{head}{sign}" for head, sign, _ in heads if sign))
        keys = [one["Key"] for page in found for one in page.get(member, [])]
        assert list(dict.fromkeys(keys)) == [f"odd/{head}" for head, sign, _ in heads if not sign]


class TestWhereAPageBegins:
    @pytest.mark.parametrize("place", range(1, len(ODD)))
    def test_after_a_key(self, s3: Any, odd: str, place: int) -> None:
        key = ODD[place]
        v2 = s3.list_objects_v2(Bucket=odd, StartAfter=key)
        assert [one["Key"] for one in v2.get("Contents", [])] == ODD[place + 1 :]
        assert v2["StartAfter"] == key
        v1 = s3.list_objects(Bucket=odd, Marker=key)
        assert [one["Key"] for one in v1.get("Contents", [])] == ODD[place + 1 :]
        assert v1["Marker"] == key
        assert s3.list_objects(Bucket=odd, Prefix=key)["Prefix"] == key
        versions = s3.list_object_versions(Bucket=odd, KeyMarker=key)
        assert [one["Key"] for one in versions.get("Versions", [])][::2] == ODD[place + 1 :]
        assert versions["KeyMarker"] == key
        uploads = s3.list_multipart_uploads(Bucket=odd, KeyMarker=key)
        assert [one["Key"] for one in uploads.get("Uploads", [])] == ODD[place + 1 :]
        assert uploads["KeyMarker"] == key
        assert [one["Key"] for one in s3.list_objects_v2(Bucket=odd, Prefix=key)["Contents"]] == [key]

    def test_a_marker_that_is_a_folder_or_in_it(self, s3: Any, odd: str) -> None:
        for marker in ("odd/date=1/", "odd/date=1/x y"):
            page = s3.list_objects(Bucket=odd, Marker=marker, Prefix="odd/", Delimiter="/")
            assert [one["Prefix"] for one in page["CommonPrefixes"]] == ["odd/date=2/"]

    def test_a_version_that_is_gone_meanwhile(self, s3: Any) -> None:
        s3.create_bucket(Bucket="listed-gone")
        s3.put_bucket_versioning(Bucket="listed-gone", VersioningConfiguration={"Status": "Enabled"})
        made = [s3.put_object(Bucket="listed-gone", Key="a=1", Body=b"x")["VersionId"] for _ in range(5)][::-1]
        page = s3.list_object_versions(Bucket="listed-gone", MaxKeys=2)
        assert [one["VersionId"] for one in page["Versions"]] == made[:2]
        s3.delete_object(Bucket="listed-gone", Key="a=1", VersionId=made[1])
        page = s3.list_object_versions(
            Bucket="listed-gone", KeyMarker=page["NextKeyMarker"], VersionIdMarker=page["NextVersionIdMarker"]
        )
        assert [one["VersionId"] for one in page["Versions"]] == made[2:]

    def test_an_upload_that_is_gone_meanwhile(self, s3: Any) -> None:
        s3.create_bucket(Bucket="listed-aborted")
        for key in ("a b", "c", "d"):
            s3.create_multipart_upload(Bucket="listed-aborted", Key=key)
        markers: dict[str, str] = {}
        seen = []
        while True:
            page = s3.list_multipart_uploads(Bucket="listed-aborted", MaxUploads=1, **markers)
            for upload in page.get("Uploads", []):
                seen.append(upload["Key"])
                s3.abort_multipart_upload(Bucket="listed-aborted", Key=upload["Key"], UploadId=upload["UploadId"])
            if not page["IsTruncated"]:
                break
            markers = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}
        assert seen == ["a b", "c", "d"]


class TestParts:
    def test_in_pages(self, s3: Any) -> None:
        s3.create_bucket(Bucket="listed-parts")
        upload = {"Bucket": "listed-parts", "Key": "a=b c"}
        upload["UploadId"] = s3.create_multipart_upload(**upload)["UploadId"]
        for part in (3, 1, 10_000, 7):
            s3.upload_part(**upload, PartNumber=part, Body=b"x")
        assert gathered(s3, "list_parts", "Parts", "PartNumber", 1, **upload) == [1, 3, 7, 10_000]
        page = s3.list_parts(**upload, PartNumberMarker=3, MaxParts=1)
        assert [part["PartNumber"] for part in page["Parts"]] == [7]
        shown = (page["PartNumberMarker"], page["NextPartNumberMarker"], page["MaxParts"], page["IsTruncated"])
        assert shown == (3, 7, 1, True)
        none = s3.list_parts(**upload, MaxParts=0)
        assert (none.get("Parts"), none["MaxParts"], none["IsTruncated"]) == (None, 0, False)

    def test_of_a_whole_object(self, s3: Any) -> None:
        s3.create_bucket(Bucket="listed-attributes")
        whole = {"Bucket": "listed-attributes", "Key": "k"}
        upload = whole | {"UploadId": s3.create_multipart_upload(**whole, ChecksumAlgorithm="SHA256")["UploadId"]}
        listed = []
        for number, body in ((2, b"x" * 5 * 1024 * 1024), (9, b"x")):
            part = s3.upload_part(**upload, PartNumber=number, Body=body, ChecksumAlgorithm="SHA256")
            listed.append({"PartNumber": number} | {name: part[name] for name in ("ETag", "ChecksumSHA256")})
        s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": listed})

        def page(**parameters: Any) -> tuple[list[int], int, int, int, bool]:
            found = s3.get_object_attributes(**whole, ObjectAttributes=["ObjectParts"], **parameters)["ObjectParts"]
            numbers = [part["PartNumber"] for part in found.get("Parts", [])]
            markers = found["PartNumberMarker"], found["NextPartNumberMarker"]
            return numbers, *markers, found["MaxParts"], found["IsTruncated"]

        assert page() == ([2, 9], 0, 9, 1000, False)
        assert page(MaxParts=1) == ([2], 0, 2, 1, True)
        assert page(MaxParts=1, PartNumberMarker=2) == ([9], 2, 9, 1, False)
        assert page(MaxParts=0) == ([], 0, 0, 0, False)
        assert page(MaxParts=5000)[3] == 1000
        with pytest.raises(ClientError, match="Provided x-amz-max-parts not an integer or within integer range"):
            page(MaxParts="abc")


class TestBuckets:
    def test_in_pages(self, s3: Any) -> None:
        names = [f"paged-{number}" for number in range(3)]
        for name in names:
            s3.create_bucket(Bucket=name)
        assert gathered(s3, "list_buckets", "Buckets", "Name", 2, Prefix="paged-") == names
        whole = s3.list_buckets()
        assert set(names) < {one["Name"] for one in whole["Buckets"]}
        assert "ContinuationToken" not in whole
        assert not any("BucketRegion" in one for one in whole["Buckets"])
        regions = [one["BucketRegion"] for one in s3.list_buckets(Prefix="paged-")["Buckets"]]
        assert regions == [s3.meta.region_name] * 3
        there = s3.list_buckets(Prefix="paged-", BucketRegion="eu-central-1")
        assert (there["Buckets"], there["Prefix"]) == ([], "paged-")

    def test_a_region_that_is_none(self, s3: Any) -> None:
        with pytest.raises(ClientError, match="Argument value mars-1 is not a valid AWS Region"):
            s3.list_buckets(BucketRegion="mars-1")

    @pytest.mark.parametrize("given", ["0", "10001"])
    def test_how_many(self, s3: Any, given: str) -> None:
        with pytest.raises(ClientError) as caught:
            s3.list_buckets(MaxBuckets=given)
        error = caught.value.response["Error"]
        assert (error["Code"], error["Message"]) == (
            "InvalidArgument",
            "Argument max-buckets must be an integer between 1 and 10000",
        )


LIMITS = [
    ("list_objects", "MaxKeys", "max-keys", "maxKeys"),
    ("list_objects_v2", "MaxKeys", "max-keys", "maxKeys"),
    ("list_object_versions", "MaxKeys", "max-keys", "maxKeys"),
    ("list_multipart_uploads", "MaxUploads", "max-uploads", "max-uploads"),
    ("list_parts", "MaxParts", "max-parts", "max-parts"),
    ("list_parts", "PartNumberMarker", "part-number-marker", "part-number-marker"),
    ("list_buckets", "MaxBuckets", "max-buckets", "max-buckets"),
]


class TestNumbers:
    def refused(self, s3: Any, odd: str, operation: str, **parameters: Any) -> dict[str, Any]:
        if operation != "list_buckets":
            parameters["Bucket"] = odd
        if operation == "list_parts":
            parameters |= {"Key": "k", "UploadId": "u"}
        with pytest.raises(ClientError) as caught:
            getattr(s3, operation)(**parameters)
        answer = caught.value.response
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 400
        error: dict[str, Any] = answer["Error"]
        return {name: error.get(name) for name in ("Code", "Message", "ArgumentName", "ArgumentValue")}

    @pytest.mark.parametrize("given", ["abc", "1.5", " 5", "1_0", str(2**31), str(-(2**31) - 1), "٣"])
    @pytest.mark.parametrize(("operation", "member", "name", "called"), LIMITS)
    def test_what_is_no_number(
        self, s3: Any, odd: str, operation: str, member: str, name: str, called: str, given: str
    ) -> None:
        assert self.refused(s3, odd, operation, **{member: given}) == {
            "Code": "InvalidArgument",
            "Message": f"Provided {name} not an integer or within integer range",
            "ArgumentName": name,
            "ArgumentValue": given,
        }

    @pytest.mark.parametrize(("operation", "member", "name", "called"), LIMITS)
    def test_less_than_nothing(self, s3: Any, odd: str, operation: str, member: str, name: str, called: str) -> None:
        assert self.refused(s3, odd, operation, **{member: "-1"}) == {
            "Code": "InvalidArgument",
            "Message": f"Argument {called} must be an integer between 0 and 2147483647",
            "ArgumentName": called,
            "ArgumentValue": "-1",
        }

    @pytest.mark.parametrize(
        ("operation", "member"),
        [("list_objects", "Contents"), ("list_objects_v2", "Contents"), ("list_object_versions", "Versions")],
    )
    def test_none_asked_for(self, s3: Any, odd: str, operation: str, member: str) -> None:
        page = getattr(s3, operation)(Bucket=odd, MaxKeys=0)
        assert (page.get(member), page["MaxKeys"], page["IsTruncated"]) == (None, 0, False)

    def test_an_empty_one_is_the_default(self, s3: Any, odd: str) -> None:
        assert s3.list_objects_v2(Bucket=odd, MaxKeys="")["MaxKeys"] == 1000


class TestRefused:
    @pytest.mark.parametrize("token", ["!", "a", "gICA"])
    def test_a_token_that_nobody_gave(self, s3: Any, odd: str, token: str) -> None:
        with pytest.raises(ClientError) as caught:
            s3.list_objects_v2(Bucket=odd, ContinuationToken=token)
        error = caught.value.response["Error"]
        assert (error["Code"], error["Message"]) == ("InvalidArgument", "The continuation token provided is incorrect")

    def test_an_empty_token_begins_anew(self, s3: Any, odd: str) -> None:
        page = s3.list_objects_v2(Bucket=odd, ContinuationToken="")
        assert (page["ContinuationToken"], len(page["Contents"])) == ("", len(ODD) - 1)

    def test_an_encoding_that_is_not_there(self, s3: Any, odd: str) -> None:
        with pytest.raises(ClientError, match="Invalid Encoding Method specified in Request"):
            s3.list_objects_v2(Bucket=odd, EncodingType="base64")

    def test_a_version_marker_without_a_key(self, s3: Any, odd: str) -> None:
        with pytest.raises(ClientError, match="A version-id marker cannot be specified without a key marker"):
            s3.list_object_versions(Bucket=odd, VersionIdMarker="v")
        with pytest.raises(ClientError, match="Invalid version id specified"):
            s3.list_object_versions(Bucket=odd, KeyMarker="k", VersionIdMarker="v")

    @pytest.mark.parametrize("operation", ["list_objects", "list_objects_v2", "list_object_versions"])
    def test_another_owner_than_expected(self, s3: Any, odd: str, operation: str) -> None:
        with pytest.raises(ClientError, match="AccessDenied"):
            getattr(s3, operation)(Bucket=odd, ExpectedBucketOwner="999999999999")
