"""Operations: health checks, the access log, the request log and metrics."""
