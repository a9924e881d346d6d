"""One tool in a process of its own: looks into a model in each of its ways whenever a line comes in.

    python bench/peers/see_worker.py pellucid small 2

The arguments are the tool, the model and the threads; the answer to a line, a number of seconds, is what each way took
for at least so long. Started by bench/see.py, which lets the tools take turns. Imports of a tool only what it needs, as
each peer has an environment of its own.
"""

import gc
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from see_models import Model, build

Way = Callable[[], Any]


def plain(model: Model) -> dict[str, Way]:
    """What a capture is measured by: the same passes with nothing that looks on."""
    network, inputs, loss = model

    @torch.no_grad()
    def forward() -> Any:
        return network(*inputs)

    def both() -> None:
        loss(network(*inputs)).backward()
        network.zero_grad()

    return {"forward": forward, "forward and backward": both}


def pellucid(model: Model) -> dict[str, Way]:
    from pellucid.see.capture import capture

    network, inputs, loss = model

    def opened(**how: Any) -> Any:
        trace = capture(network, *inputs, **how)
        trace.attentions()
        return trace

    def explained() -> Any:
        trace = opened(loss=loss)
        _ = trace.gradients
        return trace

    return {
        "every operation": lambda: capture(network, *inputs),
        "and attention opened": opened,
        "and with PyTorch's gradients": lambda: opened(loss=loss),
        "and all opened, our own gradients": explained,
        "every operation, in bfloat16": lambda: capture(network, *inputs, precision=torch.bfloat16),
    }


def torchlens(model: Model) -> dict[str, Way]:
    import torchlens as tool

    network, inputs, loss = model

    def with_gradients() -> Any:
        trace = tool.trace(network, list(inputs), capture=tool.options.CaptureOptions(save_grads="all"))
        trace.log_backward(loss(trace.output_ops[0].out))
        return trace

    return {
        "every operation": lambda: tool.trace(network, list(inputs)),
        "and with PyTorch's gradients": with_gradients,
    }


def nnsight(model: Model) -> dict[str, Way]:
    import nnsight as tool

    network, inputs, _ = model
    wrapped = tool.NNsight(network)
    # By module, as one whose name is "output" cannot be asked for by its name.
    by_module = {envoy._module: envoy for envoy in wrapped.modules()}
    envoys = [by_module[module] for module in in_order(network, inputs)]

    def outputs() -> Any:
        with torch.no_grad(), wrapped.trace(*inputs):
            found = tool.save([envoy.output for envoy in envoys])
        return found  # noqa: RET504 (the trace defines it as it ends)

    return {"every module's output": outputs}


def in_order(network: Any, inputs: Any) -> list[Any]:
    """The modules that run once, in the order in which they are done, as nnsight has to be asked for them."""
    done: list[Any] = []
    handles = [
        module.register_forward_hook(lambda module, *_: done.append(module))
        for name, module in network.named_modules()
        if name
    ]
    with torch.no_grad():
        network(*inputs)
    for handle in handles:
        handle.remove()
    return [module for module in done if done.count(module) == 1]


def seconds_of(way: Way, least: float) -> float:
    """Of one call, over at least `least` seconds."""
    began, count = time.perf_counter(), 0
    while not count or time.perf_counter() - began < least:
        held = way()
        del held
        count += 1
    return (time.perf_counter() - began) / count


def memory_of(way: Way) -> float:
    """MB of the tensors that there are while what a way gives is held, and were not before."""
    before = held_in_tensors()
    held = way()
    after = held_in_tensors()
    del held
    return (after - before) / 1e6


def held_in_tensors() -> int:
    gc.collect()
    tensors = [one for one in gc.get_objects() if issubclass(type(one), torch.Tensor)]
    memories = [one.untyped_storage() for one in tensors if one.device.type == "cpu"]
    return sum({one.data_ptr(): one.nbytes() for one in memories}.values())


def answer(line: dict[str, Any]) -> None:
    print("answer " + json.dumps(line), flush=True)


def main(tool: str, name: str, threads: int) -> None:
    torch.set_num_threads(threads)
    model = build(name)
    ways = plain(model)
    ways |= {"pellucid": pellucid, "torchlens": torchlens, "nnsight": nnsight}[tool](model)
    for way in ways.values():
        way()
    answer({"memory": {way: memory_of(call) for way, call in ways.items()}})
    for line in sys.stdin:
        answer({way: seconds_of(call, float(line)) for way, call in ways.items()})


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
