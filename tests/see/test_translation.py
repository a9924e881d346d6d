"""A translation's trace and its walk: the numbers of its stages are the model's own, and everything has its label."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from pellucid.data.slots import CHARACTERS
from pellucid.data.tokenizer import BOS, EOS, Tokenizer
from pellucid.models.translator import Translator
from pellucid.nn.attention import MultiHeadAttention, attention
from pellucid.run import Run
from pellucid.see.tokens import labels_of, readable
from pellucid.see.trace import Trace, TraceError
from pellucid.see.translation import sentence_of, trace_of
from pellucid.see.walk import STAGES, Walk
from pellucid.see.words import words
from pellucid.tasks.translate import TranslateConfig
from pellucid.words import LANGUAGES

TEXTS = [
    "Save the file",
    "Close the window",
    "Delete %s files",
    "保存文件",
    "关闭窗口",
    "删除 %s 个文件",
    "更改",
    "naïve",
]
SIZES = {"d_model": 16, "heads": 4, "feed_forward": 32, "encoder_layers": 1, "decoder_layers": 2, "dropout": 0.1}
MODELS: dict[str, dict[str, Any]] = {
    "pre-norm": {},
    "post-norm, learned positions": {"norm": "post", "positions": "learned"},
    "more layers in the encoder": {"encoder_layers": 3, "decoder_layers": 1, "activation": "gelu"},
    "one head": {"heads": 1, "activation": "silu"},
}
SOURCE, TARGET = "Save %s files", "保存 %s 文件"


def made(path: Path, **changes: Any) -> Run:
    """A run with random weights, which no training made equal to anything."""
    torch.manual_seed(1)
    tokenizer = Tokenizer.train(TEXTS * 4, 400)
    config = TranslateConfig.parse(
        {
            "data": {"files": ["pairs.tsv"], "source": "en", "target": "zh"},
            "model": {**SIZES, "max_length": 120, **changes},
            "decoding": {"method": "greedy", "max_extra": 4},
        }
    )
    path.mkdir(parents=True, exist_ok=True)
    tokenizer.save(path / "tokenizer.json")
    (path / "config.toml").write_text(config.to_toml(), encoding="utf-8")
    run = Run.open(path)
    model = Translator(config.model, tokenizer.size)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    run.save_model(model.state_dict(), {})
    return Run.open(path)


@pytest.fixture(scope="module", params=list(MODELS), ids=list(MODELS))
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return made(tmp_path_factory.mktemp("runs") / "en-zh", **MODELS[request.param])


@pytest.fixture(scope="module")
def trace(run: Run) -> Trace:
    return trace_of(run, SOURCE, TARGET)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return made(tmp_path_factory.mktemp("runs") / "plain")


def hooked(run: Run, *places: str) -> dict[str, Tensor]:
    """What PyTorch's own hooks see at the modules of those names, in a pass of the same ids."""
    ids = sentence_of(run, SOURCE, TARGET)
    seen: dict[str, Tensor] = {}
    modules = dict(run.model.named_modules())
    hooks = [
        modules[place].register_forward_hook(lambda _m, _i, output, place=place: seen.__setitem__(place, output))
        for place in places
    ]
    with torch.no_grad():
        seen["logits"] = run.model(torch.tensor([ids.source_ids]), torch.tensor([[BOS, *ids.target_ids]]))
    for hook in hooks:
        hook.remove()
    return seen


def attention_by_hand(run: Run, place: str, asking: Tensor, asked: Tensor, causal: bool) -> dict[str, Tensor]:
    """Scores, masked scores, shares and heads from the weights alone."""
    layer = dict(run.model.named_modules())[place]
    heads = run.config.model.heads

    def parts(linear: torch.nn.Linear, x: Tensor) -> Tensor:
        return (x @ linear.weight.T + linear.bias).unflatten(-1, (heads, -1)).transpose(1, 2)

    query, key, value = parts(layer.query, asking), parts(layer.key, asked), parts(layer.value, asked)  # type: ignore[arg-type]
    scores = torch.einsum("bhqd,bhkd->bhqk", query, key)
    masked = scores / math.sqrt(query.size(-1))
    if causal:
        masked = masked.masked_fill(torch.ones_like(masked).triu(1).bool(), -math.inf)
    shares = masked.exp() / masked.exp().sum(-1, keepdim=True)
    return {"queries": query, "keys": key, "values": value, "scores": scores, "masked": masked, "weights": shares}


def close(a: Tensor, b: Tensor) -> None:
    torch.testing.assert_close(a, b, atol=2e-5, rtol=1e-4)


# --- the eleven stages ----------------------------------------------------------------------------------------------


def test_stage_1_has_the_tokens_of_the_tokenizer_and_what_comes_next(run: Run, trace: Trace) -> None:
    source = [*run.tokenizer.encode(SOURCE.replace("%s", CHARACTERS[0])), EOS]
    target = run.tokenizer.encode(TARGET.replace("%s", CHARACTERS[0]))
    assert trace["source"].value.tolist() == [source]
    assert trace["target"].value.tolist() == [[BOS, *target]]
    assert trace["wanted"].value.tolist() == [*target, EOS]


def test_stage_2_has_the_rows_of_the_table_times_the_root_of_the_width(run: Run, trace: Trace) -> None:
    for side in ("source", "target"):
        rows = run.model.embedding.weight[trace[side].value]
        close(trace[f"{side}.embedding"].value, rows)
        close(trace[f"{side}.scaled"].value, rows * math.sqrt(run.config.model.d_model))


def test_stage_3_adds_a_vector_for_each_position(run: Run, trace: Trace) -> None:
    width = run.config.model.d_model
    for side in ("source", "target"):
        length = trace[side].value.size(1)
        if run.config.model.positions == "learned":
            vectors = run.model.positions.table[:length]
        else:
            vectors = torch.tensor(
                [
                    [(math.cos if i % 2 else math.sin)(p / 10000 ** (i // 2 * 2 / width)) for i in range(width)]
                    for p in range(length)
                ]
            )
        close(trace[f"{side}.positions"].value, vectors)
        close(trace[f"{side}.embedded"].value, trace[f"{side}.scaled"].value + vectors)


def test_stages_4_8_and_9_have_attention_as_its_weights_give_it(run: Run, trace: Trace) -> None:
    config = run.config.model
    for side, part in (("encoder", "self"), ("decoder", "self"), ("decoder", "cross")):
        place = f"{side}.0.{part}_attention"
        asking = trace[f"{place}.query"].operands["input"].value
        asked = trace["memory"].value if part == "cross" else asking
        found = attention_by_hand(run, place, asking, asked, causal=(side, part) == ("decoder", "self"))
        for name, value in found.items():
            close(trace[f"{place}.{name}"].value, value)
        if config.norm == "post" and side == "encoder":
            close(asking, trace["source.embedded"].value)


def test_stage_5_adds_what_came_in_and_brings_it_to_a_common_scale(run: Run, trace: Trace) -> None:
    added, norm = (stage_steps(trace, "add_and_norm", number) for number in (0, 1))
    close(added.value, trace["source.embedded"].value + trace["encoder.0.self_attention.output"].value)
    place = (
        "encoder.0.self_attention_residual" if run.config.model.norm == "post" else "encoder.0.feed_forward_residual"
    )
    assert norm.name == f"{place}.norm"
    layer = dict(run.model.named_modules())[norm.name]
    close(norm.value, F.layer_norm(added.value, [added.value.size(-1)], layer.weight, layer.bias))  # type: ignore[arg-type]


def test_stage_6_is_two_layers_and_an_activation(run: Run, trace: Trace) -> None:
    layer: Any = run.model.encoder[0].feed_forward
    wide, active, narrow = (stage_steps(trace, "feed_forward", number) for number in range(3))
    x = wide.operands["input"].value
    function = {"relu": F.relu, "gelu": F.gelu, "silu": F.silu}[run.config.model.activation]
    close(active.value, function(x @ layer.wide.weight.T + layer.wide.bias))
    close(narrow.value, active.value @ layer.narrow.weight.T + layer.narrow.bias)


def test_stage_7_hands_over_what_the_encoder_ends_with(run: Run, trace: Trace) -> None:
    with torch.no_grad():
        close(stage_steps(trace, "keys_and_values", 0).value, run.model.encode(trace["source"].value).states)


def test_stages_10_and_11_have_the_models_logits_their_shares_and_the_loss(run: Run, trace: Trace) -> None:
    logits = hooked(run)["logits"]
    close(trace["logits"].value, logits)
    close(trace["probabilities"].value, logits.softmax(-1))
    wanted = torch.tensor([*sentence_of(run, SOURCE, TARGET).target_ids, EOS])
    close(trace["loss"].value, -logits[0].log_softmax(-1).gather(1, wanted[:, None]).mean())


def test_the_likeliest_token_is_the_one_that_the_run_writes(run: Run) -> None:
    trace = trace_of(run, "Save the file")
    (written,) = run.engine("torch").translate_ids([trace["source"].value[0].tolist()], run.decoding)
    tokens = trace["target"].value[0, 1:].tolist()
    assert tokens == list(written[0].tokens)
    shares = trace["probabilities"].value[0].clone()
    shares[:, [0, BOS]] = 0  # never written
    assert shares.argmax(-1)[: len(tokens)].tolist() == tokens
    assert trace.about["target"] == run.translate(["Save the file"])[0]


def stage_steps(trace: Trace, key: str, number: int) -> Any:
    stage = Walk(trace).stages()[STAGES.index(key)]
    return trace[stage.steps[number]]


# --- gradients ------------------------------------------------------------------------------------------------------


def test_our_gradients_equal_autograds_at_every_step_that_has_one(trace: Trace) -> None:
    held = [(step, gradient) for step, gradient in trace.gradients.items() if step.gradient is not None]
    assert len(held) > 50
    for step, gradient in held:
        torch.testing.assert_close(gradient, step.gradient, atol=1e-6, rtol=1e-4, msg=step.name)


def test_the_gradient_of_raw_scores_is_that_of_the_scaled_ones_divided_by_the_root(run: Run, trace: Trace) -> None:
    scaled = trace["decoder.0.cross_attention.scaled"]
    root = math.sqrt(run.config.model.d_model / run.config.model.heads)
    scores = trace["decoder.0.cross_attention.scores"]
    assert scaled.gradient is not None
    close(trace.gradients[scores] * root, scaled.gradient)
    explanation = trace.explain("decoder.0.cross_attention.scores[head=0, query=1, key=0]", backward=True)
    assert explanation.value == pytest.approx(float(scaled.gradient[0, 0, 1, 0]) / root, rel=1e-4)
    assert [cell.address for cell in explanation.operands] == [scaled.address((0, 0, 1, 0))]


# --- labels ---------------------------------------------------------------------------------------------------------


def test_tokens_label_positions_queries_keys_and_the_vocabulary(run: Run, trace: Trace) -> None:
    assert "".join(trace["source"].axes[1].labels or ()).replace("␣", " ") == " Save ⟨%s⟩ files<|end|>"
    labels = labels_of(run.tokenizer, ["%s"])
    read = tuple(labels[token] for token in trace["target"].value[0].tolist())
    asked = tuple(labels[token] for token in trace["source"].value[0].tolist())
    scores = trace[
        "decoder.1.cross_attention.scores"
        if run.config.model.decoder_layers > 1
        else "decoder.0.cross_attention.scores"
    ]
    assert [axis.name for axis in scores.axes] == ["batch", "head", "query", "key"]
    assert (scores.axes[2].labels, scores.axes[3].labels) == (read, asked)
    assert trace["decoder.0.self_attention.weights"].axes[3].labels == read
    for name in ("logits", "probabilities"):
        assert trace[name].axes[1].labels == read
        assert trace[name].axes[2].labels == tuple(labels)
    assert trace["embedding.weight"].axes[0].labels == tuple(labels)
    assert trace["source.positions"].axes[0].labels == asked


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("Ġfile", "␣file"),
        ("file", "file"),
        ("ä¿ĿåŃĺ", "保存"),
        ("ä¿", "<0xE4><0xBF>"),
        ("ä¿Ŀå", "保<0xE5>"),
        ("Ċ", "\\n"),
        ("<|end|>", "<|end|>"),
        (CHARACTERS[3], "⟨slot 3⟩"),
    ],
)
def test_tokens_are_told_as_a_person_reads_them(name: str, label: str) -> None:
    assert readable(name) == label


def test_whole_tokens_are_labelled_with_what_they_decode_to(plain: Run) -> None:
    names = plain.tokenizer.names()
    texts = plain.tokenizer.tokens(range(len(names)))
    for name, text in zip(names, texts, strict=True):
        if "\ufffd" not in text and text.isprintable() and name not in CHARACTERS:
            assert readable(name) == text.replace(" ", "␣")


# --- the walk -------------------------------------------------------------------------------------------------------


def test_the_walk_has_eleven_stages_with_the_models_numbers_in_both_languages(run: Run, trace: Trace) -> None:
    stages = Walk(trace).stages()
    assert [stage.number for stage in stages] == list(range(1, 12))
    for stage in stages:
        for language in LANGUAGES:
            assert stage.title(language).endswith(("?", "？"))
            assert any(character.isdigit() for character in stage.sentence(language))
            assert "{" not in stage.sentence(language)
        for name in stage.steps:
            assert name == trace[name].name
    facts = {stage.key: stage.facts for stage in stages}
    config = run.config.model
    assert facts["feed_forward"]["inner"] == config.feed_forward
    assert facts["cross_attention"]["layers"] == config.decoder_layers
    assert facts["encoder_attention"]["layers"] == config.encoder_layers
    assert facts["encoder_attention"]["root"] == pytest.approx(math.sqrt(config.d_model / config.heads))
    length = trace["target"].value.size(1)
    assert facts["decoder_attention"]["hidden"] == length * (length - 1) // 2
    assert facts["softmax"]["loss"] == float(trace["loss"].value)


def test_the_look_that_is_told_is_the_strongest_of_its_head(trace: Trace, run: Run) -> None:
    for head in range(run.config.model.heads):
        walk = Walk(trace, head=head)
        told = walk.look(walk.call("decoder", "cross_attention"))
        shares = trace["decoder.0.cross_attention.weights"].value[0, head]
        assert told["head"] == head
        assert told["share"] == float(shares.max())


def test_a_layer_that_one_side_lacks_is_its_last(trace: Trace, run: Run) -> None:
    last = max(run.config.model.encoder_layers, run.config.model.decoder_layers) - 1
    facts = {stage.key: stage.facts for stage in Walk(trace, layer=last).stages()}
    assert facts["encoder_attention"]["layer"] == run.config.model.encoder_layers - 1
    assert facts["cross_attention"]["layer"] == run.config.model.decoder_layers - 1


def test_a_saved_trace_walks_and_explains_as_before(trace: Trace, tmp_path: Path) -> None:
    trace.save(tmp_path / "pass.safetensors")
    again = Trace.load(tmp_path / "pass.safetensors")
    assert again.about == trace.about
    for before, after in zip(Walk(trace).stages(), Walk(again).stages(), strict=True):
        assert after == before
    address = "decoder.0.cross_attention.scores[head=0, query=1, key=2]"
    assert again.explain(address).exact == trace.explain(address).exact
    for before, after in zip(trace, again, strict=True):
        assert list(after.operands) == list(before.operands)
        assert after.axes == before.axes


def test_a_sentence_long_enough_for_the_fused_kernel_is_walked_alike(plain: Run) -> None:
    trace = trace_of(plain, "é" * 50, "Save")
    assert any(step.op == "scaled_dot_product_attention" for step in trace)
    (stage,) = [stage for stage in Walk(trace).stages() if stage.key == "encoder_attention"]
    weights = trace["encoder.0.self_attention.weights"].value
    torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:-1]))
    assert "encoder.0.self_attention.weights" in stage.steps


class Turning(MultiHeadAttention):
    """Turns queries and keys by an angle that grows with the position (rotary positions)."""

    def keys_and_values(self, asked: Tensor) -> tuple[Tensor, Tensor]:
        return turned(self.split(self.key(asked))), self.split(self.value(asked))

    def attend(self, asking: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None = None) -> Tensor:
        heads = attention(turned(self.split(self.query(asking))), key, value, allowed)
        return self.output(heads.transpose(1, 2).flatten(2))


def turned(x: Tensor) -> Tensor:
    angle = torch.arange(x.size(-2), dtype=x.dtype)[:, None]
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * angle.cos() - second * angle.sin(), first * angle.sin() + second * angle.cos()], dim=-1)


class WithoutVectors(Translator):
    """Adds no position vectors."""

    def embed(self, ids: Tensor, start: int = 0) -> Tensor:
        return self.dropout(self.embedding(ids) * math.sqrt(self.config.d_model))


def test_positions_that_are_turned_rather_than_added_are_told_so(tmp_path: Path) -> None:
    run = made(tmp_path / "turning")
    model = WithoutVectors(run.config.model, run.tokenizer.size)
    for module in model.modules():
        if isinstance(module, MultiHeadAttention):
            module.__class__ = Turning
    model.load_state_dict(run.model.state_dict())
    run.__dict__["model"] = model.eval()
    trace = trace_of(run, SOURCE, TARGET)
    stage = Walk(trace).stages()[2]
    assert stage.form == ".rotary"
    before = trace["encoder.0.self_attention.query"].value
    first, second = float(before[0, 1, 0]), float(before[0, 1, 2])  # d_k is 4: number 0 is paired with number 2
    assert stage.facts["word"] == first
    assert stage.facts["turned"] == pytest.approx(first * math.cos(1) - second * math.sin(1), rel=1e-4)
    assert all(stage.sentence(language) for stage in Walk(trace).stages() for language in LANGUAGES)
    assert "source.embedded" not in trace


def test_one_token_on_each_side_is_walked_as_well(plain: Run) -> None:
    for stage in Walk(trace_of(plain, "a", "b")).stages():
        assert stage.sentence("en")


def test_a_capture_leaves_the_model_as_it_was(plain: Run) -> None:
    before = {name: value.clone() for name, value in plain.model.state_dict().items()}
    plain.model.train()
    trace_of(plain, SOURCE, TARGET)
    assert plain.model.training
    plain.model.eval()
    assert all(torch.equal(value, before[name]) for name, value in plain.model.state_dict().items())
    assert all(parameter.grad is None for parameter in plain.model.parameters())


@pytest.mark.parametrize(
    ("text", "target", "says"),
    [
        ("  ", None, "the text is empty"),
        ("Save", " ", "the target is empty"),
        ("é" * 200, None, "at most 120"),
        ("Save", "é" * 200, "the target has"),
    ],
)
def test_what_cannot_be_read_is_told(plain: Run, text: str, target: str | None, says: str) -> None:
    with pytest.raises(TraceError, match=says):
        trace_of(plain, text, target)


@pytest.mark.parametrize(("layer", "head"), [(2, None), (-1, None), (0, 4), (0, -1)])
def test_a_layer_or_head_that_is_not_there_is_told(plain: Run, layer: int, head: int | None) -> None:
    with pytest.raises(TraceError, match="there is no"):
        Walk(trace_of(plain, SOURCE, TARGET), layer, head)


def test_both_languages_of_the_walk_say_everything() -> None:
    from string import Formatter

    def fields(sentence: str) -> Iterator[str]:
        return (name for _, name, _, _ in Formatter().parse(sentence) if name)

    english, chinese = (words(language) for language in LANGUAGES)
    assert list(english) == list(chinese)
    for key, sentence in english.items():
        assert set(fields(sentence)) == set(fields(chinese[key])), key


@pytest.mark.parametrize(
    ("changes", "added", "normalized"),
    [
        ({"norm": "none"}, True, False),
        ({"norm": "pre", "residual": False}, False, True),
        ({"norm": "none", "residual": False}, False, False),
    ],
    ids=str,
)
def test_a_network_without_residuals_or_norms_is_walked_and_says_so(
    changes: dict[str, Any], added: bool, normalized: bool, tmp_path: Path
) -> None:
    trace = trace_of(made(tmp_path / "run", **changes), SOURCE, TARGET)
    (stage,) = [stage for stage in Walk(trace).stages() if stage.key == "add_and_norm"]
    assert stage.steps[0].endswith("self_attention_residual.add") is added
    assert any("norm" in name for name in stage.steps[1:]) is normalized
    for language in LANGUAGES:
        assert "{" not in stage.sentence(language)
    assert ("no residual" in stage.sentence("en")) is not added
