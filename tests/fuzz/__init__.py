"""Targets for coverage-guided fuzzing; run with atheris, which is not among the locked dependencies."""
