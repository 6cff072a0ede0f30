"""TS 33.522: Security assurance for the Service Communication Proxy."""
