"""Memoised releases: the same value in the same scope is released once, and shown again for nothing.

Fresh noise for every frame of a sequence would average out; one draw for all of them does not. The price is that equal
draws link the frames of a scope, and that a misread value is another value.
"""

from collections.abc import Sequence

import numpy as np

from deid_udf.privacy.encoding import encode
from deid_udf.privacy.mechanism import Array, NoisyMechanism
from deid_udf.privacy.noise import Context, NoiseSource


class Memo:
    """Releases of (scope, value), each drawn once, for the life of this object: one run of one process.

    Under a repeatable source the stream of (scope, value) is the memo, across processes too; otherwise draws are kept
    here, so all of a scope must come through one `Memo` for its draws to be equal.
    """

    def __init__(self, noise: NoiseSource) -> None:
        self._noise = noise
        self._drawn: dict[bytes, Array] = {}

    def release(
        self, mechanism: NoisyMechanism, values: Array, scopes: Sequence[Context]
    ) -> tuple[Array, tuple[bytes, ...]]:
        """Release a batch.

        Args:
            mechanism: what draws; values and outputs are rows of integers or floats.
            values: one row an object, in the mechanism's domain.
            scopes: the scope of each row, as a context.

        Returns:
            The released rows, and for each the name of its draw in this process. Rows of one name are one release, to
            be charged once. A name is made from the value: it links a ledger's rows in memory and must not be stored.
        """
        label = mechanism.event().label
        names = tuple(
            encode(label, row.tobytes(), *scope)
            for row, scope in zip(mechanism.encode(values).astype("<i8"), scopes, strict=True)
        )
        if self._noise.repeatable:
            return mechanism.release(values, noise=self._noise, contexts=scopes), names
        new = list({name: row for row, name in enumerate(names) if name not in self._drawn}.values())
        if new:
            drawn = mechanism.release(values[new], noise=self._noise, contexts=[scopes[row] for row in new])
            self._drawn.update((names[row], drawn[i]) for i, row in enumerate(new))
        return np.array([self._drawn[name] for name in names]), names
