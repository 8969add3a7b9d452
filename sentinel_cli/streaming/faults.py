"""Why a record could not be read, in words for whoever looks through the dead letters.

Purpose: msgspec's sentences are good where they name the field; the others are made so here. What
stands in the record is quoted shortly and escaped, because it ends up in headers, logs and terminals.

Not here: what a good record is (``codec``, ``responding.incoming``), where bad ones go (``poison``).
"""

from __future__ import annotations

import re

# A reason is a Kafka header and a line of a log.
LONGEST = 300
# Levels of nesting. A transaction needs two; serde and Protobuf stop near 100, Python's own stack at
# a depth that depends on who calls.
DEEPEST = 100
TOO_DEEP = f"the JSON is nested more than {DEEPEST} levels deep"
# How much of what was found is quoted.
QUOTED = 16

# What a value begins with when it is no JSON at all (magic numbers of the formats' specifications).
_FORMATS = (
    (b"\x1f\x8b", "compressed with gzip"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd"),
    (b"\x04\x22\x4d\x18", "compressed with lz4"),
    (b"\x82SNAPPY\x00", "compressed with snappy"),
    (b"BZh", "compressed with bzip2"),
    (b"\xfd7zXZ\x00", "compressed with xz"),
    (b"PK\x03\x04", "a zip archive"),
    (b"PAR1", "a parquet file"),
    (b"ORC", "an ORC file"),
    (b"Obj\x01", "an Avro file"),
    (b"\xff\xfe", "text in UTF-16"),
    (b"\xfe\xff", "text in UTF-16"),
    (b"\x00\x00\x00{", "text in UTF-32"),
    (b"\x00{", "text in UTF-16"),
    (b"\xef\xbb\xbf", "text that begins with a byte order mark"),
    (b"<", "XML or HTML"),
    (b"---", "YAML"),
)
# Confluent's wire format: a zero byte and the schema's id in four, then Avro, Protobuf or JSON Schema.
_REGISTRY_HEADER = 5

_AT_BYTE = re.compile(r"\(byte (\d+)\)$")
_NAME = re.compile(rb'"((?:[^"\\]|\\.){0,64})"\s*:')
_HALF_A_PAIR = re.compile(rb"\\u[dD][89a-fA-F]")
_CHANGING = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|(?<=byte )\d+|\d[\d,]*(?= bytes)""")


def reason(value: bytes | None, error: Exception) -> str:
    """Why ``value`` could not be decoded, when the decoder raised ``error``."""
    if value is None:
        return "the record has no value"
    if not value.strip():
        return "the value is empty"
    if isinstance(error, RecursionError):
        return TOO_DEEP
    if isinstance(error, UnicodeDecodeError):
        return not_utf8(value)
    return _foreign(value) or _pointed(value, str(error))[:LONGEST]


def not_utf8(value: bytes) -> str:
    """Where ``value`` is not UTF-8; nothing if it is."""
    try:
        value.decode()
    except UnicodeDecodeError as error:
        at = error.start
        return f"{_field(value, at)} is not UTF-8: {_quoted(value, at)} (byte {at})"
    return ""


def kind(reason: str) -> str:
    """The reason without what differs from record to record, to count by."""
    return _CHANGING.sub("…", reason)


def quoted(text: str, longest: int = 64) -> str:
    """A text as a reason shows it: escaped, and not too long."""
    return repr(text[:longest])


def _foreign(value: bytes) -> str:
    for beginning, what in _FORMATS:
        if value.startswith(beginning):
            return f"the value is {what}, not JSON"
    schema = int.from_bytes(value[1:_REGISTRY_HEADER])
    if value[0] == 0 and schema and len(value) > _REGISTRY_HEADER:
        return (
            f"the value begins as a schema registry's records do (schema {schema}), and JSON is expected here"
        )
    return ""


def _pointed(value: bytes, sentence: str) -> str:
    """``sentence`` of the JSON decoder with the place it speaks of."""
    if sentence == "Input data was truncated":
        if _HALF_A_PAIR.search(value):
            return "a text contains half a surrogate pair, which has no UTF-8"
        return f"{sentence}: after {len(value):,} bytes the JSON is not complete"
    found = _AT_BYTE.search(sentence)
    if not found:
        return sentence
    at = int(found[1])
    if "trailing" in sentence and at > 0 and "object" not in sentence:
        return f"{sentence}, {_quoted(value, at - 1)} after the record"
    return f"{sentence}, {_quoted(value, at)} in {_field(value, at)}"


def _field(value: bytes, at: int) -> str:
    """The field whose value stands at byte ``at``, as far as that can be told of what is broken."""
    before = _NAME.findall(value, max(at - 4_096, 0), at)
    return f"`{_text(before[-1])}`" if before else "the value"


def _quoted(value: bytes, at: int) -> str:
    return repr(value[at : at + QUOTED])[1:]


def _text(name: bytes) -> str:
    return repr(name.decode(errors="replace"))[1:-1]
