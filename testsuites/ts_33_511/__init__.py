"""TS 33.511: Security assurance for the next generation NodeB."""
