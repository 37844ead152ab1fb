"""Augmentation: each change alone does what its name says, and nothing else."""

import numpy as np
import pytest
import torch

from vaescan_lite.ecg import DOWER
from vaescan_lite.vae.augmentation import Augmentation, read_between_samples, rotation_matrices, stretched_positions

STILL = {"turn_deg": 0.0, "gain": 0.0, "lead_gain": 0.0, "pr": 0.0, "qt": 0.0, "qrs": 0.0, "jitter_s": 0.0}


def only(**change):
    """Augmentation of which all is zero but what is named."""
    augmentation = Augmentation(100, 40)
    vars(augmentation).update(STILL | change)
    return augmentation


def changed(x, seed=0, **change):
    augmentation = only(**change)
    return augmentation.apply(x, augmentation.draw(len(x), x.shape[-1], torch.Generator().manual_seed(seed)))


@pytest.fixture
def x():
    return torch.randn((6, 8, 96), generator=torch.Generator().manual_seed(3))


def test_nothing_changes_when_every_change_is_zero(x):
    torch.testing.assert_close(changed(x), x, atol=1e-5, rtol=0)


def test_a_turn_keeps_what_no_dipole_can_make(x):
    dipolar = torch.as_tensor(DOWER @ np.linalg.pinv(DOWER), dtype=torch.float32)
    turned = changed(x, turn_deg=20.0)
    torch.testing.assert_close(turned - dipolar @ turned, x - dipolar @ x, atol=1e-4, rtol=0)
    assert (turned - x).abs().max() > 0.1


def test_a_turn_keeps_the_length_of_the_dipole(x):
    inverse = torch.as_tensor(np.linalg.pinv(DOWER), dtype=torch.float32)
    torch.testing.assert_close(
        (inverse @ changed(x, turn_deg=20.0)).norm(dim=1), (inverse @ x).norm(dim=1), atol=1e-4, rtol=1e-4
    )


def test_rotations_agree_with_the_matrix_exponential():
    turns = torch.randn((5, 3), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    cross = torch.zeros((5, 3, 3), dtype=torch.float64)
    for i, j, k, sign in ((0, 1, 2, -1), (0, 2, 1, 1), (1, 0, 2, 1), (1, 2, 0, -1), (2, 0, 1, -1), (2, 1, 0, 1)):
        cross[:, i, j] = sign * turns[:, k]
    torch.testing.assert_close(rotation_matrices(turns).double(), torch.linalg.matrix_exp(cross), atol=1e-6, rtol=0)


def test_no_turn_is_the_identity():
    torch.testing.assert_close(rotation_matrices(torch.zeros(1, 3))[0], torch.eye(3))


def test_a_gain_is_one_factor_for_all_leads_and_a_lead_gain_one_for_each(x):
    whole, each = changed(x, gain=0.3) / x, changed(x, lead_gain=0.3) / x
    torch.testing.assert_close(whole, whole[:, :1, :1].expand_as(whole), atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(each, each[:, :, :1].expand_as(each), atol=1e-3, rtol=1e-3)
    assert each[0, :, 0].std() > 0.05


@pytest.mark.parametrize(("change", "moved"), [("pr", slice(0, 34)), ("qt", slice(47, 96))])
def test_warps_leave_the_qrs_and_the_other_side_alone(x, change, moved):
    after = changed(x, **{change: 0.2})
    different = (after - x).abs().amax(dim=(0, 1)) > 1e-4
    assert different[moved].any()
    different[moved] = False
    assert not different.any()


def test_a_qrs_warp_changes_its_width_and_shifts_what_surrounds_it(x):
    augmentation = only(qrs=0.2)
    _, positions = augmentation.draw(6, 96, torch.Generator().manual_seed(0))
    speed = positions.diff(dim=1)
    torch.testing.assert_close(speed[:, 34:46], speed[:, 40:41].expand(6, 12))  # one factor from 60 ms before R to 60 ms after
    torch.testing.assert_close(speed[:, :34], torch.ones(6, 34))
    torch.testing.assert_close(speed[:, 46:], torch.ones(6, 49))
    torch.testing.assert_close(positions[:, 40], torch.full((6,), 40.0))
    assert speed[:, 40].std() > 0.05


def test_a_pr_warp_moves_the_p_wave_by_the_drawn_factor():
    time = torch.arange(96.0)
    p_wave = torch.exp(-0.5 * ((time - 22) / 3) ** 2).expand(40, 8, 96)  # 18 samples before R, 12 before the QRS
    augmentation = only(pr=0.15)
    draw = augmentation.draw(40, 96, torch.Generator().manual_seed(0))
    after = augmentation.apply(p_wave.contiguous(), draw)
    positions = draw[1]
    expected = (positions - 22).abs().argmin(dim=1)
    assert (after[:, 0].argmax(dim=1) - expected).abs().max() <= 1
    assert expected.unique().numel() > 3


def test_reading_between_samples_is_exact_for_parabolas():
    # Keys' kernel reproduces second-degree polynomials away from the ends.
    t = torch.arange(20.0)
    positions = torch.linspace(2, 17, 31).reshape(1, -1)
    parabola = (0.1 * t**2 - t + 3).reshape(1, 1, -1)
    torch.testing.assert_close(read_between_samples(parabola, positions)[0], 0.1 * positions**2 - positions + 3)


def test_gradients_of_a_stretched_beat_agree_with_finite_differences():
    generator = torch.Generator().manual_seed(0)
    x, log_factors = (torch.randn(shape, generator=generator, dtype=torch.float64) for shape in ((2, 3, 8), (2, 4)))
    inputs = (x.requires_grad_(), (0.1 * log_factors).requires_grad_())
    assert torch.autograd.gradcheck(lambda x, f: read_between_samples(x, stretched_positions(8, 20.0, 3, f)), inputs)


def test_reading_outside_the_window_gives_the_ends():
    x = torch.arange(5.0).reshape(1, 1, 5)
    assert read_between_samples(x, torch.tensor([[-3.0, 9.0]])).flatten().tolist() == [0.0, 4.0]


def test_the_same_generator_gives_the_same_draw(x):
    settings = {"turn_deg": 10.0, "gain": 0.1, "pr": 0.1, "jitter_s": 0.01}
    assert torch.equal(changed(x, seed=5, **settings), changed(x, seed=5, **settings))
    assert not torch.equal(changed(x, seed=5, **settings), changed(x, seed=6, **settings))
