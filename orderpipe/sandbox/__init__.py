"""The outside world in one process: platforms, warehouse, courier and DingTalk over real HTTP.

Written from the platform documentation alone. It shares no code with the clients it is used to test: it has its own
signatures, its own clock and its own truth, so that a mistake made twice is still found.
"""
