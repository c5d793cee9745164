"""Reproduction of what `biot` is said to reach: thirteen public sets, beside a ridge and two nets."""
