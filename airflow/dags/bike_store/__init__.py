"""What the bike store's DAGs do in Python; everything else is SQL and operators."""
