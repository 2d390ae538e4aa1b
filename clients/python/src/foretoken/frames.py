"""Rows of the API as a table, and as a frame of pandas or polars for those who have them.

Neither is a dependency: the module of a frame is imported when one is asked for.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Mapping, Sequence, Union

from .errors import ForetokenError

if TYPE_CHECKING:
    import pandas  # type: ignore[import-untyped]
    import polars

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
#: RFC 3339 in UTC, as the API writes it; Python 3.9 itself reads no `Z` and not every fraction.
MOMENT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,6})\d*)?Z")


class Table(Sequence[Mapping[str, Any]]):
    """Rows as the API answered them. `next_before` asks for the next page; `None` on the last.

    In a frame, moments (`…_us`, `…_at`) become times in UTC under `…_at`, amounts and prices become floats,
    and what is nested gets a column for each member, `counted.p_ppm`. The rows keep exact texts.
    """

    def __init__(self, rows: Sequence[Mapping[str, Any]], next_before: Union[str, int, None] = None) -> None:
        self.rows = [dict(row) for row in rows]
        self.next_before = next_before

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, at: Any) -> Any:
        return self.rows[at]

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        return iter(self.rows)

    def __repr__(self) -> str:
        return f"Table({len(self.rows)} rows, next_before={self.next_before!r})"

    def columns(self) -> Dict[str, List[Any]]:
        """The columns of a frame, each as long as the table."""
        flat = [_flat(row) for row in self.rows]
        names = list(dict.fromkeys(name for row in flat for name in row))
        return {name: _alike([row.get(name) for row in flat]) for name in names}

    def to_pandas(self) -> pandas.DataFrame:
        """A `pandas.DataFrame`."""
        try:
            import pandas
        except ImportError as error:
            raise ForetokenError("pandas is not installed: pip install pandas") from error
        return pandas.DataFrame(self.columns())

    def to_polars(self) -> polars.DataFrame:
        """A `polars.DataFrame`."""
        try:
            import polars
        except ImportError as error:
            raise ForetokenError("polars is not installed: pip install polars") from error
        return polars.DataFrame(self.columns(), strict=False)


def _flat(row: Mapping[str, Any], before: str = "") -> Dict[str, Any]:
    flat: Dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, Mapping):
            flat.update(_flat(value, f"{before}{name}."))
        elif name.endswith("_us") and isinstance(value, int):
            flat[f"{before}{name[:-3]}_at"] = EPOCH + timedelta(microseconds=value)
        elif name.endswith("_at") and f"{name[:-3]}_us" in row:
            # The same moment as a text: the number comes anyway.
            continue
        elif name.endswith("_at") and isinstance(value, str):
            flat[before + name] = _moment(value)
        else:
            flat[before + name] = value
    return flat


def _moment(text: str) -> Union[datetime, str]:
    found = MOMENT.fullmatch(text)
    if found is None:
        return text
    second, fraction = found.groups("0")
    whole = datetime.fromisoformat(second).replace(tzinfo=timezone.utc)
    return whole + timedelta(microseconds=int(fraction.ljust(6, "0")))


def _alike(values: List[Any]) -> List[Any]:
    """A column of exact numbers written as texts, as floats; any other as it is."""
    texts = [value for value in values if value is not None]
    if not texts or not all(isinstance(value, str) for value in texts):
        return values
    try:
        return [None if value is None else float(Decimal(value)) for value in values]
    except InvalidOperation:
        return values
