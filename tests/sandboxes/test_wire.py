from __future__ import annotations

import json
import os
import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandboxes import wire

CALM = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@CALM
@given(st.lists(JSON), st.data())
def test_frames_survive_any_chopping(values, data):
    stream = b"".join(map(wire.pack, values))
    buffer, got = wire.Buffer(), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        buffer.feed(stream[:size])
        stream = stream[size:]
        while (body := buffer.take()) is not None:
            got.append(wire.unpack(body))
    assert got == values


@CALM
@given(JSON)
def test_send_and_receive_over_a_pipe(value):
    read, write = os.pipe()
    try:
        wire.send(write, value)
        wire.send(write, "next")
        assert wire.receive(read) == value
        assert wire.receive(read) == "next"
        os.close(write)
        with pytest.raises(EOFError):
            wire.receive(read)
    finally:
        os.close(read)


@CALM
@given(st.binary())
def test_bytes_are_json_or_a_wire_error(body):
    try:
        value = wire.unpack(body)
    except wire.WireError:
        return
    assert json.dumps(value) == json.dumps(json.loads(body))


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"a": 1, "a": 2}', b"\xff", b"1 2", b"9" * 5000, b'{"a":' * 50_000], ids=repr
)
def test_what_json_only_half_refuses(body):
    with pytest.raises(wire.WireError):
        wire.unpack(body)


@pytest.mark.parametrize("pair", [(b"[", b"]"), (b'{"a":', b"}"), (b'[1,{"a":', b"}]")], ids=repr)
def test_what_is_too_deep_to_be_shown_is_refused(pair):
    left, right = pair
    levels = 2 if b"[1" in left else 1
    wide = b"[" + b"[]," * 5000 + b"1]"
    assert len(wire.unpack(wide)) == 5001
    most = 400 // levels - 1
    assert str(wire.unpack(left * most + b"1" + right * most))
    for depth in (most + 2, 900 // levels):
        with pytest.raises(wire.WireError, match=r"nested|not JSON"):
            wire.unpack(left * depth + b"1" + right * depth)


def test_constants_are_refused_where_asked():
    assert wire.unpack(b"[Infinity]") == [float("inf")]
    for body in (b"NaN", b"[-Infinity]"):
        with pytest.raises(wire.WireError, match="not JSON"):
            wire.unpack(body, finite=True)


def test_long_frames_are_refused_before_they_are_read():
    with pytest.raises(wire.WireError, match="at most 10"):
        wire.pack("x" * 9, cap=10)
    buffer = wire.Buffer(cap=10)
    buffer.feed(struct.pack("<I", 11))
    with pytest.raises(wire.WireError, match="at most 10"):
        buffer.take()
    read, write = os.pipe()
    os.write(write, struct.pack("<I", 11))
    with pytest.raises(wire.WireError, match="at most 10"):
        wire.receive(read, cap=10)
    os.close(read)
    os.close(write)
