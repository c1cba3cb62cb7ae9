"""Names of the files inside published versions, said once for those who write and those who read them.

Rasters and arrays are named where they are made: `protocol.LAND_COVER_FILE`, `mosaic_arrays.MOSAIC_NAME`,
`mapbiomas.LABEL_NAME`, `patches.STORE_NAME` and `INDEX_NAME`.
"""

AUDIT_FILE = "audit.json"
AUDIT_PAGE = "audit.html"
CANDIDATES_FILE = "candidates.parquet"
COMPARISON_CSV = "comparison.csv"
COMPARISON_FILE = "comparison.json"
CONTEXT_FILE = "context_coverage.csv"
CONTEXT_PICTURE = "context_coverage.png"
EVALUATION_FILE = "evaluation.json"
MANIFEST_FILE = "manifest.parquet"
PREDICTIONS_FILE = "predictions.parquet"
PREVIEW_FILE = "preview.png"
"""A version that holds it shows it in the web UI and in reports."""
QUALITY_FILE = "quality.json"
QUOTAS_FILE = "quotas.parquet"
RANGES_FILE = "recall_by_range.csv"
REGIONAL_SHORTAGE_FILE = "shortage_by_region.csv"
SAMPLE_FILE = "sample.parquet"
SCENES_FILE = "scenes.parquet"
SHORTAGE_FILE = "shortage.csv"
SPLITS_FILE = "splits.parquet"
TERRITORIES_CSV = "territories.csv"
