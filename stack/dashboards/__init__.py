"""The Grafana dashboards, built by code: `python -m stack.dashboards` writes stack/grafana/dashboards/*.json.

Owns what is drawn and how; knows the metrics only by name (the tests compare them with the registry).
"""
