"""Spark itself: its releases, what a job asks of spark-submit, and what of this machine runs it."""
