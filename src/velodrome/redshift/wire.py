"""Bytes of PostgreSQL's protocol 3: the only module of the warehouse that knows their layout.

Every reader checks lengths before it reads and refuses what is left over.
https://www.postgresql.org/docs/current/protocol-message-formats.html
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

SSL_REQUEST = 80877103
GSS_REQUEST = 80877104
CANCEL_REQUEST = 80877102
LONGEST_STARTUP = 10_000
LONGEST_MESSAGE = 1 << 30

_INT = struct.Struct("!i")
_UINT = struct.Struct("!I")
_SHORT = struct.Struct("!h")


class ProtocolError(Exception):
    """A peer sent bytes that are no message of the protocol."""


class Reader:
    """Reads one message body from its start to its exact end."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0

    def take(self, size: int) -> bytes:
        end = self._at + size
        if size < 0 or end > len(self._body):
            raise ProtocolError("insufficient data left in message")
        part = self._body[self._at : end]
        self._at = end
        return part

    def int32(self) -> int:
        return int(_INT.unpack(self.take(4))[0])

    def int16(self) -> int:
        return int(_SHORT.unpack(self.take(2))[0])

    def raw_string(self) -> bytes:
        end = self._body.find(b"\0", self._at)
        if end < 0:
            raise ProtocolError("invalid string in message")
        part = self._body[self._at : end]
        self._at = end + 1
        return part

    def string(self) -> str:
        try:
            return self.raw_string().decode()
        except UnicodeDecodeError:
            raise ProtocolError("invalid byte sequence for encoding UTF8 in message") from None

    def end(self) -> None:
        if self._at != len(self._body):
            raise ProtocolError("invalid message format: trailing bytes")

    def rest(self) -> bytes:
        return self._body[self._at :]


@dataclass(frozen=True)
class Startup:
    """A client's first packet: a protocol version with parameters, or one of the three requests without."""

    code: int
    parameters: Mapping[str, str] = field(default_factory=dict)
    key: bytes = b""  # a cancel request's

    @property
    def minor(self) -> int:
        """Of the protocol version that is asked for: 2 for 3.2."""
        return self.code & 0xFFFF


@dataclass(frozen=True)
class Parse:
    """Parse ('P'): a statement to prepare."""

    name: str
    query: str
    types: tuple[int, ...]


def startup_length(buffer: bytes | bytearray) -> int | None:
    """Length of the startup packet at the buffer's start; None while it is not known."""
    if len(buffer) < 4:
        return None
    length = int(_INT.unpack_from(buffer)[0])
    if not 8 <= length <= LONGEST_STARTUP:
        raise ProtocolError("invalid length of startup packet")
    return length


def read_startup(packet: bytes) -> Startup:
    """A whole startup packet, its length word included."""
    reader = Reader(packet)
    reader.int32()
    code = reader.int32()
    if code in (SSL_REQUEST, GSS_REQUEST):
        reader.end()
        return Startup(code)
    if code == CANCEL_REQUEST:
        if not 16 <= len(packet) <= 268:
            raise ProtocolError("invalid length of cancel request")
        return Startup(code, key=packet[8:])
    if code >> 16 != 3:
        raise ProtocolError(f"unsupported frontend protocol {code >> 16}.{code & 0xFFFF}: server supports 3.0")
    parameters: dict[str, str] = {}
    while name := reader.string():
        parameters[name] = reader.string()
    reader.end()
    return Startup(code, parameters)


def frame(buffer: bytes | bytearray, at: int, longest: int = LONGEST_MESSAGE) -> tuple[int, int] | None:
    """(type, end) of the message at a position; None while its header is incomplete. `end` may lie beyond it."""
    if len(buffer) - at < 5:
        return None
    length = int(_UINT.unpack_from(buffer, at + 1)[0])
    if not 4 <= length <= longest:
        raise ProtocolError("invalid message length")
    return buffer[at], at + 1 + length


def skip_rows(buffer: bytes, at: int) -> int:
    """Walks over the DataRow messages at a position; returns where the first other or incomplete message begins."""
    size, unpack = len(buffer), _UINT.unpack_from
    while size - at >= 5 and buffer[at] == 68:  # 'D'
        end = at + 1 + int(unpack(buffer, at + 1)[0])
        if end > size or end < at + 5:
            break
        at = end
    return at


def read_query(body: bytes) -> str:
    reader = Reader(body)
    text = reader.string()
    reader.end()
    return text


def read_parse(body: bytes) -> Parse:
    reader = Reader(body)
    name, query = reader.string(), reader.string()
    types = tuple(reader.int32() for _ in range(reader.int16()))
    reader.end()
    return Parse(name, query, types)


def read_bind(body: bytes) -> tuple[str, str]:
    """(portal, statement); the values are checked by their lengths only."""
    reader = Reader(body)
    portal, statement = reader.string(), reader.string()
    reader.take(2 * reader.int16())
    for _ in range(reader.int16()):
        length = reader.int32()
        if length != -1:
            reader.take(length)
    reader.take(2 * reader.int16())
    reader.end()
    return portal, statement


def read_execute(body: bytes) -> str:
    reader = Reader(body)
    portal = reader.string()
    reader.int32()
    reader.end()
    return portal


def read_target(body: bytes) -> tuple[str, str]:
    """Describe and Close: ('S' or 'P', name)."""
    reader = Reader(body)
    kind = reader.take(1).decode("latin-1")
    name = reader.string()
    reader.end()
    if kind not in "SP":
        raise ProtocolError(f"invalid message subtype {kind!r}")
    return kind, name


def read_empty(body: bytes) -> None:
    Reader(body).end()


def read_password(body: bytes) -> bytes:
    """PasswordMessage: a password, or the MD5 digest that stands for it."""
    reader = Reader(body)
    password = reader.raw_string()
    reader.end()
    return password


def read_sasl_initial(body: bytes) -> tuple[str, bytes]:
    """SASLInitialResponse: (mechanism, the client's first message)."""
    reader = Reader(body)
    mechanism = reader.string()
    length = reader.int32()
    first = reader.take(length) if length != -1 else b""
    reader.end()
    return mechanism, first


def read_digest(body: bytes) -> tuple[bytes, bytes]:
    """What Amazon's drivers answer to a request for a digest: (digest, the client's nonce)."""
    reader = Reader(body)
    digest = reader.take(reader.int32())
    nonce = reader.take(reader.int32())
    reader.end()
    return digest, nonce


def read_row(body: bytes) -> tuple[bytes | None, ...]:
    """DataRow's values."""
    reader = Reader(body)
    values: list[bytes | None] = []
    for _ in range(reader.int16()):
        length = reader.int32()
        values.append(None if length == -1 else reader.take(length))
    reader.end()
    return tuple(values)


def read_fields(body: bytes) -> dict[str, str]:
    """ErrorResponse's and NoticeResponse's fields."""
    reader = Reader(body)
    fields: dict[str, str] = {}
    while (kind := reader.take(1)) != b"\0":
        fields[kind.decode("latin-1")] = reader.raw_string().decode("utf-8", "replace")
    reader.end()
    return fields


def read_status(body: bytes) -> tuple[str, str]:
    """ParameterStatus: (name, value)."""
    reader = Reader(body)
    pair = reader.string(), reader.string()
    reader.end()
    return pair


def message(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return kind + _INT.pack(len(body) + 4) + body


def _text(value: str) -> bytes:
    encoded = value.encode()
    if b"\0" in encoded:
        raise ProtocolError("a string of the protocol cannot hold a zero byte")
    return encoded + b"\0"


def startup(parameters: Mapping[str, str]) -> bytes:
    """Protocol 3.0's startup packet."""
    body = _INT.pack(3 << 16) + b"".join(_text(name) + _text(value) for name, value in parameters.items()) + b"\0"
    return _INT.pack(len(body) + 4) + body


def query(text: str) -> bytes:
    return message(b"Q", _text(text))


def parse(name: str, text: str, types: Iterable[int] = ()) -> bytes:
    oids = tuple(types)
    return message(b"P", _text(name), _text(text), _SHORT.pack(len(oids)), *(_INT.pack(oid) for oid in oids))


def bind(portal: str, statement: str) -> bytes:
    """Without parameters, results as text."""
    return message(b"B", _text(portal), _text(statement), bytes(6))


def execute(portal: str) -> bytes:
    return message(b"E", _text(portal), _INT.pack(0))


def close(kind: str, name: str) -> bytes:
    return message(b"C", kind.encode(), _text(name))


def copy_data(data: bytes) -> bytes:
    return message(b"d", data)


def copy_done() -> bytes:
    return message(b"c")


def copy_fail(reason: str) -> bytes:
    return message(b"f", _text(reason))


def fields(kind: bytes, values: Mapping[str, str]) -> bytes:
    """ErrorResponse ('E') or NoticeResponse ('N')."""
    return message(kind, *(key.encode() + _text(value) for key, value in values.items()), b"\0")


def error(
    code: str, text: str, *, detail: str = "", hint: str = "", position: int = 0, severity: str = "ERROR"
) -> bytes:
    values = {"S": severity, "V": severity, "C": code, "M": text}
    values |= {"D": detail} if detail else {}
    values |= {"H": hint} if hint else {}
    values |= {"P": str(position)} if position else {}
    return fields(b"E", values)


def info(text: str) -> bytes:
    return fields(b"N", {"S": "INFO", "V": "INFO", "C": "00000", "M": text})


def status(name: str, value: str) -> bytes:
    return message(b"S", _text(name), _text(value))


def command_complete(tag: str) -> bytes:
    return message(b"C", _text(tag))


def text_row(names: Sequence[str], values: Sequence[str | None]) -> bytes:
    """RowDescription and DataRow of one row of texts."""
    text_type = _INT.pack(0) + _SHORT.pack(0) + _INT.pack(25) + _SHORT.pack(-1) + _INT.pack(-1) + _SHORT.pack(0)
    encoded = [None if value is None else value.encode() for value in values]
    return message(b"T", _SHORT.pack(len(names)), *(_text(name) + text_type for name in names)) + message(
        b"D",
        _SHORT.pack(len(encoded)),
        *(_INT.pack(-1) if value is None else _INT.pack(len(value)) + value for value in encoded),
    )


def ready(status: bytes = b"I") -> bytes:
    """ReadyForQuery: idle (I), in a transaction (T) or in a failed one (E)."""
    return message(b"Z", status)


def key_data(key: bytes) -> bytes:
    """BackendKeyData: what the client shows when it wants something cancelled."""
    return message(b"K", key)


def negotiate(minor: int, options: Sequence[str]) -> bytes:
    """NegotiateProtocolVersion: the newest minor version there is, and the protocol options that are not known."""
    return message(b"v", _INT.pack(minor), _INT.pack(len(options)), *(_text(option) for option in options))


def authentication(code: int, *parts: bytes) -> bytes:
    """A request of an authentication's step; 0 ends it well."""
    return message(b"R", _INT.pack(code), *parts)


def sasl_mechanisms(names: Sequence[str]) -> bytes:
    """AuthenticationSASL."""
    return authentication(10, *(_text(name) for name in names), b"\0")


def digest_request(salt: bytes, nonce: bytes) -> bytes:
    """Amazon's own request for a digest, as its drivers read it: algorithm (0: SHA-256), salt, the server's nonce.

    https://github.com/aws/amazon-redshift-python-driver (handle_AUTHENTICATION_REQUEST)
    """
    return authentication(13, _INT.pack(0), _INT.pack(len(salt)), salt, _INT.pack(len(nonce)), nonce)


def cancel(key: bytes) -> bytes:
    """A cancel request for the backend of a BackendKeyData."""
    return _INT.pack(len(key) + 8) + _INT.pack(CANCEL_REQUEST) + key


def bind_values(raw: bytes, change: Callable[[int, bytes], bytes], *, codes: Sequence[int] = (1,)) -> bytes:
    """A whole Bind with each value changed that comes in one of these formats (1 is binary): `change(number, value)`,
    the number from 0."""
    reader = Reader(raw[5:])
    head = reader.raw_string() + b"\0" + reader.raw_string() + b"\0"
    formats = [reader.int16() for _ in range(reader.int16())]
    count = reader.int16()
    parts = [head, _SHORT.pack(len(formats)), *(_SHORT.pack(code) for code in formats), _SHORT.pack(count)]
    for number in range(count):
        length = reader.int32()
        code = formats[number] if len(formats) > 1 and number < len(formats) else (formats or [0])[0]
        value = reader.take(length) if length != -1 else b""
        if length != -1 and code in codes:
            value = change(number, value)
        parts += (_INT.pack(-1 if length == -1 else len(value)), value)
    parts.append(reader.rest())
    return message(b"B", *parts)


def messages(buffer: bytes) -> Iterator[tuple[int, bytes]]:
    """(type, body) of each message of a buffer that holds whole messages only."""
    at = 0
    while at < len(buffer):
        found = frame(buffer, at)
        if found is None or found[1] > len(buffer):
            raise ProtocolError("incomplete message")
        yield found[0], buffer[at + 5 : found[1]]
        at = found[1]


def changed(buffer: bytes, mark: re.Pattern[bytes], change: Callable[[bytes], bytes]) -> bytes:
    """A buffer of whole messages of a backend with the texts of those changed in which a mark stands."""
    parts: list[bytes] = []
    start = 0
    while found := mark.search(buffer, start):
        at = start
        while (end := (frame(buffer, at) or (0, len(buffer)))[1]) <= found.start():
            at = end
        parts += (buffer[start:at], _changed(buffer[at:end], change))
        start = end
    return b"".join([*parts, buffer[start:]])


def _changed(raw: bytes, change: Callable[[bytes], bytes]) -> bytes:
    kind, body = raw[:1], raw[5:]
    if kind != b"D":
        # Strings that end with a zero byte; RowDescription's numbers between them, of any protocol, hold no mark.
        return message(kind, change(body))
    reader = Reader(body)
    count = reader.int16()
    parts = [_SHORT.pack(count)]
    for _ in range(count):
        length = reader.int32()
        value = change(reader.take(length)) if length != -1 else b""
        parts += (_INT.pack(-1 if length == -1 else len(value)), value)
    return message(kind, *parts)


FLUSH = message(b"H")
SYNC = message(b"S")
TERMINATE = message(b"X")
