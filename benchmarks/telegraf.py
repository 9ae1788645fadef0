"""Telegraf as the peer: the same topics from the same broker into the same sink, where its binary is on PATH.

Its promise is the nearest to ours: ``persistent_session`` with a bounded number of undelivered messages acknowledges
after the write. The bucket is chosen by a tag, as ours is by the inverter. Its defaults, except: no gzip (cheaper on
one computer), a request at 1,000 metrics or after a second.
"""

from pathlib import Path

from benchmarks.processes import Measured, start

_COMMON = """
[agent]
  interval = "1s"
  flush_interval = "1s"
  metric_batch_size = {batch}
  metric_buffer_limit = 100000
  omit_hostname = true

[[outputs.influxdb_v2]]
  urls = ["{server}"]
  token = "none"
  organization = "bench"
  bucket_tag = "login"
  exclude_bucket_tag = true
  content_encoding = "identity"

[[inputs.mqtt_consumer]]
  servers = ["tcp://127.0.0.1:{port}"]
  topics = ["{topics}"]
  qos = 1
  persistent_session = true
  client_id = "bridge"
  username = "bridge"
  password = "{password}"
  max_undelivered_messages = 1000
"""

DOCUMENTS = """
  topic_tag = ""
  data_format = "json"
  json_time_key = "time"
  json_time_format = "unix_ms"
  [[inputs.mqtt_consumer.topic_parsing]]
    topic = "deye/+/reading"
    tags = "_/login/_"
"""

# One topic of two, three or four levels below the root, each with its own rule.
SCALARS = """
  data_format = "value"
  data_type = "float"
""" + "".join(
    f"""
  [[inputs.mqtt_consumer.topic_parsing]]
    topic = "deye/+/{"/".join("+" * depth)}"
    tags = "_/login/{"/".join("_" * depth)}"
"""
    for depth in (1, 2, 3)
)


def start_telegraf(
    program: str, folder: Path, form: str, *, port: int, server: str, password: str, on: set[int]
) -> Measured:
    """Telegraf reading ``form`` (``DOCUMENTS`` or ``SCALARS``) on the cores ``on``; its log is ``telegraf.log``."""
    topics = "deye/+/reading" if form is DOCUMENTS else "deye/#"
    text = _COMMON.format(batch=1000, server=server, port=port, password=password, topics=topics) + form
    configuration = folder / "telegraf.conf"
    configuration.write_text(text)
    return start([program, "--config", str(configuration)], on=on, log=folder / "telegraf.log")
