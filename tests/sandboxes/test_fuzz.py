"""A short run of the fuzzer; ``benchmarks/sandbox_fuzz.py`` goes on for as long as one likes."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandboxes import ProcessSandbox
from tests.sandboxes import fuzz

SHORT = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def sandbox():
    with ProcessSandbox() as sandbox:
        yield sandbox


@SHORT
@given(before=fuzz.floods, answer=fuzz.floods)
def test_a_candidate_floods_the_judge(sandbox, before, answer):
    fuzz.attack_judge(sandbox, before, answer)


@SHORT
@given(flood=fuzz.floods)
def test_a_candidate_floods_the_host_that_compares(sandbox, flood):
    fuzz.attack_comparison(sandbox, flood)


@SHORT
@given(flood=fuzz.floods, entry=st.booleans())
def test_a_program_floods_the_host(sandbox, flood, entry):
    fuzz.attack_host(sandbox, flood, entry)


@SHORT
@given(flood=fuzz.floods, chop=st.sampled_from(fuzz.CHOPS), reads=st.sampled_from(fuzz.READS))
def test_an_agent_floods_its_broker(sandbox, flood, chop, reads):
    fuzz.attack_broker(sandbox, flood, chop, reads)


@settings(SHORT, max_examples=500)
@given(flood=fuzz.floods)
def test_a_flood_reaches_the_proxy(flood):
    fuzz.attack_proxy(flood)


@settings(SHORT, max_examples=500)
@given(value=fuzz.values)
def test_any_json_reaches_the_decoder(value):
    fuzz.attack_decoder(value)
