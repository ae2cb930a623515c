from __future__ import annotations

import hashlib
import json
from dataclasses import asdict

from hypothesis import given
from hypothesis import strategies as st

from meta_agent.llm import Message, Request

messages = st.lists(st.builds(Message, st.sampled_from(["system", "user", "assistant"]), st.text())).map(
    tuple
)
requests = st.builds(
    Request,
    model=st.text(),
    messages=messages,
    temperature=st.floats(0, 2),
    max_tokens=st.integers(1, 4096),
    stop=st.lists(st.text()).map(tuple),
    sample=st.integers(0, 5),
    schema=st.text(),
    grammar=st.text(),
)


@given(requests)
def test_a_key_is_the_digest_of_every_field(request: Request) -> None:
    fields = json.dumps(asdict(request), sort_keys=True)
    assert json.loads(request.to_json()) == json.loads(fields)
    assert request.key() == hashlib.sha256(fields.encode()).hexdigest()


@given(requests, requests)
def test_keys_are_equal_exactly_for_equal_requests(one: Request, other: Request) -> None:
    assert (one.key() == other.key()) == (one == other)
