"""The one training loop that VAE, SCAN and CNN share. Losses live beside their networks."""

import math
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial

import pandas as pd
import torch
from tqdm import tqdm

from .cpus import default_threads
from .factors import known_names


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How long and how fast to train."""

    epochs: int = 60  # passes over the training rows at most
    batch_size: int = 128  # rows per step
    learning_rate: float = 2e-3  # Adam's at its peak: it warms up over a tenth of the steps, then falls along a cosine to zero
    weight_decay: float = 0.0  # decoupled (AdamW)
    patience: int | None = None  # stop after so many epochs without a better validation loss; None never stops early

    def __post_init__(self):
        if self.epochs < 1 or self.batch_size < 1 or not self.learning_rate > 0:
            raise ValueError(f"epochs and batch_size must be at least 1 and learning_rate above 0; got {self}.")


def _budgets(epochs, batch_sizes, learning_rates, weight_decay):
    """Return the budgets of the three profiles."""
    rows = zip(("smoke", "workshop", "full"), epochs, batch_sizes, learning_rates, strict=True)
    return {name: Budget(epochs=e, batch_size=b, learning_rate=r, weight_decay=weight_decay) for name, e, b, r in rows}


# How long each profile trains: networks here, models of tables below; a Scan takes its 200 steps in every profile.
BUDGETS = {
    "VAE": _budgets((60, 160, 60), (64, 128, 128), (5e-3, 3e-3, 3e-3), weight_decay=0.1),
    "joint VAE": _budgets((8, 40, 40), (32, 64, 128), (3e-3, 3e-3, 3e-3), weight_decay=0.3),
    "CNN, beat": _budgets((4, 15, 30), (32, 64, 128), (3e-3, 2e-3, 2e-3), weight_decay=1e-2),
    "CNN, ten seconds": _budgets((3, 20, 30), (32, 64, 128), (3e-3, 3e-3, 3e-3), weight_decay=1e-2),
}
TABLE_BUDGETS = {
    "smoke": {"EBM": {"outer_bags": 1, "max_rounds": 50}, "boosting": {"max_iter": 30}},
    "workshop": {"EBM": {"outer_bags": 2, "max_rounds": 400}, "boosting": {"max_iter": 150}},
    "full": {"EBM": {"outer_bags": 8, "max_rounds": 2000}, "boosting": {"max_iter": 150}},
}


def budget_of(budget, network):
    """Return `budget` if it is a `Budget`, else that of a network of `BUDGETS` in the profile of this name."""
    if isinstance(budget, Budget):
        return budget
    if budget not in BUDGETS[network]:
        raise ValueError(f"budget must be a Budget or one of {', '.join(BUDGETS[network])}; got {budget!r}.")
    return BUDGETS[network][budget]


@contextmanager
def seeded_weights(seed):
    """Draw a network's first weights by `seed`, and leave torch's global random state as it was."""
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else []  # asking would start an idle GPU
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


@contextmanager
def torch_threads(n_threads=None):
    """Run torch with `n_threads`, else `cpus.default_threads`, and put the old number back afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads or default_threads())
    try:
        yield
    finally:
        torch.set_num_threads(before)


def as_device(name):
    """Return the `torch.device` of a name: "auto" is the GPU (CUDA or ROCm) if torch finds one, else the CPU."""
    wanted = name if name != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(wanted)
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError, TypeError) as error:  # unknown, not built in, not plugged in, or without values
        said = f'device must be "auto", "cpu" or one that torch finds here, such as "cuda"; got {name!r}'
        raise ValueError(f"{said} ({str(error).splitlines()[0]}).") from error
    return device


def train(
    network, loss, n_rows, budget, *, seed, validation_loss=None, progress=True, description="training", n_threads=None,
    device="cpu", precision="float32",
):  # fmt: skip
    """Minimise a loss over batches of rows; keep the weights of the best validation loss.

    Parameters
    ----------
    network : torch.nn.Module, trained in place; left in evaluation mode
    loss : callable
        ``loss(rows, generator)`` returns a dict of scalar tensors, means over the rows; ``"total"`` is minimised. `rows` is a
        LongTensor of numbers below `n_rows`, `generator` the torch.Generator for every random draw inside.
    n_rows, budget : int, Budget, number of training rows; how long and how fast
    seed : int, order of the rows and draws inside the loss; torch's global random state is not touched
    validation_loss : callable, optional
        ``validation_loss()`` returns a float, lower is better; called after each epoch in evaluation mode without gradients.
        With it the weights of the best epoch are kept, and `budget.patience` applies.
    progress, description : bool, str, whether to show a progress bar, and the text beside it
    n_threads : int, optional, of torch; default `cpus.default_threads`; networks of a few thousand weights are faster with one
    device : str, as for `as_device`
        Where the steps are taken; the network comes back to the CPU. The order of the rows is the same on each device; on a GPU
        `generator` is another, on that device, and so is every tensor that a loss makes anew. Both repeat what they did.
    precision : {"float32", "bfloat16"}, of products and convolutions: bfloat16 is faster where the hardware has it, and rounds

    Returns
    -------
    DataFrame, one row per epoch
        Means of the loss terms, and ``validation`` where it was measured. A loss that is not finite is a FloatingPointError.
    """
    if n_rows < 1:
        raise ValueError(f"{description}: no rows to train on.")
    device = as_device(device)
    network.to(device)
    generator = torch.Generator().manual_seed(seed)
    draws = generator if device.type == "cpu" else torch.Generator(device).manual_seed(seed)

    optimiser = torch.optim.AdamW(network.parameters(), lr=budget.learning_rate, weight_decay=budget.weight_decay, fused=True)
    n_batches = -(-n_rows // budget.batch_size)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, partial(_share_of_peak, n_steps=budget.epochs * n_batches))
    history, best, best_weights, best_epoch = [], float("inf"), None, 0
    bar = tqdm(range(budget.epochs), desc=description, unit="epoch", disable=not progress, leave=False, mininterval=0.5)
    repeatable = torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=torch.backends.cudnn.allow_tf32)
    with torch_threads(n_threads), repeatable, bar:
        for epoch in bar:
            batches = torch.randperm(n_rows, generator=generator).to(device).tensor_split(n_batches)
            means = _one_epoch(network, loss, batches, schedule, draws, precision, f"{description}, epoch {epoch + 1}")
            if validation_loss is not None:
                with torch.no_grad(), _made_on(device):
                    means["validation"] = float(validation_loss())
                if means["validation"] < best:
                    best, best_epoch = means["validation"], epoch
                    best_weights = {name: values.clone() for name, values in network.state_dict().items()}
            history.append(means)
            bar.set_postfix({name: f"{value:.3g}" for name, value in means.items()}, refresh=False)
            if budget.patience is not None and validation_loss is not None and epoch - best_epoch >= budget.patience:
                break
    if best_weights is not None:
        network.load_state_dict(best_weights)
    network.cpu()
    return pd.DataFrame(history).rename_axis("epoch")


@contextmanager
def _made_on(device, precision="float32"):
    """Have torch make tensors on a device, which on the CPU it does without being told, and compute in a precision."""
    known_names([precision], ("float32", "bfloat16"), "precision")
    is_rounded = torch.autocast(device.type, torch.bfloat16) if precision == "bfloat16" else nullcontext()
    with nullcontext() if device.type == "cpu" else device, is_rounded:
        yield


def _one_epoch(network, loss, batches, schedule, generator, precision, where):
    """Take one step for each batch of rows; return the mean of each loss term over all rows."""
    network.train()
    taken, parameters = [], list(network.parameters())
    for rows in batches:
        with _made_on(generator.device, precision):
            terms = loss(rows, generator)
        schedule.optimizer.zero_grad()
        terms["total"].backward()
        torch.nn.utils.clip_grad_norm_(parameters, 5.0)
        schedule.optimizer.step()
        schedule.step()
        taken.append(torch.stack([value.detach() for value in terms.values()]))
    network.eval()
    sizes = torch.tensor([len(rows) for rows in batches]).double()
    taken = torch.stack(taken).cpu().double()  # read here alone: a GPU would wait at each step
    means = dict(zip(terms, (sizes @ taken / sizes.sum()).tolist()))
    if not math.isfinite(means["total"]):
        raise FloatingPointError(f"{where}: the loss is {means['total']}; lower learning_rate or look for NaN.")
    return means


def _share_of_peak(step, n_steps):
    """Learning rate of a step as a share of its peak: a line up over a tenth of the steps, then half a cosine down."""
    n_up = max(1, n_steps // 10)
    if step < n_up:
        return (step + 1) / n_up
    return 0.5 * (1 + math.cos(math.pi * (step - n_up) / max(1, n_steps - n_up)))
