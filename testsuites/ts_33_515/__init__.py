"""TS 33.515: Security assurance for the Session Management Function."""
