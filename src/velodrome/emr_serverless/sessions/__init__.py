"""Interactive sessions: Spark Connect servers, and the endpoint that all of them are behind."""
