"""TS 33.518: Security assurance for the Network Repository Function."""
