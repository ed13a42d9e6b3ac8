"""The contract recognises a layer by its integers and proves its promise on them."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from brevitas_ext.qonnx_ops.accumulator_contract import (
    METADATA_KEY,
    AccumulatorContract,
    ContractFormatError,
    ContractViolationError,
    LayerContract,
    channel_digests,
    read_contract,
)

ROWS = hnp.arrays(np.int64, st.tuples(st.integers(1, 4), st.integers(1, 12)), elements=st.integers(-8, 7))


DEFAULTS = {"accumulator_bits": 8, "bound": "a2q", "overflow": "any_order", "input_low": 0, "input_high": 15}
SHORT = {"bits": "accumulator_bits", "low": "input_low", "high": "input_high"}


def contract(weights, *, layer="conv", **overrides):
    overrides = {SHORT.get(name, name): value for name, value in overrides.items()}
    return LayerContract(layer=layer, channel_digests=channel_digests(np.asarray(weights)), **DEFAULTS | overrides)


class TestChannelDigests:
    @given(ROWS, st.randoms(use_true_random=False))
    def test_survives_what_lowering_does(self, weights, random):
        order = list(range(weights.shape[1]))
        random.shuffle(order)
        signs = np.array([random.choice((-1, 1)) for _ in weights])[:, None]
        padded = np.pad(signs * weights[:, order], ((0, 0), (random.randrange(3), random.randrange(3))))
        assert channel_digests(padded) == channel_digests(weights)

    @given(ROWS, st.data())
    def test_any_change_of_a_magnitude_is_caught(self, weights, data):
        row = data.draw(st.integers(0, weights.shape[0] - 1))
        column = data.draw(st.integers(0, weights.shape[1] - 1))
        tampered = weights.copy()
        tampered[row, column] = data.draw(st.integers(-9, 9).filter(lambda v: abs(v) != abs(weights[row, column])))
        differing = [a != b for a, b in zip(channel_digests(tampered), channel_digests(weights), strict=True)]
        assert differing == [channel == row for channel in range(len(weights))]

    def test_distinguishes_all_small_channels_exactly_up_to_order_zeros_and_sign(self):
        classes = {}
        for row in itertools.product(range(-2, 3), repeat=4):
            nonzero = sorted(value for value in row if value)
            key = frozenset({tuple(nonzero), tuple(sorted(-value for value in nonzero))})
            classes.setdefault(key, set()).add(channel_digests(np.array([row]))[0])
        assert all(len(digests) == 1 for digests in classes.values())
        assert len({next(iter(digests)) for digests in classes.values()}) == len(classes)

    def test_a_single_sign_within_a_channel_matters(self):
        assert channel_digests(np.array([[1, 2, 3]])) != channel_digests(np.array([[1, -2, 3]]))

    def test_all_zero_channels_share_a_digest_of_their_own(self):
        first, second, other = channel_digests(np.array([[0, 0], [0, 0], [0, 1]]))
        assert first == second != other
        assert channel_digests(np.zeros((1, 0), dtype=int)) == (first,)

    def test_container_does_not_matter(self):
        ints = np.array([[3, -4, 0]])
        big = np.array([[3, -4, 0]], dtype=object)
        assert channel_digests(ints) == channel_digests(ints.astype(np.float32)) == channel_digests(big)
        assert channel_digests(ints) == channel_digests(ints.astype(np.int8))

    def test_beyond_64_bits_and_the_most_negative_integer(self):
        huge = np.array([[2**70, -1]], dtype=object)
        assert channel_digests(huge) != channel_digests(huge + 1)
        lowest = np.array([[-(2**63)]], dtype=np.int64)
        assert channel_digests(lowest) == channel_digests(np.array([[2**63]], dtype=np.uint64))

    @pytest.mark.parametrize("value", [0.5, float("nan"), float("inf")])
    def test_refuses_what_is_no_integer(self, value):
        with pytest.raises(ValueError, match=r"found .* in channel 1 at position 0"):
            channel_digests(np.array([[1.0, 2.0], [value, 3.0]]))

    def test_refuses_other_shapes(self):
        with pytest.raises(ValueError, match=r"shape \(C, K\).*found shape \(2, 3, 3\)"):
            channel_digests(np.zeros((2, 3, 3), dtype=int))


class TestCheck:
    @settings(max_examples=200)
    @given(
        hnp.arrays(np.int64, st.tuples(st.integers(1, 3), st.integers(1, 4)), elements=st.integers(-4, 4)),
        st.integers(-3, 3),
        st.integers(0, 4),
        st.integers(1, 6),
        st.sampled_from(["any_order", "final"]),
    )
    def test_agrees_with_brute_force_and_shows_a_witness(self, weights, low, width, bits, overflow):
        promise = contract(weights, bits=bits, low=low, high=low + width, overflow=overflow)
        reachable = [reachable_sums(row, low, low + width, overflow) for row in weights]
        smallest, largest = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
        bad = [channel for channel, sums in enumerate(reachable) if min(sums) < smallest or max(sums) > largest]
        if not bad:
            promise.check(weights)
            return
        with pytest.raises(ContractViolationError) as caught:
            promise.check(weights)
        error = caught.value
        assert (error.layer, error.channel, error.accumulator_bits) == ("conv", bad[0], bits)
        assert not smallest <= error.extreme <= largest
        assert error.extreme in (min(reachable[bad[0]]), max(reachable[bad[0]]))
        pairs = zip(weights[bad[0]], error.witness, strict=True)
        assert sum(int(weight) * value for weight, value in pairs if value is not None) == error.extreme
        assert all(value is None or low <= value <= low + width for value in error.witness)
        assert overflow == "any_order" or None not in error.witness or low > 0 or low + width < 0

    def test_the_lowest_code_of_the_accumulator_is_usable(self):
        contract([[-8]], bits=8, high=16).check(np.array([[-8]]))
        with pytest.raises(ContractViolationError, match=r"'conv', channel 0.*\[-128, 127\].*found 128"):
            contract([[8]], bits=8, high=16).check(np.array([[8]]))

    def test_a_partial_sum_may_overflow_where_the_final_one_does_not(self):
        weights = np.array([[9, -9]])
        contract(weights, low=15, high=15, overflow="final").check(weights)
        with pytest.raises(ContractViolationError) as caught:
            contract(weights, low=15, high=15, overflow="any_order").check(weights)
        assert caught.value.extreme == 135
        assert caught.value.witness == (15, None)

    def test_message_names_everything_and_stays_short(self):
        weights = np.ones((3, 500), dtype=int)
        with pytest.raises(ContractViolationError) as caught:
            contract(weights, bits=12, layer="features.3").check(weights)
        message = str(caught.value)
        assert "Layer 'features.3', channel 0" in message
        assert "P = 12" in message
        assert "7500" in message
        assert len(message) < 500
        assert caught.value.witness == (15,) * 500


class TestContract:
    WEIGHTS = (np.array([[1, 2, 3], [0, 0, 0]]), np.array([[5, -5], [1, 1]]), np.array([[3, 2, 1], [0, 0, 0]]))

    def both(self):
        return AccumulatorContract(
            layers=(
                contract(self.WEIGHTS[0], layer="first", bits=14),
                contract(self.WEIGHTS[1], layer="second", bound="a2q+", overflow="final", low=-8, high=7),
                contract(self.WEIGHTS[2], layer="third", bits=12),
            )
        )

    def test_json_round_trip_is_canonical(self):
        text = self.both().to_json()
        again = AccumulatorContract.from_json(text)
        assert again == self.both()
        assert again.to_json() == text
        assert json.loads(text)["version"] == 1

    def test_read_contract(self):
        assert read_contract({"other": "1"}) is None
        assert read_contract({METADATA_KEY: self.both().to_json()}) == self.both()

    def test_match_finds_a_layer_and_takes_the_narrowest_of_equals(self):
        both = self.both()
        assert both.match(np.array([[-5, 0, 5], [-1, -1, 0]])).layer == "second"
        assert both.match(self.WEIGHTS[0]).layer == "third"
        assert [layer.layer for layer in both.candidates(self.WEIGHTS[0])] == ["first", "third"]
        assert both.match(np.array([[5, -5], [1, 2]])) is None

    def test_nearest_names_layer_and_channel_of_a_tampered_weight(self):
        layer, channels = self.both().nearest(np.array([[5, -4], [1, 1]]))
        assert (layer.layer, channels) == ("second", [0])
        assert self.both().nearest(np.array([[9, 9], [9, 9]])) is None
        assert self.both().nearest(np.array([[5, -5]])) is None

    def test_a_channel_that_a_compiler_dropped_agrees_with_any(self):
        both = AccumulatorContract(
            layers=(contract([[1, 2], [3, 4], [5, 6]], layer="a"), contract([[1, 2]], layer="b"))
        )
        assert both.match(np.array([[1, 2], [0, 0], [5, 6]])).layer == "a"
        assert both.match(np.array([[0, 0], [0, 0], [0, 0]])) is None
        assert both.match(np.array([[0, 0]])) is None
        assert both.nearest(np.array([[0, 0], [3, 4], [9, 9]]))[1] == [2]
        assert both.nearest(np.array([[0, 0], [0, 0], [0, 0]])) is None

    def test_equal_weights_come_before_weights_with_dropped_channels(self):
        both = AccumulatorContract(
            layers=(contract([[1, 2], [3, 4]], layer="a", bits=8), contract([[1, 2], [0, 0]], layer="b", bits=12))
        )
        assert both.match(np.array([[1, 2], [0, 0]])).layer == "b"

    @pytest.mark.parametrize("version", [0, 2, "1", None, [1]])
    def test_unknown_version_is_refused(self, version):
        text = json.dumps({"version": version, "layers": "whatever it means there"})
        with pytest.raises(ContractFormatError, match="expected format version 1, found"):
            AccumulatorContract.from_json(text)

    @pytest.mark.parametrize(
        ("text", "complaint"),
        [
            ("{", "expected JSON"),
            ("[]", "keys 'layers' and 'version'"),
            ("{}", "keys 'layers' and 'version'"),
            ('{"version":1}', "expected a list under 'layers'"),
            ('{"version":1,"layers":[{}]}', "expected a layer with the keys"),
        ],
    )
    def test_malformed_text_is_refused(self, text, complaint):
        with pytest.raises(ContractFormatError, match=complaint):
            AccumulatorContract.from_json(text)

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("layer", 3),
            ("accumulator_bits", 0),
            ("accumulator_bits", "8"),
            ("accumulator_bits", True),
            ("bound", "a3q"),
            ("overflow", "never"),
            ("input_low", 1.0),
            ("input_high", -1),
            ("channel_digests", []),
            ("channel_digests", [1]),
        ],
    )
    def test_impossible_fields_are_refused(self, field, value):
        document = json.loads(AccumulatorContract(layers=(contract([[1]]),)).to_json())
        document["layers"][0][field] = value
        with pytest.raises(ContractFormatError, match=f"expected {field} to be"):
            AccumulatorContract.from_json(json.dumps(document))


def reachable_sums(row, low, high, overflow):
    sums = set()
    for inputs in itertools.product(range(low, high + 1), repeat=len(row)):
        products = [int(weight) * value for weight, value in zip(row, inputs, strict=True)]
        if overflow == "final":
            sums.add(sum(products))
            continue
        for count in range(len(products) + 1):
            sums.update(sum(chosen) for chosen in itertools.combinations(products, count))
    return sums
