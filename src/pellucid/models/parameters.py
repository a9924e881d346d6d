"""The numbers of a network that training sets: how many there are, and which of them are weight matrices."""

from torch import nn

TABLES = (nn.Embedding, nn.EmbeddingBag)
MULTIPLYING = (nn.Linear, nn.Bilinear, nn.modules.conv._ConvNd)


def count_parameters(model: nn.Module) -> int:
    """Trained numbers, a tied table counted once."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def weight_matrices(model: nn.Module) -> dict[str, nn.Parameter]:
    """The trained weights that multiply what comes in, by name: of linear, convolutional and recurrent layers.

    Biases, norms and embedding tables are none: a bias or a norm moves and stretches what comes out and cannot follow
    single examples, and a row of a table is seen only where its token is. A network of tables alone (word vectors) has
    nothing but these, and there they are the matrices.
    """
    tied = {id(module.weight) for module in model.modules() if isinstance(module, TABLES)}
    found: dict[str, nn.Parameter] = {}
    for kind in (MULTIPLYING, TABLES):
        for place, module in model.named_modules():
            if isinstance(module, kind) and (kind is TABLES or id(module.weight) not in tied):
                weight = module.weight
                if isinstance(weight, nn.Parameter) and weight.requires_grad:
                    found[f"{place}.weight" if place else "weight"] = weight
            elif kind is MULTIPLYING and isinstance(module, nn.RNNBase):
                for name, weight in module.named_parameters(recurse=False):
                    if weight.dim() == 2 and weight.requires_grad:
                        found[f"{place}.{name}" if place else name] = weight
        if found:
            return found
    return found
