"""What every mechanism must pass. A new mechanism gets all of it by inheriting and saying what it is."""

import json
from abc import ABC, abstractmethod
from fractions import Fraction

import attrs
import numpy as np
import pytest
from numpy.typing import NDArray

from deid_udf.privacy import Event, Guarantee, InvalidValues, Mechanism, NoisyMechanism, mechanism_from_event, noise
from tests.unit.privacy.sources import KEYED, OS, Player, Recorder, contexts

ROWS = 12


class MechanismInvariants(ABC):
    """Subclass as `Test…`, set `mechanism`, and give values of its domain and values outside it."""

    mechanism: Mechanism

    @abstractmethod
    def values(self, rows: int) -> NDArray:
        """Rows of the domain, all different."""

    @abstractmethod
    def refused(self) -> list[NDArray]:
        """Batches that must raise `InvalidValues`."""

    def release(self, values: NDArray, source=KEYED) -> NDArray:
        return self.mechanism.release(values, noise=source, contexts=contexts(len(values)))

    def test_is_frozen_and_hashable(self):
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            self.mechanism.version = 2  # type: ignore[misc]
        assert len({self.mechanism, mechanism_from_event(self.mechanism.event())}) == 1

    def test_states_what_it_promises(self):
        assert self.mechanism.domain and self.mechanism.metric and self.mechanism.neighbours
        match self.mechanism.guarantee:
            case Guarantee.PURE:
                assert isinstance(self.mechanism.worst_case, Fraction)
                assert self.mechanism.epsilon_unit is None
            case Guarantee.METRIC:
                assert self.mechanism.epsilon_unit == self.mechanism.epsilon(1)
            case Guarantee.NONE:
                assert self.mechanism.worst_case is None

    def test_epsilon_grows_from_zero_to_the_worst_case(self):
        assert self.mechanism.epsilon(0) == 0
        steps = [self.mechanism.epsilon(Fraction(distance, 4)) for distance in range(1, 200)]
        bounded = [step for step in steps if step is not None]
        assert bounded == sorted(bounded)
        assert all(isinstance(step, Fraction) for step in bounded)
        if self.mechanism.worst_case is None:
            assert len(bounded) in (0, len(steps))
        elif self.mechanism.neighbours == Mechanism.neighbours:
            assert bounded and max(bounded) <= self.mechanism.worst_case

    def test_every_field_is_a_parameter(self):
        fields = {field.alias for field in attrs.fields(type(self.mechanism))}
        parameters = self.mechanism.parameters()
        assert set(parameters) == fields
        assert all(type(value) in (str, int) for value in parameters.values())

    def test_event_round_trips(self):
        event = self.mechanism.event()
        as_text = {key: str(value) for key, value in event.parameters.items()}  # a ledger's map<string, string>
        assert Event.from_json(event.to_json()) == event
        assert json.loads(event.to_json())["version"] == self.mechanism.version
        for stored in (event, Event(event.name, event.version, as_text)):
            assert mechanism_from_event(stored) == self.mechanism
            assert mechanism_from_event(stored).event() == event

    def test_leaves_its_input_alone(self):
        values = self.values(ROWS)
        before = values.copy()
        self.release(values)
        assert values.tobytes() == before.tobytes()

    def test_same_release_is_the_same_bytes(self):
        values = self.values(ROWS)
        assert self.release(values).tobytes() == self.release(values.copy()).tobytes()

    def test_a_row_does_not_depend_on_its_batch(self, monkeypatch):
        values, names = self.values(ROWS), contexts(ROWS)
        whole = self.release(values)
        order = [7, 2, 11]
        some = self.mechanism.release(values[order], noise=KEYED, contexts=[names[row] for row in order])
        assert some.tobytes() == whole[order].tobytes()
        monkeypatch.setattr(noise, "_CHUNK_WORDS", 1)
        assert self.release(values).tobytes() == whole.tobytes()

    def test_an_empty_batch_is_an_empty_release(self):
        for source in (KEYED, OS):
            released = self.release(self.values(ROWS)[:0], source)
            assert len(released) == 0
            assert released.dtype == self.release(self.values(ROWS), source).dtype

    def test_refuses_what_is_outside_its_domain(self):
        for batch in self.refused():
            for source in (KEYED, OS):
                with pytest.raises(InvalidValues):
                    self.release(batch, source)

    def test_only_the_draw_crosses(self):
        """Replay: the draws made for one batch, played to another batch, give the first batch's release."""
        values = self.values(2 * ROWS)
        recorder = Recorder(OS)
        first = self.release(values[:ROWS], recorder)
        replayed = self.release(values[ROWS:], Player(recorder.tape))
        if self.mechanism.guarantee is Guarantee.NONE:
            assert replayed.tobytes() != first.tobytes()
        else:
            assert replayed.tobytes() == first.tobytes()


class NoisyInvariants(MechanismInvariants):
    """The same, and what holds where there is noise."""

    mechanism: NoisyMechanism

    def test_fresh_noise_is_fresh(self):
        values = self.values(200)
        assert self.release(values, OS).tobytes() != self.release(values, OS).tobytes()

    def test_needs_a_context_for_every_row(self):
        values = self.values(3)
        for bad in (contexts(2), [(), (), ()], [("text",)] * 3, [b"bare"] * 3):
            for source in (KEYED, OS):
                with pytest.raises(InvalidValues):
                    self.mechanism.release(values, noise=source, contexts=bad)  # type: ignore[arg-type]

    def test_encoding_is_whole_and_bounded(self):
        encoded = self.mechanism.encode(self.values(ROWS))
        assert encoded.dtype == np.int64 and encoded.ndim == 2 and len(encoded) == ROWS
