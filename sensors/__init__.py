"""What starts work: the schedule of the tick, and sensors for dispatch, quality and failed runs."""
