"""Which rules each operation is asked for, before LocalStack's handler of it is called."""

# mypy: disable-error-code="import-not-found, import-untyped, misc, no-any-return"

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from velodrome.s3.rules import (
    access,
    accounts,
    bodies,
    checksums,
    completed,
    conditions,
    copies,
    customer_keys,
    deletions,
    encryption,
    forms,
    limits,
    metadata,
    object_lock,
    reading,
    values,
)
from velodrome.s3.rules.errors import error, malformed_xml

LOG = logging.getLogger(__name__)
Rule = Callable[[dict[str, Any]], None]
BucketRule = Callable[[Any, Any, dict[str, Any]], None]
Handler = Callable[[Any, Any], Any]

# By members of the request's model: they hold for each operation that has them.
BY_MEMBER: dict[str, Rule] = {"Key": limits.key, "VersionId": limits.version}
RULES: dict[str, tuple[Rule, ...]] = {
    "CompleteMultipartUpload": (limits.completed_parts, conditions.writable),
    "CopyObject": (
        copies.source,
        values.of_write,
        values.of_copy,
        checksums.algorithm,
        conditions.writable,
        limits.metadata,
        metadata.decode,
        limits.tags_header,
        encryption.of_write,
        object_lock.values,
        object_lock.whole_seconds,
    ),
    "CreateMultipartUpload": (
        values.of_write,
        checksums.algorithm,
        limits.metadata,
        metadata.decode,
        limits.tags_header,
        encryption.of_write,
        object_lock.values,
        object_lock.whole_seconds,
    ),
    "CreateBucket": (limits.bucket_name,),
    "DeleteObjects": (limits.deleted,),
    "GetObject": (limits.part_read, limits.byte_range),
    "GetObjectAttributes": (values.attributes,),
    "HeadObject": (limits.part_read, limits.byte_range),
    "PutBucketCors": (limits.cors_rules,),
    "PutBucketLifecycleConfiguration": (limits.lifecycle_rules,),
    "PutBucketLogging": (access.log_grants,),
    "PutBucketTagging": (limits.bucket_tags,),
    "PutBucketVersioning": (values.of_versioning,),
    "PutObject": (
        values.of_write,
        values.of_put,
        conditions.writable,
        limits.metadata,
        metadata.decode,
        limits.tags_header,
        encryption.of_write,
        object_lock.values,
        object_lock.whole_seconds,
    ),
    "PutObjectLockConfiguration": (object_lock.default_period,),
    "PutObjectRetention": (object_lock.whole_seconds,),
    "PutObjectTagging": (limits.object_tags,),
    "RestoreObject": (values.of_restore,),
    "UploadPart": (limits.part_number,),
    "UploadPartCopy": (limits.part_number, copies.source),
}
# These look at the bucket.
BUCKET_RULES: dict[str, tuple[BucketRule, ...]] = {
    "CompleteMultipartUpload": (customer_keys.of_completion, checksums.completed),
    "CopyObject": (access.acl, object_lock.of_write, encryption.not_blocked, customer_keys.of_copy),
    "CreateBucket": (access.new_bucket,),
    "CreateMultipartUpload": (access.acl, object_lock.of_write, encryption.not_blocked),
    "GetObject": (encryption.of_read, customer_keys.of_read, reading.if_range),
    "GetObjectAttributes": (customer_keys.of_read,),
    "HeadObject": (encryption.of_read, customer_keys.of_read, reading.if_range),
    "PutBucketAcl": (access.acl,),
    "PutBucketOwnershipControls": (access.ownership,),
    "PutBucketPolicy": (access.policy,),
    "PutObject": (access.acl, object_lock.of_write, encryption.not_blocked),
    "PutObjectAcl": (access.acl,),
    "PutObjectRetention": (object_lock.mode,),
}


def _part_copy(provider: Any, handler: Handler) -> Handler:
    return customer_keys.part_copy(provider, accounts.part_copy(provider, handler))


def _copy(provider: Any, handler: Handler) -> Handler:
    return completed.without_null(provider, copies.copy_object(provider, handler))


# These take the handler into their own.
AROUND: dict[str, Callable[[Any, Handler], Handler]] = {
    "CompleteMultipartUpload": completed.remembering,
    "DeleteBucketEncryption": encryption.reset,
    "DeleteObject": deletions.delete_object,
    "DeleteObjects": deletions.delete_objects,
    "CopyObject": _copy,
    "GetBucketAcl": access.read_acl,
    "GetBucketPolicyStatus": access.policy_status,
    "GetObject": reading.conditional,
    "GetObjectAcl": access.read_acl,
    "HeadObject": reading.conditional,
    "PostObject": forms.post_object,
    "PutBucketEncryption": encryption.put_default,
    "RestoreObject": values.restore,
    "UploadPartCopy": _part_copy,
}
WITH_BODY = frozenset({"CopyObject", "CreateMultipartUpload", "PutObject", "UploadPart"})

# They have done something before they could stumble.
LISTS = frozenset({"CompleteMultipartUpload", "DeleteObjects", "RestoreObject"})


def _is_document(operation: Any) -> bool:
    shape = operation.input_shape
    payload = shape.serialization.get("payload") if shape is not None else None
    return payload is not None and shape.members[payload].type_name == "structure"


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
        if name in ("PutObject", "DeleteObject", "GetObject"):
            values.whole_object(context)
        values.known_headers(context.request.headers)
        if name in WITH_BODY:
            checksums.known_headers(context.request.headers)
            if name in ("PutObject", "UploadPart"):
                checksums.sdk_algorithm(context.request.headers)
            bodies.plain_encoding(context, given)
            bodies.ordered_tags(given)
        else:
            checksums.of_document(context)
        try:
            return inner(context, request)
        except NotImplementedError as missing:
            raise error("NotImplemented", f"{name} is not implemented.", 501) from missing
        except (AttributeError, LookupError, TypeError, ValueError) as bad:
            # LocalStack takes a configuration apart without asking whether its elements are there.
            if name in LISTS or not _is_document(context.operation):
                raise
            LOG.info("S3's %s took what does not validate: %s: %s", name, type(bad).__name__, bad)
            raise malformed_xml() from bad

    return called
