"""Reproduction: thirteen public sets, `biot` beside a ridge and two nets that users would take."""
