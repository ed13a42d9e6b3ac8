"""Depths against an execution of the token game in random orders, by units as bad as they may be."""

from hypothesis import given, settings
from hypothesis import strategies as st

from finn_transforms.network import OUTSIDE, Link, Network, Port, depths
from tests.support.token_units import Tokens, runs_through


def ramp(beats: int, outputs: int, lead: int) -> tuple[int, ...]:
    """Return needs that keep pace, `lead` beats ahead."""
    return tuple(min(beats, -(-(k + 1) * beats // outputs) + lead) for k in range(outputs))


def unit(name: str, takes: tuple[int, ...], gives: int, leads: tuple[int, ...]) -> Tokens:
    needed = tuple(ramp(beats, gives, lead) for beats, lead in zip(takes, leads, strict=True))
    return Tokens(name=name, beats=takes, needed=(needed,))


def copies(name: str, beats: int, count: int = 2) -> Tokens:
    return Tokens(name=name, beats=(beats,), needed=((tuple(range(1, beats + 1)),),) * count)


def link(a: tuple[int, int], b: tuple[int, int]) -> Link:
    return Link(source=Port(unit=a[0], stream=a[1]), target=Port(unit=b[0], stream=b[1]))


def residual(beats: int, first: list[tuple[int, int]], second: list[tuple[int, int]]) -> Network:
    """Return a fork, two branches of units (beats out, lead) and a join that takes a beat of both at once."""
    units, links = [copies("fork", beats)], [link((OUTSIDE, 0), (0, 0))]
    ends = []
    for number, branch in enumerate((first, second)):
        end, size = (0, number), beats
        for gives, lead in branch:
            units.append(unit(f"u{len(units)}", (size,), gives, (lead,)))
            links.append(link(end, (len(units) - 1, 0)))
            end, size = (len(units) - 1, 0), gives
        ends.append((end, size))
    join = len(units)
    units.append(unit("join", (ends[0][1], ends[1][1]), ends[0][1], (0, 0)))
    links += [link(ends[0][0], (join, 0)), link(ends[1][0], (join, 1)), link((join, 0), (OUTSIDE, 0))]
    return Network(name="net", units=tuple(units), links=tuple(links))


def rooms(network: Network) -> list[int]:
    return [depth.safe for depth in depths(network)]


def test_a_shortcut_holds_what_the_branch_is_ahead() -> None:
    network = residual(20, [(20, 7)], [])
    safe = rooms(network)
    shortcut = network.link_to[Port(unit=2, stream=1)]
    assert safe == [7 if number == shortcut else 0 for number in range(len(safe))]
    assert all(runs_through(network, safe, seed) for seed in range(10))
    safe[shortcut] -= 1
    assert not any(runs_through(network, safe, seed) for seed in range(10))


def test_a_row_of_units_needs_no_room() -> None:
    units = [unit("a", (6,), 24, (3,)), unit("b", (24,), 3, (0,)), unit("c", (3,), 3, (2,))]
    links = [link((OUTSIDE, 0), (0, 0)), link((0, 0), (1, 0)), link((1, 0), (2, 0)), link((2, 0), (OUTSIDE, 0))]
    network = Network(name="net", units=tuple(units), links=tuple(links))
    assert all(runs_through(network, [0, 0, 0, 0], seed) for seed in range(5))


sizes = st.sampled_from([1, 2, 3, 4, 6, 12, 24])
branches = st.lists(st.tuples(sizes, st.integers(0, 30)), max_size=3)


@st.composite
def residuals(draw: st.DrawFn) -> Network:
    last = draw(sizes)
    ends = [[*draw(branches), (last, draw(st.integers(0, 30)))] for _ in range(2)]
    return residual(draw(sizes), *ends)


@settings(max_examples=150)
@given(residuals(), st.integers(0, 1000))
def test_no_order_of_steps_deadlocks(network: Network, seed: int) -> None:
    assert runs_through(network, rooms(network), seed)


@settings(max_examples=60)
@given(residuals(), residuals(), st.integers(0, 1000))
def test_nested_forks(outer: Network, inner: Network, seed: int) -> None:
    # The inner network stands behind the outer one's join; a second shortcut goes around both.
    beats, middle, size = outer.inputs[0].beats, outer.outputs[0].beats, len(outer.units)
    adapt = unit("adapt", (middle,), inner.inputs[0].beats, (0,))
    end = inner.outputs[0].beats
    units = [copies("round", beats), *outer.units, adapt, *inner.units, unit("last", (end, beats), end, (0, 0))]
    last = len(units) - 1
    links = [link((OUTSIDE, 0), (0, 0)), link((last, 0), (OUTSIDE, 0)), link((0, 1), (last, 1))]
    links.append(link((size, 0), (size + 1, 0)))
    for network, by, first, target in ((outer, 1, 0, None), (inner, size + 2, size + 1, last)):
        for each in network.links:
            a, b = each.source, each.target
            if b.unit == OUTSIDE and target is None:
                continue
            source = (first, 0) if a.unit == OUTSIDE else (a.unit + by, a.stream)
            links.append(link(source, (target, 0) if b.unit == OUTSIDE else (b.unit + by, b.stream)))
    named = [Tokens(name=f"n{i}", needed=each.needed, beats=each.beats) for i, each in enumerate(units)]
    network = Network(name="nested", units=tuple(named), links=tuple(links))
    assert runs_through(network, rooms(network), seed)


def test_a_frame_leaves_nothing_behind() -> None:
    network = residual(12, [(4, 2), (12, 5)], [(6, 0), (12, 0)])
    assert all(runs_through(network, rooms(network), seed, frames=4) for seed in range(5))
