"""Documents dealt out by bytes."""

from __future__ import annotations

import numpy as np
import pytest

from nas_steps.data.text.dealing import deal_by_bytes, thin

SHARES = {"train": 0.8, "valid": 0.1, "test": 0.1}


def heavy_tailed(count: int) -> list[int]:
    return (1000 * np.random.default_rng(0).pareto(1.5, count) + 10).astype(int).tolist()


def test_shares_are_of_bytes_and_each_document_is_in_one_part() -> None:
    sizes = heavy_tailed(2000)
    groups = [[one] for one in range(2000)]
    dealt = deal_by_bytes(groups, sizes, SHARES, 0)
    assert sorted(one for part in dealt.values() for one in part) == list(range(2000))
    for part, share in SHARES.items():
        assert sum(sizes[one] for one in dealt[part]) / sum(sizes) == pytest.approx(share, abs=max(sizes) / sum(sizes))
        assert dealt[part] == sorted(dealt[part])
    assert dealt == deal_by_bytes(groups, sizes, SHARES, 0)
    assert dealt != deal_by_bytes(groups, sizes, SHARES, 1)


def test_no_part_has_larger_documents_than_another() -> None:
    sizes = heavy_tailed(2000)
    counts = np.zeros(3)
    for seed in range(20):
        dealt = deal_by_bytes([[one] for one in range(2000)], sizes, SHARES, seed)
        counts += [len(dealt[part]) for part in SHARES]
    assert counts / counts.sum() == pytest.approx(list(SHARES.values()), abs=0.02)


@pytest.mark.parametrize(("count", "counts"), [(30, [24, 3, 3]), (13, [10, 2, 1]), (10, [8, 1, 1])])
def test_documents_of_one_size(count: int, counts: list[int]) -> None:
    dealt = deal_by_bytes([[one] for one in range(count)], [50] * count, SHARES, 0)
    assert [len(part) for part in dealt.values()] == counts


def test_a_group_stays_together() -> None:
    sizes = [50] * 90
    groups = [[one, one + 30, one + 60] for one in range(30)]
    for seed in range(5):
        dealt = deal_by_bytes(groups, sizes, SHARES, seed)
        part_of = {one: part for part, chosen in dealt.items() for one in chosen}
        assert all(len({part_of[one] for one in group}) == 1 for group in groups)


@pytest.mark.parametrize("sizes", [[1, 1, 1], [10_000, 1, 1], [1, 10_000, 10_000], [5, 5, 5, 10_000]])
def test_each_part_gets_a_document(sizes: list[int]) -> None:
    for seed in range(10):
        dealt = deal_by_bytes([[one] for one in range(len(sizes))], sizes, SHARES, seed)
        assert all(dealt.values()), dealt
    with pytest.raises(ValueError, match="2 groups cannot be dealt out to 3 parts"):
        deal_by_bytes([[0, 1], [2]], [1, 1, 1], SHARES, 0)


def test_thinning_keeps_whole_documents_but_the_last() -> None:
    sizes = [100, 30, 70, 0, 50]
    assert thin([0, 2, 4], sizes, None, 0) == {0: 100, 2: 70, 4: 50}
    assert thin([0, 2, 4], sizes, 220, 0) == {0: 100, 2: 70, 4: 50}
    seen = set()
    for seed in range(30):
        kept = thin([0, 1, 2, 4], sizes, 120, seed)
        assert sum(kept.values()) == 120
        assert sum(size < sizes[one] for one, size in kept.items()) <= 1
        assert list(kept) == sorted(kept)
        seen.add(tuple(kept))
    assert len(seen) > 3
