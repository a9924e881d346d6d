"""Augmentation: what is drawn for an image depends on its key alone, and each change does what its name says."""

import pytest
import torch
from torch import Tensor

from pellucid.data.augment import AugmentationConfig, augmented, check_installed, is_installed
from pellucid.data.keyed import mixed, normals, uniforms
from pellucid.errors import ConfigError

MASK = (1 << 64) - 1


def splitmix64(number: int) -> int:
    """The mixing function as its authors write it, in Python's whole numbers."""
    number = (number ^ (number >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    number = (number ^ (number >> 27)) * 0x94D049BB133111EB & MASK
    return number ^ (number >> 31)


def test_bits_are_mixed_as_splitmix64_mixes_them() -> None:
    numbers = [0, 1, 2, 12345, (1 << 63) - 1]
    found = [number & MASK for number in mixed(torch.tensor(numbers)).tolist()]
    assert found == [splitmix64(number) for number in numbers]


def test_numbers_of_keys_are_uniform_and_independent() -> None:
    drawn = uniforms(3, torch.arange(40_000), 4)
    assert drawn.min() >= 0
    assert drawn.max() < 1
    torch.testing.assert_close(drawn.mean(0), torch.full((4,), 0.5), atol=0.01, rtol=0)
    torch.testing.assert_close(drawn.var(0), torch.full((4,), 1 / 12), atol=0.002, rtol=0)
    beside = torch.cat([drawn, uniforms(4, torch.arange(40_000), 4), drawn.roll(1, 0)], dim=1)
    assert (torch.corrcoef(beside.T) - torch.eye(12)).abs().max() < 0.025
    noise = normals(3, torch.arange(40_000), 1)
    assert abs(noise.mean().item()) < 0.02
    assert noise.std().item() == pytest.approx(1, abs=0.02)
    assert (noise.abs() > 1.959964).float().mean().item() == pytest.approx(0.05, abs=0.005)


def images(count: int = 6) -> Tensor:
    return torch.rand(count, 3, 12, 10, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("fields", [{"preset": "light"}, {"preset": "strong", "flip": "both"}])
def test_an_image_is_changed_in_the_same_way_whoever_asks(fields: dict[str, object]) -> None:
    config = AugmentationConfig.parse(fields)
    keys = torch.tensor([5, 9, 700, 12, 3, 8])
    together = augmented(images(), config, 1, keys)
    torch.manual_seed(123)
    torch.rand(7)
    alone = torch.cat([augmented(images()[n : n + 1], config, 1, keys[n : n + 1]) for n in range(6)])
    assert torch.equal(together, alone)
    assert not torch.equal(together, augmented(images(), config, 2, keys))
    assert not torch.equal(together, augmented(images(), config, 1, keys + 6))


def test_drawing_leaves_torchs_own_random_numbers_alone() -> None:
    state = torch.get_rng_state()
    augmented(images(), AugmentationConfig(preset="strong"), 1, torch.arange(6))
    assert torch.equal(torch.get_rng_state(), state)


def test_without_changes_images_stay_as_they_are() -> None:
    assert not AugmentationConfig().changes
    assert torch.equal(augmented(images(), AugmentationConfig(), 1, torch.arange(6)), images())


@pytest.mark.parametrize(("flip", "axes"), [("horizontal", [3]), ("vertical", [2])])
def test_every_other_image_is_mirrored_and_the_rest_is_as_it_was(flip: str, axes: list[int]) -> None:
    found = augmented(images(200), AugmentationConfig.parse({"flip": flip}), 1, torch.arange(200))
    mirrored = images(200).flip(axes)
    as_they_were = [torch.allclose(a, b, atol=1e-5) for a, b in zip(found, images(200), strict=True)]
    as_mirrored = [torch.allclose(a, b, atol=1e-5) for a, b in zip(found, mirrored, strict=True)]
    assert all(a != b for a, b in zip(as_they_were, as_mirrored, strict=True))
    assert 70 < sum(as_mirrored) < 130


def middle(image: Tensor) -> Tensor:
    """Where the brightness of an image has its middle: (row, column)."""
    places = torch.stack(torch.meshgrid(*(torch.arange(float(n)) for n in image.shape[1:]), indexing="ij"))
    return (places * image[0]).flatten(1).sum(1) / image.sum()


def dot(row: int, column: int) -> Tensor:
    image = torch.zeros(1, 1, 41, 41)
    image[0, 0, row - 1 : row + 2, column - 1 : column + 2] = 1
    return image.expand(64, -1, -1, -1)


def test_a_rotation_keeps_the_distance_from_the_middle_and_stays_within_its_degrees() -> None:
    found = augmented(dot(20, 32), AugmentationConfig(rotate=30), 1, torch.arange(64))
    away = torch.stack([middle(image) - 20 for image in found])
    torch.testing.assert_close(away.norm(dim=1), torch.full((64,), 12.0), atol=0.3, rtol=0)
    angles = torch.rad2deg(torch.atan2(away[:, 0], away[:, 1]))
    assert 20 < angles.abs().max() <= 31
    assert angles.min() < -10
    assert angles.max() > 10


def test_a_shift_is_at_most_its_share_of_the_side() -> None:
    found = augmented(dot(20, 20), AugmentationConfig(shift=0.2), 1, torch.arange(64))
    away = torch.stack([middle(image) - 20 for image in found])
    assert away.abs().max() <= 0.2 * 41 + 0.1
    assert (away.amax(0) > 4).all()
    assert (away.amin(0) < -4).all()


def test_a_crop_enlarges_and_shows_no_place_outside_of_the_image() -> None:
    found = augmented(torch.ones(64, 1, 20, 20), AugmentationConfig(crop=0.5), 1, torch.arange(64))
    torch.testing.assert_close(found, torch.ones(64, 1, 20, 20), atol=1e-5, rtol=0)
    sizes = augmented(dot(20, 20), AugmentationConfig(crop=0.5), 1, torch.arange(64)).sum((1, 2, 3))
    assert sizes.max() > 20  # of 9 pixels at first, up to four times as many


def test_brightness_adds_the_same_to_each_pixel_of_an_image() -> None:
    gray = torch.full((64, 1, 4, 4), 0.5)
    added = augmented(gray, AugmentationConfig(brightness=0.2), 1, torch.arange(64)) - 0.5
    assert torch.equal(added.amax((1, 2, 3)), added.amin((1, 2, 3)))
    assert 0.15 < added.max() <= 0.2
    assert -0.2 <= added.min() < -0.15


def test_noise_has_its_deviation() -> None:
    gray = torch.full((64, 1, 16, 16), 0.5)
    found = augmented(gray, AugmentationConfig(noise=0.05), 1, torch.arange(64)) - 0.5
    assert found.std().item() == pytest.approx(0.05, rel=0.05)


def test_what_is_needed_is_told_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_installed()
    check_installed(AugmentationConfig(preset="light"))
    monkeypatch.setattr("pellucid.data.augment.find_spec", lambda name: None)
    check_installed(AugmentationConfig())
    with pytest.raises(ConfigError, match="needs kornia") as error:
        check_installed(AugmentationConfig(preset="light"))
    assert "pellucid[images]" in error.value.mend
