"""Data quality: one set of rules (config/quality/*.yaml), two independent readers.

gate.py compiles a suite to SQL and runs inside a tick; expect.py runs the same suite through Great Expectations
after it. Both must flag the same rows: a null value never breaks a rule, except the rule that forbids nulls.
"""
