"""TS 33.116: Security assurance for the MME."""
