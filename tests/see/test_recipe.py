"""Recipes: what is said of all cells of a step at once is what `explain` says of each."""

import json
import random

import pytest
import torch

from pellucid.see.capture import capture
from pellucid.see.operation import Call
from pellucid.see.recipe import Recipe, describe, tell
from tests.see.cases import CASES, Calls

CELLS = 25
# Windows of several sizes, and angles that may be told or not: no rule says it for all cells, so each is told.
UNEVEN = {
    "avg_pool2d",
    "avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool1d",
    "rotary_halves",
    "rotary_pairs",
    "positions",
    "frequencies",
}


@pytest.mark.parametrize("name", list(CASES))
def test_a_recipe_tells_of_each_cell_what_the_operation_explains(name: str) -> None:
    function, inputs = CASES[name]
    torch.manual_seed(0)
    trace = capture(Calls(function), *inputs)
    choose = random.Random(name)
    for step in trace.flat():
        if step.leaf or step.inside or step.how == "whole" or not step.value.numel():
            continue
        operation = trace.operation(step)
        recipe = describe(step, operation)
        if recipe is None:
            assert step.op in UNEVEN, f"{step.op} has no recipe"
            continue
        read = Recipe(json.loads(json.dumps(recipe.body)), recipe.table)
        for _ in range(CELLS):
            cell = tuple(choose.randrange(size) for size in step.value.shape)
            told, explained = tell(read, step, cell), operation.explain(Call(step), cell)
            assert told.exact() == explained.exact()
            assert list(told.cells()) == list(explained.cells())


def test_a_layers_sum_is_told_as_one_loop() -> None:
    layer = torch.nn.Linear(128, 512)
    step = capture(layer, torch.randn(2, 128)).steps[-1]
    recipe = describe(step, capture(layer, torch.randn(2, 128)).operation(step))
    assert recipe is not None
    assert len(json.dumps(recipe.body)) < 150
