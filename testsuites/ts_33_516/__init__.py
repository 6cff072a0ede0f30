"""TS 33.516: Security assurance for the Authentication Server Function."""
