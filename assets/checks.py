"""Results of asset checks that several modules give alike."""

from collections.abc import Sequence

from dagster import AssetCheckResult, AssetCheckSeverity, AssetKey


def warned(asset: AssetKey, check: str, problems: Sequence[str]) -> AssetCheckResult:
    """A check that warns of problems, one a line, and stops nothing; passed when there are none."""
    return AssetCheckResult(
        asset_key=asset,
        check_name=check,
        passed=not problems,
        severity=AssetCheckSeverity.WARN,
        description="\n".join(problems) or None,
    )
