"""Several accounts: the id that each owns things by, and copies between their buckets."""

# mypy: disable-error-code="import-not-found, import-untyped, misc, no-any-return"

from __future__ import annotations

import hashlib
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from localstack.constants import DEFAULT_AWS_ACCOUNT_ID
from localstack.services.s3.provider import S3Provider
from localstack.services.s3.utils import get_owner_for_account_id

Handler = Callable[[Any, Any], Any]


def owner(account: str) -> dict[str, str]:
    """An account as the owner of something: each has an id of its own, which says nothing.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/finding-canonical-user-id.html
    """
    found = get_owner_for_account_id(account)
    if account == DEFAULT_AWS_ACCOUNT_ID:
        return dict(found)
    return {**found, "ID": hashlib.sha256(f"{found['ID']}:{account}".encode()).hexdigest()}


class _Everywhere:
    """LocalStack's provider for UploadPartCopy, which looks for both buckets among the caller's own."""

    def __init__(self, inner: Any, context: Any) -> None:
        self._inner, self._context = inner, context

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def get_store(self, account: str, region: str) -> Any:
        """As far as UploadPartCopy asks it for anything."""
        return SimpleNamespace(buckets=SimpleNamespace(get=self._bucket))

    def _bucket(self, name: str) -> Any:
        return self._inner._get_cross_account_bucket(self._context, name)[1]


def part_copy(provider: Any, handler: Handler) -> Handler:
    """The handler of UploadPartCopy for buckets of several accounts."""
    return lambda context, request: S3Provider.upload_part_copy(_Everywhere(provider, context), context, request)
