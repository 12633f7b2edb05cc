"""Read in a loop, each time in one transaction, and count what is not whole. Given: environment, stop, results."""

import os

os.environ.update(environment)  # noqa: F821

from orderpipe import config
from orderpipe.lake import reader

# Orders; orders without lines, lines without an order, orders without their version, versions past the cursor.
HALF_STATES = """
    SELECT (SELECT count(*) FROM core.orders),
           (SELECT count(*) FROM core.orders o ANTI JOIN core.order_items i USING (order_id)),
           (SELECT count(*) FROM core.order_items i ANTI JOIN core.orders o USING (order_id, source_seq)),
           (SELECT count(*) FROM core.orders o ANTI JOIN core.order_versions v USING (order_id, source_seq)),
           (SELECT count(*) FROM core.order_versions
            WHERE source_seq > (SELECT seq FROM flow.cursors WHERE stage = 'pool'))"""

reads, errors, halves, seen = 0, [], [], set()
with reader(config.load(), vault=True) as con:
    while not stop.is_set():  # noqa: F821
        try:
            con.execute("BEGIN")
            counts = con.execute(HALF_STATES).fetchone()
            con.execute("COMMIT")
        except Exception as error:
            errors.append(repr(error))
            break
        reads += 1
        seen.add(counts[0])
        if any(counts[1:]):
            halves.append(counts)
results.put((reads, errors, halves, len(seen)))  # noqa: F821
