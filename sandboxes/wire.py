"""Frames: how values travel between processes.

One frame is a little-endian u32 length and that many bytes of JSON.

Used on both sides of the border, so standard library only. What arrives is never trusted: lengths are capped,
and a frame that is not strict JSON raises :class:`WireError`.
"""

from __future__ import annotations

import json
import os
import struct
from typing import Any

CAP = 1 << 20
"""Bytes of JSON in one frame, at most, unless a caller says otherwise."""
_DEPTH = 400
"""Levels of nesting: what is deeper can be read, but breaks whoever shows or writes it further down the stack."""


class WireError(ValueError):
    """What arrived is not a frame: too long, cut short, or not JSON."""


def pack(value: object, cap: int = CAP) -> bytes:
    """Return the frame of a JSON value; raises :class:`WireError` when it is longer than ``cap`` bytes."""
    body = json.dumps(value).encode()
    if len(body) > cap:
        raise WireError(f"a value of {len(body)} bytes, at most {cap} can be sent")
    return struct.pack("<I", len(body)) + body


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise WireError("an object with a key that comes twice")
    return value


def _refuse(constant: str) -> None:
    raise WireError(f"{constant}, which is not JSON")


_lenient = json.JSONDecoder(object_pairs_hook=_unique)
_finite = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse)


def unpack(body: bytes, *, finite: bool = False) -> Any:
    """Return the JSON value of a frame's bytes.

    Args:
        body: The bytes, whatever they are.
        finite: Whether to refuse NaN and the infinities, which Python reads and writes but JSON has not.

    Raises:
        WireError: They are not one JSON value, or too deep, or an object has a key twice.

    """
    try:
        value = (_finite if finite else _lenient).decode(body.decode("utf-8", "surrogatepass"))
    except WireError:
        raise
    except (ValueError, RecursionError) as error:
        raise WireError(f"not JSON: {str(error)[:100]}") from None
    if body.count(b"[") + body.count(b"{") > _DEPTH:
        _refuse_deep(value)
    return value


def _refuse_deep(value: Any) -> None:
    level = [value]
    for _ in range(_DEPTH):
        objects = [item.values() for item in level if type(item) is dict]
        lists = [item for item in level if type(item) is list]
        level = [part for parts in (*objects, *lists) for part in parts]
        if not level:
            return
    raise WireError(f"nested more than {_DEPTH} levels deep")


def send(fd: int, value: object, cap: int = CAP) -> None:
    """Write one frame to a blocking descriptor."""
    data = memoryview(pack(value, cap))
    while data:
        data = data[os.write(fd, data) :]


def _read(fd: int, size: int) -> bytes:
    parts = []
    while size:
        part = os.read(fd, min(size, 1 << 16))
        if not part:
            raise EOFError("the other side has gone")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def receive(fd: int, cap: int = CAP) -> Any:
    """Read one frame from a blocking descriptor; never takes a byte of the next one.

    Raises:
        EOFError: The other side has closed.
        WireError: The frame is longer than ``cap`` or is not JSON.

    """
    (size,) = struct.unpack("<I", _read(fd, 4))
    if size > cap:
        raise WireError(f"a frame of {size} bytes, at most {cap} are taken")
    return unpack(_read(fd, size))


class Buffer:
    """Collects bytes as they come and hands out the bodies of whole frames."""

    def __init__(self, cap: int = CAP) -> None:
        self._cap = cap
        self._data = bytearray()

    def feed(self, data: bytes) -> None:
        """Add what was read."""
        self._data += data

    def take(self) -> bytes | None:
        """Return the body of the next whole frame, None while it is incomplete; raises :class:`WireError`."""
        if len(self._data) < 4:
            return None
        (size,) = struct.unpack_from("<I", self._data)
        if size > self._cap:
            raise WireError(f"a frame of {size} bytes, at most {self._cap} are taken")
        if len(self._data) < 4 + size:
            return None
        body = bytes(self._data[4 : 4 + size])
        del self._data[: 4 + size]
        return body
