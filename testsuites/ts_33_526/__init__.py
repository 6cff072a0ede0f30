"""TS 33.526: Security assurance for the Management Function."""
