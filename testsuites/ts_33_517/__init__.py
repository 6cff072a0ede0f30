"""TS 33.517: Security assurance for the Security Edge Protection Proxy."""
