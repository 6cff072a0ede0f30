"""TS 33.250: Security assurance for the PGW."""
