"""How factors go together with each other, with what is measured and with latents: coding, correlation, robust regression."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from scipy import stats

from ..vae.network import gaussian_kl

CONTINUOUS = ("age_years",)
# People with and people without a factor that an association needs. With 25 among many, half its interval is t(24) / sqrt(25) =
# 0.41 SD of the response (25 on either side: 0.57), so that an effect of about half an SD can be told from none. Our choice;
# the benchmark asks as many of a task.
FEWEST = 25
STEP = {"age_years": 10.0}  # effects of a continuous factor are quoted for this step, in its unit


@dataclass(frozen=True)
class FactorCoding:
    """Standard scores of factors, and how the factors go together."""

    names: tuple  # of str
    continuous: np.ndarray  # bool, (n_factors,): which are measured on a scale; the others are 0 or 1
    mean: np.ndarray  # (n_factors,), of the known values, in the unit of the factor
    sd: np.ndarray  # likewise
    correlation: np.ndarray  # (n_factors, n_factors), shrunk

    @classmethod
    def of(cls, table, continuous=CONTINUOUS):
        """Learn the coding from a table (n_ecgs, n_factors); NaN is unknown, `continuous` names the factors on a scale."""
        names = tuple(table.columns)
        is_continuous = np.array([name in continuous for name in names], dtype=bool)
        values = checked_values(table, is_continuous)
        for name, column in zip(names, values.T):
            levels = np.unique(column[np.isfinite(column)])
            if len(levels) < 2:
                what = f"is {levels[0]:g} in all of them" if len(levels) else "is not known in any of them"
                raise ValueError(f"factor {name} cannot be learnt from these {len(values)} ECGs: it {what}. Leave it out.")
        mean, sd = np.nanmean(values, axis=0), np.nanstd(values, axis=0)
        return cls(names, is_continuous, mean, sd, shrunk_correlation((values - mean) / sd))

    def scores(self, values):
        """Return standard scores (0 where unknown) and the mask of the known, both of shape (n_ecgs, n_factors)."""
        known = np.isfinite(values)
        return np.where(known, (np.nan_to_num(values) - self.mean) / self.sd, 0.0), known

    def one_at_a_time(self, levels):
        """Return a table whose row j knows factor j only, at ``levels[j]``."""
        return pd.DataFrame(np.where(np.eye(len(self.names), dtype=bool), levels, np.nan), columns=list(self.names))

    @property
    def step(self):
        """The change an effect is quoted for, in SD: from no to yes, or ten years."""
        is_scale = zip(self.names, self.continuous, self.sd)
        return np.array([STEP.get(name, sd) if continuous else 1.0 for name, continuous, sd in is_scale]) / self.sd

    @property
    def contrast(self):
        """Name of that change for each factor."""
        of_scale = {name: f"+{STEP[name]:g}" if name in STEP else "+1 SD" for name in self.names}
        return tuple(of_scale[name] if continuous else "yes - no" for name, continuous in zip(self.names, self.continuous))


def checked_values(table, is_continuous):
    """Return the values of a factor table as float; other values than 0 and 1 in a binary factor are an error."""
    try:
        values = table.to_numpy(dtype=float, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise ValueError(f"factors must be numbers (1, 0, years) or NaN: {error}.") from error
    for name, column, scale in zip(table.columns, values.T, is_continuous):
        if np.isinf(column).any():
            raise ValueError(f"factor {name} holds an infinite value; use NaN for unknown.")
        wrong = np.unique(column[np.isfinite(column) & ~np.isin(column, (0.0, 1.0))])
        if not scale and len(wrong):
            found = ", ".join(f"{value:g}" for value in wrong[:5])
            raise ValueError(f"factor {name} is binary (`continuous` does not name it) and must be 0, 1 or NaN; found {found}.")
    return values


def shrunk_correlation(scores):
    """Return the correlation matrix of scores with gaps (NaN), shrunk towards the identity, smallest eigenvalue at least 0.001.

    Pairs use the rows where both are known. The intensity of the shrinkage is that of Schaefer and Strimmer (Stat Appl Genet
    Mol Biol 2005;4:32, doi:10.2202/1544-6115.1175): ``sum Var(r) / sum r^2`` over the pairs, with ``Var(r) = (1 - r^2)^2 / n``.
    """
    n_columns = scores.shape[1]
    r = np.eye(n_columns)
    n_pairs = np.isfinite(scores).astype(float).T @ np.isfinite(scores)
    if n_columns > 1:
        r = np.nan_to_num(pd.DataFrame(scores).corr(min_periods=3).to_numpy(), nan=0.0)
        np.fill_diagonal(r, 1.0)
        pairs = np.triu_indices(n_columns, 1)
        squares = (r[pairs] ** 2).sum()
        noise = ((1 - r[pairs] ** 2) ** 2 / np.maximum(n_pairs[pairs], 3)).sum()
        r *= 1 - min(1.0, noise / squares) if squares > 0 else 0.0
        np.fill_diagonal(r, 1.0)
    eigenvalues, vectors = np.linalg.eigh(r)
    if eigenvalues[0] < 1e-3:  # pairs from different rows, or factors that determine each other
        r = (vectors * np.maximum(eigenvalues, 1e-3)) @ vectors.T
        scale = np.sqrt(np.diag(r))
        r /= np.outer(scale, scale)
    return r


def conditional_mean(scores, known, correlation):
    """Replace the unknown scores (n_rows, n_factors) by their expectation given the known ones, all jointly normal."""
    filled = scores.copy()
    patterns, which = np.unique(known, axis=0, return_inverse=True)
    for number, pattern in enumerate(patterns):
        if pattern.any() and not pattern.all():
            rows = np.flatnonzero(which.ravel() == number)
            weights = np.linalg.solve(correlation[np.ix_(pattern, pattern)], correlation[np.ix_(pattern, ~pattern)])
            filled[np.ix_(rows, ~pattern)] = scores[np.ix_(rows, pattern)] @ weights
    return filled


def robust_effects(design, responses, column):
    """Return the least-squares effect of one column of a design on each response, its standard error, and degrees of freedom.

    Standard errors are HC2, degrees of freedom those of Bell and McCaffrey (Imbens and Kolesar, Rev Econ Stat 2016;98:701-712,
    doi:10.1162/REST_a_00552); with one binary column the statistic is Welch's t. Factors that few people have are thus tested
    with as few degrees of freedom as they deserve. NaN where the column cannot be told from the others.
    """
    n_rows, n_columns = design.shape
    undetermined = np.full(responses.shape[1], np.nan), np.full(responses.shape[1], np.nan), np.nan
    if n_rows <= n_columns:
        return undetermined
    gram_inverse = np.linalg.pinv(design.T @ design, hermitian=True)
    covariates = np.delete(design, column, axis=1)
    own = design[:, column] - covariates @ np.linalg.lstsq(covariates, design[:, column], rcond=None)[0]
    if (own**2).sum() < 1e-8 * n_rows * max(design[:, column].var(), 1e-12):
        return undetermined
    coefficients = gram_inverse @ (design.T @ responses)
    residuals = responses - design @ coefficients
    leverage = np.einsum("ij,jk,ik->i", design, gram_inverse, design)
    weight = own / (own**2).sum()  # the coefficient is weight @ responses
    free = 1 - leverage > 1e-9  # a row with leverage 1 is fitted exactly and says nothing about the noise
    b = np.where(free, weight / np.sqrt(np.where(free, 1 - leverage, 1.0)), 0.0)
    standard_error = np.sqrt((b[:, None] ** 2 * residuals**2).sum(axis=0))
    # trace and squared Frobenius norm of diag(b) (I - H) diag(b)
    spread = np.einsum("i,ij,ik->jk", b**2, design, design) @ gram_inverse
    squared_trace = (b**2 * (1 - leverage)).sum() ** 2
    squared_norm = (b**4 * (1 - 2 * leverage)).sum() + np.trace(spread @ spread)
    return weight @ responses, standard_error, float(squared_trace / squared_norm)


def bootstrapped_slopes(filled, responses, n_draws, seed):
    """Return least-squares slopes (n_draws, n_factors, n_responses) on all factors together, in a Bayesian bootstrap.

    Rows get exponential weights instead of counts, so a rare factor never vanishes from a draw (Rubin, Ann Stat 1981;9:130-134,
    doi:10.1214/aos/1176345338).
    """
    rng = np.random.default_rng(seed)
    design = np.hstack([np.ones((len(filled), 1)), filled])
    slopes = []
    for _ in range(n_draws):
        weighted = design * rng.standard_exponential(len(design))[:, None]
        slopes.append(np.linalg.lstsq(weighted.T @ design, weighted.T @ responses, rcond=None)[0][1:])
    return np.array(slopes)


def benjamini_hochberg(p):
    """Adjust p values so that they control the false discovery rate; NaN stays NaN and is not counted."""
    q = np.array(p, dtype=float)
    tested = np.isfinite(q)
    q[tested] = stats.false_discovery_control(q[tested])
    return q


def associate(responses, coding, values):
    """Tabulate partial and marginal effects of every factor on every response (latents or measurements, NaN is unknown).

    Partial: all factors together in one linear regression, unknown other factors filled in by their expectation.
    Marginal: the factor alone. Rows where the factor itself, or the response, is unknown are left out.

    Columns: ``factor``, ``response``, ``contrast`` (the change of the factor the effect is quoted for), ``n`` and ``n_with``
    (rows used, and those with the factor); ``partial``, ``partial_se``, ``partial_low``, ``partial_high`` (95 %),
    ``partial_p``, ``partial_q``, and the same for ``marginal``; effects in the unit of the response. The q values are
    Benjamini and Hochberg's over the whole table.
    """
    scores, known = coding.scores(values)
    filled = conditional_mean(scores, known, coding.correlation)
    matrix = responses.to_numpy(dtype=float)
    measured = np.isfinite(matrix)
    patterns, pattern_of = np.unique(measured, axis=1, return_inverse=True)  # responses that share their gaps
    records = []
    for j, (name, step) in enumerate(zip(coding.names, coding.step)):
        for number in range(patterns.shape[1]):
            rows = known[:, j] & patterns[:, number]
            columns = np.flatnonzero(pattern_of.ravel() == number)
            y = matrix[np.ix_(rows, columns)]
            ones = np.ones((rows.sum(), 1))
            effects = {
                "partial": robust_effects(np.hstack([ones, filled[rows]]), y, j + 1),
                "marginal": robust_effects(np.hstack([ones, scores[rows, j : j + 1]]), y, 1),
            }
            n_with = int(rows.sum() if coding.continuous[j] else (values[rows, j] == 1).sum())
            for place, column in enumerate(columns):
                record = {"factor": name, "response": responses.columns[column], "contrast": coding.contrast[j]}
                record.update(n=int(rows.sum()), n_with=n_with)
                for kind, (effect, error, dof) in effects.items():
                    record.update(_tested(kind, step * effect[place], step * error[place], dof))
                records.append((j, column, record))
    records.sort(key=lambda item: item[:2])
    table = pd.DataFrame([record for _, _, record in records])
    for kind in ("partial", "marginal"):
        table.insert(table.columns.get_loc(f"{kind}_p") + 1, f"{kind}_q", benjamini_hochberg(table[f"{kind}_p"]))
    return table


def where_enough(table, fewest=FEWEST):
    """Blank the effects of a table of `associate` that too few people speak of, and say so in a column ``enough``.

    The rule looks at counts alone, so the q values are taken anew over what is left: `fewest` people who have the response with
    the factor, and as many without it; twice as many of a factor on a scale.
    """
    on_scale = table["contrast"] != "yes - no"
    fewer = np.minimum(table["n_with"], table["n"] - table["n_with"]).where(~on_scale, table["n"] // 2)
    table = table.assign(enough=fewer >= fewest)
    effects = [name for name in table.columns if name.split("_")[0] in ("partial", "marginal")]
    table.loc[~table["enough"], effects] = np.nan
    for kind in ("partial", "marginal"):
        table[f"{kind}_q"] = benjamini_hochberg(table[f"{kind}_p"])
    return table


def _tested(kind, effect, error, dof):
    """Return columns of a table: interval and p value of one effect by the t distribution."""
    reach = stats.t.ppf(0.975, dof) * error if np.isfinite(error) and dof > 0 else np.nan
    p = 2 * stats.t.sf(abs(effect) / error, dof) if error > 0 else np.nan
    return {
        kind: effect, f"{kind}_se": error, f"{kind}_low": effect - reach, f"{kind}_high": effect + reach, f"{kind}_p": p,
    }  # fmt: skip


def latent_associations(scan, fewest):
    """Make the table of `Scan.associations`.

    The effects are those of the encoder. The intervals and tests of the least-squares effects are shrunk like them by
    ``lam / (lam + beta_y v)``, with v the variance within a concept.
    """
    table, coding = scan.effects_.copy(), scan.coding_
    with torch.no_grad():
        within = np.exp(scan.encoder_.log_variance.numpy().astype(float))
    n_factors = len(coding.names)
    shrinkage = np.tile(scan.lam / (scan.lam + scan.beta_y * within), n_factors)
    scale = np.tile(scan.aggregated_sd_, n_factors)  # rows are factor by factor, all latents of each
    for kind, unspecified in (("partial", "average"), ("marginal", "observe")):
        without, with_factor = scan.contrast_latents(unspecified)
        effect = (with_factor - without).ravel() / scale
        reach = (table[f"{kind}_high"] - table[kind]) * shrinkage / scale
        table[f"{kind}_se"] *= shrinkage / scale
        table[kind], table[f"{kind}_low"], table[f"{kind}_high"] = effect, effect - reach, effect + reach
    present = np.where(coding.continuous, coding.mean + coding.step * coding.sd, 1.0)
    mu, logvar = scan.factors_to_latents(coding.one_at_a_time(present))
    mu_0, logvar_0 = scan.factors_to_latents({})  # of nobody in particular
    table["sd_ratio"] = np.exp(0.5 * (logvar - logvar_0)).ravel()
    parts = (torch.as_tensor(np.broadcast_to(part, mu.shape).copy()) for part in (mu, logvar, mu_0, logvar_0))
    table["divergence_nats"] = gaussian_kl(*parts).numpy().ravel()
    table["log_odds"] = np.nan
    if scan.decoder == "affine":
        log_odds = scan.decoder_.affine.weight.detach().numpy().astype(float)
        table["log_odds"] = (log_odds / scan.decoder_.scale.numpy() * scan.aggregated_sd_).ravel()
    return where_enough(table, fewest)
