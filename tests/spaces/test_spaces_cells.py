"""Cell spaces: strings, sampling, mutation, counting, refusals."""

from __future__ import annotations

import itertools
import math
from random import Random

import pytest

from nas_steps.errors import UserError
from nas_steps.spaces.baselines import baseline_names, parse_baseline
from nas_steps.spaces.cells.presets import PRESETS
from nas_steps.spaces.cells.space import CellArchitecture, CellSpace, parse_architecture

BASELINES = baseline_names()
TINY = CellSpace("tiny", ("skip_connect", "nor_conv_1x1"), nodes=2)
GENOTYPE = PRESETS["darts"].sample(Random(0)).genotype() or ""
PAIR = ("skip_connect", "nor_conv_1x1")
ALWAYS = (("nor_conv_1x1",), ("nor_conv_1x1",))
# every declaration at once: edges, operations by edge, all of them kept but for two, part of the nodes as output
PARTS = CellSpace(
    "parts",
    (),
    nodes=3,
    edges_per_node=2,
    reads=((0, 1), (0, 2), (1, 2, 3)),
    by_edge={
        "normal": (("skip_connect", "nor_conv_1x1"),) * 5 + (("none", "max_pool_3x3", "nor_conv_3x3"),) * 2,
        "reduce": (("none", "skip_connect", "nor_conv_1x1"),) * 4 + (("avg_pool_3x3", "nor_conv_3x3"),) * 3,
    },
    concat=(2, 1),
)
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


@pytest.mark.parametrize("space", [space for space in PRESETS.values() if space.inputs == 2], ids=lambda one: one.name)
def test_a_genotype_is_read_back_as_the_canonical_string(space: CellSpace) -> None:
    for architecture in samples(space, 50):
        assert str(space.parse(architecture.genotype() or "")) == str(architecture)


def test_what_a_genotype_cannot_say_has_none() -> None:
    assert PRESETS["nasbench201"].sample(Random(0)).genotype() is None
    assert PRESETS["small"].replace(edges_per_node=1).sample(Random(0)).genotype() is None


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
        for node in (*architecture.cells["normal"], *architecture.cells["reduce"]):
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
        (GENOTYPE.replace("range(2, 6)", "range(1, 6)"), ["normal_concat", "2 to 5"]),
        (GENOTYPE.replace("range(2, 6)", "[]"), ["normal_concat", "2 to 5"]),
        (GENOTYPE.replace("range(2, 6)", "here"), ["no genotype"]),
        (GENOTYPE, ["normal has 4 nodes, space small has 3"]),
        (f"{SMALL}concat=0,3", ["the output of reduce concatenates nodes [0, 3]", "0 to 2"]),
        (f"{SMALL}concat=1,1", ["each once"]),
        (f"{SMALL}concat=", ["names no nodes", "concat=1,3"]),
        (f"{SMALL}concat=1,2", ["concatenates nodes [1, 2]", "space small nodes [0, 1, 2]"]),
        ("|nor_conv_3x3~0|+|nor_conv_3x3~0|none~1|", ["have one input (a cell)", "small have two inputs"]),
        ("|nor_conv_3x3~0|+|nor_conv_3x3~0|none~2|", ["node 1 of cell reads 2", "0 to 1"]),
        ("|nor_conv_3x4~0|", ["did you mean 'nor_conv_3x3'"]),
        ("|nor_conv_3x3~0|+nor_conv_3x3~0|", ["is no node"]),
    ],
)
def test_a_bad_string_is_refused_in_words(text: str, words: list[str]) -> None:
    with pytest.raises(UserError) as error:
        PRESETS["small"].parse(text)
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize(
    ("space", "text", "words"),
    [
        ("nasbench201", SMALL, ["have two inputs", "nasbench201 have one input"]),
        ("nasbench201", "|none~0|+|none~0|none~1|", ["cell has 2 nodes, space nasbench201 has 3"]),
        ("nasbench201", "|none~0|+|none~0|none~1|+|none~0|none~1|", ["must read 3 different sources"]),
        ("nasbench201", "|none~0|+|none~0|none~1|+|none~0|none~1|sep_conv_3x3~2|", ["sep_conv_3x3 is no choice"]),
        ("s2", GENOTYPE, ["is no choice of space s2", "it has sep_conv_3x3, skip_connect"]),
        (
            "s1",
            GENOTYPE,
            ["no choice of space s1 on the edge from 0 to node 0 of normal", "it has skip_connect, dil"],
        ),
    ],
)
def test_an_architecture_of_another_space_is_refused_in_words(space: str, text: str, words: list[str]) -> None:
    with pytest.raises(UserError) as error:
        PRESETS[space].parse(text)
    for word in words:
        assert word in str(error.value)


def edges(architecture: CellArchitecture) -> dict[tuple[str, int], set[tuple[str, int]]]:
    return {(kind, n): set(node) for kind, cell in architecture.cells.items() for n, node in enumerate(cell)}


@pytest.mark.parametrize("space", [*PRESETS.values(), TINY, PARTS], ids=[*PRESETS, "tiny", "parts"])
def test_a_mutant_differs_in_exactly_one_edge_and_stays_in_the_space(space: CellSpace) -> None:
    random = Random(5)
    parent = space.sample(random)
    kinds = set()
    for _ in range(400):
        child = space.mutate(parent, random)
        assert space.check(child) is child
        before, after = edges(parent), edges(child)
        changed = [place for place in before if before[place] != after[place]]
        assert len(changed) == 1
        (old,), (new,) = before[changed[0]] - after[changed[0]], after[changed[0]] - before[changed[0]]
        if space.by_edge is None:
            assert (old[0] != new[0]) != (old[1] != new[1])  # its operation or its source, not both
        kinds.add((changed[0], old[1] == new[1]))
        parent = child
    # every node's operation can change, and the source of every node that has a choice
    moving = sum(len(space.kept_sources(node)) > 1 for node in range(space.nodes))
    assert len(kinds) == len(space.kinds) * (space.nodes + moving)


@pytest.mark.parametrize("space", [*PRESETS.values(), TINY, PARTS], ids=[*PRESETS, "tiny", "parts"])
def test_neighbours_are_what_mutation_reaches(space: CellSpace) -> None:
    random = Random(2)
    parent = space.sample(random)
    around = list(map(str, space.neighbours(parent)))
    assert len(set(around)) == len(around)
    assert str(parent) not in around
    assert {str(space.mutate(parent, random)) for _ in range(6000)} == set(around)


def test_an_edge_of_one_choice_stays_while_others_change() -> None:
    row = ((("nor_conv_1x1",), ("nor_conv_1x1", "skip_connect")),)
    space = CellSpace("one", (), 1, None, by_edge={"normal": row[0], "reduce": row[0]})
    assert space.size() == 4
    assert len(space.neighbours(space.sample(Random(0)))) == 2
    random = Random(1)
    parent = space.sample(random)
    for _ in range(20):
        child = space.mutate(parent, random)
        assert child != parent
        parent = space.check(child)


def test_an_edge_that_moves_where_its_operation_is_no_choice_draws_one() -> None:
    row = (("nor_conv_1x1", "skip_connect"), ("max_pool_3x3", "avg_pool_3x3"))
    space = CellSpace("apart", (), 1, 1, by_edge={"normal": row, "reduce": row})
    parent = space.sample(Random(3))
    assert len(space.neighbours(parent)) == 2 * (1 + 2)
    seen, queue = {str(parent)}, [parent]
    while queue:
        for one in space.neighbours(queue.pop()):
            if str(one) not in seen:
                seen.add(str(one))
                queue.append(one)
    assert len(seen) == space.size() == 16


def every_string(space: CellSpace) -> set[str]:
    """All strings of a small space, by brute force over edges that are kept and what is allowed on them."""
    cells = {}
    for kind in space.kinds:
        nodes = []
        for node in range(space.nodes):
            rows = {
                source: [
                    name
                    for name, allowed in zip(space.operations, space.allowed(kind)[index], strict=True)
                    if allowed and (name != "none" or space.none_is_choice)
                ]
                for index, (own, source) in enumerate(space.edges())
                if own == node
            }
            size = space.edges_per_node or len(rows)
            kept = [set_ for set_ in itertools.product((False, True), repeat=len(rows)) if sum(set_) == size]
            nodes.append(
                [
                    "|" + "".join(f"{name}~{source}|" for name, source in zip(names, sources, strict=True))
                    for which in kept
                    for sources in [[source for source, take in zip(rows, which, strict=True) if take]]
                    for names in itertools.product(*(rows[source] for source in sources))
                ]
            )
        cells[kind] = ["+".join(cell) for cell in itertools.product(*nodes)]
    if space.inputs == 1:
        return set(cells["cell"])
    whole = space.concat == tuple(range(space.nodes))
    suffix = "" if whole else "concat=" + ",".join(map(str, space.concat))
    return {f"normal:{a}{suffix};reduce:{b}{suffix}" for a in cells["normal"] for b in cells["reduce"]}


SMALL_SPACES = [
    TINY,
    CellSpace("all", ("none", "skip_connect", "nor_conv_1x1"), 1, None),
    CellSpace("chain", ("none", "skip_connect", "nor_conv_1x1"), 3, 1, inputs=1),
    CellSpace("sparse", ("none", "skip_connect", "nor_conv_1x1"), 3, None, inputs=1, reads=((0,), (1,), (0, 2))),
    CellSpace("last", ("skip_connect", "nor_conv_1x1"), 2, 1, concat=(1,)),
    PARTS.replace(
        nodes=2, reads=((0, 1), (0, 2)), concat=(1,), by_edge={k: v[:4] for k, v in (PARTS.by_edge or {}).items()}
    ),
]


@pytest.mark.parametrize("space", SMALL_SPACES, ids=lambda space: space.name)
def test_size_is_the_number_of_different_strings(space: CellSpace) -> None:
    every = every_string(space)
    assert space.size() == len(every)
    assert {str(space.parse(text)) for text in every} == every
    assert {str(a) for a in samples(space, 2000)} <= every


def test_sampling_is_uniform_where_edges_have_different_numbers_of_choices() -> None:
    space = CellSpace(
        "skewed",
        (),
        1,
        1,
        inputs=2,
        by_edge={"normal": (("nor_conv_1x1",), ("skip_connect", "nor_conv_1x1", "max_pool_3x3")), "reduce": ALWAYS},
    )
    seen = [str(a) for a in samples(space, 3200)]
    assert len(set(seen)) == space.size() == 8
    assert all(320 < seen.count(text) < 480 for text in set(seen))


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
        ({"operations": ("sep_conv_3x3",)}, "nothing to choose; name at least two beside `none`"),
        ({"operations": ("none", "sep_conv_3x3")}, "nothing to choose"),
        ({"operations": ()}, "nothing to choose"),
        ({"operations": ("none",), "edges_per_node": None}, "nothing to choose; name at least two$"),
        ({"operations": ("none", "skip_connect", "max_pool_3x3")}, "weights to learn"),
        ({"operations": ("none", "skip_connect"), "edges_per_node": None}, "weights to learn"),
        ({"operations": ("sep_conv_3x3", "sep_conv_3x3", "skip_connect")}, "twice"),
        ({"operations": ("sep_conv_3x3", "skip_conect")}, "did you mean 'skip_connect'"),
        ({"edges_per_node": 3}, "edges_per_node is 3, but node 0 can read no more than 2"),
        ({"edges_per_node": 0}, "edges_per_node is 0; a node keeps at least 1 edge"),
        ({"inputs": 3}, "inputs is 3; a cell has 2 inputs .* or 1"),
        ({"inputs": 1}, "edges_per_node is 2, but node 0 can read no more than 1"),
        ({"nodes": 0}, "nodes is 0"),
        ({"reads": ((0, 1), (0, 2))}, "edges has 2 lists of sources, but there are 3 nodes"),
        ({"reads": ((0, 2), (0, 2), (0, 1))}, "node 0 cannot read 2, only 0 to 1 come before it"),
        ({"reads": ((0, 1), (), (0, 1))}, r"node 1 reads \[\]; name one or more of 0 to 2, each once"),
        ({"reads": ((0, 1), (1, 1), (0, 1))}, r"node 1 reads \[1, 1\]"),
        ({"reads": ((1, 0), (0, 1), (0, 1))}, r"node 0 reads \[1, 0\]; .* ascending"),
        ({"reads": ((0, 1), (1,), (0, 1))}, "edges_per_node is 2, but node 1 can read no more than 1"),
        ({"concat": ()}, r"concat is \[\]; it must name one or more of the nodes 0 to 2"),
        ({"concat": (0, 3)}, r"concat is \[0, 3\]"),
        ({"concat": (1, 1)}, "each once"),
        ({"inputs": 1, "edges_per_node": 1, "concat": (0,)}, "the output of a one-input cell is its last node"),
        ({"by_edge": {"normal": ALWAYS}}, r"for the kinds \['normal'\]; .* have normal and reduce"),
        ({"by_edge": {"cell": ALWAYS}}, "have normal and reduce"),
        ({"by_edge": {"normal": ALWAYS, "reduce": ALWAYS}}, "normal has 2 lists, but a cell has 9 edges"),
        ({"nodes": 1, "by_edge": {"normal": ALWAYS, "reduce": ALWAYS}}, "nothing to choose"),
        ({"nodes": 1, "by_edge": {"normal": (PAIR, ()), "reduce": ALWAYS}}, "from 1 to node 0 of normal has no choice"),
        ({"nodes": 1, "by_edge": {"normal": (PAIR, ("none",)), "reduce": ALWAYS}}, "no choice; .* beside `none`"),
        ({"nodes": 1, "by_edge": {"normal": (PAIR, 2 * PAIR), "reduce": ALWAYS}}, "twice on the edge from 1 to node 0"),
        ({"nodes": 1, "by_edge": {"normal": (PAIR, ("relu",)), "reduce": ALWAYS}}, "unknown operation 'relu'"),
        (
            {"nodes": 1, "operations": PAIR, "by_edge": {"normal": (PAIR, ("noise",)), "reduce": ALWAYS}},
            "are not those of the edges",
        ),
    ],
)
def test_a_space_that_leaves_nothing_to_search_is_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words) as refused:
        PRESETS["small"].replace(**changes)
    assert "\n" not in str(refused.value)


def test_what_follows_from_a_changed_field_follows_anew() -> None:
    space = PRESETS["darts"].replace(nodes=2)
    assert space.concat == (0, 1)
    assert not space.none_is_choice
    assert PRESETS["darts"].replace(edges_per_node=None).none_is_choice
    assert PRESETS["darts"].replace(concat=(3, 2)).concat == (2, 3)
    assert PRESETS["darts"].replace(inputs=1, edges_per_node=1).kinds == ("cell",)
    assert PRESETS["s1"].replace(operations=PAIR).by_edge is None
    with pytest.raises(ValueError, match="normal has 14 lists, but a cell has 9 edges"):
        PRESETS["s1"].replace(nodes=3)


def test_s1_has_two_operations_of_its_own_on_each_edge() -> None:
    space = PRESETS["s1"]
    assert set(space.operations) == {
        "skip_connect", "max_pool_3x3", "avg_pool_3x3", "sep_conv_3x3", "dil_conv_3x3", "dil_conv_5x5"
    }  # fmt: skip
    for kind in space.kinds:
        assert [sum(row) for row in space.allowed(kind)] == [2] * 14
    assert space.choices_of("normal", 5) == ("skip_connect", "max_pool_3x3")
    assert space.choices_of("reduce", 1) == ("dil_conv_3x3", "max_pool_3x3")
    assert set(space.choices_of("normal", 13)) == {"dil_conv_3x3", "dil_conv_5x5"}
    assert space.size() == PRESETS["s2"].size() == ((1 * 3 * 6 * 10) * 2**8) ** 2


def test_what_is_allowed_and_what_is_a_choice() -> None:
    assert PRESETS["s3"].allowed("reduce") == [[True, True, True]] * 14
    assert PRESETS["s3"].choices_of("reduce", 0) == ("sep_conv_3x3", "skip_connect")
    assert PRESETS["nasbench201"].choices_of("cell", 5) == PRESETS["nasbench201"].operations
    assert PARTS.edges() == [(0, 0), (0, 1), (1, 0), (1, 2), (2, 1), (2, 2), (2, 3)]
    assert PARTS.operations == (
        "none", "skip_connect", "nor_conv_1x1", "max_pool_3x3", "nor_conv_3x3", "avg_pool_3x3"
    )  # fmt: skip
    assert PARTS.allowed("normal")[6] == [True, False, False, True, True, False]
    assert PARTS.choices_of("normal", 6) == ("max_pool_3x3", "nor_conv_3x3")
    assert PRESETS["darts"].largest_entropy() == pytest.approx(math.log(8))
    assert PRESETS["s1"].largest_entropy() == pytest.approx(math.log(2))


def test_the_string_says_which_nodes_are_concatenated() -> None:
    architecture = PARTS.sample(Random(0))
    assert str(architecture).count("|concat=1,2") == 2
    assert architecture.concat == {"normal": (1, 2), "reduce": (1, 2)}
    genotype = architecture.genotype() or ""
    assert genotype.count("_concat=[3, 4]") == 2
    assert parse_architecture(genotype) == architecture
    assert PARTS.parse(genotype) == architecture


def test_nasbench201_reads_its_own_strings() -> None:
    text = "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|none~1|nor_conv_1x1~2|"
    architecture = PRESETS["nasbench201"].parse(text)
    assert str(architecture) == text
    assert architecture.inputs == 1
    assert PRESETS["nasbench201"].size() == 5**6


def test_one_edge_a_node_is_a_space_too() -> None:
    space = PRESETS["small"].replace(edges_per_node=1)
    architecture = space.sample(Random(0))
    assert space.parse(str(architecture)) == architecture
    assert all(len(node) == 1 for node in architecture.cells["normal"])


def test_baselines_names() -> None:
    assert parse_baseline("mobilenet_v2_x0.5") == ("mobilenet_v2", 0.5, 1.0, 0)
    assert parse_baseline("resnet20_x2") == ("resnet20", 2.0, 1.0, 0)
    assert parse_baseline("resnet20_x2_d1.25") == ("resnet20", 2.0, 1.25, 0)
    assert parse_baseline("resnet20_x2_d1.25_r96") == ("resnet20", 2.0, 1.25, 96)
    assert [parse_baseline(name) for name in BASELINES] == [(name, 1.0, 1.0, 0) for name in BASELINES]
    assert [str(parse_baseline(f"{name}_r64")) for name in BASELINES] == [f"{name}_r64" for name in BASELINES]
    for name in (*BASELINES, "resnet20_x0.3333333333333333", "resnet20_d2", "efficientnet_b0_x1.1_d1.2"):
        assert str(parse_baseline(name)) == name
    for wrong, words in (
        ("resnet21", "did you mean"),
        ("resnet20_x0", "above 0"),
        ("resnet20_x9", "at most 8"),
        ("resnet20_d0.5", "from 1"),
        ("resnet20_d2_x2", "unknown baseline"),
        ("mobilenet_v3_small_d2", "no depth factor"),
        ("mnasnet0_5_d2", "no depth factor"),
        ("resnet20_r64_x2", "unknown baseline"),
        ("mobilenet_v2_r31", "the side must be from 32 to 1024; the strides divide it"),
        ("mobilenet_v3_small_r31", "the side must be from 32"),
        ("mnasnet1_0_r31", "the side must be from 32"),
        ("resnet18_r31", "the side must be from 32"),
        ("resnet20_r3", "the side must be from 4 to 1024"),
        ("efficientnet_b0_r1025", "the side must be from 32 to 1024"),
    ):
        with pytest.raises(ValueError, match=words):
            parse_baseline(wrong)
