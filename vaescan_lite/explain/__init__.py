"""What a model looks at, in waves and in latents, and what an explanation has to keep."""

from .effects import association_table, decoded_effects, latent_effects, left_out
from .four_requirements import requirements
from .gradients import wave_contributions
from .latents import contributions, traversal, traversal_shares
from .page import Report, report
from .published import PUBLISHED_SIGNS, compare_with_published, in_words
from .readers import fit_readers
from .verdicts import compare_matched, say_verdicts, summary, trade_off
from .waves import GROUPS, SEGMENTS_S, group_masks

__all__ = [
    "GROUPS", "PUBLISHED_SIGNS", "Report", "SEGMENTS_S", "association_table", "compare_matched", "compare_with_published",
    "contributions", "decoded_effects", "fit_readers", "group_masks", "in_words", "latent_effects", "left_out",
    "report", "requirements", "say_verdicts", "summary", "trade_off", "traversal", "traversal_shares", "wave_contributions",
]  # fmt: skip
