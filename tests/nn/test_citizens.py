"""Layers as PyTorch expects of modules: dtypes, copies, devices, transforms, processes."""

import copy
import io
import pickle
import warnings

import pytest
import torch
from torch import nn
from torch.nn.utils import prune
from torch.utils.checkpoint import checkpoint

from hopfield import (
    Hopfield,
    HopfieldDecoderLayer,
    HopfieldEncoderLayer,
    HopfieldLayer,
    HopfieldPooling,
    replace_attention,
)

MODULES = {
    "attention": lambda **made: Hopfield(8, num_heads=2, **made),
    "retrieval": lambda **made: Hopfield(
        8, num_heads=2, steps=3, beta=torch.tensor([1.0, 2.0]), norm=True, **made
    ),
    "learned beta": lambda **made: Hopfield(8, learn_beta=True, separation="softmax1", **made),
    "bias pattern": lambda **made: Hopfield(8, num_heads=2, bias_pattern=True, **made),
    "connected": lambda **made: Hopfield(8, connected=True, norm=("hidden",), **made),
    "static state": lambda **made: Hopfield(8, static=("state",), learn_beta=True, **made),
    "pooling": lambda **made: HopfieldPooling(8, quantity=2, num_heads=2, **made),
    "lookup": lambda **made: HopfieldLayer(8, quantity=5, projection="learned", **made),
    "sparse": lambda **made: Hopfield(8, separation="sparsemax", steps=2, **made),
}


@pytest.fixture(params=MODULES)
def make(request):
    return MODULES[request.param]


def test_state_dict_round_trip(make):
    one, other = make(), make()
    state = torch.randn(2, 5, 8)
    assert not torch.equal(one(state), other(state))
    buffer = io.BytesIO()
    torch.save(one.state_dict(), buffer)
    buffer.seek(0)
    other.load_state_dict(torch.load(buffer, weights_only=True))
    assert torch.equal(one(state), other(state))


def test_copies_and_pickles(make):
    module, state = make(), torch.randn(2, 5, 8)
    for again in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert torch.equal(again(state), module(state))
        assert again.state_dict().keys() == module.state_dict().keys()
        assert not {id(p) for p in again.parameters()} & {id(p) for p in module.parameters()}


def test_meta_device_and_reset(make):
    """Built without memory, then given some and drawn anew: like a fresh module."""
    module = make(device="meta")
    assert all(tensor.is_meta for tensor in module.state_dict().values())
    module = module.to_empty(device="cpu")
    for tensor in module.state_dict().values():
        tensor.fill_(torch.nan)
    module.reset_parameters()
    fresh = make()
    for (name, tensor), other in zip(
        module.state_dict().items(), fresh.state_dict().values(), strict=True
    ):
        assert tensor.isfinite().all(), name
        assert abs(tensor.double().std(correction=0) - other.double().std(correction=0)) < 0.3, name
    assert module(torch.randn(2, 5, 8)).isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_dtypes(make, dtype):
    module = make()
    state = torch.randn(2, 5, 8)
    wanted = module(state)
    actual = module.to(dtype)(state.to(dtype))
    assert actual.dtype == dtype
    tolerance = {torch.float64: 1e-5, torch.bfloat16: 6e-2, torch.float16: 1e-2}[dtype]
    torch.testing.assert_close(actual.float(), wanted, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast(make, dtype):
    module, state = make(), torch.randn(2, 5, 8, requires_grad=True)
    wanted = module(state)
    with torch.autocast("cpu", dtype):
        actual = module(state)
        if hasattr(module, "retrieve"):
            weights = module.associate(state)
            assert module.retrieve(state, energy=True).energy.isfinite().all()
    torch.testing.assert_close(actual.float(), wanted, atol=6e-2, rtol=6e-2)
    torch.testing.assert_close(weights.float(), module.associate(state), atol=6e-2, rtol=6e-2)
    actual.float().sum().backward()
    assert state.grad.isfinite().all()


def test_functional_call_and_vmap(make):
    """An ensemble of layers in one call."""
    modules = [make() for _ in range(3)]
    state = torch.randn(2, 5, 8)
    parameters, buffers = torch.func.stack_module_state(modules)
    base = copy.deepcopy(modules[0])

    def call(parameters, buffers, state):
        return torch.func.functional_call(base, (parameters, buffers), (state,))

    outputs = torch.vmap(call, in_dims=(0, 0, None))(parameters, buffers, state)
    for module, output in zip(modules, outputs, strict=True):
        torch.testing.assert_close(output, module(state), atol=1e-6, rtol=1e-5)


def test_activation_checkpointing(make):
    module, state = make(), torch.randn(2, 5, 8, requires_grad=True)
    gradients = []
    for output in (module(state), checkpoint(module, state, use_reentrant=False)):
        gradients.append(torch.autograd.grad(output.square().sum(), [state, *module.parameters()]))
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)


def test_nothing_goes_unused(make):
    """Every parameter gets a gradient, as distributed training wants by default."""
    module = make()
    module(torch.randn(3, 5, 8)).square().sum().backward()
    assert [name for name, p in module.named_parameters() if p.grad is None] == []


def test_hooks_and_parametrisation():
    """The maps are linear layers that tools may wrap."""
    layer = Hopfield(8, num_heads=2)
    seen = []
    layer.space.maps["packed"].register_forward_hook(lambda *args: seen.append(1))
    layer(torch.randn(2, 5, 8))
    assert seen == [1]
    layer(torch.randn(2, 5, 8), torch.randn(2, 4, 8))
    assert len(seen) > 1
    assert sum(isinstance(m, nn.Linear) for m in layer.modules()) == 2


def test_tools_that_wrap_maps_work_for_all_inputs():
    layer = Hopfield(8, num_heads=2)
    prune.l1_unstructured(layer.space.maps["packed"], "weight", 0.3)
    state, stored = torch.randn(2, 2, 5, 8)
    for _ in range(2):
        layer(state, stored).sum().backward()
    assert layer.space.maps["packed"].weight_orig.grad.any()
    with torch.no_grad():
        layer.space.maps["packed"].weight_orig.mul_(2.0)
    torch.testing.assert_close(layer(state, state.clone()), layer(state))
    parametrised = Hopfield(8, num_heads=2)
    torch.nn.utils.parametrizations.weight_norm(parametrised.space.maps["packed"])
    theirs = parametrised.to_attention()
    torch.testing.assert_close(theirs(state, stored, stored)[0], parametrised(state, stored))


def example():
    torch.manual_seed(0)
    model = nn.Sequential(
        HopfieldEncoderLayer(
            Hopfield(8, num_heads=2, steps=2, learn_beta=True, norm=True), 16, 0.0
        ),
        replace_attention(nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True)),
        Hopfield(8, connected=True, bias_pattern=True),
        HopfieldLayer(8, quantity=4, projection="learned"),
        HopfieldPooling(8, quantity=2),
    )
    return model, torch.randn(2, 4, 5, 8)


def trained(model, parallel, data):
    optimiser = torch.optim.SGD(model.parameters(), 0.1)
    for _ in range(3):
        optimiser.zero_grad()
        parallel(data).square().mean().backward()
        optimiser.step()
    return model.state_dict()


def work(rank, file, results):
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{file}", rank=rank, world_size=2
    )
    model, data = example()
    state = trained(model, nn.parallel.DistributedDataParallel(model), data[rank])
    if rank == 0:
        torch.save(state, results)
    torch.distributed.barrier()  # whose partner leaves first may be cut off
    torch.distributed.destroy_process_group()


def test_two_processes_train_like_one(tmp_path):
    """Default settings of DistributedDataParallel, which refuse unused parameters."""
    results = tmp_path / "results.pt"
    torch.multiprocessing.spawn(work, (str(tmp_path / "meeting"), str(results)), nprocs=2)
    model, data = example()
    alone = trained(model, model, data.flatten(0, 1))
    for name, tensor in torch.load(results, weights_only=True).items():
        torch.testing.assert_close(tensor, alone[name], atol=1e-5, rtol=1e-4)


def test_decoder_trains_without_unused_parameters():
    decoder = HopfieldDecoderLayer(Hopfield(8), Hopfield(8), 16)
    decoder(torch.randn(2, 3, 8), torch.randn(2, 4, 8)).sum().backward()
    assert all(p.grad is not None for p in decoder.parameters())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        decoder.eval()(torch.randn(2, 3, 8), torch.randn(2, 4, 8))
