"""Predictions while a recording is being made: streams of LabStreamingLayer, and replayed files."""
