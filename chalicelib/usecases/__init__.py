"""One verb per file: what a caller may ask of Slipway."""
