"""Benchmarks: each sets what we do beside a floor, the least that the work can cost, both measured in one run.

A benchmark is a module of this package with a function `measure(options) -> Report`; its docstring says what is
measured against what. `python -m tests.benchmarks [NAME …] [--people N] [--json]`, or `make bench NAME=…`.
"""
