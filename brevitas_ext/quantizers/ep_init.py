"""EP-init: the Euclidean projection of float weights onto the l1 ball (A2Q+, arXiv 2401.10432)."""

from __future__ import annotations

import torch
from torch import Tensor


def project_on_l1_ball(rows: Tensor, radius: Tensor) -> Tensor:
    """Return the point of the l1 ball closest to each row.

    Soft thresholding, with the threshold found by sorting (Duchi et al., ICML 2008, Fig. 1).

    Args:
        rows: shape (C, K).
        radius: positive, shape (C, 1).

    Returns:
        Shape (C, K); a row inside its ball is returned as it is.
    """
    magnitudes = rows.abs()
    descending = magnitudes.sort(dim=1, descending=True).values
    excess = descending.cumsum(dim=1) - radius
    counts = torch.arange(1, rows.shape[1] + 1, dtype=rows.dtype, device=rows.device)
    survivors = (descending * counts > excess).sum(dim=1, keepdim=True).clamp(min=1)
    threshold = excess.gather(1, survivors - 1) / survivors
    return rows.sign() * (magnitudes - threshold.clamp(min=0)).clamp(min=0)
