"""Dagster's view of the platform: thin assets, checks and automation over the domain."""

import warnings

from dagster import BetaWarning, PreviewWarning

# Multi-partition mappings and partitioned checks are marked beta and preview; versions are pinned, and a test holds
# the mappings against the domain's own graph. One warning for each of the uses would bury the log.
warnings.filterwarnings("ignore", category=BetaWarning)
warnings.filterwarnings("ignore", category=PreviewWarning)
