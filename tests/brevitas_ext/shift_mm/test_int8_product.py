"""Plain int8 products of matrices that lie in memory in any way."""

import pytest
import torch

from brevitas_ext.shift_mm.int8_product import int8_product


@pytest.mark.parametrize(
    ("m", "k", "n"), [(1, 8, 5), (5, 8, 1), (1, 8, 1), (5, 1, 6), (1, 1, 6), (1, 2, 16), (3, 4, 2)]
)
def test_transposed_operands_and_results(m: int, k: int, n: int) -> None:
    # Of a column, the transposed has a stride of 1 in both dimensions.
    for a in (_integers(m, k), _integers(k, m).t()):
        for b in (_integers(k, n), _integers(n, k).t()):
            expected = a.long() @ b.long()
            assert torch.equal(int8_product(a, b).long(), expected)
            out = torch.full((n, m), 7, dtype=torch.int32).t() if m == 1 else torch.full((m, n), 7, dtype=torch.int32)
            assert int8_product(a, b, out) is out
            assert torch.equal(out.long(), expected)


def _integers(rows: int, columns: int) -> torch.Tensor:
    return torch.randint(-128, 128, (rows, columns), dtype=torch.int8)
