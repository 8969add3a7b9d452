"""Seeing the pipeline at work: what `sentinel top` and `sentinel demo` show."""
