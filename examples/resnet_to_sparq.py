"""From a float ResNet to a QONNX file with SPARQ activations and one accelerator with its report, without training.

python -m examples.resnet_to_sparq DATA CHECKPOINT OUTPUT
"""

from pathlib import Path

import torch
import typer

from benchmarks.cifar.resnet import accuracy, load, normalized
from brevitas_ext import export_qonnx, sparq_ptq, verify_export
from brevitas_ext.demo.data import load_dataset
from finn_transforms.build import BuildOptions, build
from finn_transforms.loading import load_model
from finn_transforms.verify import verify


def main(data: Path, checkpoint: Path, output: Path) -> None:
    """Quantize, with integers on skip branches and in their sums as in hardware; export, compare, build, compare."""
    network = load(checkpoint)
    calibration = normalized(load_dataset(data, "train")[0][:1024]).split(128)
    options = {"keep": (), "unfit": "int8", "place": "relu", "linear_bits": 8}  # the first layer reads signed images
    model = sparq_ptq(network, calibration, windows="4b3opt", **options)
    images, labels = (tensor[:1000] for tensor in load_dataset(data, "test"))
    typer.echo(f"float {accuracy(network, images, labels):.1f} %, SPARQ {accuracy(model, images, labels):.1f} %")
    export_qonnx(model, normalized(images[:1]), output)
    typer.echo(verify_export(model, output, normalized(images[:8])))
    result = build(output, output.with_suffix(""), BuildOptions(target_fps=100))
    typer.echo(verify(result.model, load_model(output), normalized(images[:8]).numpy()).summary())
    typer.echo(f"{len(result.graph)} hardware layers, {result.lut} LUTs; report in {output.with_suffix('')}/report")


if __name__ == "__main__":
    torch.set_num_threads(1)
    typer.run(main)
