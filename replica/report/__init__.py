"""The report on a replica, and the gate that a pipeline puts before it: both say what an evaluation found."""
