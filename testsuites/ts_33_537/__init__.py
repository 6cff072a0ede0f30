"""TS 33.537: Security assurance for the AKMA Anchor Function."""
