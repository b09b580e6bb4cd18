"""Spark itself: its releases, what a job asks of spark-submit, and the JVM that runs it."""
