"""Which of the scored images a page shows."""

from __future__ import annotations

import pytest

from lamelle.results.scores import Item
from lamelle.runs.scored_pictures import ranked_ends


@pytest.mark.parametrize("n", [0, 1, 2, 3, 5, 9])
def test_best_and_worst_share_no_item(n: int) -> None:
    items = [*(Item(id=str(i), quality=i / 10) for i in range(n)), Item(id="x")]
    best, worst = ranked_ends(items, 3)
    assert len(best) == (min(3, n // 2) or min(n, 1))
    assert not {i.id for i in best} & {i.id for i in worst}
    assert all((b.quality or 0) >= (w.quality or 0) for b in best for w in worst)
    if n > 1:
        assert worst[0].id == "0"
