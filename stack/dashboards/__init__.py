"""The Grafana dashboards, built by code: `python -m stack.dashboards` writes stack/grafana/dashboards/*.json.

Owns what is drawn and how; knows the metrics by their names alone (the tests hold them against the registry).
"""
