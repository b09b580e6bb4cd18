"""What S3 asks of checksums, customers' keys and retention before it keeps what was sent."""

from __future__ import annotations

import base64
import hashlib
import uuid
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.config import Config
from s3_requests import FILE, Raw, form, refused

from velodrome.settings import Settings
from velodrome.testing import client_options

INVALID = "Value for x-amz-checksum-{} header is invalid."
NOT_IT = "The {} you specified did not match the calculated checksum."
NEEDED = (
    "The multipart upload initiate requested encryption. "
    "Subsequent part requests must include the appropriate encryption parameters."
)
WRONG_KEY = (
    "Requests specifying Server Side Encryption with Customer provided keys must provide the correct secret key."
)


@pytest.fixture(scope="module")
def s3(s3_settings: Settings) -> Any:
    """One that does not try again, as boto3 does after BadDigest."""
    config = Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1})
    return boto3.client("s3", **client_options(s3_settings), config=config)


@pytest.fixture(scope="module")
def raw(s3_settings: Settings) -> Raw:
    return Raw(s3_settings)


@pytest.fixture(scope="module")
def bucket(s3: Any) -> str:
    name = f"uploads-{uuid.uuid4().hex}"
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    return name


def text(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def customer(key: bytes, prefix: str = "") -> dict[str, str]:
    """A customer's key as boto3 takes it."""
    named = {"Algorithm": "AES256", "Key": key.decode()}
    return {f"{prefix}SSECustomer{name}": value for name, value in named.items()}


class TestChecksums:
    def test_of_an_upload_s_parts(self, s3: Any, bucket: str) -> None:
        """The checksum of the parts' checksums, with their number; also as GetObjectAttributes has it, without."""
        upload = s3.create_multipart_upload(Bucket=bucket, Key="composite", ChecksumAlgorithm="SHA256")["UploadId"]
        place = {"Bucket": bucket, "Key": "composite", "UploadId": upload}
        part = s3.upload_part(**place, PartNumber=1, Body=b"part", ChecksumAlgorithm="SHA256")
        listed = {"PartNumber": 1, "ETag": part["ETag"], "ChecksumSHA256": text(sha256(b"part"))}
        ended = {**place, "MultipartUpload": {"Parts": [listed]}}
        whole = text(sha256(sha256(b"part")))
        for wrong in ("bad", f"{whole}-2", text(sha256(b"part")), f"{text(sha256(b'x'))}-1"):
            found = refused(s3.complete_multipart_upload, **ended, ChecksumSHA256=wrong)
            assert found == (400, "BadDigest", NOT_IT.format("sha256"))
        answer = s3.complete_multipart_upload(**ended, ChecksumSHA256=f"{whole}-1")
        assert (answer["ChecksumSHA256"], answer["ChecksumType"]) == (f"{whole}-1", "COMPOSITE")
        asked = s3.get_object_attributes(Bucket=bucket, Key="composite", ObjectAttributes=["Checksum", "ObjectParts"])
        assert asked["Checksum"] == {"ChecksumSHA256": whole, "ChecksumType": "COMPOSITE"}
        assert asked["ObjectParts"]["Parts"] == [
            {"PartNumber": 1, "Size": 4, "ChecksumSHA256": listed["ChecksumSHA256"]}
        ]

    def test_of_a_whole_upload_names_its_kind(self, s3: Any, bucket: str) -> None:
        given = {"ChecksumAlgorithm": "CRC32", "ChecksumType": "FULL_OBJECT"}
        upload = s3.create_multipart_upload(Bucket=bucket, Key="full", **given)["UploadId"]
        place = {"Bucket": bucket, "Key": "full", "UploadId": upload}
        part = s3.upload_part(**place, PartNumber=1, Body=b"part", ChecksumAlgorithm="CRC32")
        ended = {**place, "MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}}
        crc = text(zlib.crc32(b"part").to_bytes(4))
        assert refused(s3.complete_multipart_upload, **ended, ChecksumCRC32=crc)[1] == "BadDigest"
        answer = s3.complete_multipart_upload(**ended, ChecksumCRC32=crc, ChecksumType="FULL_OBJECT")
        assert (answer["ChecksumCRC32"], answer["ChecksumType"]) == (crc, "FULL_OBJECT")

    def test_what_is_none_is_no_checksum_of_something_else(self, s3: Any, bucket: str) -> None:
        put = {"Bucket": bucket, "Key": "put", "Body": b"data", "ChecksumAlgorithm": "SHA256"}
        bad = refused(s3.put_object, **put, ChecksumSHA256="bad")
        assert bad == (400, "InvalidRequest", INVALID.format("sha256"))
        other = refused(s3.put_object, **put, ChecksumSHA256=text(sha256(b"other")))
        assert other == (400, "BadDigest", NOT_IT.format("SHA256"))

        valid = "any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]"
        message = f"Checksum algorithm provided is unsupported. Please try again with {valid}"
        unknown = {"Bucket": bucket, "Key": "k", "ChecksumAlgorithm": "CRC16"}
        assert refused(s3.create_multipart_upload, **unknown) == (400, "InvalidRequest", message)
        assert refused(s3.copy_object, **unknown, CopySource=f"{bucket}/k") == (400, "InvalidRequest", message)

    @pytest.mark.parametrize(
        ("claimed", "status", "code", "message"),
        [
            (text(sha256(b"data")), 204, "", ""),
            (text(sha256(b"other")), 400, "BadDigest", NOT_IT.format("SHA256")),
            ("sailorjerry", 400, "InvalidRequest", INVALID.format("sha256")),
        ],
    )
    def test_of_a_form_s_file(self, raw: Raw, bucket: str, claimed: str, status: int, code: str, message: str) -> None:
        parts = (("key", "", b"posted"), ("x-amz-checksum-sha256", "", claimed.encode()), FILE)
        answer = raw("POST", f"/{bucket}", form(*parts), Content_Type="multipart/form-data; boundary=B")
        assert (answer.status, answer.code, answer.message) == (status, code, message)

    @pytest.mark.parametrize("header", ["x-amz-checksum-sha512", "x-amz-trailer"])
    def test_of_an_algorithm_that_is_not_compared_here(self, raw: Raw, bucket: str, header: str) -> None:
        value = "x-amz-checksum-xxhash64" if header == "x-amz-trailer" else text(hashlib.sha512(b"data").digest())
        answer = raw("PUT", f"/{bucket}/k", b"data", **{header: value})
        assert (answer.status, answer.code) == (501, "NotImplemented")

    def test_an_empty_md5_is_none(self, raw: Raw, bucket: str) -> None:
        answer = raw("PUT", f"/{bucket}/md5", b"data", Content_MD5="")
        assert (answer.status, answer.code) == (400, "InvalidDigest")
        assert answer.message == "The Content-MD5 you specified was invalid."

    @pytest.mark.parametrize(
        ("headers", "message"),
        [
            (
                {"x_amz_sdk_checksum_algorithm": "SHA256"},
                "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer "
                "headers were found.",
            ),
            (
                {"x_amz_sdk_checksum_algorithm": "SHA1", "x_amz_checksum_sha256": text(sha256(b"data"))},
                "Value for x-amz-sdk-checksum-algorithm header is invalid.",
            ),
        ],
    )
    def test_that_is_named_and_not_there(self, raw: Raw, bucket: str, headers: dict[str, str], message: str) -> None:
        answer = raw("PUT", f"/{bucket}/named", b"data", **headers)
        assert (answer.status, answer.code, answer.message) == (400, "InvalidRequest", message)
        assert raw("HEAD", f"/{bucket}/named").status == 404

    @pytest.mark.parametrize(
        ("headers", "code", "message"),
        [
            ({}, "InvalidRequest", "Missing required header for this request: Content-MD5 OR x-amz-checksum-*"),
            ({"Content_MD5": "bad"}, "InvalidDigest", "The Content-MD5 you specified was invalid."),
            (
                {"Content_MD5": text(hashlib.md5(b"other", usedforsecurity=False).digest())},
                "BadDigest",
                "The Content-MD5 you specified did not match what we received.",
            ),
            ({"x_amz_checksum_sha256": text(sha256(b"other"))}, "BadDigest", NOT_IT.format("SHA256")),
            ({"x_amz_checksum_crc32": "ü"}, "InvalidRequest", INVALID.format("crc32")),
        ],
    )
    def test_of_a_document(self, raw: Raw, bucket: str, headers: dict[str, str], code: str, message: str) -> None:
        """A list of keys that was changed on its way deletes nothing."""
        raw("PUT", f"/{bucket}/listed", b"data")
        document = b"<Delete><Object><Key>listed</Key></Object></Delete>"
        answer = raw("POST", f"/{bucket}?delete", document, **headers)
        assert (answer.status, answer.code, answer.message) == (400, code, message)
        assert raw("HEAD", f"/{bucket}/listed").status == 200


def test_a_form_in_any_letter_case(s3: Any, raw: Raw, bucket: str) -> None:
    expiration = (datetime.now(UTC) + timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    conditions: list[Any] = [{"bUcKeT": bucket}, ["StArTs-WiTh", "$KeY", "up"], ["Eq", "$CoNtEnT-tYpE", "text/csv"]]
    signed = raw.post_fields({"expiration": expiration, "conditions": conditions})
    fields = {name.upper(): value for name, value in signed.items()} | {"cOnTeNt-TyPe": "text/csv"}
    parts = [("kEy", "", b"upper"), *((name, "", value.encode()) for name, value in fields.items()), FILE]
    answer = raw("POST", f"/{bucket}", form(*parts), unsigned=True, Content_Type="multipart/form-data; boundary=B")
    assert (answer.status, answer.code) == (204, "")
    assert s3.head_object(Bucket=bucket, Key="upper")["ContentType"] == "text/csv"


class TestCustomersKeys:
    MINE, OTHER = b"m" * 32, b"o" * 32

    def test_a_copied_part_needs_the_upload_s_and_the_source_s(self, s3: Any, bucket: str) -> None:
        s3.put_object(Bucket=bucket, Key="secret", Body=b"secret", **customer(self.OTHER))
        s3.put_object(Bucket=bucket, Key="open", Body=b"open")
        upload = s3.create_multipart_upload(Bucket=bucket, Key="sealed", **customer(self.MINE))["UploadId"]
        place = {"Bucket": bucket, "Key": "sealed", "UploadId": upload, "PartNumber": 1}
        plain = {**place, "CopySource": f"{bucket}/open"}
        assert refused(s3.upload_part_copy, **plain) == (400, "InvalidRequest", NEEDED)
        other = (400, "InvalidRequest", "The provided encryption parameters did not match the ones used originally.")
        assert refused(s3.upload_part_copy, **plain, **customer(self.OTHER)) == other
        sealed = {**place, "CopySource": f"{bucket}/secret", **customer(self.MINE)}
        assert refused(s3.upload_part_copy, **sealed)[:2] == (400, "InvalidRequest")
        wrong = customer(self.MINE, "CopySource")
        assert refused(s3.upload_part_copy, **sealed, **wrong) == (403, "AccessDenied", WRONG_KEY)
        copied = s3.upload_part_copy(**sealed, **customer(self.OTHER, "CopySource"))
        assert copied["SSECustomerKeyMD5"] == text(hashlib.md5(self.MINE, usedforsecurity=False).digest())
        parts = {"Parts": [{"PartNumber": 1, "ETag": copied["CopyPartResult"]["ETag"]}]}
        ended = {"Bucket": bucket, "Key": "sealed", "UploadId": upload, "MultipartUpload": parts}
        assert refused(s3.complete_multipart_upload, **ended, **customer(self.OTHER)) == other
        s3.complete_multipart_upload(**ended)
        got = s3.get_object(Bucket=bucket, Key="sealed", **customer(self.MINE))
        assert got["Body"].read() == b"secret"

    def test_a_key_of_what_has_none(self, s3: Any, bucket: str) -> None:
        s3.put_object(Bucket=bucket, Key="plain", Body=b"plain")
        inapplicable = (400, "InvalidRequest", "The encryption parameters are not applicable to this object.")
        asked = {"Bucket": bucket, "Key": "plain", **customer(self.MINE)}
        assert refused(s3.get_object, **asked) == inapplicable
        assert refused(s3.get_object_attributes, **asked, ObjectAttributes=["ETag"]) == inapplicable
        assert refused(s3.head_object, **asked)[0] == 400
        copied = {"Bucket": bucket, "Key": "copy", "CopySource": f"{bucket}/plain", **customer(self.MINE, "CopySource")}
        assert refused(s3.copy_object, **copied) == inapplicable
        upload = s3.create_multipart_upload(Bucket=bucket, Key="copy")["UploadId"]
        assert refused(s3.upload_part_copy, **copied, UploadId=upload, PartNumber=1) == inapplicable

    def test_of_a_form(self, s3: Any, raw: Raw, bucket: str) -> None:
        md5 = text(hashlib.md5(self.MINE, usedforsecurity=False).digest())
        key = {"algorithm": "AES256", "key": text(self.MINE), "key-md5": md5}
        parts = [(f"x-amz-server-side-encryption-customer-{name}", "", value.encode()) for name, value in key.items()]
        posted = {"Content_Type": "multipart/form-data; boundary=B"}
        assert raw("POST", f"/{bucket}", form(("key", "", b"form"), *parts, FILE), **posted).status == 204
        assert refused(s3.get_object, Bucket=bucket, Key="form")[:2] == (400, "InvalidRequest")
        got = s3.get_object(Bucket=bucket, Key="form", **customer(self.MINE))
        assert (got["Body"].read(), got["SSECustomerKeyMD5"]) == (b"data", md5)
        assert "ServerSideEncryption" not in got
        wrong = raw("POST", f"/{bucket}", form(("key", "", b"form"), *parts[:2], FILE), **posted)
        assert (wrong.status, wrong.code) == (400, "InvalidArgument")


class TestObjectLock:
    @pytest.mark.parametrize(
        ("period", "name"), [({"Days": 0}, "Days"), ({"Years": -1}, "Years"), ({"Days": 36501}, "Days")]
    )
    def test_how_long_a_bucket_keeps(self, s3: Any, bucket: str, period: dict[str, int], name: str) -> None:
        rule = {"DefaultRetention": {"Mode": "GOVERNANCE", **period}}
        given = {"ObjectLockEnabled": "Enabled", "Rule": rule}
        status, code, message = refused(s3.put_object_lock_configuration, Bucket=bucket, ObjectLockConfiguration=given)
        too_large = "Default retention period is too large."
        expected = too_large if period[name] > 0 else "Default retention period must be a positive integer value."
        assert (status, code, message) == (400, "InvalidArgument", expected)
        assert "Rule" not in s3.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"]

    def test_a_version_is_kept_until_what_is_told(self, s3: Any, bucket: str) -> None:
        """Whoever waits for the second that S3 tells may delete then."""
        until = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
        late = until + timedelta(microseconds=900_000)
        place = {"Bucket": bucket, "Key": "locked"}
        version = s3.put_object(**place, Body=b"", ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=late)
        place["VersionId"] = version["VersionId"]
        # It is no shorter than what is kept, so this needs no bypass.
        s3.put_object_retention(**place, Retention={"Mode": "GOVERNANCE", "RetainUntilDate": until})
        assert s3.get_object_retention(**place)["Retention"]["RetainUntilDate"] == until
        s3.put_object_retention(**place, Retention={"Mode": "GOVERNANCE", "RetainUntilDate": late})
        assert s3.get_object_retention(**place)["Retention"]["RetainUntilDate"] == until
        protected = (403, "AccessDenied", "Access Denied because object protected by object lock.")
        assert refused(s3.delete_object, **place) == protected
        stricter = {"Mode": "COMPLIANCE", "RetainUntilDate": until}
        assert refused(s3.put_object_retention, **place, Retention=stricter) == protected
        s3.delete_object(**place, BypassGovernanceRetention=True)

    def test_a_bucket_s_retention_is_a_form_s_too(self, s3: Any, raw: Raw) -> None:
        name = f"retention-{uuid.uuid4().hex}"
        s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
        rule = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}
        s3.put_object_lock_configuration(
            Bucket=name, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule}
        )
        posted = {"Content_Type": "multipart/form-data; boundary=B"}
        assert raw("POST", f"/{name}", form(("key", "", b"k"), FILE), **posted).status == 204
        assert s3.get_object_retention(Bucket=name, Key="k")["Retention"]["Mode"] == "GOVERNANCE"


class TestMetadata:
    """Beyond ASCII: words of RFC 2047, as AWS's documentation and its answers have them."""

    def test_of_words(self, s3: Any, bucket: str) -> None:
        sent = {
            "q": "=?UTF-8?Q?=C3=84M=C3=84Z=C3=95=C3=91_S3?=",
            "b": "=?utf-8?b?w4RNw4Raw5XDkSBTMw==?=",
            "controls": "=?UTF-8?B?AAECAw==?=",
            "ascii": "=?UTF-8?B?YWJj?=",
            "none": "=?UTF-8?B?=?",
        }
        s3.put_object(Bucket=bucket, Key="words", Body=b"", Metadata=sent)
        told = {**sent, "b": sent["q"], "ascii": "abc"}
        assert s3.head_object(Bucket=bucket, Key="words")["Metadata"] == told
        assert s3.get_object(Bucket=bucket, Key="words")["Metadata"] == told

    def test_of_bytes(self, s3: Any, raw: Raw, bucket: str) -> None:
        """S3 takes a header's bytes for Latin-1."""
        raw("PUT", f"/{bucket}/bytes", x_amz_meta_nonascii="ÄMÄZÕÑ S3")
        found = s3.head_object(Bucket=bucket, Key="bytes")["Metadata"]
        assert found == {"nonascii": "=?UTF-8?B?w4PChE3Dg8KEWsODwpXDg8KRIFMz?="}
