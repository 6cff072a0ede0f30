"""TS 33.226: Security assurance for IMS network products."""
