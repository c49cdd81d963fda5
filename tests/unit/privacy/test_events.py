"""Events are data that outlives the code which wrote it."""

import json

import pytest

from deid_udf.privacy import MECHANISMS, Event, UnknownEvent, mechanism_from_event

LEDGER = [
    '{"name":"laplace_vector","parameters":{"epsilon":"8/7","grid_bits":20,"k":8,"radius":"8"},"version":1}',
    '{"name":"laplace_unbounded","parameters":{"epsilon":"0.5","grid_bits":"20","k":"512"},"version":1}',
    '{"name":"exponential","parameters":{"epsilon":"8","size":256},"version":1}',
    '{"name":"cyclic_laplace","parameters":{"epsilon":"1/2","modulus":31},"version":1}',
    '{"name":"randomized_response","parameters":{"epsilon":"1","modulus":34},"version":1}',
    '{"name":"product","parameters":{"parts":"[[\\"randomized_response\\",1,{\\"epsilon\\":\\"1\\",\\"modulus\\":34}]]"},"version":1}',
    '{"name":"prior","parameters":{"kind":"face"},"version":1}',
    '{"name":"baseline","parameters":{"method":"mosaic","size":16},"version":1}',
    '{"name":"dp_pix","parameters":{"b":16,"channels":3,"epsilon":"1","m":16},"version":1}',
]
"""One event of each kind, as first written. A line here is never changed: old ledgers hold it."""


@pytest.mark.parametrize("line", LEDGER)
def test_yesterdays_events_are_still_read(line):
    mechanism = mechanism_from_event(Event.from_json(line))
    assert mechanism.name == json.loads(line)["name"]


def test_every_known_event_is_kept_above():
    kept = {(event["name"], event["version"]) for event in map(json.loads, LEDGER)}
    assert kept == set(MECHANISMS)


@pytest.mark.parametrize(
    "name, version, parameters, said",
    [
        ("gaussian", 1, {}, "gaussian version 1"),
        ("prior", 2, {"kind": "face"}, "prior version 2"),
        ("prior", 1, {}, "prior version 1"),
        ("prior", 1, {"kind": "face", "seed": 3}, "prior version 1"),
        ("exponential", 1, {"epsilon": "-1", "size": 3}, "exponential version 1"),
        ("exponential", 1, {"epsilon": "1", "size": "many"}, "exponential version 1"),
    ],
)
def test_an_unknown_event_is_an_error_by_name(name, version, parameters, said):
    with pytest.raises(UnknownEvent, match=said):
        mechanism_from_event(Event(name, version, parameters))


def test_an_event_is_hashable_and_cannot_be_changed():
    event = Event("prior", 1, {"kind": "face"})
    assert len({event, Event("prior", 1, {"kind": "face"})}) == 1
    with pytest.raises(TypeError):
        event.parameters["kind"] = "plate"  # type: ignore[index]
