import torch
from hypothesis import given
from hypothesis import strategies as st

from brevitas_ext.quantizers import project_on_l1_ball


@given(st.lists(st.floats(-8, 8), min_size=1, max_size=12), st.floats(0.01, 30))
def test_projection_is_the_closest_point_of_the_ball(values: list[float], radius: float) -> None:
    """A point p of a convex set is the one closest to x exactly when <x - p, y - p> <= 0 for every y in the set.

    For the l1 ball the vertices +-radius * e_i are enough.
    """
    x = torch.tensor([values], dtype=torch.float64)
    p = project_on_l1_ball(x, torch.tensor([[radius]], dtype=torch.float64))
    assert float(p.abs().sum()) <= radius * (1 + 1e-12)
    vertices = torch.cat([torch.eye(len(values)), -torch.eye(len(values))]).double() * radius
    assert float(((x - p) * (vertices - p)).sum(dim=1).max()) <= 1e-9 * (1 + float(x.abs().sum()) * (radius + 1))


def test_projection_of_points_inside_is_themselves_and_rows_are_independent() -> None:
    rows = torch.tensor([[0.5, -0.25, 0.0], [3.0, -1.0, 0.5], [0.0, 0.0, 0.0]])
    projected = project_on_l1_ball(rows, torch.tensor([[1.0], [2.0], [1.0]]))
    assert projected.tolist() == [[0.5, -0.25, 0.0], [2.0, 0.0, 0.0], [0.0, 0.0, 0.0]]


def test_projection_against_a_grid_search() -> None:
    x, radius = torch.tensor([[0.9, -0.7]]), 1.0
    found = project_on_l1_ball(x, torch.tensor([[radius]]))
    axis = torch.linspace(-1, 1, 401)
    grid = torch.cartesian_prod(axis, axis)
    inside = grid[grid.abs().sum(dim=1) <= radius + 1e-6]
    best = inside[(inside - x).square().sum(dim=1).argmin()]
    assert torch.allclose(found[0], best, atol=6e-3)
