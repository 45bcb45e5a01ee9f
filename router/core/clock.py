"""The only place that reads the time."""

from __future__ import annotations

import time

monotonic_s = time.monotonic
"""Seconds since an arbitrary point; for deadlines and durations."""

unix_s = time.time
"""Seconds since 1970-01-01 UTC; for records."""
