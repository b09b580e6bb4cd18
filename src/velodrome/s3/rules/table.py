"""Which rules each operation is asked for, before LocalStack's handler of it is called."""

# mypy: disable-error-code="import-not-found, import-untyped, misc, no-any-return"

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from velodrome.s3.rules import access, bodies, completed, conditions, deletions, forms, limits, reading

Rule = Callable[[dict[str, Any]], None]
BucketRule = Callable[[Any, Any, dict[str, Any]], None]
Handler = Callable[[Any, Any], Any]

# By members of the request's model: they hold for each operation that has them.
BY_MEMBER: dict[str, Rule] = {"Key": limits.key, "VersionId": limits.version}
RULES: dict[str, tuple[Rule, ...]] = {
    "CompleteMultipartUpload": (limits.completed_parts, conditions.writable),
    "CopyObject": (conditions.writable, limits.metadata, limits.tags_header),
    "CreateMultipartUpload": (limits.metadata, limits.tags_header),
    "DeleteObjects": (limits.deleted,),
    "GetObject": (limits.part_read,),
    "HeadObject": (limits.part_read,),
    "PutBucketLifecycleConfiguration": (limits.lifecycle_rules,),
    "PutBucketTagging": (limits.bucket_tags,),
    "PutObject": (conditions.writable, limits.metadata, limits.tags_header),
    "PutObjectTagging": (limits.object_tags,),
    "UploadPart": (limits.part_number,),
    "UploadPartCopy": (limits.part_number,),
}
# These look at the bucket.
BUCKET_RULES: dict[str, tuple[BucketRule, ...]] = {
    "CopyObject": (access.acl,),
    "CreateBucket": (access.new_bucket,),
    "CreateMultipartUpload": (access.acl,),
    "PutBucketAcl": (access.acl,),
    "PutBucketPolicy": (access.policy,),
    "PutObject": (access.acl,),
    "PutObjectAcl": (access.acl,),
}
# These take the handler into their own.
AROUND: dict[str, Callable[[Any, Handler], Handler]] = {
    "CompleteMultipartUpload": completed.remembering,
    "DeleteObject": deletions.delete_object,
    "DeleteObjects": deletions.delete_objects,
    "GetObject": reading.conditional,
    "HeadObject": reading.conditional,
    "PostObject": forms.post_object,
}
WITH_BODY = frozenset({"CopyObject", "CreateMultipartUpload", "PutObject", "UploadPart"})


def ruled(name: str, provider: Any, handler: Handler) -> Handler:
    """The handler behind its operation's rules."""

    inner = reading.versioned(AROUND[name](provider, handler) if name in AROUND else handler)

    def called(context: Any, request: Any) -> Any:
        given = request or {}
        for member, rule in BY_MEMBER.items():
            if given.get(member) is not None:
                rule(given)
        for rule in RULES.get(name, ()):
            rule(given)
        access.expected_owner(provider, context, given)
        for bucket_rule in BUCKET_RULES.get(name, ()):
            bucket_rule(provider, context, given)
        if name in WITH_BODY:
            bodies.plain_encoding(context, given)
        return inner(context, request)

    return called
