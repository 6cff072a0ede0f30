"""How to talk to a network product."""
