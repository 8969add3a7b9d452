"""The whole pipeline in one terminal, from servers to summary: `sentinel demo`."""
