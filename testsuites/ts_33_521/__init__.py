"""TS 33.521: Security assurance for the Network Data Analytics Function."""
