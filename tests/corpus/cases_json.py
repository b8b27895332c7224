"""Bytes that are not strict JSON: unreadable, so -32700, HTTP 400 and no id, in every era (RPC-01, RPC-04)."""

from __future__ import annotations

import json

from tests.corpus.case import META, RESULT, Case, Transport, modern, text

_GOOD = json.dumps(modern("tools/list"), separators=(",", ":")).encode()
_HTTP: tuple[Transport, ...] = ("http",)
_META = json.dumps(META)


def _unreadable(name: str, body: bytes, *, on: tuple[Transport, ...] = ("http", "stdio"), contains: str = "") -> Case:
    return Case(name=name, body=body, code=-32700, on=on, contains=contains)


def _in_string(raw: bytes) -> bytes:
    return text('"@"').replace(b"@", raw)


_SYNTAX = {
    "an opening brace": b"{",
    "a closing brace": b"}",
    "an opening bracket": b"[",
    "cut off": _GOOD[:-1],
    "cut off in a string": _GOOD[:25],
    "a quote": b'"',
    "nothing but a word": b"hello",
    "undefined": b"undefined",
    "a comma before the end of an object": _GOOD[:-1] + b",}",
    "a comma before the end of an array": text("[1,]"),
    "two commas": text("[1,,2]"),
    "a missing colon": b'{"jsonrpc" "2.0"}',
    "single quotes": b"{'jsonrpc':'2.0'}",
    "a key without quotes": b'{jsonrpc:"2.0"}',
    "a line comment": _GOOD + b"//",
    "a block comment": b"/**/" + _GOOD,
    "two messages in one": _GOOD + _GOOD,
    "something behind it": _GOOD + b" x",
    "a NUL behind it": _GOOD + b"\0",
    "a form feed before it": b"\x0c" + _GOOD,
    "a no-break space before it": "\xa0".encode() + _GOOD,
    "Python's True": text("True"),
    "an HTTP request": b"POST /mcp HTTP/1.1",
    "a form": b"jsonrpc=2.0&id=7&method=ping",
}
_NUMBERS = {
    "NaN": "NaN",
    "Infinity": "Infinity",
    "-Infinity": "-Infinity",
    "a number in hexadecimal": "0x10",
    "a leading zero": "01",
    "a leading plus": "+1",
    "no digit behind the point": "1.",
    "no digit before the point": ".5",
    "no digit in the exponent": "1e",
    "a number beyond every float": "1e400",
    "two points": "1.2.3",
    "underscores in a number": "1_000",
}
_STRINGS = {
    "a control character": b"\x01",
    "a tab": b"\t",
    "a delete of the C1 set in Latin-1": b"\x85",
    "an escape that is none": rb"\x41",
    "an escape cut off": rb"\u12",
    "a byte that UTF-8 never has": b"\xff",
    "an overlong NUL": b"\xc0\x80",
    "an overlong slash": b"\xe0\x80\xaf",
    "a surrogate as UTF-8": b"\xed\xa0\x80",
    "a sequence cut off": b"\xe2\x82",
    "a continuation alone": b"\x80",
    "beyond Unicode": b"\xf4\x90\x80\x80",
    "Latin-1": "é".encode("latin-1"),
    "half a surrogate pair, the high one": rb"\ud800",
    "half a surrogate pair, the low one": rb"\udc00",
    "a surrogate pair the wrong way round": rb"\udc00\ud800",
}
_ENCODINGS = {
    "a byte order mark": b"\xef\xbb\xbf" + _GOOD,
    "UTF-16, little endian": _GOOD.decode().encode("utf-16-le"),
    "UTF-16, big endian": _GOOD.decode().encode("utf-16-be"),
    "UTF-16 with its mark": _GOOD.decode().encode("utf-16"),
    "UTF-32": _GOOD.decode().encode("utf-32-le"),
    "UTF-7": b"+AHs-" + _GOOD[1:],
    "gzip": b"\x1f\x8b\x08\x00",
}
_DUPLICATES = {
    "the id twice": b'{"jsonrpc":"2.0","id":7,"id":8,"method":"ping"}',
    "the method twice": b'{"jsonrpc":"2.0","id":7,"method":"ping","method":"tools/list"}',
    "the same value twice": b'{"jsonrpc":"2.0","jsonrpc":"2.0","id":7,"method":"ping"}',
    "a parameter twice": b'{"jsonrpc":"2.0","id":7,"method":"tools/list","params":{"cursor":"a","cursor":"b"}}',
    "an argument twice": text('{"a":1,"a":2}'),
    "metadata twice": text("{}").replace(b'"x":{}', b'"_meta":{}'),
    "twice, once escaped": text(r'{"a":1,"\u0061":2}'),
    "twice, deep inside": text('[[{"b":{"a":1,"a":1}}]]'),
    "an empty key twice": text('{"":1,"":2}'),
}
_DEPTHS = {
    "65 arrays": "[" * 63 + "]" * 63,
    "65 objects": '{"a":' * 63 + "1" + "}" * 63,
    "20,000 arrays": "[" * 20_000 + "]" * 20_000,
    "5,000 objects": '{"a":' * 5_000 + "1" + "}" * 5_000,
    "20,000 arrays that do not end": "[" * 20_000,
}

CASES: tuple[Case, ...] = (
    _unreadable("an empty body", b"", on=_HTTP),
    _unreadable("white space alone", b" \r\n\t ", on=_HTTP),
    _unreadable("a line end inside a string", _in_string(b"\n"), on=_HTTP),
    *(_unreadable(name, body) for name, body in _SYNTAX.items()),
    *(_unreadable(f"number: {name}", text(number)) for name, number in _NUMBERS.items()),
    *(_unreadable(f"string: {name}", _in_string(raw)) for name, raw in _STRINGS.items()),
    *(_unreadable(f"encoding: {name}", body) for name, body in _ENCODINGS.items()),
    *(_unreadable(f"key: {name}", body, contains="twice") for name, body in _DUPLICATES.items()),
    *(_unreadable(f"depth: {name}", text(value)) for name, value in _DEPTHS.items()),
    # What strict does not mean:
    Case(name="depth: 64 of both", body=text('[{"a":' * 31 + "1" + "}]" * 31), code=RESULT, id=7, status=200),
    Case(name="white space around it", body=b" \t" + _GOOD + b"\r", code=RESULT, id=7, status=200),
    Case(name="escapes in keys", body=_GOOD.replace(b'"id"', rb'"\u0069d"'), code=RESULT, id=7, status=200),
    Case(name="a surrogate pair", body=_in_string(rb"\ud83d\ude00"), code=RESULT, id=7, status=200),
    Case(name="an escaped NUL", body=_in_string(rb"\u0000"), code=RESULT, id=7, status=200),
    Case(
        name="an odd but right number",
        body=text("[-0, 1E+2, 0.0e-0, 12345678901234567890123]"),
        code=RESULT,
        id=7,
        status=200,
    ),
    Case(
        name="line ends between tokens",
        body=json.dumps(modern("tools/list"), indent=1).encode(),
        code=RESULT,
        id=7,
        status=200,
        on=_HTTP,
    ),
)
