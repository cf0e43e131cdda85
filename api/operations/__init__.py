"""What is noted of requests: the access log, the request log, the metrics."""
