"""What InfluxDB's own metrics tell about its size."""

import pytest

from schema.timeseries.influx2.figures import told
from schema.timeseries.management import ServerFigures

pytestmark = pytest.mark.unit

# Lines of a 2.9.1 with one organisation, three buckets of ours and two shards.
METRICS = """\
# HELP go_memstats_heap_released_bytes Number of heap bytes released to OS.
# TYPE go_memstats_heap_released_bytes gauge
go_memstats_heap_released_bytes 5.627904e+06
go_memstats_sys_bytes 1.26335272e+08
# TYPE influxdb_buckets_total counter
influxdb_buckets_total 5
influxdb_info{arch="amd64",build_date="2026-11-28T20:53:43Z",commit="none",cpus="2",os="linux",version="2.9.1"} 1
influxdb_organizations_total 1
# TYPE storage_shard_series gauge
storage_shard_series{bucket="0a",engine="tsm1",id="1",path="/e/data/0a/autogen/1",walPath="/e/wal/0a/autogen/1"} 12
storage_shard_series{bucket="0a",engine="tsm1",id="2",path="/e/data/0a/autogen/2",walPath="/e/wal/0a/autogen/2"} 12
"""


def test_buckets_shards_and_memory_are_read_from_the_metrics() -> None:
    """InfluxDB's own two buckets of each organisation are none of ours; released memory is no longer held."""
    assert told("v2.9.1", METRICS) == ServerFigures("v2.9.1", buckets=3, shards=2, memory_bytes=120_707_368)


@pytest.mark.parametrize("metrics", ["", "<html>forbidden</html>", "influxdb_buckets_total many\n"])
def test_what_is_not_told_is_not_guessed(metrics: str) -> None:
    """Metrics may be switched off, or come from something else: then there is the version alone."""
    assert told("x" * 100, metrics) == ServerFigures("x" * 32)


def test_a_server_without_shards_has_none() -> None:
    """Nothing was written yet: that is a number, not a gap."""
    fresh = "influxdb_buckets_total 3\ninfluxdb_organizations_total 1\n"

    assert told("v2.9.1", fresh) == ServerFigures("v2.9.1", buckets=1, shards=0)
