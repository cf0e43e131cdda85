"""Evaluation: how right what the stages derive turns out to be, on the published warehouse."""
