"""Cell spaces: strings, sampling, mutation, counting, refusals."""

from __future__ import annotations

import itertools
from random import Random

import pytest

from nas_steps.errors import UserError
from nas_steps.spaces.baselines import BASELINES, parse_baseline
from nas_steps.spaces.cells import PRESETS, CellArchitecture, CellSpace, parse_architecture

TINY = CellSpace("tiny", ("skip_connect", "nor_conv_1x1"), nodes=2)
SMALL = "normal:{0}+{0}+{0};reduce:{0}+{0}+{0}".format("|sep_conv_3x3~0|skip_connect~1|")


def samples(space: CellSpace, count: int = 200) -> list[CellArchitecture]:
    random = Random(3)
    return [space.sample(random) for _ in range(count)]


@pytest.mark.parametrize("space", PRESETS.values(), ids=PRESETS)
def test_what_is_printed_is_read_back(space: CellSpace) -> None:
    drawn = samples(space)
    assert len({str(a) for a in drawn}) > 190
    for architecture in drawn:
        assert space.parse(str(architecture)) == architecture
        assert space.parse(f"  {architecture}\n") == architecture


@pytest.mark.parametrize("space", PRESETS.values(), ids=PRESETS)
def test_a_genotype_is_read_back_as_the_canonical_string(space: CellSpace) -> None:
    for architecture in samples(space, 50):
        assert str(space.parse(architecture.genotype())) == str(architecture)


def test_a_genotype_may_list_its_concat_and_stand_by_position() -> None:
    cell = "[('sep_conv_3x3', 1), ('skip_connect', 0)]"
    wanted = "normal:|skip_connect~0|sep_conv_3x3~1|;reduce:|skip_connect~0|sep_conv_3x3~1|"
    assert str(parse_architecture(f"Genotype({cell}, [2], {cell}, [2])")) == wanted
    assert str(parse_architecture(f"Genotype(reduce={cell}, normal={cell})")) == wanted


def test_edges_are_sorted_by_source_so_that_equal_cells_are_equal_strings() -> None:
    one = parse_architecture("normal:|skip_connect~1|sep_conv_3x3~0|;reduce:|skip_connect~1|sep_conv_3x3~0|")
    two = parse_architecture("normal:|sep_conv_3x3~0|skip_connect~1|;reduce:|sep_conv_3x3~0|skip_connect~1|")
    assert one == two
    assert str(one) == str(two)
    for architecture in samples(PRESETS["darts"], 50):
        for node in (*architecture.normal, *architecture.reduce):
            assert [source for _, source in node] == sorted(source for _, source in node)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (SMALL.replace("sep_conv_3x3", "sep_conv_3x4"), ["sep_conv_3x4", "did you mean 'sep_conv_3x3'"]),
        (SMALL.replace("skip_connect~1", "skip_connect~7", 1), ["node 0 of normal reads 7", "0 to 1"]),
        (SMALL.replace("~1|;", "~2|;").replace("~1|+", "~2|+", 1), ["reads 2"]),
        ("normal:|sep_conv_3x3~0|skip_connect~1|;reduce:|sep_conv_3x3~0|skip_connect~1|", ["1 nodes", "has 3"]),
        (SMALL.replace("reduce:", "reduce:|sep_conv_3x3~0|skip_connect~1|+"), ["different numbers of nodes"]),
        (SMALL.replace("sep_conv_3x3", "dil_conv_3x3"), ["dil_conv_3x3 is no choice of space small"]),
        (SMALL.replace("sep_conv_3x3", "none"), ["none is no choice"]),
        (SMALL.replace("skip_connect~1", "skip_connect~0", 1), ["2 different sources"]),
        (SMALL.replace("skip_connect~1|", "", 1), ["must read 2 different sources"]),
        (SMALL.replace("~0", "", 1), ["is no node"]),
        ("resnet21", ["no cell architecture"]),
        ("", ["no cell architecture"]),
        ("Genotype(", ["no genotype"]),
        ("Genotype(normal=[])", ["0 edges"]),
        ("Genotype(normal=[('skip_connect', 0)] * 2)", ["no genotype"]),
        ("Genotype(normal=3, reduce=3)", ["no genotype"]),
        ("Genotype(normal=[('skip_connect', 0)], reduce=[])", ["1 edges", "two are wanted"]),
        (PRESETS["darts"].sample(Random(0)).genotype().replace("range(2, 6)", "range(2, 5)"), ["normal_concat"]),
        (PRESETS["darts"].sample(Random(0)).genotype().replace("range(2, 6)", "here"), ["no genotype"]),
    ],
)
def test_a_bad_string_is_refused_in_words(text: str, words: list[str]) -> None:
    with pytest.raises(UserError) as error:
        PRESETS["small"].parse(text)
    for word in words:
        assert word in str(error.value)


def edges(architecture: CellArchitecture) -> dict[tuple[str, int], set[tuple[str, int]]]:
    return {(k, n): set(node) for k in ("normal", "reduce") for n, node in enumerate(getattr(architecture, k))}


@pytest.mark.parametrize("space", [*PRESETS.values(), TINY], ids=[*PRESETS, "tiny"])
def test_a_mutant_differs_in_exactly_one_edge_and_stays_in_the_space(space: CellSpace) -> None:
    random = Random(5)
    parent = space.sample(random)
    kinds = set()
    for _ in range(300):
        child = space.mutate(parent, random)
        assert space.check(child) is child
        before, after = edges(parent), edges(child)
        changed = [place for place in before if before[place] != after[place]]
        assert len(changed) == 1
        (old,), (new,) = before[changed[0]] - after[changed[0]], after[changed[0]] - before[changed[0]]
        assert (old[0] != new[0]) != (old[1] != new[1])  # its operation or its source, not both
        kinds.add((changed[0], old[0] != new[0]))
        parent = child
    # every node's operation can change, and the source of every node that has a choice
    assert len(kinds) == 2 * (2 * space.nodes - 1)


def test_size_is_the_number_of_different_strings() -> None:
    def cells() -> set[tuple[object, ...]]:
        nodes = []
        for node in range(TINY.nodes):
            pairs = itertools.combinations(range(2 + node), 2)
            nodes.append(
                [
                    tuple(zip(ops, pair, strict=True))
                    for pair in pairs
                    for ops in itertools.product(TINY.choices, repeat=2)
                ]
            )
        return set(itertools.product(*nodes))

    every = {str(CellArchitecture(a, b)) for a in cells() for b in cells()}  # type: ignore[arg-type]
    assert TINY.size() == len(every) == 48**2
    assert {str(a) for a in samples(TINY, 20000)} <= every


def test_sampling_is_uniform_over_a_tiny_space() -> None:
    space = CellSpace("one", ("skip_connect", "nor_conv_1x1"), nodes=1)
    seen = [str(a) for a in samples(space, 3200)]
    assert len(set(seen)) == space.size() == 16
    assert all(120 < seen.count(text) < 290 for text in set(seen))


def test_size_of_darts_does_not_count_none() -> None:
    cell = (1 * 3 * 6 * 10) * 7**8
    assert PRESETS["darts"].size() == cell**2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"operations": ("sep_conv_3x3",)}, "nothing to choose"),
        ({"operations": ("none", "sep_conv_3x3")}, "nothing to choose"),
        ({"operations": ()}, "nothing to choose"),
        ({"operations": ("none", "skip_connect", "max_pool_3x3")}, "weights to learn"),
        ({"operations": ("sep_conv_3x3", "sep_conv_3x3", "skip_connect")}, "twice"),
        ({"operations": ("sep_conv_3x3", "skip_conect")}, "did you mean 'skip_connect'"),
        ({"edges_per_node": 3}, "edges_per_node is 3"),
    ],
)
def test_a_space_that_leaves_nothing_to_search_is_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        PRESETS["small"].replace(**changes)


def test_one_edge_a_node_is_a_space_too() -> None:
    space = PRESETS["small"].replace(edges_per_node=1)
    architecture = space.sample(Random(0))
    assert space.parse(str(architecture)) == architecture
    assert all(len(node) == 1 for node in architecture.normal)


def test_baselines_names() -> None:
    assert parse_baseline("mobilenet_v2_x0.5") == ("mobilenet_v2", 0.5)
    assert parse_baseline("resnet20_x2") == ("resnet20", 2.0)
    assert [parse_baseline(name) for name in BASELINES] == [(name, 1.0) for name in BASELINES]
    for wrong, words in (("resnet21", "did you mean"), ("resnet20_x0", "above 0"), ("resnet20_x9", "at most 8")):
        with pytest.raises(ValueError, match=words):
            parse_baseline(wrong)
