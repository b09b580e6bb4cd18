"""New buckets as these suites expect them: with ACLs, and open to public ones, which AWS's have not been since 2023.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/create-bucket-faq.html
"""

from __future__ import annotations

from typing import Any

ACL_MEMBERS = ("ACL", "GrantFullControl", "GrantRead", "GrantReadACP", "GrantWrite", "GrantWriteACP")


def with_acls(client: Any) -> None:
    """Let each CreateBucket of a botocore client do what AWS asks for ACLs, and lift the block of what is public.

    An ownership that the caller chooses is kept.
    """
    chosen: dict[str, Any] = {}

    def before(params: dict[str, Any], **_: Any) -> dict[str, Any] | None:
        chosen.clear()
        chosen.update({name: value for name, value in params.items() if name == "Bucket"})
        if "ObjectOwnership" in params:
            return None
        chosen.update({name: value for name, value in params.items() if name in ACL_MEMBERS})
        rest = {name: value for name, value in params.items() if name not in ACL_MEMBERS}
        return rest | {"ObjectOwnership": "ObjectWriter"}

    def after(parsed: dict[str, Any], **_: Any) -> None:
        if chosen and "Error" not in parsed:
            acls = dict(chosen)
            chosen.clear()
            client.delete_public_access_block(Bucket=acls["Bucket"])
            if len(acls) > 1:
                client.put_bucket_acl(**acls)

    client.meta.events.register_first("provide-client-params.s3.CreateBucket", before)
    client.meta.events.register_last("after-call.s3.CreateBucket", after)
