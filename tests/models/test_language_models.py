"""Language models: what they may look at, and that writing token by token is reading all at once."""

import pytest
import torch
from torch import nn

from pellucid.errors import ConfigError
from pellucid.models.language import GPT, LanguageModel, LanguageModelConfig, build_language_model

VOCABULARY, CONTEXT = 11, 12
CELLS = ["gpt", "rnn", "lstm", "gru"]


def built(cell: str, **settings: object) -> LanguageModel:
    torch.manual_seed(2)
    size = {"cell": cell, "width": 16, "heads": 2, "layers": 2, "context": CONTEXT, **settings}
    return build_language_model(LanguageModelConfig.parse(size), VOCABULARY).eval()


@pytest.mark.parametrize("cell", CELLS)
@torch.inference_mode()
def test_no_position_sees_what_comes_after_it(cell: str) -> None:
    model, tokens = built(cell), torch.randint(VOCABULARY, (2, 8))
    other = tokens.clone()
    other[:, 5:] = (other[:, 5:] + 1) % VOCABULARY
    before, after = model(tokens), model(other)
    torch.testing.assert_close(before[:, :5], after[:, :5], atol=1e-6, rtol=0)
    assert not torch.allclose(before[:, 5:], after[:, 5:])


@pytest.mark.parametrize("cell", CELLS)
@torch.inference_mode()
def test_token_by_token_gives_the_scores_of_reading_all_at_once(cell: str) -> None:
    model, tokens = built(cell), torch.randint(VOCABULARY, (2, CONTEXT))
    whole = model(tokens)
    past = model.begin(2)
    found = [model.read_prompt(tokens[:, :4], past)]
    found += [model.step(tokens[:, i], past) for i in range(4, CONTEXT)]
    torch.testing.assert_close(torch.stack(found, dim=1), whole[:, 3:], atol=1e-5, rtol=1e-5)


@torch.inference_mode()
def test_past_its_context_a_gpt_goes_on_from_the_newer_half_and_keeps_no_more() -> None:
    model = built("gpt")
    assert isinstance(model, GPT)
    tokens = torch.randint(VOCABULARY, (1, CONTEXT + 1))
    past = model.begin(1)
    model.read_prompt(tokens[:, :CONTEXT], past)
    scores = model.step(tokens[:, CONTEXT], past)
    torch.testing.assert_close(scores, model(tokens[:, -CONTEXT // 2 :])[:, -1], atol=1e-5, rtol=1e-5)
    for _ in range(5 * CONTEXT):
        model.step(torch.zeros(1, dtype=torch.long), past)
        assert past.tokens.size(1) <= CONTEXT
    assert past.keys[0].size(2) == CONTEXT


@torch.inference_mode()
def test_a_prompt_longer_than_the_context_is_read_from_its_end() -> None:
    model, tokens = built("gpt"), torch.randint(VOCABULARY, (1, 3 * CONTEXT))
    scores = model.read_prompt(tokens, model.begin(1))
    torch.testing.assert_close(scores, model(tokens[:, -CONTEXT:])[:, -1], atol=1e-5, rtol=1e-5)


def test_a_gpts_one_table_serves_input_and_output() -> None:
    model = built("gpt")
    model(torch.tensor([[1, 2]]))[0, -1, 5].backward()
    gradient = model.embedding.weight.grad
    assert gradient is not None
    assert gradient[5].norm() > 0, "as the output's row"
    assert gradient[2].norm() > 0, "as the input's row"
    assert not any(isinstance(module, nn.Linear) and module.out_features == VOCABULARY for module in model.modules())


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_an_embedded_token_times_w_is_the_one_hot_token_times_their_product(cell: str) -> None:
    model = built(cell)
    tokens = torch.tensor([3, 7])
    layer = model.recurrent[0]
    one_hot = nn.functional.one_hot(tokens, VOCABULARY).float()
    textbook = one_hot @ (model.embedding.weight @ layer.from_input.weight.T) + layer.from_input.bias
    torch.testing.assert_close(layer.from_input(model.embedding(tokens)), textbook, atol=1e-5, rtol=1e-5)


def test_a_width_that_heads_do_not_divide_is_refused_for_a_gpt_alone() -> None:
    with pytest.raises(ConfigError, match="width=10 cannot be split into heads=4"):
        LanguageModelConfig.parse({"width": 10})
    LanguageModelConfig.parse({"cell": "lstm", "width": 10})


@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize("norm", ["pre", "post", "none"])
@torch.inference_mode()
def test_a_gpt_with_any_norm_and_without_residuals_writes_as_it_reads(norm: str, residual: bool) -> None:
    model, tokens = built("gpt", norm=norm, residual=residual), torch.randint(VOCABULARY, (2, CONTEXT))
    past = model.begin(2)
    found = torch.stack([model.step(tokens[:, i], past) for i in range(CONTEXT)], dim=1)
    torch.testing.assert_close(found, model(tokens), atol=1e-5, rtol=1e-5)
