"""The demo: a registry on loopback and containers with something to update, without internet."""
