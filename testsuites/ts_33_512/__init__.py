"""TS 33.512: Security assurance for the Access and Mobility Management Function."""
