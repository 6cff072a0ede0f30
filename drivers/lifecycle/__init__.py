"""Start, stop and health of a network product."""
