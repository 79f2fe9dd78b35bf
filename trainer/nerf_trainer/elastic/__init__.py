"""Membership in a training group that changes while it trains."""
