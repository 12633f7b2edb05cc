"""Dagster's view of the flow: one module per stage, thin; the work is done by orderpipe/ and sql/.

Nothing heavy is imported at the top of these modules: every run loads them, and every import is paid by every run.
"""
