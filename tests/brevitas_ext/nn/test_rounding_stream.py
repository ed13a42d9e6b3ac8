"""Noise for stochastic rounding: where it comes from, and how it is distributed."""

from unittest.mock import patch

import pytest
import torch

from brevitas_ext.nn.rounding_stream import RoundingStream, mixed_seed


def test_a_state_that_is_loaded_goes_on_with_the_same_noise() -> None:
    stream, other = RoundingStream(3), RoundingStream(4)
    like = torch.zeros(5, 7)
    stream.noise_like(like)
    other.load(stream.state())
    assert torch.equal(stream.noise_like(like), other.noise_like(like))
    assert not torch.equal(stream.noise_like(like), stream.noise_like(like))


def test_torchs_own_generator_is_not_touched() -> None:
    before = torch.random.get_rng_state()
    RoundingStream(3).noise_like(torch.zeros(10))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_noise_is_uniform_and_inside_of_the_interval() -> None:
    """Each of 64 bins within 5 standard deviations of its expectation, and no correlation of neighbours."""
    noise = RoundingStream(5).noise_like(torch.zeros(1 << 20, dtype=torch.float64))
    assert 0 < noise.min() <= noise.max() < 1
    counts = torch.histc(noise, 64, 0, 1)
    assert bool(((counts - 2**14).abs() < 5 * 2**7).all())
    centred = noise - 0.5
    for apart in (1, 2, 3, 4):
        assert abs((centred[apart:] * centred[:-apart]).mean()) < 5 / 12 / 2**10


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_integers_stay_what_they_are(dtype: torch.dtype) -> None:
    extremes = torch.tensor([2.0**-17, 1 - 2.0**-17], dtype=dtype)
    for integer in range(-127, 128):
        assert (integer + extremes).floor().tolist() == [integer, integer]


def test_shapes_and_dtypes() -> None:
    for shape in ((0,), (1,), (3, 5), (2, 2, 2)):
        noise = RoundingStream(1).noise_like(torch.zeros(shape, dtype=torch.float64))
        assert noise.shape == shape
        assert noise.dtype == torch.float64


def test_ranks_draw_different_noise() -> None:
    like = torch.zeros(100)
    alone = RoundingStream(3).noise_like(like)
    with patch("brevitas_ext.nn.rounding_stream._rank", return_value=1):
        assert not torch.equal(RoundingStream(3).noise_like(like), alone)


def test_seeds_that_are_close_are_mixed_apart() -> None:
    seeds = {mixed_seed(a, b) for a in range(50) for b in range(50)}
    assert len(seeds) == 2500
    assert max(seeds) < 1 << 63


def test_a_wrong_state_is_refused() -> None:
    with pytest.raises(ValueError, match="rounding stream"):
        RoundingStream(1).load(torch.zeros(3, dtype=torch.int64))
