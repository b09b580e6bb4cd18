"""LocalStack's S3 provider made durable: a mutating operation answers after its rows are on disk, a reading one after
what it has seen is."""

# mypy: disable-error-code="import-not-found, import-untyped, misc, no-any-return"

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from localstack.aws.api import CommonServiceException, ServiceException
from localstack.aws.api.s3 import NoSuchUpload
from localstack.aws.skeleton import create_dispatch_table
from localstack.services.plugins import SERVICE_PLUGINS, Service
from localstack.services.s3.provider import S3Provider

from velodrome.s3.durable import list_numbers
from velodrome.s3.durable.bodies import BodyGone
from velodrome.s3.durable.index import Change, Index, Row
from velodrome.s3.durable.list_operations import Listings
from velodrome.s3.durable.objects import remembering
from velodrome.s3.durable.operations import LATE, MUTATING, Touches
from velodrome.s3.durable.state import State
from velodrome.s3.durable.storage import DurableStore
from velodrome.s3.durable.transaction import Again, Transaction
from velodrome.s3.rules import completed, conditions, mended, parsing
from velodrome.s3.rules.table import ruled

LOG = logging.getLogger(__name__)
ATTEMPTS = 10
Handler = Callable[[Any, Any], Any]


def internal_error() -> CommonServiceException:
    """S3's own words for a failure of its own; clients try again.

    https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
    """
    return CommonServiceException("InternalError", "We encountered an internal error. Please try again.", 500)


def conflict() -> CommonServiceException:
    """S3's own words for what cannot be done while something else is under way."""
    message = "A conflicting conditional operation is currently in progress against this resource. Please try again."
    return CommonServiceException("OperationAborted", message, 409)


class Forgetful(dict[Any, Any]):
    """What LocalStack would fill with an entry a key, for ever: it makes a value for whoever asks, and keeps none."""

    def __init__(self, make: Callable[[], Any]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, key: Any) -> Any:
        return self._make()


class DurableProvider(S3Provider):
    """LocalStack's provider on a durable store; `dispatch_table` is what its service must be made with."""

    def __init__(self, index: Index, state: State) -> None:
        super().__init__(storage_backend=DurableStore(index))
        self._index = index
        self._state = state
        # A body arrives before the lock is taken, and conditions are checked again under it.
        self._preconditions_locks: Any = Forgetful(lambda: Forgetful(contextlib.nullcontext))
        self._expiration_cache: Any = Forgetful(dict)
        self._completions = [threading.Lock() for _ in range(64)]

    def accept_state_visitor(self, visitor: Any) -> None:
        """There is nothing to save: all is on disk already."""

    def dispatch_table(self, provider: S3Provider) -> dict[str, Handler]:
        """Every operation with its persistence around it."""
        table: dict[str, Handler] = {}
        for name, handler in Listings(provider, self._index).table(create_dispatch_table(provider)).items():
            handler = ruled(name, provider, handler)
            table[name] = self._mutating(name, handler) if name in MUTATING else self._reading(handler)
        table["CompleteMultipartUpload"] = self._repeatable(table["CompleteMultipartUpload"])
        return table

    def _repeatable(self, complete: Handler) -> Handler:
        again = self._reading(lambda context, request: completed.answer(self._state.get(request["Bucket"]), request))

        def complete_or_answer(context: Any, request: Any) -> Any:
            try:
                return complete(context, request)
            except NoSuchUpload:
                if (answer := again(context, request)) is None:
                    raise
                return answer

        return complete_or_answer

    def _reading(self, handler: Handler) -> Handler:
        def read(context: Any, request: Any) -> Any:
            for _ in range(ATTEMPTS):
                try:
                    with remembering():
                        response = handler(context, request)
                except BodyGone:
                    continue
                except OSError as error:
                    LOG.error("S3's data could not be read: %s", error)
                    raise internal_error() from error
                if self._index.settle((request or {}).get("Bucket")):
                    return response
                # It has seen what could not be kept.
                body = response.get("Body") if isinstance(response, dict) else None
                if body is not None:
                    body.close()
            raise internal_error()

        return read

    def _mutating(self, name: str, handler: Handler) -> Handler:
        def mutate(context: Any, request: Any) -> Any:
            with ExitStack() as held:
                if name == "CompleteMultipartUpload":
                    lock = self._completions[hash(request["UploadId"]) % len(self._completions)]
                    held.enter_context(lock)
                for _ in range(ATTEMPTS):
                    try:
                        return self._mutate(name, handler, context, request)
                    except (Again, BodyGone):
                        if name in ("PutObject", "PostObject", "UploadPart"):
                            raise conflict() from None  # its stream is used up
            raise internal_error()

        return mutate

    def _mutate(self, name: str, handler: Handler, context: Any, request: Any) -> Any:
        undo = False
        try:
            with Transaction(self._index, self._guard(name, request)) as transaction:
                if name not in LATE:
                    transaction.enter()
                try:
                    response = handler(context, request)
                    transaction.enter()
                    changes = list(self._changes(MUTATING[name], request, response, transaction))
                except (ServiceException, Again, BodyGone):
                    raise  # found before anything was changed
                except BaseException:
                    undo = transaction.entered
                    raise
                rows = (change for change in changes if isinstance(change, Row) and change.body is not None)
                fresh = transaction.keep({segment for row in rows if row.body for segment in row.body.names()})
                ticket = self._index.enqueue(changes, {change.bucket for change in changes}, fresh)
            self._index.commit(ticket)
        except (ServiceException, NotImplementedError, Again, BodyGone):
            raise
        except ConnectionError as error:
            LOG.info("S3's %s stores nothing: %s", name, error)
            raise internal_error() from error
        except Exception as error:
            if undo:
                self._index.undo([request["Bucket"]])
            LOG.error("S3's %s failed: %s: %s", name, type(error).__name__, error, exc_info=not _io(error))
            raise internal_error() from error
        return response

    def _guard(self, name: str, request: Any) -> Callable[[], None]:
        """What is to be asked once the lock is held: whether the state is still what the operation began with."""
        if name not in LATE:
            return lambda: None
        bucket = self._state.find(request["Bucket"])
        status = bucket.versioning_status if bucket is not None else None
        upload = bucket.multiparts.get(request.get("UploadId")) if bucket is not None else None

        def still_holds() -> None:
            if bucket is None:
                return  # LocalStack says so itself
            name_of = request["Bucket"]
            if self._state.get(name_of) is not bucket or bucket.versioning_status != status:
                raise Again(f"{name_of} is another bucket now, or versioned otherwise")
            if upload is not None and (there := bucket.multiparts.get(upload.id)) is not upload:
                if there is not None:
                    raise internal_error()  # it was made anew from the index, after a write that failed
                raise NoSuchUpload(
                    "The specified upload does not exist. "
                    "The upload ID may be invalid, or the upload may have been aborted or completed.",
                    UploadId=upload.id,
                )
            if name in ("PutObject", "CopyObject") or upload is not None:
                conditions.check_write(bucket, request)

        return still_holds

    def _changes(self, touches: Touches, request: Any, response: Any, transaction: Transaction) -> Iterator[Change]:
        bucket, state = request["Bucket"], self._state
        match touches:
            case Touches.BUCKET:
                yield from state.bucket_rows(bucket)
            case Touches.OBJECT | Touches.OBJECTS if transaction.written:
                yield from state.versions.written(transaction)
            case Touches.OBJECT:
                yield from state.versions.changed(bucket, request["Key"], request.get("VersionId"))
            case Touches.OBJECTS:
                pass
            case Touches.UPLOAD:
                yield from state.upload_rows(bucket, request.get("UploadId") or response["UploadId"])
            case Touches.PART:
                yield from state.part_rows(bucket, request["UploadId"], request["PartNumber"])
            case Touches.COMPLETION:
                yield from state.upload_rows(bucket, request["UploadId"])
                yield from state.versions.written(transaction)


def _io(error: Exception) -> bool:
    return isinstance(error, (OSError, sqlite3.Error))


def install(folder: Path) -> None:
    """Load the folder's state and make LocalStack's S3 keep it there. Raises index.FormatError."""
    begin = time.monotonic()
    mended.install()
    parsing.install()
    index = Index(folder)
    state = State(index)
    state.adopt()
    list_numbers.keep_as_sent()
    index.on_failure = state.restore
    with index.lock:
        buckets = state.load()
    orphans, files = index.bodies.sweep(index.known_files)
    missing = index.missing_files(files)
    took = time.monotonic() - begin
    print(f"s3: {buckets} buckets opened in {took:.2f} s, {orphans} unfinished bodies removed", flush=True)
    if missing:
        print(f"s3: {len(missing)} files of {folder / 'objects'} are missing; reading what they held fails", flush=True)
    provider = DurableProvider(index, state)
    SERVICE_PLUGINS.add_service(Service.for_provider(provider, dispatch_table_factory=provider.dispatch_table))
