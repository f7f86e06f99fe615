"""Sending: a job's streams onto the wire, by the C core."""
