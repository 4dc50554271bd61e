"""Slipway in the cloud: what is deployed, and how the bundle is made."""
