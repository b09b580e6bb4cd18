"""The operations of S3 that an export or import needs, on one bucket.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
"""

from __future__ import annotations

from velodrome.awsapi.profile import Profile, ProfileError, load
from velodrome.rds.s3pipe import credentials
from velodrome.rds.s3pipe.http import Answer, AwsError, Connection, Endpoint, text_of
from velodrome.rds.s3pipe.request import Request
from velodrome.rds.s3pipe.sigv4 import Keys, encoded

_MOVED = (
    "The bucket you are attempting to access must be addressed using the specified endpoint. Please send all "
    "future requests to this endpoint."
)


class Bucket:
    """One connection to it; `again()` gives another with the same keys, for another thread."""

    def __init__(self, name: str, endpoint: Endpoint, prefix: str, keys: Keys, region: str) -> None:
        self.name = name
        self._arguments = (name, endpoint, prefix, keys, region)
        self._prefix = prefix
        self._connection = Connection(endpoint, keys, region, "s3")

    @classmethod
    def of(cls, request: Request) -> Bucket:
        """The bucket of a call, with the profile's endpoint. Raises AwsError or NoCredentials."""
        from pathlib import Path

        _check_bucket(request.bucket)
        if len(request.key.encode()) > 1024:
            raise AwsError("Your key is too long", "KeyTooLongError")
        try:
            profile = load(Path(request.config), request.profile)
        except ProfileError as error:
            raise credentials.NoCredentials(request.feature, str(error)) from None
        keys = credentials.find(request, profile)
        region = request.region or profile.region
        bucket = cls(request.bucket, *_place(profile, request.bucket, region), keys, region)
        if region != profile.region:
            bucket._check_region(region)
        return bucket

    def again(self) -> Bucket:
        return Bucket(*self._arguments)

    def close(self) -> None:
        self._connection.close()

    def _path(self, key: str) -> str:
        return f"{self._prefix}/{encoded(key, safe='/-_.~')}"

    # -- one object ---------------------------------------------------------------------------------------------------

    def put_object(self, key: str, body: memoryview, headers: dict[str, str]) -> None:
        self._connection.request("PUT", self._path(key), headers=headers, body=body)

    def get_object(self, key: str) -> Answer:
        """The head; the body is read from `answer.response`."""
        return self._connection.request("GET", self._path(key), whole=False)

    # -- in parts -----------------------------------------------------------------------------------------------------

    def create_multipart_upload(self, key: str, headers: dict[str, str]) -> str:
        answer = self._connection.request("POST", self._path(key), {"uploads": ""}, headers)
        return text_of(answer.body.decode(), "UploadId")

    def upload_part(self, key: str, upload: str, number: int, body: memoryview) -> str:
        """The part's ETag."""
        query = {"partNumber": str(number), "uploadId": upload}
        return self._connection.request("PUT", self._path(key), query, body=body).header("etag")

    def complete_multipart_upload(self, key: str, upload: str, etags: list[str]) -> None:
        parts = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"
            for number, etag in enumerate(etags, start=1)
        )
        body = f'<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{parts}</CompleteMultipartUpload>'
        try:
            answer = self._connection.request(
                "POST", self._path(key), {"uploadId": upload}, body=body.encode()
            ).body.decode()
        except AwsError as error:
            if error.code == "NoSuchUpload" and self._is_there(key, etags):
                return  # an attempt has succeeded whose answer was lost
            raise
        if "<Error>" in answer:  # S3 has sent its 200 before it knew
            raise AwsError(text_of(answer, "Message"), text_of(answer, "Code"), 200)

    def _is_there(self, key: str, etags: list[str]) -> bool:
        """Whether the object is what these parts make, by its ETag: the MD5 of their MD5s.

        https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
        """
        from hashlib import md5

        parts = b"".join(bytes.fromhex(etag.strip('"')) for etag in etags)
        there = self._connection.request("HEAD", self._path(key)).header("etag")
        return there == f'"{md5(parts, usedforsecurity=False).hexdigest()}-{len(etags)}"'

    def abort_multipart_upload(self, key: str, upload: str) -> None:
        """Whether it is still there or not. Raises AwsError when S3 cannot be asked."""
        try:
            self._connection.request("DELETE", self._path(key), {"uploadId": upload})
        except AwsError as error:
            if error.code not in ("NoSuchUpload", "NoSuchBucket"):
                raise

    # -- the region ---------------------------------------------------------------------------------------------------

    def _check_region(self, region: str) -> None:
        """S3 answers 301 to a request for a bucket of another region; a stand-in serves it, but says where it is."""
        there = self._connection.request("HEAD", self._prefix or "/").header("x-amz-bucket-region")
        if there and there != region:
            raise AwsError(_MOVED, "PermanentRedirect", 301)


def _place(profile: Profile, bucket: str, region: str) -> tuple[Endpoint, str]:
    """By host name, unless the profile says path, or the name has dots, which no wildcard certificate covers.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html
    """
    url = profile.endpoint("s3")
    endpoint = Endpoint.parse(url) if url else Endpoint.of_aws("s3", region)
    if profile.path_style or "." in bucket:
        return endpoint, f"/{bucket}"
    endpoint.host = f"{bucket}.{endpoint.host}"
    return endpoint, ""


def _check_bucket(bucket: str) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html"""
    good = set("abcdefghijklmnopqrstuvwxyz0123456789.-")
    if not 3 <= len(bucket) <= 63 or not good.issuperset(bucket) or bucket[0] in ".-" or ".." in bucket:
        raise AwsError("The specified bucket is not valid.", "InvalidBucketName", 400)
