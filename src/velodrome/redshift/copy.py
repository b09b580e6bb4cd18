"""Loads Parquet objects of S3 into the server inside, as Redshift's COPY does.

Objects are read with obstore, decoded with pyarrow and encoded by pgpq for `COPY … FROM STDIN (FORMAT binary)`. Checks
and wording follow https://docs.aws.amazon.com/redshift/latest/dg/copy-usage_notes-copy-from-columnar.html and what
Redshift answers for columnar files ("Spectrum Scan Error").
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import obstore
import pgpq
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
from obstore.exceptions import BaseError
from obstore.store import S3Store

from velodrome.awsapi.profile import Profile
from velodrome.redshift.history import LoadedFile, LoadError, Loading
from velodrome.redshift.slices import slices
from velodrome.redshift.sql.copy_statement import Copy

_WHOLE_OBJECT = 64 << 20  # smaller ones are fetched with one request

# Numbers of load errors: https://docs.aws.amazon.com/redshift/latest/dg/r_Load_Error_Reference.html, and of Spectrum's
# scanner and of S3, which read columnar files there.
_SCAN_ERROR, _S3_ERROR, _UNKNOWN_ERROR = 15001, 8001, 1200
_ERRORS_OF_ROWS = {"23502": 1213, "22001": 1204, "22003": 1204}  # by the SQLSTATE with which the table refuses a row


class CopyError(Exception):
    """A load that failed, with the parts of the error that the client gets, and what it failed for."""

    def __init__(
        self,
        message: str,
        *,
        code: str = "XX000",
        detail: str = "",
        number: int = 0,
        column: Column | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.detail = detail
        self.number = number  # of the load error; 0 where the statement is wrong, not the data
        self.column = column


@dataclass(frozen=True)
class Column:
    """A column of the target table: PostgreSQL's type name and modifier."""

    name: str
    type: str
    modifier: int
    identity: str = ""

    @property
    def length(self) -> int | None:
        return self.modifier - 4 if self.type in ("character varying", "character") and self.modifier >= 4 else None

    @property
    def precision(self) -> tuple[int, int] | None:
        if self.type != "numeric" or self.modifier < 4:
            return None
        return (self.modifier - 4) >> 16 & 0xFFFF, (self.modifier - 4) & 0x7FF

    @property
    def redshift_type(self) -> str:
        """As Redshift's errors name it."""
        if self.precision is not None:
            return f"DECIMAL({self.precision[0]},{self.precision[1]})"
        name = _REDSHIFT_NAMES.get(self.type, self.type.upper())
        return f"{name}({self.length})" if self.length is not None else name


_REDSHIFT_NAMES = {
    "smallint": "SMALLINT",
    "integer": "INT",
    "bigint": "BIGINT",
    "real": "REAL",
    "double precision": "DOUBLE",
    "numeric": "DECIMAL",
    "boolean": "BOOLEAN",
    "character varying": "VARCHAR",
    "character": "CHAR",
    "text": "VARCHAR",
    "timestamp without time zone": "TIMESTAMP",
    "timestamp with time zone": "TIMESTAMPTZ",
}

# As STL_LOAD_ERRORS names them, in ten characters.
_SHORT_NAMES = {
    "smallint": "int2",
    "integer": "int4",
    "bigint": "int8",
    "real": "float4",
    "double precision": "float8",
    "boolean": "bool",
    "character varying": "varchar",
    "character": "char",
    "timestamp without time zone": "timestamp",
    "timestamp with time zone": "timestamptz",
}

# The Arrow type that a Parquet column must have for a column of the table, to which it is then cast (if it is not yet).
_ARROW: dict[str, tuple[tuple[pa.DataType, ...], pa.DataType]] = {
    "smallint": ((pa.int8(), pa.int16()), pa.int16()),
    "integer": ((pa.int32(),), pa.int32()),
    "bigint": ((pa.int64(),), pa.int64()),
    "real": ((pa.float32(),), pa.float32()),
    "double precision": ((pa.float64(),), pa.float64()),
    "boolean": ((pa.bool_(),), pa.bool_()),
    "date": ((pa.date32(),), pa.date32()),
    "character varying": ((pa.string(), pa.large_string(), pa.binary()), pa.string()),
    "character": ((pa.string(), pa.large_string(), pa.binary()), pa.string()),
    "text": ((pa.string(), pa.large_string(), pa.binary()), pa.string()),
}


@dataclass
class Load:
    """One COPY under way. `chunks()` runs in a thread; `rows` and `objects` count what it has read."""

    copy: Copy
    profile: Profile
    columns: Sequence[Column]
    rows: int = 0
    objects: int = 0
    loading: Loading = field(init=False, repr=False)  # for the history
    _file: str = field(default="", repr=False)
    _problem: CopyError | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        source = f"s3://{self.copy.bucket}/{self.copy.prefix}"
        self.loading = Loading(self.copy.table[-1], self.copy.target, source=source)

    def chunks(self) -> Iterator[bytes]:
        """The body of COPY … FROM STDIN (FORMAT binary)."""
        try:
            yield from self._chunks()
        except CopyError as error:
            self._problem = error
            raise

    def failed(self, code: str, message: str) -> Loading:
        """What the history is told of a COPY that has ended with an error, this SQLSTATE and message."""
        problem = self._problem
        number = problem.number if problem is not None else _ERRORS_OF_ROWS.get(code, _UNKNOWN_ERROR)
        if number and code != "57014":
            column = problem.column if problem is not None else self._named(message)
            kind, length = (column.type, column.length) if column is not None else ("", None)
            name, shown = (column.name, _SHORT_NAMES.get(kind, kind)) if column is not None else ("", "")
            error = LoadError(self._file, message, number, column=name, type=shown, length=str(length or ""))
            self.loading.errors.append(error)
        return self.loading

    def _named(self, message: str) -> Column | None:
        """The column that the message about a row names."""
        ends = ((column, f"NULL value into column {column.name}") for column in self.columns)
        quoted = ((column, f'column "{column.name}"') for column in self.columns)
        found = [column for column, end in ends if message.endswith(end)]
        return next(iter(found), next((column for column, name in quoted if name in message), None))

    def _chunks(self) -> Iterator[bytes]:
        self._check_columns()
        store = _store(self.copy.bucket, self.profile)
        schema = pa.schema([pa.field(str(number), _arrow_type(column)) for number, column in enumerate(self.columns)])
        encoder = pgpq.ArrowToPostgresBinaryEncoder(schema)
        header = encoder.write_header()
        for key, size in _objects(store, self.copy):
            self._file, began, before = f"s3://{self.copy.bucket}/{key}", time.time(), self.rows
            file, source = _open(store, key, size)
            self._check_file(file, key)
            self.objects += 1
            for batch in slices(file, source):
                ready = self._converted(batch, schema, key)
                self.rows += batch.num_rows
                yield header + encoder.write_batch(ready)
                header = b""
            self.loading.files.append(LoadedFile(self._file, self.rows - before, size, began, time.time()))
        yield header + encoder.finish()

    @property
    def message(self) -> str:
        return f"Load into table '{self.copy.table[-1]}' completed, {self.rows} record(s) loaded successfully."

    def _check_columns(self) -> None:
        missing = set(self.copy.columns) - {column.name for column in self.columns}
        if missing:
            name = sorted(missing)[0]
            raise CopyError(f'column "{name}" of relation "{self.copy.table[-1]}" does not exist', code="42703")
        for column in self.columns:
            if column.identity and not self.copy.columns:
                text = (
                    f'COPY into table "{self.copy.table[-1]}" with identity column "{column.name}" needs a column list'
                )
                raise CopyError(text, code="0A000")
            if column.identity == "a":
                raise CopyError(
                    f'cannot set an identity column to a value: "{column.name}" (EXPLICIT_IDS is not supported here)',
                    code="0A000",
                )
            _arrow_type(column)

    def _check_file(self, file: pq.ParquetFile, key: str) -> None:
        path = f"s3://{self.copy.bucket}/{key}"
        found = file.schema_arrow
        if len(found) != len(self.columns):
            raise _scan_error(
                f"Unmatched number of columns between table and file. Table columns: {len(self.columns)}, "
                f"Data columns: {len(found)}, File name: {path}"
            )
        for number, column in enumerate(self.columns):
            actual = found.field(number)
            if pa.types.is_dictionary(actual.type):  # how Arrow reads it back; Parquet knows the values' type
                actual = actual.with_type(actual.type.value_type)
            if not _fits(actual.type, column):
                raise _scan_error(
                    f"File '{path}' has an incompatible Parquet schema for column '{path}.{actual.name}'. "
                    f"Column type: {column.redshift_type}, Parquet schema:\n{_parquet_column(file, number, actual)}"
                    f' (table column "{column.name}", position {number + 1})',
                    column,
                )

    def _converted(self, batch: pa.RecordBatch, schema: pa.Schema, key: str) -> pa.RecordBatch:
        arrays = []
        for number, column in enumerate(self.columns):
            array, wanted = batch.column(number), schema.field(number).type
            if array.type != wanted:
                array = _cast(array, wanted, column)
            if column.length is not None:
                longest = pc.max(pc.binary_length(array)).as_py() or 0
                if longest > column.length:
                    raise _scan_error(
                        f"The length of the data column {column.name} is longer than the length defined in the table. "
                        f"Table: {column.length}, Data: {longest}, File name: s3://{self.copy.bucket}/{key}",
                        column,
                        code="22001",
                        message=f"value too long for type character varying({column.length})",
                    )
            arrays.append(array)
        return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _scan_error(context: str, column: Column | None = None, *, code: str = "XX000", message: str = "") -> CopyError:
    """Redshift puts the cause into the detail; it stands in the message too, which is what most tools show."""
    rule = "-" * 47
    detail = f"\n  {rule}\n  error:  Spectrum Scan Error\n  code:      15001\n  context:   {context}\n  {rule}"
    text = message or f"Spectrum Scan Error: {context}"
    return CopyError(text, code=code, detail=detail, number=_SCAN_ERROR, column=column)


def _arrow_type(column: Column) -> pa.DataType:
    if column.type == "numeric":
        precision, scale = column.precision or (38, 0)
        return pa.decimal128(precision, scale)
    if column.type.startswith("timestamp"):
        return pa.timestamp("us")
    if column.type not in _ARROW:
        raise CopyError(
            f'COPY of Parquet into column "{column.name}" of type {column.redshift_type} is not supported here',
            code="0A000",
        )
    return _ARROW[column.type][1]


def _fits(actual: pa.DataType, column: Column) -> bool:
    if column.type == "numeric":
        if not pa.types.is_decimal(actual):
            return False
        return column.precision is None or (
            actual.scale == column.precision[1] and actual.precision <= column.precision[0]
        )
    if column.type.startswith("timestamp"):
        return bool(pa.types.is_timestamp(actual))
    return actual in _ARROW[column.type][0]


def _cast(array: pa.Array, wanted: pa.DataType, column: Column) -> pa.Array:
    try:
        if pa.types.is_timestamp(wanted):
            return array.cast(pa.timestamp(array.type.unit)).cast(wanted, safe=False)
        return array.cast(wanted)
    except pa.ArrowInvalid as error:
        raise _scan_error(f'column "{column.name}": {error}', column) from None


def _parquet_column(file: pq.ParquetFile, number: int, actual: pa.Field) -> str:
    if number >= len(file.schema) or len(file.schema) != len(file.schema_arrow):
        return f"{actual.type} {actual.name}"
    column = file.schema.column(number)
    repetition = "optional" if column.max_definition_level else "required"
    logical = str(column.logical_type)
    shown = f" ({logical})" if logical not in ("None", "") else ""
    levels = f"[i:{number} d:{column.max_definition_level} r:{column.max_repetition_level}]"
    return f"{repetition} {column.physical_type.lower()} {column.name}{shown} {levels}"


def _store(bucket: str, profile: Profile) -> S3Store:
    endpoint = profile.endpoint("s3")
    options: dict[str, Any] = {"region": profile.region, "virtual_hosted_style_request": not profile.path_style}
    if endpoint:
        options |= {"endpoint": endpoint}
    if profile.access_key_id and profile.secret_access_key:
        options |= {"access_key_id": profile.access_key_id, "secret_access_key": profile.secret_access_key}
    if profile.session_token:
        options |= {"session_token": profile.session_token}
    return S3Store(
        bucket,
        **options,
        client_options={
            "allow_http": bool(endpoint and endpoint.startswith("http:")),
            "connect_timeout": "5s",
            "timeout": "120s",
        },
        retry_config={"max_retries": 2},
    )


def _objects(store: S3Store, copy: Copy) -> list[tuple[str, int]]:
    """(key, size) of every object under the prefix, in key order.

    A prefix is text, not a folder: 's3://b/part' finds part-0001. obstore lists by folders, hence the filter.
    """
    folder = copy.prefix.rpartition("/")[0]
    try:
        found = [
            (str(item["path"]), int(item["size"]))
            for page in obstore.list(store, prefix=folder or None)
            for item in page
            if str(item["path"]).startswith(copy.prefix)
        ]
    except BaseError as error:
        raise _s3_error(error, copy.bucket) from None
    if not found:
        text = f"The specified S3 prefix '{copy.prefix}' does not exist"
        raise CopyError(text, detail=_detail(text, _S3_ERROR), number=_S3_ERROR)
    return sorted((key, size) for key, size in found if size and not _hidden(key[len(folder) :]))


def _hidden(key: str) -> bool:
    return any(part[:1] in ("_", ".", "#") or part.endswith("~") for part in key.split("/") if part)


def _open(store: S3Store, key: str, size: int) -> tuple[pq.ParquetFile, Any]:
    """The file, and what it is read from."""
    try:
        if size <= _WHOLE_OBJECT:
            source: Any = io.BytesIO(bytes(obstore.get(store, key).bytes()))
        else:
            source = pa.PythonFile(obstore.open_reader(store, key, buffer_size=8 << 20), mode="r")
        return pq.ParquetFile(source, coerce_int96_timestamp_unit="us"), source
    except BaseError as error:
        raise _s3_error(error, key) from None
    except pa.ArrowInvalid as error:
        raise _scan_error(f"File '{key}' is not a Parquet file: {error}") from None


def _s3_error(error: Exception, what: str) -> CopyError:
    text = str(error)
    for code, status, words in (
        ("NoSuchBucket", 404, "The specified bucket does not exist"),
        ("AccessDenied", 403, "Access Denied"),
        ("InvalidAccessKeyId", 403, "The AWS Access Key Id you provided does not exist in our records."),
    ):
        if code in text:
            message = f"S3ServiceException:{words},Status {status},Error {code}"
            return CopyError(message, detail=_detail(f"{message} ({what})", _S3_ERROR), number=_S3_ERROR)
    first = text.split("\n", 1)[0]
    message = f"S3 is not reachable or failed for '{what}': {first}"
    return CopyError(message, code="58030", detail=_detail(text, _S3_ERROR), number=_S3_ERROR)


def _detail(text: str, code: int) -> str:
    rule = "-" * 47
    return f"\n  {rule}\n  error:  {text}\n  code:      {code}\n  context:   \n  {rule}"
