"""The report: one self-contained HTML page of a run, and figures for papers. Pure functions over records."""
