"""TS 33.513: Security assurance for the User Plane Function."""
