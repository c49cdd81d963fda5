"""What many releases cost together: an exact sum, an exact maximum, or a bound that trades a little δ for ε.

`pure` and `metric` ε are different promises. An accountant adds them only when told to count each metric release at its
worst case, and says so in its answer; releases of different neighbour relations it never adds.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from fractions import Fraction

from attrs import field, frozen
from typing_extensions import override

from deid_udf.privacy.errors import InvalidParameter, MixedGuarantees
from deid_udf.privacy.exact import exact, float_above, largest, total
from deid_udf.privacy.mechanism import Guarantee, Mechanism


@frozen
class Cost:
    """What a composition promises.

    Attributes:
        guarantee: the weakest word among the releases.
        epsilon: over all pairs of neighbours, an upper bound; None where there is none.
        delta: zero but for PLD.
        mixed: `metric` releases stand among `pure` ones at their worst case.
    """

    guarantee: Guarantee
    epsilon: Fraction | None
    delta: Fraction = Fraction(0)
    mixed: bool = False


class Accountant(ABC):
    """A rule of composition. The order of the releases never matters, and one more never lowers the cost."""

    def compose(self, releases: Iterable[Mechanism], *, metric_at_worst_case: bool = False) -> Cost:
        """The cost of all the releases together.

        Args:
            releases: the mechanisms that ran, one for each run (from a ledger: `mechanism_from_event`).
            metric_at_worst_case: allow `metric` beside `pure`, each counted at its worst case.

        Raises:
            MixedGuarantees: both words without that permission, or different neighbour relations.
        """
        charged = [release for release in releases if release.worst_case != 0]  # ε = 0 goes with everything
        words = {release.guarantee for release in charged}
        relations = {release.neighbours for release in charged}
        mixed = {Guarantee.PURE, Guarantee.METRIC} <= words
        if len(relations) > 1:
            raise MixedGuarantees(f"different neighbour relations do not compose: {'; '.join(sorted(relations))}")
        if mixed and not metric_at_worst_case:
            raise MixedGuarantees("pure and metric releases compose only at the metric ones' worst case: ask for it")
        weakest = min(words, key=lambda word: word.strength, default=Guarantee.PURE)
        epsilon, delta = self._epsilon([release.worst_case for release in charged])
        return Cost(weakest, epsilon, delta, mixed)

    @abstractmethod
    def _epsilon(self, epsilons: Sequence[Fraction | None]) -> tuple[Fraction | None, Fraction]:
        """(ε, δ) of the composition of mechanisms of these worst cases."""


@frozen
class PlainSum(Accountant):
    """Sequential composition: all releases may concern one person."""

    @override
    def _epsilon(self, epsilons: Sequence[Fraction | None]) -> tuple[Fraction | None, Fraction]:
        return total(epsilons), Fraction(0)


@frozen
class ParallelMax(Accountant):
    """Parallel composition: each release concerns another person."""

    @override
    def _epsilon(self, epsilons: Sequence[Fraction | None]) -> tuple[Fraction | None, Fraction]:
        return largest(epsilons), Fraction(0)


_INTERVAL = 1e-3
"""Grid of the privacy losses. A coarser one is faster, and as sound: losses are rounded up."""
_KEPT_BACK = 1e-3
"""Part of δ that pays for the library's float arithmetic, whose error was seen near 10⁻⁹ of δ."""


@frozen
class Pld(Accountant):
    """Sequential composition by privacy loss distributions (`dp-accounting`), for a given δ.

    Every ε-DP mechanism is dominated by randomised response of that ε (Kairouz, Oh and Viswanath 2015), so a release
    counts by its worst case alone; the sum of the losses is discretised upwards. Never above the plain sum.

    Attributes:
        delta: δ of the answer, in (0, 1).
    """

    delta: Fraction = field(converter=exact)

    def __attrs_post_init__(self) -> None:
        if not 0 < self.delta < 1:
            raise InvalidParameter("δ lies between 0 and 1")

    @override
    def _epsilon(self, epsilons: Sequence[Fraction | None]) -> tuple[Fraction | None, Fraction]:
        plain = total(epsilons)
        if plain is None or not epsilons:
            return plain, self.delta
        # A second of imports that only an audit needs.
        from dp_accounting.pld.common import DifferentialPrivacyParameters
        from dp_accounting.pld.privacy_loss_distribution import from_privacy_parameters, identity

        composed = identity(value_discretization_interval=_INTERVAL)
        for epsilon, count in sorted(Counter(e for e in epsilons if e is not None).items()):
            loss = from_privacy_parameters(DifferentialPrivacyParameters(float_above(epsilon), 0.0), _INTERVAL)
            composed = composed.compose(loss.self_compose(count))
        bound = Fraction(max(float(composed.get_epsilon_for_delta(float(self.delta) * (1 - _KEPT_BACK))), 0.0))
        return min(bound, plain), self.delta
