import warnings

import torch

with warnings.catch_warnings():
    # A docstring of Brevitas 0.13 holds "\\c", which Python reports where it has no compiled copy to load.
    warnings.simplefilter("ignore")
    import brevitas.nn  # noqa: F401

torch.set_num_threads(1)
