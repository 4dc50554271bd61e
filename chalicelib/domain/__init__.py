"""Pure rules and values of Slipway: standard library only, and time is always an argument."""
