"""EMR Serverless: applications and job runs behind AWS's own API, with Spark run for real."""
