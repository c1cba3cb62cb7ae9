"""Rates of a machine that is not yours: for kinds that an installation has never made.

The rows are printed by `python -m benchmarks.rates HOME …` from the lineage records of finished installations: the demonstration,
and the Legal Amazon's six regions on a SIMULATED map. Scenes and maps lay on the disk: reading them from services takes longer.
"""

from collections.abc import Mapping

from mining_platform.rates import Line, Rate

REFERENCE = "2 cores of an Intel Xeon at 2026-11-25 and 26, files on the disk"
"""Machine and day of the rows."""


def _row(kind: str, unit: str, seconds: Line, size: Line, count: int, largest: float) -> Rate:
    return Rate(kind, unit, seconds, size, count, largest, REFERENCE)


_ROWS = (
    _row("annual_report", "", Line(4.919, 0), Line(2.044e07, 0), 2, 0),
    _row("candidates", "windows", Line(22.86, 5.152e-05), Line(0, 3.753), 6, 1.037e06),
    _row("changes", "pixels", Line(0, 3.265e-07), Line(0, 0.1537), 4, 2.777e06),
    _row("comparison", "pixels", Line(0, 6.221e-07), Line(0, 0.14), 4, 2.777e06),
    _row("detections", "pixels", Line(0, 1.496e-06), Line(0, 2.26), 4, 2.777e06),
    _row("elevation", "pixels", Line(0, 3.392e-07), Line(0, 2.386), 4, 2.777e06),
    _row("evaluation/small-cnn", "pixels x epochs", Line(0.4615, 4.156e-08), Line(1.321e05, 0), 4, 2.621e06),
    _row("evaluation/small-unet", "pixels x epochs", Line(0, 4.314e-07), Line(0, 0.2264), 1, 2.621e06),
    _row("experiment_summary", "", Line(0.181, 0), Line(1.472e05, 0), 2, 0),
    _row("label", "pixels", Line(0.1081, 5.684e-08), Line(6.202e04, 0.06681), 5, 2.777e06),
    _row("land_cover", "map pixels", Line(0.4822, 1.889e-08), Line(0, 0.04111), 6, 1.929e09),
    _row("lineage_audit", "", Line(1.401, 0), Line(1.645e06, 0), 2, 0),
    _row("manifest", "patches", Line(0.1614, 3.852e-05), Line(3.378e04, 167.1), 4, 600),
    _row("model/small-cnn", "pixels x epochs", Line(0, 3.379e-07), Line(0, 0.009377), 4, 4.194e07),
    _row("model/small-unet", "pixels x epochs", Line(0, 1.212e-06), Line(0, 0.1556), 1, 1.311e07),
    _row("mosaic", "values", Line(0, 9.813e-09), Line(0, 0.9889), 4, 5.332e08),
    _row("mosaic_quality", "pixels", Line(0, 1.372e-07), Line(0, 0.04222), 4, 2.777e06),
    _row("osm_context", "pixels", Line(0, 3.775e-07), Line(0, 0.1423), 2, 2.777e06),
    _row("package", "patch pixels", Line(2.136, 0), Line(4.417e06, 0.1199), 4, 2.605e06),
    _row("patches", "patch pixels", Line(1.677, 0), Line(1.433e06, 12.04), 8, 1.36e06),
    _row("quotas", "", Line(0.044, 0), Line(5267, 0), 9, 0),
    _row("radar", "pixels", Line(0, 2.012e-06), Line(0, 3.244), 4, 2.777e06),
    _row("sample", "windows", Line(0.01345, 2.354e-07), Line(500.4, 0.1059), 6, 1.037e06),
    _row("scenes", "scenes", Line(0, 0.001875), Line(0, 2967), 4, 16),
    _row("splits", "patches", Line(0, 0.0005636), Line(0, 80.17), 1, 2475),
    _row("territories", "", Line(0.5125, 0), Line(844, 0), 2, 0),
)
REFERENCE_RATES: Mapping[str, Rate] = {row.kind: row for row in _ROWS}
"""By kind."""
