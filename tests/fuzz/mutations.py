"""Seeded damage to files: bytes, text, numbers and structure."""

from __future__ import annotations

import random
import re
import struct
from collections.abc import Callable

__all__ = ["MUTATIONS", "mutated"]

Mutation = Callable[[bytearray, random.Random], bytes]

_TOKEN = re.compile(rb'"[^"\n]{0,80}"|[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|\b(?:true|false|null)\b')
_TEXTS = (
    b"0", b"-1", b"1", b"1e308", b"-1e308", b"1e-320", b"1e999", b"NaN", b"Infinity", b"-Infinity",
    b"4" * 400, b"-" + b"7" * 30, b"9223372036854775808", b"0.5", b"1e-9", b"null", b"true", b'""',
    b'"x"', b"[]", b"{}", b"[0]", b'["x"]', b'"\\ud800"', b'"\\u0000"', b'"\\u001b[31m"',
    b'"../../x"', b'"/etc/hostname"', b"", b"x", b"=1+1", b"\x00", b"\xff\xfe", b"\xed\xa0\x80",
    b"n/a", b"nan", b"inf", b"1_0", b"\xd9\xa3",
    b"[" * 100_000, b'{"a":' * 50_000, b"[" * 999 + b"]" * 999,
)  # fmt: skip
_NUMBERS = (
    *(struct.pack(f"{order}{kind}", value)
      for order in "<>"
      for kind, values in (
          ("h", (0, 1, -1, 32767, -32768)),
          ("i", (0, 1, -1, 2**31 - 1, -(2**31), 2**16)),
          ("q", (0, -1, 2**63 - 1, 2**33)),
          ("f", (0.0, -1.0, float("nan"), float("inf"), 1e38, 1e-38)),
          ("d", (0.0, -1.0, float("nan"), float("inf"), 1e308, 1e-308)),
      )
      for value in values),
)  # fmt: skip


def _place(data: bytearray, draw: random.Random) -> int:
    """A position; headers, which lie at the ends, are met more often than samples."""
    if not data:
        return 0
    end = min(len(data), draw.choice((32, 256, 1024, 4096)))
    near_end = len(data) - draw.randrange(min(len(data), 512)) - 1
    return draw.choice((draw.randrange(len(data)), draw.randrange(end), near_end))


def _flip(data: bytearray, draw: random.Random) -> bytes:
    for _ in range(draw.choice((1, 1, 2, 8))):
        if data:
            data[_place(data, draw)] ^= 1 << draw.randrange(8)
    return bytes(data)


def _overwrite(data: bytearray, draw: random.Random) -> bytes:
    for _ in range(draw.choice((1, 1, 3))):
        if data:
            data[_place(data, draw)] = draw.choice((0, 9, 10, 32, 48, 255, draw.randrange(256)))
    return bytes(data)


def _insert(data: bytearray, draw: random.Random) -> bytes:
    at = _place(data, draw)
    return bytes(data[:at]) + draw.randbytes(draw.choice((1, 2, 4, 100))) + bytes(data[at:])


def _delete(data: bytearray, draw: random.Random) -> bytes:
    at = _place(data, draw)
    return bytes(data[:at] + data[at + draw.choice((1, 2, 4, 100)) :])


def _duplicate(data: bytearray, draw: random.Random) -> bytes:
    at, size = _place(data, draw), draw.choice((1, 16, 256))
    return bytes(data[: at + size] + data[at:])


def _truncate(data: bytearray, draw: random.Random) -> bytes:
    return bytes(data[: draw.choice((0, 1, _place(data, draw), len(data) - 1, len(data) // 2))])


def _zeros(data: bytearray, draw: random.Random) -> bytes:
    at, size = _place(data, draw), draw.choice((4, 64, 1024))
    size = min(size, len(data) - at)
    data[at : at + size] = draw.choice((b"\x00", b"\xff")) * size
    return bytes(data)


def _swap(data: bytearray, draw: random.Random) -> bytes:
    one, other = sorted((_place(data, draw), _place(data, draw)))
    size = min(draw.choice((1, 8, 64, 512)), other - one, len(data) - other)
    first, second = data[one : one + size], data[other : other + size]
    data[one : one + size], data[other : other + size] = second, first
    return bytes(data)


def _number(data: bytearray, draw: random.Random) -> bytes:
    """Binary numbers of any kind, at an even place."""
    value = draw.choice(_NUMBERS)
    at = _place(data, draw) // 2 * 2
    data[at : at + len(value)] = value
    return bytes(data)


def _token(data: bytearray, draw: random.Random) -> bytes:
    """Another value in the place of a number, a text or a word; perhaps of the same width."""
    found = list(_TOKEN.finditer(data[:200_000]))
    if not found:
        return _number(data, draw)
    for match in draw.sample(found, min(len(found), draw.choice((1, 1, 2)))):
        new = draw.choice(_TEXTS)
        if draw.random() < 0.4 and len(new) <= len(match[0]):
            data[match.start() : match.end()] = new.ljust(len(match[0]))
        else:
            return bytes(data[: match.start()]) + new + bytes(data[match.end() :])
    return bytes(data)


def _line(data: bytearray, draw: random.Random) -> bytes:
    """A line twice, gone, or in another place."""
    lines = bytes(data).split(b"\n")
    at = draw.randrange(len(lines))
    line = lines[at]
    if draw.random() < 0.5:
        del lines[at]
    if draw.random() < 0.7:
        lines.insert(draw.randrange(len(lines) + 1), line)
    return b"\n".join(lines)


def _line_ends(data: bytearray, draw: random.Random) -> bytes:
    """As a transfer in text mode does, or undoes."""
    pairs = ((b"\n", b"\r\n"), (b"\r\n", b"\n"), (b"\n", b"\r"), (b"\t", b"    "), (b",", b";"))
    return bytes(data).replace(*draw.choice(pairs))


def _encoding(data: bytearray, draw: random.Random) -> bytes:
    """Another encoding of the text, or a mark of one."""
    how = draw.choice(("utf-8-sig", "utf-16", "utf-16-be", "utf-7", "surrogate"))
    text = bytes(data).decode("latin-1")
    if how == "surrogate":
        at = _place(data, draw)
        half = draw.choice((b"\xed\xa0\x80", b"\\ud800", b"\xff", b"\x1b]52;c;eA==\x07", b"\x00"))
        return bytes(data[:at]) + half + bytes(data[at:])
    return text.encode(how)


def _long(data: bytearray, draw: random.Random) -> bytes:
    """Something very long in a text."""
    at = _place(data, draw)
    return (
        bytes(data[:at]) + draw.choice((b"9", b"a", b" ", b"\n", b",")) * 200_000 + bytes(data[at:])
    )


MUTATIONS: dict[str, Mutation] = {
    "bits flipped": _flip, "bytes overwritten": _overwrite, "bytes inserted": _insert,
    "bytes deleted": _delete, "bytes doubled": _duplicate, "cut": _truncate, "run of one": _zeros,
    "blocks swapped": _swap, "binary number": _number, "value": _token, "line": _line,
    "line ends": _line_ends, "encoding": _encoding, "very long": _long,
}  # fmt: skip
_WEIGHTS = (3, 3, 1, 1, 1, 2, 2, 1, 4, 8, 2, 1, 1, 0.5)


def mutated(original: bytes, seed: str) -> tuple[bytes, str]:
    """A damaged copy, the same for the same seed, and by what it was damaged."""
    draw = random.Random(seed)
    name = draw.choices(list(MUTATIONS), _WEIGHTS)[0]
    return MUTATIONS[name](bytearray(original), draw), name
