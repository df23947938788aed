"""Prefect flows: order, retries, schedules; no arithmetic."""
