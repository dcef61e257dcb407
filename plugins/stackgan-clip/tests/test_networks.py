"""The towers against published counts, and against the formulas of the paper written out by hand."""

from __future__ import annotations

import torch
from stackgan_clip.networks import Architecture, ClipNetwork
from torch import Tensor


def shapes(sizes: Architecture) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        return {name: tuple(each.shape) for name, each in ClipNetwork(sizes).state_dict().items()}


def count(sizes: Architecture) -> int:
    return sum(torch.Size(shape).numel() for shape in shapes(sizes).values())


def test_the_published_models_have_as_many_weights_as_published() -> None:
    assert count(Architecture()) == 151_277_313
    assert count(Architecture(patch=16, grid=14)) == 149_620_737
    large = Architecture(width=768, picture_width=1024, picture_layers=24, patch=14, grid=16, text_width=768)
    assert count(large) == 427_616_513


def test_vit_b_32_has_the_published_names_and_shapes() -> None:
    found = shapes(Architecture())
    assert len(found) == 302
    expected = {
        "positional_embedding": (77, 512),
        "text_projection": (512, 512),
        "logit_scale": (),
        "visual.class_embedding": (768,),
        "visual.positional_embedding": (50, 768),
        "visual.proj": (768, 512),
        "visual.conv1.weight": (768, 3, 32, 32),
        "visual.ln_pre.weight": (768,),
        "visual.transformer.resblocks.11.attn.in_proj_weight": (2304, 768),
        "visual.transformer.resblocks.0.attn.in_proj_bias": (2304,),
        "visual.transformer.resblocks.0.attn.out_proj.weight": (768, 768),
        "visual.transformer.resblocks.0.mlp.c_fc.weight": (3072, 768),
        "visual.transformer.resblocks.0.mlp.c_proj.weight": (768, 3072),
        "visual.ln_post.bias": (768,),
        "transformer.resblocks.11.attn.in_proj_weight": (1536, 512),
        "transformer.resblocks.11.ln_2.weight": (512,),
        "token_embedding.weight": (49408, 512),
        "ln_final.weight": (512,),
    }
    assert {name: found[name] for name in expected} == expected
    assert Architecture().side == 224


def test_pictures_and_captions_are_described_as_by_hand(sizes: Architecture, state: dict[str, Tensor]) -> None:
    network = ClipNetwork(sizes)
    network.load_state_dict(state)
    images = torch.randn(2, 3, sizes.side, sizes.side, generator=torch.Generator().manual_seed(1))
    tokens = torch.tensor([[521, 3, 70, 522, 0, 0, 0, 0, 0, 0, 0, 0], [521, 9, 3, 3, 40, 8, 4, 400, 5, 6, 7, 522]])
    with torch.no_grad():
        assert torch.allclose(network.pictures(images).double(), pictures_by_hand(state, images), atol=1e-4)
        assert torch.allclose(network.captions(tokens).double(), captions_by_hand(state, tokens), atol=1e-4)


def pictures_by_hand(state: dict[str, Tensor], images: Tensor) -> Tensor:
    state = {name: each.double() for name, each in state.items()}
    kernel = state["visual.conv1.weight"]
    found = []
    for image in images.double():
        patches = [
            (kernel * image[:, row : row + 8, column : column + 8]).sum((1, 2, 3))
            for row in range(0, 24, 8)
            for column in range(0, 24, 8)
        ]
        tokens = torch.stack([state["visual.class_embedding"], *patches]) + state["visual.positional_embedding"]
        tokens = normal(tokens, state, "visual.ln_pre")
        tokens = transformer_by_hand(tokens, state, "visual.transformer", blind=False)
        found.append(normal(tokens[:1], state, "visual.ln_post")[0] @ state["visual.proj"])
    return torch.stack(found)


def captions_by_hand(state: dict[str, Tensor], captions: Tensor) -> Tensor:
    state = {name: each.double() for name, each in state.items()}
    found = []
    for caption in captions:
        # What stands behind the end is not even looked at.
        numbers = caption.tolist()
        numbers = numbers[: numbers.index(522) + 1]
        tokens = state["token_embedding.weight"][numbers] + state["positional_embedding"][: len(numbers)]
        tokens = transformer_by_hand(tokens, state, "transformer", blind=True)
        found.append(normal(tokens[-1:], state, "ln_final")[0] @ state["text_projection"])
    return torch.stack(found)


def transformer_by_hand(tokens: Tensor, state: dict[str, Tensor], name: str, *, blind: bool) -> Tensor:
    for layer in range(2):
        block = f"{name}.resblocks.{layer}"
        before = normal(tokens, state, f"{block}.ln_1")
        both = before @ state[f"{block}.attn.in_proj_weight"].T + state[f"{block}.attn.in_proj_bias"]
        heads = []
        for query, key, value in zip(*(part.split(64, dim=1) for part in both.chunk(3, dim=1)), strict=True):
            fits = query @ key.T / 8
            if blind:
                fits = fits.masked_fill(torch.ones_like(fits).triu(1).bool(), -torch.inf)
            heads.append(fits.exp() / fits.exp().sum(1, keepdim=True) @ value)
        seen = torch.cat(heads, dim=1) @ state[f"{block}.attn.out_proj.weight"].T
        tokens = tokens + seen + state[f"{block}.attn.out_proj.bias"]
        wide = normal(tokens, state, f"{block}.ln_2") @ state[f"{block}.mlp.c_fc.weight"].T
        wide = wide + state[f"{block}.mlp.c_fc.bias"]
        wide = wide / (1 + (-1.702 * wide).exp())
        tokens = tokens + wide @ state[f"{block}.mlp.c_proj.weight"].T + state[f"{block}.mlp.c_proj.bias"]
    return tokens


def normal(tokens: Tensor, state: dict[str, Tensor], name: str) -> Tensor:
    middle = tokens - tokens.mean(1, keepdim=True)
    scaled = middle / (middle.square().mean(1, keepdim=True) + 1e-5).sqrt()
    return scaled * state[f"{name}.weight"] + state[f"{name}.bias"]
