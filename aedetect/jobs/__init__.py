"""Complete jobs from a configuration, as plain stages; the Prefect flows use the same stages."""
