"""Reads COPY … FROM 's3://…'; what it cannot do is refused by name.

https://docs.aws.amazon.com/redshift/latest/dg/r_COPY.html
https://docs.aws.amazon.com/redshift/latest/dg/copy-usage_notes-copy-from-columnar.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from velodrome.redshift.sql import refuse
from velodrome.redshift.sql.ddl import quoted_name
from velodrome.redshift.sql.tokens import STRING, Token, closing, name_end, name_parts, vocabulary, words

# Options of other formats, or that this COPY does not do; the name is what the error says.
_OPTIONS_NOT_HERE = vocabulary(
    """
    MANIFEST FILLRECORD EXPLICIT_IDS ACCEPTINVCHARS SERIALIZETOJSON ENCRYPTED MAXERROR NOLOAD ACCEPTANYDATE
    BLANKSASNULL DATEFORMAT DELIMITER EMPTYASNULL ENCODING ESCAPE FIXEDWIDTH GZIP LZOP BZIP2 ZSTD
    IGNOREALLERRORS IGNOREBLANKLINES IGNOREHEADER NULL QUOTE READRATIO REMOVEQUOTES ROUNDEC SSH TIMEFORMAT
    TRIMBLANKS TRUNCATECOLUMNS COMPROWS CSV JSON AVRO ORC SHAPEFILE ACCESS_KEY_ID SECRET_ACCESS_KEY
    SESSION_TOKEN MASTER_SYMMETRIC_KEY
    """
)


@dataclass(frozen=True)
class Copy:
    """One COPY of Parquet files: where to, and from which prefix."""

    table: tuple[str, ...]
    columns: tuple[str, ...]
    bucket: str
    prefix: str
    role: str

    @property
    def target(self) -> str:
        return quoted_name(self.table)

    @property
    def from_stdin(self) -> str:
        """What the server inside executes; the gateway feeds it."""
        listed = f" ({', '.join(quoted_name((column,)) for column in self.columns)})" if self.columns else ""
        return f"COPY {self.target}{listed} FROM STDIN (FORMAT binary)"


def read(sql: str, tokens: Sequence[Token]) -> Copy:
    """COPY table [(columns)] FROM 's3://bucket/prefix' authorization [FORMAT] [AS] PARQUET [options]."""
    last = tokens[-1]
    at = name_end(tokens, 1)
    if len(tokens) < 4:
        raise refuse.syntax_error(last)
    table = name_parts(tokens, 1, at)
    columns: tuple[str, ...] = ()
    if words(tokens, at, "("):
        close = closing(tokens, at)
        columns = tuple(token.value for token in tokens[at + 1 : close] if token.text != ",")
        at = close + 1
    if not words(tokens, at, "FROM") or at + 1 >= len(tokens):
        raise refuse.syntax_error(tokens[min(at, len(tokens) - 1)])
    source = tokens[at + 1]
    if source.kind != STRING:
        raise refuse.syntax_error(source)
    scheme, _, rest = source.value.partition("://")
    bucket, _, prefix = rest.partition("/")
    if scheme != "s3" or not bucket:
        if scheme in ("emr", "ssh", "dynamodb"):
            raise refuse.not_here(sql, source, f"COPY from {scheme}://")
        raise refuse.Refused(refuse.SYNTAX, "COPY source is not an S3 path: s3://bucket/prefix", source.start)
    role, parquet = _options(sql, tokens, at + 2)
    if not parquet:
        raise refuse.not_here(sql, tokens[0], "COPY of delimited text (only FORMAT AS PARQUET)")
    if not role:
        text = "COPY from Amazon S3 requires an authorization: IAM_ROLE { default | 'arn:aws:iam::…:role/…' }"
        raise refuse.Refused(refuse.SYNTAX, text, last.start)
    return Copy(table, columns, bucket, prefix, role)


def _options(sql: str, tokens: Sequence[Token], at: int) -> tuple[str, bool]:
    role, parquet = "", False
    while at < len(tokens):
        word = tokens[at].word
        if word in ("WITH", "AS"):
            at += 1
        elif word == "IAM_ROLE":
            value = tokens[min(at + 1, len(tokens) - 1)]
            if value.kind != STRING and value.word != "DEFAULT":
                raise refuse.syntax_error(value)
            role = value.value
            at += 2
        elif word == "CREDENTIALS":
            at += 2 if words(tokens, at + 1, "AS") else 1
            role = _credentials(sql, tokens[min(at, len(tokens) - 1)])
            at += 1
        elif word == "FORMAT":
            at += 2 if words(tokens, at + 1, "AS") else 1
        elif word == "PARQUET":
            parquet = True
            at += 1
        elif word == "REGION":
            at += 3 if words(tokens, at + 1, "AS") else 2
        elif word in ("STATUPDATE", "COMPUPDATE"):  # only guide the optimizer and the encodings
            at += 1
            if at < len(tokens) and tokens[at].word in ("ON", "OFF", "TRUE", "FALSE", "PRESET"):
                at += 1
        elif word in _OPTIONS_NOT_HERE:
            raise refuse.not_here(sql, tokens[at], f"COPY … {word}")
        else:
            raise refuse.syntax_error(tokens[at])
    return role, parquet


def _credentials(sql: str, value: Token) -> str:
    """The role in CREDENTIALS 'aws_iam_role=arn:…', the older way to write IAM_ROLE.

    https://docs.aws.amazon.com/redshift/latest/dg/copy-parameters-authorization.html
    """
    if value.kind != STRING:
        raise refuse.syntax_error(value)
    name, _, role = value.value.partition("=")
    if name.strip().lower() != "aws_iam_role":
        raise refuse.not_here(sql, value, "COPY … CREDENTIALS with access keys")
    return role.strip()
