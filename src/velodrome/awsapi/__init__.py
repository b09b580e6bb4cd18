"""Any AWS HTTP API, answered from botocore's own model of the service."""
