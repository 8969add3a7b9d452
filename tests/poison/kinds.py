"""Bad records of every kind that has been thought of, and odd ones that are fine.

``BAD`` gives each kind's bytes and what its reason must say; ``FINE`` the bytes of records that look
odd and are transactions all the same. Every record is about the user ``USER``, so that a test can see
whether a profile was touched.
"""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import struct
import zipfile
import zlib
from io import BytesIO
from typing import Any

USER = "user_1"
WHOLE: dict[str, Any] = {
    "transaction_id": "T1",
    "user_id": USER,
    "timestamp": "2025-08-24T00:10:00Z",
    "amount": 6_000.0,
    "currency": "USD",
    "country": "US",
    "device_id": "d1",
}
RECORD = json.dumps(WHOLE).encode()


def but(**changes: object) -> bytes:
    """The record with some fields changed."""
    return json.dumps(WHOLE | changes).encode()


def without(*names: str) -> bytes:
    return json.dumps({name: value for name, value in WHOLE.items() if name not in names}).encode()


def amount(text: str) -> bytes:
    """The record with these characters for its amount."""
    return RECORD.replace(b"6000.0", text.encode())


def plus(text: bytes) -> bytes:
    """The record with more fields at its end."""
    return RECORD[:-1] + b", " + text + b"}"


def avro(schema: int) -> bytes:
    """As another team's producer writes it: the registry's header, then a string, a string, a double."""
    return b"\0" + schema.to_bytes(4) + b"\x04T1\x0cuser_1" + struct.pack("<d", 6_000.0)


def zipped() -> bytes:
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("transaction.json", RECORD)
    return file.getvalue()


BAD: dict[str, tuple[bytes | None, str]] = {
    # nothing there
    "no value": (None, "no value"),
    "empty": (b"", "empty"),
    "blank": (b" \r\n\t ", "empty"),
    "one NUL": (b"\0", "malformed"),
    "many NULs": (b"\0" * 300, "malformed"),
    # broken JSON
    "cut in half": (RECORD[: len(RECORD) // 2], "after 77 bytes"),
    "cut before the last bracket": (RECORD[:-1], "truncated"),
    "its second half": (RECORD[len(RECORD) // 2 :], "malformed"),
    "two records": (RECORD + RECORD, "after the record"),
    "two lines": (RECORD + b"\n" + RECORD, "after the record"),
    "a NUL at the end": (RECORD + b"\0", "after the record"),
    "a comma too many": (RECORD[:-1] + b",}", "trailing comma"),
    "a comma too few": (RECORD.replace(b",", b" ", 1), "expected"),
    "no colon": (RECORD.replace(b":", b" ", 1), "expected ':'"),
    "single quotes": (RECORD.replace(b'"', b"'"), "must be strings"),
    "no quotes": (b"{user_id: user_1}", "must be strings"),
    "a comment": (b"// from the core system\n" + RECORD, "malformed"),
    "a raw line break in a text": (but(merchant_id="m\n").replace(b"\\n", b"\n"), "`merchant_id`"),
    "a raw NUL in a text": (but(merchant_id="m\0").replace(b"\\u0000", b"\0"), "`merchant_id`"),
    "an unknown escape": (but(merchant_id="m").replace(b'"m"', b'"\\q"'), "invalid escape"),
    "a number with a leading zero": (amount("0600"), "`amount`"),
    "a number with a plus": (amount("+6"), "`amount`"),
    "a hexadecimal number": (amount("0x10"), "`amount`"),
    "a decimal comma": (amount("6,50"), "malformed"),
    # another type than a record has
    "a list of records": (b"[" + RECORD + b"]", "got `array`"),
    "a text": (b'"user_1"', "got `str`"),
    "a record inside a text": (json.dumps(RECORD.decode()).encode(), "got `str`"),
    "a number": (b"42", "got `int`"),
    "null": (b"null", "got `null`"),
    "true": (b"true", "got `bool`"),
    "an empty object": (b"{}", "transaction_id"),
    "a CloudEvent around it": (json.dumps({"specversion": "1.0", "data": WHOLE}).encode(), "transaction_id"),
    "plain text": (b"hello, is anybody there?", "malformed"),
    "CSV": (b"T1,user_1,2025-08-24T00:10:00Z,6000.0,USD", "malformed"),
    "XML": (b"<transaction><id>T1</id></transaction>", "XML"),
    "YAML": (b"---\ntransaction_id: T1\n", "YAML"),
    # fields that are missing or of another type
    "no user": (without("user_id"), "`user_id`"),
    "no transaction id": (without("transaction_id"), "`transaction_id`"),
    "no timestamp": (without("timestamp"), "`timestamp`"),
    "no amount": (without("amount"), "`amount`"),
    "a user of null": (but(user_id=None), "user_id"),
    "an empty user": (but(user_id=""), "user_id"),
    "a number for a user": (but(user_id=17), "user_id"),
    "a list of users": (but(user_id=[USER]), "user_id"),
    "a user id of a megabyte": (but(user_id="u" * 1_000_000), "user_id"),
    "a user id of 257 characters": (but(user_id="u" * 257), "user_id"),
    "an empty transaction id": (but(transaction_id=""), "transaction_id"),
    "a device id of 257 characters": (but(device_id="d" * 257), "device_id"),
    "a merchant of null": (but(merchant_id=None), "merchant_id"),
    "features that are no object": (but(features=[1, 2]), "features"),
    "another case": (RECORD.replace(b"user_id", b"userId"), "`user_id`"),
    # amounts
    "an amount as text": (but(amount="6000.00"), "amount"),
    "an amount of null": (but(amount=None), "amount"),
    "an amount of true": (but(amount=True), "amount"),
    "an amount with its currency": (but(amount={"value": 6_000, "currency": "USD"}), "amount"),
    "NaN": (amount("NaN"), "`amount`"),
    "infinity": (amount("Infinity"), "`amount`"),
    "minus infinity": (amount("-Infinity"), "`amount`"),
    "a number too large for a double": (amount("1e400"), "amount"),
    "a number of four hundred digits": (amount("9" * 400), "amount"),
    "a negative amount": (but(amount=-0.01), "amount"),
    "a very negative amount": (but(amount=-1e308), "amount"),
    "an absurd amount": (but(amount=1e9 + 1), "amount"),
    # times
    "no time at all": (but(timestamp="soon"), "'soon' is no RFC 3339 time"),
    "an empty time": (but(timestamp=""), "RFC 3339"),
    "a date": (but(timestamp="2025-08-24"), "RFC 3339"),
    "a time of day": (but(timestamp="00:10:00"), "RFC 3339"),
    "seconds since 1970": (but(timestamp=1_756_000_000), "timestamp"),
    "seconds since 1970 as text": (but(timestamp="1756000000"), "RFC 3339"),
    "1970": (but(timestamp="1970-01-01T00:00:00Z"), "before 2000"),
    "year 1": (but(timestamp="0001-01-01T00:00:00Z"), "before 2000"),
    "2099": (but(timestamp="2099-12-31T23:59:59Z"), "after the record reached Kafka"),
    "year 9999": (but(timestamp="9999-12-31T23:59:59Z"), "after the record reached Kafka"),
    "two days ahead": (but(timestamp="2025-08-26T02:00:00Z"), "after the record reached Kafka"),
    "a leap second": (but(timestamp="2016-12-31T23:59:60Z"), "leap seconds"),
    "the 30th of February": (but(timestamp="2025-02-30T00:00:00Z"), "RFC 3339"),
    "the 29th of February in a common year": (but(timestamp="2025-02-29T00:00:00Z"), "RFC 3339"),
    "a thirteenth month": (but(timestamp="2025-13-01T00:00:00Z"), "RFC 3339"),
    "24 o'clock": (but(timestamp="2025-08-23T24:00:00Z"), "RFC 3339"),
    "a zone by name": (but(timestamp="2025-08-24T00:10:00 Europe/Berlin"), "RFC 3339"),
    "a zone of 99 hours": (but(timestamp="2025-08-24T00:10:00+99:00"), "RFC 3339"),
    "an American date": (but(timestamp="08/24/2025 12:10:00 AM"), "RFC 3339"),
    "a week date": (but(timestamp="2025-W34-7T00:10:00"), "RFC 3339"),
    "Arabic digits": (but(timestamp="٢٠٢٥-08-24T00:10:00Z"), "RFC 3339"),
    # what parsers disagree about
    "two amounts": (plus(b'"amount": 1.0'), "`amount` stands twice"),
    "two amounts, both the same": (plus(b'"amount": 6000.0'), "`amount` stands twice"),
    "two users": (plus(b'"user_id": "user_2"'), "`user_id` stands twice"),
    "two users, one escaped": (plus(b'"user\\u005fid": "user_2"'), "`user_id` stands twice"),
    "two currencies, far apart": (
        plus(b'"x": [{"y": "z"}], "currency"\n:\t"EUR"'),
        "`currency` stands twice",
    ),
    "an injected amount": (
        plus(b'"merchant_id": "Cafe", "amount": 0.01, "merchant_category": "5812"'),
        "`amount` stands twice",
    ),
    "nested too deeply": (plus(b'"x": ' + b"[" * 100 + b"]" * 100), "100 levels"),
    "nested so that parsers fall over": (plus(b'"x": ' + b"[" * 50_000 + b"]" * 50_000), "nested"),
    "objects nested too deeply": (plus(b'"x": ' + b'{"a":' * 200 + b"1" + b"}" * 200), "100 levels"),
    "a transaction of a megabyte": (plus(b'"note": "' + b"n" * 900_000 + b'"'), "at most 262,144"),
    # texts that are none
    "half a surrogate pair": (but(user_id="u\ud800"), "surrogate"),
    "the other half": (but(user_id="u\udc00"), "surrogate"),
    "half a pair where nobody reads": (plus(b'"note": "\\ud83d"'), "surrogate"),
    "Latin-1": (but(user_id="Jörg").replace(b"\\u00f6", b"\xf6"), "`user_id` is not UTF-8"),
    "no UTF-8 where nobody reads": (plus(b'"note": "\xff\xfe"'), "`note` is not UTF-8"),
    "no UTF-8 in a name": (plus(b'"\xff": 1'), "not UTF-8"),
    "overlong UTF-8": (plus(b'"note": "\xc0\x80"'), "`note` is not UTF-8"),
    "a surrogate in UTF-8": (plus(b'"note": "\xed\xa0\x80"'), "`note` is not UTF-8"),
    "UTF-16": (RECORD.decode().encode("utf-16"), "UTF-16"),
    "UTF-32": (RECORD.decode().encode("utf-32-be"), "UTF-32"),
    "a byte order mark": (b"\xef\xbb\xbf" + RECORD, "byte order mark"),
    "a NUL in the user": (but(user_id="user_1\0"), "`user_id` contains a control character"),
    "a line break in the id": (but(transaction_id="T1\nT2"), "`transaction_id` contains a control"),
    "a terminal's escape in the device": (but(device_id="\x1b[2J"), "`device_id` contains a control"),
    # other formats
    "gzip": (gzip.compress(RECORD), "gzip"),
    "zlib": (zlib.compress(RECORD), "malformed"),
    "bzip2": (bz2.compress(RECORD), "bzip2"),
    "xz": (lzma.compress(RECORD), "xz"),
    "zip": (zipped(), "zip"),
    "lz4": (b"\x04\x22\x4d\x18\x64\x40\xa7" + b"\x01" * 60, "lz4"),
    "zstd": (b"\x28\xb5\x2f\xfd\x24\x85" + b"\x7f" * 60, "zstd"),
    "snappy": (b"\x82SNAPPY\x00\x00\x00\x00\x01" + b"\x7f" * 60, "snappy"),
    "another schema's Avro": (avro(7), "schema 7"),
    "Avro of no registry": (avro(7)[5:], "malformed"),
    "an Avro file": (b"Obj\x01\x02\x16avro.schema", "Avro"),
    "a parquet file": (b"PAR1\x15\x04\x15", "parquet"),
    "Protobuf": (b"\x0a\x02T1\x12\x06user_1\x21\x00\x00\x00\x00\x00p\xb7@", "empty|malformed"),
    "Java serialization": (b"\xac\xed\x00\x05sr\x00\x0bTransaction", "malformed"),
    "a pickle": (b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00", "malformed"),
    "rubbish": (bytes(range(256)), "schema registry"),
    "a megabyte of rubbish": (b"\xaa" * 1_000_000, "malformed"),
}

FINE: dict[str, bytes] = {
    "no zone, which is UTC": but(timestamp="2025-08-24T00:10:00"),
    "a zone": but(timestamp="2025-08-24T02:10:00+02:00"),
    "a space for the T": but(timestamp="2025-08-24 00:10:00Z"),
    "nine decimals of a second": but(timestamp="2025-08-24T00:10:00.123456789Z"),
    "a card verification": but(amount=0),
    "minus zero": amount("-0.0"),
    "an amount too small for a double": amount("1e-400"),
    "the largest amount": but(amount=1e9),
    "an integer": but(amount=6_000),
    "what nobody reads": but(extra={"a": [1, {"user_id": "x", "amount": -1}]}, tags=["amount", "user_id"]),
    "a name of ours inside a text": but(merchant_id='","amount":1,"x":"'),
    "a name of ours and a colon inside a text": but(merchant_id='"amount":1', currency=":"),
    "a field of nobody twice": plus(b'"x": 1, "x": 2'),
    "an escaped name": RECORD.replace(b'"user_id"', b'"user\\u005fid"'),
    "other letters": but(merchant_id="Käsespätzle 東京", user_id="Zoë"),
    "other letters in UTF-8": json.dumps(
        WHOLE | {"merchant_id": "Käse 東京 🙂"}, ensure_ascii=False
    ).encode(),
    "features of null": but(features=None),
    "features": but(features={"V1": 1.5, "V2": None}),
    "blanks everywhere": json.dumps(WHOLE, indent=3).encode() + b"\r\n\t ",
    "nested a hundred levels": plus(b'"x": ' + b"[" * 99 + b"]" * 99),
    "brackets in a text": but(merchant_id="[" * 200),
    "a record of a quarter of a megabyte": plus(b'"note": "' + b"n" * 261_000 + b'"'),
    "ids of 256 characters": but(transaction_id="t" * 256, device_id="d" * 256),
}
