"""Dashboards: the live Spark UI and the history server, behind addresses with a token."""
