"""From the ledger back to mechanisms."""

from collections.abc import Sequence

from deid_udf.privacy.alphabet import CyclicLaplace, Product, RandomizedResponse
from deid_udf.privacy.baselines import Baseline, DpPix, Prior
from deid_udf.privacy.errors import UnknownEvent
from deid_udf.privacy.exponential import Exponential
from deid_udf.privacy.laplace import LaplaceUnbounded, LaplaceVector
from deid_udf.privacy.mechanism import Event, Mechanism

# Only ever added to: a ledger written today must be read for as long as its images are public.
_KNOWN: Sequence[type[Mechanism]] = (
    LaplaceVector,
    LaplaceUnbounded,
    Exponential,
    CyclicLaplace,
    RandomizedResponse,
    Product,
    Prior,
    Baseline,
    DpPix,
)
MECHANISMS: dict[tuple[str, int], type[Mechanism]] = {(known.name, known.version): known for known in _KNOWN}
"""Every mechanism a ledger may name, by (name, version)."""


def mechanism_from_event(event: Event) -> Mechanism:
    """The mechanism that an event describes, equal to the one that wrote it.

    Raises:
        UnknownEvent: no such name and version, or parameters that are not that mechanism's.
    """
    try:
        known = MECHANISMS[event.name, event.version]
    except KeyError:
        raise UnknownEvent(f"unknown event: {event.name} version {event.version}") from None
    try:
        return known.from_parameters(event.parameters)
    except (TypeError, ValueError, LookupError) as error:
        raise UnknownEvent(f"event {event.name} version {event.version} with impossible parameters: {error}") from error
