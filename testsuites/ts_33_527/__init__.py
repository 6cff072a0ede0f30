"""TS 33.527: Security assurance for 3GPP virtualised network products."""
