"""Layers compiled, exported, and run by another runtime."""

import logging
import warnings

import onnxruntime
import pytest
import torch
from torch import nn

from hopfield import Hopfield, HopfieldEncoderLayer, HopfieldLayer, HopfieldPooling

OPTIONS = {
    "attention": {},
    "retrieval": {"steps": 3, "beta": torch.tensor([1.0, 2.0]), "norm": True},
    "learned beta": {"steps": 2, "learn_beta": True, "separation": "softmax1"},
    "sparsemax": {"separation": "sparsemax"},
    "bias pattern": {"bias_pattern": True},
    "connected": {"connected": True, "norm": ("hidden",)},
}


class Padded(nn.Module):
    """A layer whose padding comes by place."""

    def __init__(self, **options):
        super().__init__()
        self.hopfield = Hopfield(8, num_heads=2, **options)

    def forward(self, state, padding_mask):
        return self.hopfield(state, padding_mask=padding_mask)


@pytest.fixture(autouse=True)
def quiet():
    torch._dynamo.reset()
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of compiler and exporter, about themselves
        yield


def batch(size, length):
    state = torch.randn(size, length, 8)
    padding = torch.arange(length) >= torch.randint(1, length, (size, 1))
    padding[1] = True  # a set with nothing to see
    return state, padding


@pytest.mark.parametrize("name", OPTIONS)
def test_compile_in_one_graph(name):
    layer = Padded(**OPTIONS[name])
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    for size, length in ((3, 5), (4, 7)):
        state, padding = batch(size, length)
        output, wanted = compiled(state, padding), layer(state, padding)
        torch.testing.assert_close(output, wanted, atol=1e-5, rtol=1e-4)
        ours, theirs = (
            torch.autograd.grad(o.square().sum(), [*layer.parameters()]) for o in (output, wanted)
        )
        for one, other in zip(ours, theirs, strict=True):
            torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def test_compile_with_the_default_backend():
    layer = Hopfield(8, num_heads=2, steps=2)
    state = torch.randn(3, 5, 8)
    compiled = torch.compile(layer, fullgraph=True)
    torch.testing.assert_close(compiled(state), layer(state), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    "module",
    [
        HopfieldPooling(8, quantity=2),
        HopfieldLayer(8, quantity=4),
        HopfieldEncoderLayer(Hopfield(8), 16, 0.0),
    ],
    ids=lambda module: type(module).__name__,
)
def test_compile_the_shells(module):
    state = torch.randn(3, 5, 8)
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(state), module(state), atol=1e-5, rtol=1e-4)


BATCH, LENGTH = (
    torch.export.Dim("batch", min=2, max=512),
    torch.export.Dim("length", min=2, max=4096),
)
DYNAMIC = {"state": {0: BATCH, 1: LENGTH}, "padding_mask": {0: BATCH, 1: LENGTH}}


@pytest.mark.parametrize("name", OPTIONS)
def test_export_for_any_batch_and_length(name):
    layer = Padded(**OPTIONS[name]).eval()
    program = torch.export.export(layer, batch(3, 5), dynamic_shapes=DYNAMIC)
    for size, length in ((2, 9), (7, 300)):
        other = batch(size, length)
        output = program.module()(*other)
        torch.testing.assert_close(output, layer(*other), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    "module",
    [HopfieldPooling(8, quantity=2), HopfieldLayer(8, quantity=4)],
    ids=lambda module: type(module).__name__,
)
def test_export_the_shells(module):
    program = torch.export.export(
        module.eval(), (torch.randn(3, 5, 8),), dynamic_shapes=({0: BATCH, 1: LENGTH},)
    )
    other = torch.randn(7, 9, 8)
    torch.testing.assert_close(program.module()(other), module(other), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("separation", ["sparsemax", "entmax"])
def test_compile_sparse_separations_over_many_patterns(separation):
    layer = Hopfield(8, separation=separation)
    state = torch.randn(2, 100, 8)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(state), layer(state), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", OPTIONS)
def test_onnx(name, tmp_path):
    """One and three steps, any batch and length, and zeros where nothing is to see."""
    layer = Padded(**OPTIONS[name]).eval()
    nn.init.normal_(layer.hopfield.out_proj.bias)
    path = str(tmp_path / "layer.onnx")
    torch.onnx.export(layer, batch(3, 5), path, dynamo=True, dynamic_shapes=DYNAMIC, verbose=False)
    session = onnxruntime.InferenceSession(path)
    names = [entry.name for entry in session.get_inputs()]
    for size, length in ((2, 9), (7, 30)):
        other = batch(size, length)
        feed = dict(zip(names, (tensor.numpy() for tensor in other), strict=True))
        output = torch.from_numpy(session.run(None, feed)[0])
        torch.testing.assert_close(output, layer(*other), atol=1e-5, rtol=1e-4)
        if name != "bias pattern":
            bias = layer.hopfield.out_proj.bias.expand(length, 8)
            torch.testing.assert_close(output[1], bias)
